"""Spaces with rules, in every command and every call that reads or hands out a trial."""

from __future__ import annotations

import json
import pickle
import shlex
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
import rustuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import journaltune
from journaltune.base.errors import JournaltuneError, UsageError
from journaltune.cli import main
from journaltune.engine.ask import ask
from journaltune.run.prepare import Call, prepare
from journaltune.space import Space, space_from_params

Run = Callable[..., str]

PARAMS = {
    "opt": "adam | sgd",
    "momentum": "float(0, 0.99) if opt == sgd",
    "batch_pow": "int(3, 6)",
    "batch": "= 2 ** batch_pow",
    "arch": "choice(tiny=[64], small=[64, 64])",
    "order": "permutation(a, b, c)",
    "mix": "simplex(x, y)",
    "shift": "normal(0, 1) if opt == adam",
}
REQUIRE = ["batch_pow != 4"]
SGD = {"opt": "sgd", "momentum": 0.5, "batch_pow": 5, "arch": [64, 64], "order": ["c", "a", "b"], "mix": {"x": 0.25, "y": 0.75}}
SHOWN = {"opt": "sgd", "momentum": 0.5, "batch_pow": 5, "batch": 32, **{name: SGD[name] for name in ("arch", "order", "mix")}}
ADAM = {"opt": "adam", "shift": 0.5, "batch_pow": 3, "arch": "tiny", "order": ["a", "b", "c"], "mix": {"x": 0.5, "y": 0.5}}


@pytest.fixture
def study(tmp_path: Path) -> journaltune.Study:
    return journaltune.create_study(tmp_path / "study.journal", params=PARAMS, require=REQUIRE, seed=1, sampler="tpe")


@pytest.fixture
def run(study: journaltune.Study, run: Run) -> Run:
    """Calls a command where the study is."""
    return run


def test_words_for_a_command(study: journaltune.Study, run: Run) -> None:
    study.enqueue(SGD)
    words = shlex.split(run("ask", "--format", "args"))
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    assert pairs == {
        "--opt": "sgd",
        "--momentum": "0.5",
        "--batch_pow": "5",
        "--batch": "32",
        "--arch": "[64, 64]",
        "--order": '["c", "a", "b"]',
        "--mix": '{"x": 0.25, "y": 0.75}',
    }
    study.tell(0, 1.0)
    assert shlex.split(run("best", "--format", "args")) == words


def test_the_trial_that_words_are_of_is_said(
    study: journaltune.Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path(study._study.path).parent)
    assert main(["ask", "--format", "args", "-n", "2"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert [line.partition(";")[0] for line in captured.err.splitlines()] == [f"journaltune: this is trial {n}" for n in range(2)]


def test_status_shows_the_space(run: Run) -> None:
    lines = run("status").splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("space "))
    assert [line[11:] for line in lines[first : first + 9]] == [
        "opt: adam | sgd",
        "momentum: float(0.0, 0.99) if opt == sgd",
        "batch_pow: int(3, 6)",
        "batch: = 2 ** batch_pow",
        "arch: choice(tiny=[64], small=[64, 64])",
        "order: permutation(a, b, c)",
        "mix: simplex(x, y)",
        "shift: normal(0.0, 1.0) if opt == adam",
        "require: batch_pow != 4",
    ]
    run("create", "--exist-ok", *(f"--param=x{number}: float(0, 1)" for number in range(8)))
    lines = run("status").splitlines()
    assert lines[first + 12] == "           and 5 more"
    assert lines[first + 13].startswith("with ")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("optimizer == sgd", "optimizer is not a parameter; did you mean opt?"),
        ("num_layers > 1", "did you mean layers?"),
        ("learning_rate > 1", "did you mean lr?"),
        ("LR > 1", "did you mean lr?"),
        ("opt_name_of_it == sgd", "did you mean opt_name?"),
        ("opt == layers_many", "layers_many is not a parameter and not a choice of opt; it is one of adam, sgd"),
        ("decay > 1", "declare it, or quote it if it is a text"),
    ],
)
def test_a_name_in_another_form_is_known_again(word: str, hint: str) -> None:
    params = {"lr": "float(0, 1)", "opt": "adam | sgd", "opt_name": "adam | sgd", "layers": "int(1, 8)"}
    with pytest.raises(JournaltuneError) as caught:
        space_from_params(params, word)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"batch": 64}, "batch is computed, so it can't be given alone; give batch_pow"),
        ({"batch_pow": 4}, "require: batch_pow != 4 does not hold; change batch_pow"),
        ({"opt": "sgd", "momentum": None}, "momentum is null, and there where opt == sgd holds; give a number from 0.0 to 0.99"),
        ({"opt": "adam", "momentum": 0.5}, "momentum is absent where opt == sgd does not hold; leave it out"),
        ({"mix": [0.5, 0.5]}, "mix: [0.5, 0.5] is not allowed; give a mapping of x, y to proportions that sum to 1"),
    ],
)
def test_enqueue_says_what_can_not_be(run: Run, params: dict[str, object], message: str) -> None:
    assert message in run("enqueue", "--params", json.dumps(params), code=2)
    assert json.loads(run("status", "--format", "json"))["trials"]["waiting"] == 0


def test_enqueue_skips_what_is_there_in_any_spelling(run: Run) -> None:
    run("enqueue", "--params", json.dumps(ADAM))
    again = {**ADAM, "arch": [64], "momentum": None, "batch": 8}
    assert json.loads(run("enqueue", "--skip-if-exists", "--params", json.dumps(again))) == {"number": None}


class TestSorted:
    """`trials --sort` and `--top`."""

    @pytest.fixture
    def numbers(self, study: journaltune.Study, run: Run) -> Callable[..., list[int]]:
        for params, value in ((SGD, 3.0), (ADAM, 1.0), ({**SGD, "momentum": 0.25, "order": ["b", "a", "c"]}, None), (SGD, 2.0)):
            study.enqueue(params)
            study.tell(study.ask(), value, state=None if value else "fail", attrs={"epochs": 3.0 - (value or 0)})
        study.enqueue({"shift": 0.1})
        return lambda *options: [json.loads(line)["number"] for line in run("trials", "--format", "jsonl", *options).splitlines()]

    @pytest.mark.parametrize(
        ("column", "numbers_in_order"),
        [
            ("value", [1, 3, 0, 2, 4]),
            ("momentum", [2, 0, 3, 1, 4]),
            ("shift", [4, 1, 0, 2, 3]),
            ("params_batch", [1, 0, 2, 3, 4]),
            ("opt", [1, 0, 2, 3, 4]),
            ("order", [1, 2, 0, 3, 4]),
            ("user_attrs_epochs", [0, 3, 1, 2, 4]),
            ("number", [0, 1, 2, 3, 4]),
            ("state", [0, 1, 3, 2, 4]),
        ],
    )
    def test_the_least_first_and_the_absent_last(
        self, numbers: Callable[..., list[int]], column: str, numbers_in_order: list[int]
    ) -> None:
        assert numbers("--sort", column) == numbers_in_order
        assert numbers("--sort", column, "--top", "2") == numbers_in_order[:2]

    def test_the_best_at_the_top(self, numbers: Callable[..., list[int]]) -> None:
        assert numbers("--top", "2") == [1, 3]

    def test_a_column_that_there_is_not(self, numbers: Callable[..., list[int]], run: Run) -> None:
        assert "there is no column 'momentun'; did you mean momentum?" in run("trials", "--sort", "momentun", code=2)

    def test_a_value_that_is_maximized(self, tmp_path: Path, run: Run) -> None:
        study = journaltune.create_study(
            tmp_path / "two.journal", params={"x": "float(0, 1)"}, directions=["minimize", "maximize"]
        )
        study.set_metric_names(["loss", "acc"])
        for values in ((1.0, 1.0), (2.0, 3.0), (3.0, 2.0)):
            study.tell(study.ask(), values)
        two = ["-f", str(tmp_path / "two.journal"), "--format", "jsonl"]
        lines = run("trials", *two, "--sort", "acc").splitlines()
        assert [json.loads(line)["number"] for line in lines] == [1, 2, 0]
        assert "--top needs --sort in a study with several objectives" in run("trials", *two, "--top", "1", code=2)


def test_optunas_calls_on_parameters_that_are_more_than_one_column(study: journaltune.Study) -> None:
    study.enqueue(SGD)
    trial = study.ask()
    assert trial.suggest_categorical("opt", ["adam", "sgd"]) == "sgd"
    assert trial.suggest_float("momentum", 0, 0.99) == 0.5
    assert trial.suggest_categorical("arch", ["tiny", "small"]) == "small"  # one of the choices, as Optuna promises
    assert trial.params["arch"] == [64, 64]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shift", "shift is absent from trial 0; ask for it where its condition holds only"),
        ("batch", "batch is declared as = 2 ** batch_pow, for which Optuna has no call; take trial.params['batch']"),
        ("mix", "mix is declared as simplex(x, y), for which Optuna has no call; take trial.params['mix']"),
        ("mix.x", "mix.x is how a part of mix is stored; take trial.params['mix']"),
        ("shift.quantile", "shift.quantile is how a part of shift is stored; take trial.params['shift']"),
        ("decay", "decay is not a parameter of this study, which are opt, momentum, batch_pow"),
        ("momentum", "momentum: the study declares float(0.0, 0.99), and the objective asks for float(0.0, 1.0)"),
    ],
)
def test_what_optunas_calls_can_not_have_is_said(study: journaltune.Study, name: str, message: str) -> None:
    study.enqueue(SGD)
    trial = study.ask()
    with pytest.raises(JournaltuneError) as caught:
        trial.suggest_float(name, 0, 1)
    assert message in str(caught.value)


def objective(trial: Any) -> float:
    """One that Optuna's users write: a parameter is asked for where the objective has it."""
    opt = trial.suggest_categorical("opt", ["adam", "sgd"])
    return float(trial.suggest_float("momentum", 0, 0.99)) if opt == "sgd" else 2.0


def test_an_objective_with_conditions_runs_with_given_parameters(study: journaltune.Study) -> None:
    """Of a journaltune, and of an Optuna, as a trial or as a best one."""
    study.enqueue(SGD)
    study.enqueue(ADAM)
    study.optimize(objective, n_trials=2)
    assert [trial.value for trial in study.trials] == [0.5, 2.0]
    for fixed in (journaltune.FixedTrial, optuna.trial.FixedTrial):
        assert objective(fixed(study.best_params)) == 0.5
        assert objective(fixed({"opt": "adam"})) == 2.0
        with pytest.raises((JournaltuneError, ValueError), match="momentum"):
            objective(fixed({"opt": "sgd"}))


def test_what_holds_a_space_can_be_pickled(study: journaltune.Study) -> None:
    study.enqueue(SGD)
    trial = study.ask()
    assert pickle.loads(pickle.dumps(trial)).params == trial.params == SHOWN
    study.tell(pickle.loads(pickle.dumps(trial)), 1.0)
    again = pickle.loads(pickle.dumps(study))
    assert again.trials == study.trials
    assert pickle.loads(pickle.dumps(study.trials)) == study.trials
    space = study._study.space
    assert space is not None
    assert space.rules is not None
    copy = pickle.loads(pickle.dumps(space))
    assert copy == space
    assert copy.rules.settled(space.encode(SGD)) == space.encode(SGD)
    assert again.ask().number == 1


def test_objectives_in_a_child_process_get_whole_parameters(study: journaltune.Study) -> None:
    study.enqueue(SGD)
    study.optimize(lambda trial: trial.params["mix"]["y"] + trial.params["batch"], n_trials=1, isolate=True)
    assert study.best_value == 32.75


def test_a_dead_workers_trial_is_the_same_again(study: journaltune.Study) -> None:
    study.enqueue({"mix": {"x": 0.1, "y": 0.9}})
    with subprocess.Popen(["sleep", "60"]) as worker:
        asked = [ask(study._study, owner_pid=worker.pid) for _ in range(2)]
        worker.kill()
    again = [study.ask() for _ in range(2)]
    assert [(trial.number, trial.params, trial.seed, trial.attempt) for trial in again] == [
        (trial.number, trial.params, trial.seed, 2) for trial in asked
    ]
    study.release(1)
    assert study.ask().params == asked[1].params
    assert study.verify().difference is None


def test_retry_asks_the_same_parameters(study: journaltune.Study, run: Run) -> None:
    study.enqueue(SGD)
    study.tell(study.ask(), state="fail", reason="oom")
    run("retry")
    assert study.ask().params == SHOWN


@pytest.mark.parametrize("sampler", ["tpe", "auto"])
@pytest.mark.parametrize("options", [{"lag": 2}, {"replicates": 2}, {"duplicates": "reuse"}, {"duplicates": "resample"}])
def test_every_way_to_ask_is_verified(tmp_path: Path, sampler: str, options: dict[str, Any]) -> None:
    study = journaltune.create_study(tmp_path / "s.journal", params=PARAMS, require=REQUIRE, seed=3, sampler=sampler, **options)
    running = [study.ask(), study.ask()]
    for value in range(12):
        study.tell(running.pop(0), value)
        running.append(study.ask())
    assert all(("shift" in trial.params) == (trial.params["opt"] == "adam") for trial in study.trials)
    assert study.verify().difference is None


def test_a_damaged_journal_is_mended_around_a_trial(study: journaltune.Study, run: Run) -> None:
    for number in range(4):
        study.tell(study.ask(), number)
    journal = Path(study._study.path)
    before = {trial.number: (trial.params, trial.values) for trial in study.trials}
    lines = journal.read_bytes().splitlines(keepends=True)
    damaged = [place for place, line in enumerate(lines) if b'"order.0"' in line and b'"params"' in line][2]
    lines[damaged] = lines[damaged][:40] + b"#" * 9 + lines[damaged][49:]
    journal.write_bytes(b"".join(lines))
    run("check", code=6)
    run("repair")
    run("check")
    run("compact", "short.journal")
    for path in ("study.journal", "short.journal"):
        trials = journaltune.load_study(journal.parent / path).trials
        assert {trial.number: (trial.params, trial.values) for trial in trials if trial.number != 2} == {
            number: known for number, known in before.items() if number != 2
        }
        assert trials[2].state.name == "FAIL"
    assert json.loads(run("ask", "-f", "short.journal"))["number"] == 4


def columns_of(trial: Any) -> float:
    """What an objective of Optuna's, or of Rustuna's, asks for in this space: the columns."""
    is_sgd = trial.suggest_categorical("opt", ["adam", "sgd"]) == "sgd"
    name, high = ("momentum", 0.99) if is_sgd else ("shift.quantile", 1)
    value = trial.suggest_float(name, 0, high) + trial.suggest_float("mix.x", 0, 1)
    trial.suggest_categorical("arch", ["tiny", "small"])
    ints = [trial.suggest_int(name, low, high) for name, low, high in (("batch_pow", 3, 6), ("order.0", 0, 2), ("order.1", 0, 1))]
    return float(value + sum(ints))


def test_optuna_and_rustuna_write_into_the_study_at_once(study: journaltune.Study) -> None:
    path, n_each = study._study.path, 6

    def with_optuna() -> None:
        stock = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(path)))
        stock.optimize(columns_of, n_trials=n_each)

    def with_rustuna() -> None:
        theirs = rustuna.load_study(study_name="study", storage=rustuna.storages.JournalFileStorage(path))
        for _ in range(n_each):
            trial = theirs.ask()
            theirs.tell(trial.number, columns_of(trial))

    def with_ours() -> None:
        ours = journaltune.load_study(path)
        ours.optimize(lambda trial: trial.params["mix"]["x"] + trial.params["batch"], n_trials=n_each)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(write) for write in (with_optuna, with_rustuna, with_ours)]:
            done.result()
    trials = study.trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3 * n_each
    for trial in trials:
        assert list(trial.params) == [name for name in PARAMS if name in trial.params]
        assert trial.params.keys() ^ PARAMS.keys() == {"momentum" if trial.params["opt"] == "adam" else "shift"}
        assert trial.params["batch"] == 2 ** trial.params["batch_pow"]
        assert sorted(trial.params["order"]) == ["a", "b", "c"]
    verdict = study.verify()
    assert (verdict.n_verified, verdict.n_foreign, verdict.difference) == (n_each, 2 * n_each, None)
    again = study.to_optuna()
    again.optimize(columns_of, n_trials=2)
    assert all(trial.params.keys() >= {"batch", "order", "mix"} for trial in study.trials[-2:])


def call(path: Path, *command: str, space: Space | None = None, require: list[str] | None = None) -> Call:
    return Call(str(path), None, {}, ["true", *command], 3, {}, space, require or [])


class TestRunDeclares:
    """`run` declares parameters in its command, whatever they are."""

    FILE = space_from_params({"a": "int(1, 9)", "b": "float(0, 1) if a > 3", "c": "permutation(3)"}, ["a != 2"])

    def test_with_conditions_on_a_space_files(self, tmp_path: Path) -> None:
        study, _ = prepare(call(tmp_path / "j", "{args}", "{d: normal(0, 1) if b > 0.5}", space=self.FILE, require=["a < 9"]))
        with study:
            assert study.space is not None
            assert list(study.space.parameters) == ["a", "b", "c", "d"]
            assert study.space.require == ("a != 2", "a < 9")
            assert study.space.n_points() is None

    def test_the_same_call_goes_on(self, tmp_path: Path) -> None:
        same = call(tmp_path / "j", "{opt: a | b}", "{m: float(0, 1) if opt == a}", "{k: = 2}", require=["m > 0.5"])
        for _ in range(2):
            prepare(same)[0].close()
        prepare(call(tmp_path / "j", "{m: float(0, 1) if opt == a}"))[0].close()  # opt is the study's

    @pytest.mark.parametrize(
        ("command", "require", "message"),
        [
            (["{m: float(0, 1) if optimizer == a}", "{opt: a | b}"], [], "optimizer is not a parameter; did you mean opt?"),
            (["{a: int(1, 9)}", "{args}"], [], "a is declared twice, in command and space file; write {a} here"),
            (["{c: int(1, 9)}", "{args}"], [], "c is declared twice"),
            (["{args}"], ["z > 3"], "z is not a parameter"),
        ],
    )
    def test_what_can_not_be_is_refused(self, tmp_path: Path, command: list[str], require: list[str], message: str) -> None:
        file = self.FILE if "{args}" in command else None
        with pytest.raises(JournaltuneError) as caught:
            prepare(call(tmp_path / "j", *command, space=file, require=require))
        assert message in str(caught.value)
        assert not (tmp_path / "j").exists()

    def test_constraints_alone_declare_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="the command declares no parameter"):
            prepare(call(tmp_path / "j", require=["1 < 2"]))

    def test_what_a_trainer_gets_computed_is_not_hidden(self, study: journaltune.Study) -> None:
        """Nor what a parameter that it gets depends on."""
        path, rest = Path(study._study.path), ["{arch}", "{order}", "{mix}"]
        prepare(call(path, "{batch}", "{momentum: float(0, 0.99) if opt == sgd}", "{shift}", *rest))[0].close()
        with pytest.raises(UsageError, match="has batch_pow, which the command does not name"):
            prepare(call(path, "{momentum: float(0, 0.99) if opt == sgd}", "{shift}", *rest))
        with pytest.raises(UsageError, match="has opt, momentum, shift, which the command does not name"):
            prepare(call(path, "{batch: = 2 ** batch_pow}", *rest))

    def test_a_constraint_that_the_study_lacks_is_named(self, study: journaltune.Study) -> None:
        path = Path(study._study.path)
        prepare(call(path, "{args}", require=REQUIRE))[0].close()
        with pytest.raises(UsageError, match="does not have the constraint batch_pow > 3"):
            prepare(call(path, "{args}", require=["batch_pow > 3"]))

    def test_few_configurations_are_said(self, tmp_path: Path) -> None:
        notes: list[str] = []
        few = call(tmp_path / "j", "{a: int(1, 1000)}", "{b: int(1, 1000)}", require=["a == b"])
        prepare(few, notes.append)[0].close()
        assert "random draws keep to the constraints of the space" in notes[0]
