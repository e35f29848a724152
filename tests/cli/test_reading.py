"""best, trials, status, studies, delete: what is known, in the forms that people and programs read."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study

SPACE = ("--param", "lr: log(1e-5, 1e-1)", "--param", "opt: adam | sgd")


def test_best_is_the_best_trial(told: Any) -> None:
    best = told.json("best")
    asked = told.json("trials", "--format", "json")[1]
    assert list(best) == ["number", "value", "params", "seed"]
    assert (best["number"], best["value"], best["params"]) == (1, 0.25, asked["params"])
    assert best["seed"] == asked["seed"]


def test_best_for_eval(told: Any) -> None:
    lines = told.out("best", "--format", "sh").splitlines()
    best = told.json("best")
    fixed = ["JT_TRIAL=1", f"JT_SEED={best['seed']}", "JT_ATTEMPT=1", "JT_VALUE=0.25"]
    assert lines == [*fixed, f"JT_lr={best['params']['lr']!r}", f"JT_opt={best['params']['opt']}"]


def test_best_recommended_is_the_one_that_a_model_holds_best(program: Any) -> None:
    """Of three settings that are tried three times each, the best observed result is a lucky one of the worst setting."""
    study = create_study(program.journal, params={"x": "float(0, 1)"}, seed=1)
    for x, values in ((0.1, (0.0, 4.0, 4.2)), (0.5, (1.0, 1.2, 1.1)), (0.9, (3.0, 3.1, 2.9))):
        for value in values:
            study.enqueue({"x": x})
            study.tell(study.ask(), value)
    assert program.json("best")["params"] == {"x": 0.1}
    assert program.json("best", "--recommended")["params"] == {"x": 0.5}
    assert "JT_TRIAL=3" in program.out("best", "--recommended", "--format", "sh").splitlines()
    assert program.json("status", "--format", "json")["recommended"] == 3
    assert "a model of all results holds trial 3 better: `journaltune best --recommended`" in program.out("status")


def test_best_of_several_objectives_is_the_pareto_front(pareto: Any) -> None:
    front = [json.loads(line) for line in pareto.out("best").splitlines()]
    assert [(trial["number"], trial["values"]) for trial in front] == [(0, [1.0, 0.5]), (2, [3.0, 0.9])]
    assert "use --format json" in pareto.refused(2, "best", "--format", "sh")


def test_trials_as_json_and_jsonl_are_the_same(told: Any) -> None:
    trials = told.json("trials", "--format", "json")
    assert [json.loads(line) for line in told.out("trials", "--format", "jsonl").splitlines()] == trials
    assert [trial["state"] for trial in trials] == ["complete", "complete", "pruned", "fail", "running", "waiting"]
    assert trials[3]["user_attrs"] == {"fail_reason": "oom"}
    assert trials[0]["duration_s"] >= 0


def test_trials_can_be_chosen_by_state(told: Any) -> None:
    chosen = told.json("trials", "--format", "json", "--states", "complete,fail")
    assert [trial["number"] for trial in chosen] == [0, 1, 3]


def test_trials_as_csv(told: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(told.out("trials", "--format", "csv"))))
    trials = told.json("trials", "--format", "json")
    assert [row["number"] for row in rows] == list("012345")
    assert [row["value"] for row in rows] == ["0.5", "0.25", "", "", "", ""]
    assert [float(row["params_lr"]) for row in rows] == [trial["params"]["lr"] for trial in trials]
    assert rows[1]["user_attrs_note"] == "a,b"
    assert rows[5]["params_opt"] == ""


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("-O2", "-O2"),
        ("\x1b]0;title\x07\x9b2J", "\\x1b]0;title\\x07\\x9b2J"),
        ("two\nlines\tand a tab ü", "two\nlines\tand a tab ü"),
    ],
)
def test_no_cell_of_a_csv_runs_in_a_spreadsheet_or_steers_a_terminal(told: Any, text: str, cell: str) -> None:
    number = told.json("ask")["number"]
    told.out("tell", str(number), "-0.5", "--attr", f"note={json.dumps(text)}")
    rows = list(csv.DictReader(io.StringIO(told.out("trials", "--format", "csv"), newline="")))
    assert rows[number]["user_attrs_note"] == cell
    assert rows[number]["value"] == "-0.5"
    assert told.json("trials", "--format", "json")[number]["user_attrs"]["note"] == text


def test_csv_names_the_objectives(pareto: Any) -> None:
    header = pareto.out("trials", "--format", "csv").splitlines()[0].split(",")
    assert header[:4] == ["number", "state", "values_loss", "values_accuracy"]


def test_the_table_shows_each_trial(told: Any) -> None:
    lines = told.out("trials").splitlines()
    assert lines[0].split() == ["number", "state", "value", "lr", "opt", "duration", "owner"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["0", "complete"],
        ["1", "complete"],
        ["2", "pruned"],
        ["3", "fail"],
        ["4", "running"],
        ["5", "waiting"],
    ]
    assert "fail (oom)" in lines[4]


@pytest.mark.parametrize("columns", [20, 40, 50, 60])
def test_the_table_fits_the_terminal(told: Any, columns: int) -> None:
    done = told.call("trials", env={"COLUMNS": str(columns)})
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 7
    assert max(map(len, lines)) <= columns
    assert (b"no room for" in done.stderr) == ("opt" not in lines[0])


def test_the_table_is_not_cut_where_there_is_no_terminal(program: Any) -> None:
    program.out("create", *(word for i in range(30) for word in ("--param", f"parameter{i}: float(0, 1)")))
    program.out("ask")
    assert program.out("trials").splitlines()[0].split()[-3:] == ["parameter29", "duration", "owner"]


def test_no_trials_are_no_error(study: Any) -> None:
    done = study.call("trials")
    assert (done.returncode, done.stdout) == (0, b"")
    assert study.json("trials", "--format", "json") == []
    assert study.out("trials", "--format", "jsonl") == ""
    assert len(study.out("trials", "--format", "csv").splitlines()) == 1


def test_status_has_what_a_script_needs(told: Any) -> None:
    status = told.json("status", "--format", "json")
    assert status["study"] == "study"
    assert status["directions"] == ["minimize"]
    assert status["trials"] == {"running": 1, "waiting": 1, "complete": 2, "pruned": 1, "fail": 1}
    assert status["space"] == {"lr": "log(1e-05, 0.1)", "opt": "adam | sgd"}
    assert status["best"] == told.json("best")
    assert (status["sampler"], status["seed"]) == ("auto", 1)
    assert status["size_bytes"] == told.journal.stat().st_size


def test_status_for_people(told: Any) -> None:
    lines = told.out("status").splitlines()
    assert lines[0] == "study      study"
    assert "trial 1 with 0.25" in "\n".join(lines)


def test_status_before_the_first_result_has_no_best(study: Any) -> None:
    assert study.json("status", "--format", "json")["best"] is None
    assert "best       no trial is complete yet" in study.out("status")


def test_status_of_several_objectives_has_the_front(pareto: Any) -> None:
    status = pareto.json("status", "--format", "json")
    assert [trial["number"] for trial in status["best"]] == [0, 2]
    assert "minimize loss, maximize accuracy" in pareto.out("status")
    assert (status["hypervolume"], status["reference"]) == (pytest.approx(0.2), [3.0, 0.4])
    assert "hypervolume 0.2, up to the worst results: 3, 0.4" in pareto.out("status")


def test_a_study_of_stock_optuna_has_no_sampler_and_no_seed_that_are_known(program: Any) -> None:
    study = optuna.create_study(study_name="theirs", storage=JournalStorage(JournalFileBackend(str(program.journal))))
    study.set_user_attr("data", "digits")
    study.set_metric_names(["loss"])
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), 2)
    status = program.json("status", "--format", "json")
    assert [status[name] for name in ("sampler", "seed", "duplicates", "attempts")] == [None] * 4
    assert (status["objectives"], status["user_attrs"]) == (["loss"], {"data": "digits"})
    lines = program.out("status").splitlines()
    assert "sampler    not known: another program made the study" in lines
    assert "objective  minimize loss" in lines
    assert program.json("studies", "--format", "json")[0]["sampler"] is None
    assert program.call("create", "--exist-ok", "--param", "x: float(0, 1)", "--study", "theirs", "--seed", "5").returncode == 0
    assert program.json("status", "--format", "json")["seed"] == 5


def test_optuna_sees_the_names_of_objectives(pareto: Any) -> None:
    storage = JournalStorage(JournalFileBackend(str(pareto.journal)))
    assert optuna.load_study(study_name=None, storage=storage).metric_names == ["loss", "accuracy"]


def test_a_study_has_user_attributes(study: Any) -> None:
    assert study.json("attr") == {}
    study.out("attr", 'data="digits"', "folds=[1, 2]", "n=NaN")
    before = study.journal.read_bytes()
    study.out("attr", "n=NaN")
    assert study.journal.read_bytes() == before
    assert study.json("attr") == {"data": "digits", "folds": [1, 2], "n": "nan"}
    assert study.json("status", "--format", "json")["user_attrs"] == study.json("attr")
    assert "KEY=JSON" in study.refused(2, "attr", "data")
    assert "must be JSON" in study.refused(2, "attr", "data=digits")
    assert "twice" in study.refused(2, "attr", "a=1", "a=2")


def test_watching_goes_on_until_ctrl_c(study: Any) -> None:
    watching = study.start("status", "--watch", "--format", "json")
    first = json.loads(watching.stdout.readline())
    study.out("ask")
    later = next(page for page in map(json.loads, watching.stdout) if page["trials"]["running"])
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate()
    assert (first["trials"]["running"], later["trials"]["running"]) == (0, 1)
    assert (watching.returncode, errors) == (-signal.SIGINT, b"")


def test_watching_on_a_terminal_redraws_in_place(study: Any) -> None:
    ours, theirs = pty.openpty()
    watching = study.start("status", "--watch", stdout=theirs)
    os.close(theirs)
    seen = b""
    while seen.count(b"\x1b[J") < 2:
        seen += os.read(ours, 4096)
    watching.send_signal(signal.SIGINT)
    while b"\x1b[?1049l" not in seen:
        seen += os.read(ours, 4096)
    assert watching.wait() == -signal.SIGINT
    os.close(ours)
    own_screen, *pages = seen.partition(b"\x1b[?25h\x1b[?1049l")[0].split(b"\x1b[H")
    assert own_screen == b"\x1b[?1049h\x1b[?25l"
    for page in pages:  # line over line, and only then what is left of the last page: nothing flickers
        assert page.startswith(b"study      study\x1b[K\r\n")
        assert page.endswith(b"\x1b[K\r\n\x1b[J")
        assert page.count(b"\x1b[K") == page.count(b"\n")


def test_studies_are_listed(told: Any) -> None:
    told.out("create", *SPACE, "--study", "größe", "--maximize", "--minimize", "--sampler", "random")
    studies = told.json("studies", "--format", "json")
    assert [(each["study"], each["directions"], each["best_value"], each["sampler"]) for each in studies] == [
        ("study", ["minimize"], 0.25, "auto"),
        ("größe", ["maximize", "minimize"], None, "random"),
    ]
    assert studies[0]["trials"]["complete"] == 2
    lines = told.out("studies").splitlines()
    assert [line.split()[0] for line in lines] == ["study", "study", "größe"]
    assert len(told.json("studies", "--format", "json", "--study", "größe")) == 1


def test_delete_takes_one_study_and_leaves_the_others(told: Any) -> None:
    told.out("create", *SPACE, "--study", "other")
    done = told.call("delete", "study")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"journaltune: deleted study 'study' from study.journal\n"
    assert [each["study"] for each in told.json("studies", "--format", "json")] == ["other"]
    assert told.call("delete", "--study", "other").returncode == 0
    assert told.call("studies").returncode == 0


def test_delete_wants_the_name(told: Any) -> None:
    message = told.refused(2, "delete", env={"JOURNALTUNE_STUDY": "study"})
    assert message == "delete: NAME is missing: which study? `journaltune studies` lists them"
    assert "differ" in told.refused(2, "delete", "study", "--study", "other")


def test_what_a_name_says_to_the_terminal_stays_unheard(program: Any) -> None:
    program.out("create", *SPACE, "--study", "evil\x1b[2Jname")
    for call in (["status"], ["studies"]):
        assert "\x1b" not in program.out(*call)
    assert "\x1b" not in program.refused(3, "tell", "7", "1")


def test_output_can_be_read_in_another_encoding(program: Any) -> None:
    program.out("create", "--param", "größe: klein | 大", "--study", "s")
    program.out("enqueue", "--params", '{"größe": "大"}')
    latin = {"PYTHONIOENCODING": "latin-1"}
    asked = program.call("ask", env=latin).stdout
    assert json.loads(asked.decode("ascii"))["params"] == {"größe": "大"}
    assert program.json("trials", "--format=json", env=latin)[0]["params"] == {"größe": "大"}
    assert "大".encode() in program.call("trials", "--format=csv", env=latin).stdout
