"""Finished trials from tables, journals and Optuna's storages, recorded once; and many rows into the queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import ConflictError, MachineError, NotFoundError, UsageError
from journaltune.engine import import_trials as engine
from journaltune.engine.import_trials import Imported
from journaltune.journal import file as files

PARAMS = {"lr": "log(1e-5, 1e-1)", "opt": "adam | sgd | null | true | 3", "n": "int(1, 9)"}
Call = Callable[..., tuple[int, str, str]]


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": PARAMS, "seed": 1, "metric_names": ["loss"], **options})


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return make(tmp_path / "study.journal")


def with_all_states(path: Path) -> Study:
    """A study with a trial in each state, with attributes, constraints and reports."""
    study = make(path)
    trials = [study.ask() for _ in range(6)]
    study.tell(trials[0], 0.1 + 0.2, attrs={"note": 'a,"b"', "k": 3, "list": [1, "x"], "formula": "=1"}, constraints={"c": -1.5})
    trials[1].report(0.25, 3)
    trials[1].report(float("inf"), 5)
    study.tell(trials[1], float("inf"))
    study.tell(trials[2], state="fail", reason="oom")
    study.tell(trials[3], float("nan"))
    trials[4].report(0.7, 1)
    study.tell(trials[4], state="pruned")
    return study


def content(study: Study) -> list[Any]:
    return [
        (
            trial.state.name,
            trial.params,
            trial.values,
            trial.user_attrs,
            trial.constraints,
            trial.intermediate_values,
            trial.datetime_start,
            trial.datetime_complete,
        )
        for trial in study.get_trials(["complete", "pruned", "fail"])
    ]


def stock(path: Path) -> optuna.Study:
    return optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))


@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "journal"])
def test_what_trials_prints_comes_back_whole_and_once(call: Call, tmp_path: Path, form: str) -> None:
    old = with_all_states(tmp_path / "old.journal")
    source = "old.journal"
    if form != "journal":
        source = f"old.{form}"
        Path(source).write_text(call("trials", "-f", "old.journal", "--format", form)[1])
    study = make(tmp_path / "study.journal")
    assert call("import", source) == (0, '{"imported": 5, "known": 0, "unfinished": 1, "refused": 0}\n', "")
    assert content(study) == content(old)
    assert call("import", source)[1] == '{"imported": 0, "known": 5, "unfinished": 1, "refused": 0}\n'
    assert len(study.trials) == 5
    theirs = stock(tmp_path / "study.journal").trials
    assert [(trial.state.name, trial.params, trial.values) for trial in theirs] == [part[:3] for part in content(old)]


def test_nothing_is_added_to_the_study_that_the_trials_are_of(call: Call, tmp_path: Path) -> None:
    with_all_states(tmp_path / "study.journal")
    Path("own.csv").write_text(call("trials", "--format", "csv")[1])
    assert call("import", "own.csv")[1] == '{"imported": 0, "known": 5, "unfinished": 1, "refused": 0}\n'


def test_optunas_dataframe_as_csv(tmp_path: Path, study: Study) -> None:
    pandas = pytest.importorskip("pandas")
    theirs = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("host", "gpu1")
        trial.set_constraint("c", 0.5)
        opt = trial.suggest_categorical("opt", ["adam", "sgd", None, True, 3])
        return trial.suggest_float("lr", 1e-5, 1e-1, log=True) + trial.suggest_int("n", 1, 9) + (opt == 3)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    theirs.optimize(objective, n_trials=20)
    frame = theirs.trials_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    frame.to_csv(tmp_path / "t.csv")
    done = study.import_trials(str(tmp_path / "t.csv"))
    assert (done.n_imported, done.refused, done.notes) == (20, (), ())
    assert [(t.params, t.values, t.user_attrs) for t in study.trials] == [
        (t.params, t.values, t.user_attrs) for t in theirs.trials
    ]
    assert [t.datetime_start and t.datetime_start.timestamp() for t in study.trials] == [
        t.datetime_start and t.datetime_start.timestamp() for t in theirs.trials
    ]


def test_a_table_of_weights_and_biases(tmp_path: Path, study: Study) -> None:
    path = tmp_path / "export.csv"
    path.write_text(
        "Name,State,Runtime,lr,opt,n,val/loss\nquiet-sun-1,finished,12,0.01,adam,3.0,0.5\nb,crashed,1,0.02,sgd,4,\n"
        "c,running,3,0.02,sgd,4,0.1\nd,finished,5,0.03,3.0,5,NaN\n"
    )
    done = study.import_trials(str(path), value="val/loss")
    assert (done.n_imported, done.n_unfinished, done.refused) == (3, 1, ())
    assert done.notes == ("columns that are not taken: Name, Runtime",)
    found = [(trial.state.name, trial.params, trial.values, trial.user_attrs) for trial in study.trials]
    assert found == [
        ("COMPLETE", {"lr": 0.01, "opt": "adam", "n": 3}, [0.5], {}),
        ("FAIL", {"lr": 0.02, "opt": "sgd", "n": 4}, None, {}),
        ("FAIL", {"lr": 0.03, "opt": 3, "n": 5}, None, {"fail_reason": "nan"}),
    ]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("params_lr,params_opt,params_n,value", "0.01,adam,3,0.5"),
        ("params.lr;params.opt;params.n;metrics.loss", "0.01;adam;3;0.5"),
        ("config/lr\tconfig/opt\tconfig/n\tloss", "1e-2\tadam\t3\t.5"),
        ("n,opt,lr,values_loss,state", "3,adam,0.01,0.5,TrialState.COMPLETE"),
        ("\ufefflr,opt,n,loss", "0.01,adam,3,5e-1"),
        ("lr,opt,n,loss", '{"lr": 0.01, "opt": "adam", "n": 3, "loss": 0.5}'),
        ("lr,opt,n,loss", '[{"params": {"lr": 0.01, "opt": "adam", "n": 3}, "values": [0.5]}]'),
    ],
)
def test_columns_are_found_by_name(tmp_path: Path, study: Study, header: str, row: str) -> None:
    path = tmp_path / "t.txt"
    path.write_text(row if row[0] in "{[" else f"{header}\n{row}\n", encoding="utf-8")
    assert study.import_trials(str(path)).n_imported == 1
    (trial,) = study.trials
    assert (trial.params, trial.values) == ({"lr": 0.01, "opt": "adam", "n": 3}, [0.5])


def test_refused_rows_are_named_and_counted_and_the_others_recorded(call: Call, tmp_path: Path, study: Study) -> None:
    (tmp_path / "t.csv").write_text(
        "lr,opt,n,loss,state\n0.01,adam,3,0.5,\n5,adam,3,0.5,\n0.01,rmsprop,3,0.5,\n0.01,adam,3.5,0.5,\n0.01,adam,,0.5,\n"
        '0.01,adam,3\n0.01,adam,3,,\n0.01,adam,3,x,\n0.01,adam,3,1,odd\n"0.01","ad\nam",3,1,\n0.01,adam,3,,complete\n0.01,,3,0.25,\n'
    )
    code, out, err = call("import", "t.csv")
    assert (code, out) == (1, '{"imported": 2, "known": 0, "unfinished": 0, "refused": 10}\n')
    lines = [line.removeprefix("journaltune: import: refused: ") for line in err.splitlines()]
    assert [line.partition(":")[0] for line in lines] == [f"line {n}" for n in (3, 4, 5, 6, 7, 8, 9, 10, 11, 13)]
    for line, what in zip(
        lines,
        (
            "lr: 5 is not allowed",
            "opt: 'rmsprop' is not one of",
            "n: 3.5 is not allowed",
            "n is missing",
            "it has 3 cells, and the header 5 columns",
            "there is no result in loss",
            "loss is 'x', which is no number",
            "'odd' is no state that is known",
            "opt: 'ad\\nam' is not one of",
            "it is complete, but there is no result in loss",
        ),
        strict=True,
    ):
        assert what in line
    assert [trial.params["opt"] for trial in study.trials] == ["adam", None]


def test_a_text_that_may_be_two_choices_is_refused(tmp_path: Path) -> None:
    study = make(tmp_path / "study.journal", params={"size": '32 | "32" | 64'})
    (tmp_path / "t.csv").write_text("size,loss\n32,1\n64,2\n")
    assert study.import_trials(str(tmp_path / "t.csv")).refused == (
        "line 2: size: 32 may be a number or a text, and both are choices; write the row as JSON",
    )


def test_the_same_trial_twice_in_a_table_is_two_and_a_longer_table_adds_the_rest(tmp_path: Path, study: Study) -> None:
    path, row = tmp_path / "t.jsonl", '{"lr": 0.01, "opt": "adam", "n": 3, "loss": 0.5}\n'
    for n_rows, n_imported in ((2, 2), (2, 0), (5, 3)):
        path.write_text(row * n_rows)
        assert study.import_trials(str(path)).n_imported == n_imported
    assert len(study.trials) == 5


def test_several_objectives(tmp_path: Path) -> None:
    study = make(tmp_path / "study.journal", directions=["minimize", "maximize"], metric_names=["loss", "acc"])
    row = {"lr": 0.01, "opt": "adam", "n": 3}
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({**row, **each}) + "\n" for each in ({"loss": 1, "acc": 2}, {"values": [3, 4]})))
    assert study.import_trials(str(path)).refused == ("line 2: there is no result in loss, acc",)
    path.write_text(json.dumps({**row, "values": [3, 4]}))
    assert study.import_trials(str(path)).n_imported == 1
    path.write_text(json.dumps({**row, "a": 5, "b": 6}))
    assert study.import_trials(str(path), value=["b", "a"]).n_imported == 1
    assert [trial.values for trial in study.trials] == [[1, 2], [3, 4], [6, 5]]
    with pytest.raises(UsageError, match="the study has 2 objectives; name a column for each, not 1"):
        study.import_trials(str(path), value="a")


@pytest.mark.parametrize(
    ("text", "value", "message"),
    [
        ("", None, "is empty; give it rows"),
        ("a,b\n1,2\n", None, "no column is a parameter of the study: there are a, b, and its parameters are lr, opt, n"),
        ("lr,opt,n,los\n", "loss", "there is no column 'loss'; did you mean los?"),
        ("lr,opt,n,los\n", None, "no column is called like loss; name it with --value, such as --value los"),
        ("lr,lr\n", None, "has two columns 'lr'; rename one"),
        ("[1, 2", None, "is neither a JSON array nor JSON lines"),
        ('lr,opt\n"a' + "b" * 200_000, None, "is no CSV at line 2: field larger than field limit"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused_whole(
    tmp_path: Path, study: Study, text: str, value: str | None, message: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        study.import_trials(str(path), value=value)
    assert message in str(caught.value)
    assert study.trials == []


@pytest.mark.parametrize("line", ["5", "{", "[1]", '"a"'])
def test_a_line_that_is_no_object_is_one_refused_row(tmp_path: Path, study: Study, line: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"lr": 0.01, "opt": "adam", "n": 3, "loss": 0.5}}\n{line}\n')
    assert study.import_trials(str(path)) == Imported(1, 0, 0, ("line 2: it is no JSON object",))


def test_another_study_has_to_have_the_same_directions(tmp_path: Path, study: Study) -> None:
    make(tmp_path / "other.journal", directions=["maximize"])
    with pytest.raises(ConflictError, match="other directions"):
        study.import_trials(str(tmp_path / "other.journal"))


def test_of_several_studies_the_one_that_is_named_or_called_alike(tmp_path: Path, study: Study) -> None:
    path = tmp_path / "many.journal"
    for name, value in (("study", 1.0), ("other", 2.0)):
        other = make(path, study_name=name)
        other.tell(other.ask(), value)
    assert study.import_trials(str(path)).n_imported == 1
    assert study.import_trials(str(path), source_study="other").n_imported == 1
    assert [trial.values for trial in study.trials] == [[1.0], [2.0]]
    with pytest.raises(NotFoundError):
        study.import_trials(str(path), source_study="nobody")
    with pytest.raises(UsageError, match="several studies"):
        make(tmp_path / "third.journal", study_name="third").import_trials(str(path))


def test_an_optuna_storage(tmp_path: Path, study: Study) -> None:
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    with pytest.raises(NotFoundError, match="there is no database"):
        study.import_trials(url)
    assert not (tmp_path / "optuna.db").exists()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    theirs = optuna.create_study(storage=url, study_name="digits")
    space = {name: optuna.distributions.json_to_distribution(text) for name, text in study._study.stored_distributions.items()}
    theirs.add_trial(optuna.create_trial(params={"lr": 0.01, "opt": None, "n": 2}, distributions=space, value=0.5))
    theirs.enqueue_trial({"lr": 0.02})
    wide = {**space, "n": optuna.distributions.IntDistribution(1, 99)}
    theirs.add_trial(optuna.create_trial(params={"lr": 0.01, "opt": 3, "n": 50}, distributions=wide, value=0.5))
    done = study.import_trials(url)
    assert (done.n_imported, done.n_unfinished) == (1, 1)
    assert done.refused == ("trial 2: n: 50 is not allowed; give an integer from 1 to 9",)
    assert study.trials[0].params == {"lr": 0.01, "opt": None, "n": 2}
    with pytest.raises(UsageError, match="can't be read by Optuna"):
        study.import_trials("nonsense://host/db")
    optuna.create_study(storage=url, study_name="second")
    with pytest.raises(NotFoundError, match="has no study 'study'; it has 'digits', 'second': name one with --from"):
        study.import_trials(url)


def test_a_large_table_is_recorded_in_batches(tmp_path: Path, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_BATCH", 7)
    path = tmp_path / "t.csv"
    path.write_text("lr,opt,n,loss\n" + "".join(f"0.01,adam,{1 + k % 9},{k}\n" for k in range(100)))
    assert study.import_trials(str(path)).n_imported == 100
    assert [trial.values for trial in load_study(tmp_path / "study.journal").trials] == [[float(k)] for k in range(100)]


def test_a_disk_that_fills_up_says_how_many_are_in_and_the_next_call_goes_on(
    tmp_path: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_BATCH", 10)
    path = tmp_path / "t.csv"
    path.write_text("lr,opt,n,loss\n" + "".join(f"0.01,adam,3,{k}\n" for k in range(40)))
    append, n_calls = files.append, [0]

    def full(*arguments: Any) -> None:
        n_calls[0] += 1
        if n_calls[0] == 3:
            raise MachineError("the disk is full")
        append(*arguments)

    monkeypatch.setattr(files, "append", full)
    with pytest.raises(MachineError, match="the disk is full; 20 trials are in already, and the same import goes on"):
        study.import_trials(str(path))
    assert study.import_trials(str(path)) == Imported(20, 20, 0, ())
    assert [trial.values for trial in study.trials] == [[float(k)] for k in range(40)]


def test_samplers_learn_from_imported_trials_and_verify_passes_over_them(tmp_path: Path, study: Study) -> None:
    path = tmp_path / "t.csv"
    path.write_text("lr,opt,n,loss\n" + "".join(f"0.0{k},sgd,{k % 9 + 1},{abs(k - 30)}\n" for k in range(10, 60)))
    study.import_trials(str(path))
    assert study.best_value == 0
    for _ in range(3):
        study.tell(study.ask(), 1.0)
    verdict = study.verify()
    assert (verdict.difference, verdict.n_verified, verdict.n_foreign) == (None, 3, 50)


def test_many_rows_are_queued_in_their_order(call: Call, tmp_path: Path, study: Study) -> None:
    (tmp_path / "q.csv").write_text("params_lr,opt,n\n0.01,adam,3\n0.02,,\n,true,4\n")
    assert call("enqueue", "--file", "q.csv") == (0, '{"number": 0}\n{"number": 1}\n{"number": 2}\n', "")
    (tmp_path / "q.jsonl").write_text('{"lr": 0.03}\n{"opt": null, "lr": 0.04}\n')
    assert call("enqueue", "--file", "q.jsonl")[1] == '{"number": 3}\n{"number": 4}\n'
    queued = [trial.system_attrs["fixed_params"] for trial in study.trials]
    assert queued == [
        {"lr": 0.01, "opt": "adam", "n": 3},
        {"lr": 0.02},
        {"opt": True, "n": 4},
        {"lr": 0.03},
        {"lr": 0.04, "opt": None},
    ]
    assert [study.ask().params["lr"] for _ in range(2)] == [0.01, 0.02]


def test_one_wrong_row_and_nothing_is_queued(call: Call, tmp_path: Path, study: Study) -> None:
    (tmp_path / "q.csv").write_text("lr,opt\n0.01,adam\n5,adam\n0.01,odd\n0.01\n")
    code, out, err = call("enqueue", "--file", "q.csv")
    assert (code, out, study.trials) == (2, "", [])
    assert err.splitlines() == [
        "journaltune: enqueue: line 3: lr: 5 is not allowed; give a number from 1e-05 to 0.1",
        "journaltune: enqueue: line 4: opt: 'odd' is not one of the choices; give one of 'adam', 'sgd', None, True, 3",
        "journaltune: enqueue: line 5: it has 1 cells, and the header 2 columns",
        "journaltune: enqueue: 3 rows are wrong, so none was queued; mend them, and repeat",
    ]
    (tmp_path / "q.csv").write_text("lr,optm\n0.01,adam\n")
    assert "q.csv has columns that are no parameters: 'optm'" in call("enqueue", "--file", "q.csv")[2]


def test_rows_of_a_repeated_request_or_that_exist_are_not_queued_again(call: Call, tmp_path: Path, study: Study) -> None:
    (tmp_path / "q.csv").write_text("lr,opt,n\n0.01,adam,3\n0.02,adam,4\n0.01,adam,3\n")
    once = call("enqueue", "--file", "q.csv", "--request-id", "first")
    assert call("enqueue", "--file", "q.csv", "--request-id", "first") == once
    assert call("enqueue", "--file", "q.csv", "--skip-if-exists")[1] == '{"number": null}\n' * 3
    (tmp_path / "q.csv").write_text("lr,opt,n\n0.05,adam,3\n0.05,adam,3\n")
    assert call("enqueue", "--file", "q.csv", "--request-id", "first")[0] == 4
    assert call("enqueue", "--file", "q.csv", "--skip-if-exists")[1] == '{"number": 3}\n{"number": null}\n'
    assert len(study.trials) == 4


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("enqueue", "--params is missing; for example"),
        ("enqueue --params {} --file a.csv", "give either --params or --file"),
        ("enqueue --csv a.csv", "write --file FILE"),
        ("enqueue a.csv", "; write --file a.csv"),
        ("import", "FILE|JOURNAL|URL is missing"),
        ("import --csv a.csv", "name what to read behind the command"),
        ("import a.csv --metric loss", "write --value COLUMN"),
        ("import nowhere.csv", "nowhere.csv can't be read: No such file or directory"),
        ("import a\0b.csv", "can't be read: embedded null byte"),
        ("enqueue --file a\0b.csv", "can't be read: embedded null byte"),
        ("copy a\0b.journal", "is no file name"),
        ("compact a\0b.journal", "is no file name"),
        ("ingest a.csv", "`journaltune import` does that"),
        ("space", "FILE is missing"),
        ("space --file a.yaml", "name the file behind the command"),
        ("space nowhere.yaml", "nowhere.yaml: can't be read"),
    ],
)
def test_a_wrong_call_says_what_is_right(call: Call, study: Study, line: str, hint: str) -> None:
    code, out, err = call(*line.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert hint in err
