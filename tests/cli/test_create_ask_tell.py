"""create, ask, tell, enqueue: what a shell loop does."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SPACE = ("--param", "lr: log(1e-5, 1e-1)", "--param", "opt: adam | sgd")


def test_create_says_what_it_made(program: Any) -> None:
    made = program.json("create", *SPACE)
    assert list(made) == ["study", "journal"]
    assert made["study"] == "study"
    assert program.folder / made["journal"] == program.journal
    assert program.journal.exists()


def test_create_reads_a_space_file(program: Any) -> None:
    (program.folder / "space.toml").write_text('[params]\nlr = "log(1e-5, 1e-1)"\nopt = "adam | sgd"\n')
    program.out("create", "--space", "space.toml")
    assert set(program.json("ask")["params"]) == {"lr", "opt"}


def test_objectives_keep_their_order_and_names(program: Any) -> None:
    program.out("create", *SPACE, "--maximize", "accuracy", "--minimize", "--maximize=speed")
    status = program.json("status", "--format", "json")
    assert status["directions"] == ["maximize", "minimize", "maximize"]
    assert status["objectives"] == ["accuracy", None, "speed"]


def test_the_journal_and_the_study_come_from_the_call_before_the_environment(program: Any) -> None:
    env = {"JOURNALTUNE_JOURNAL": "env.journal", "JOURNALTUNE_STUDY": "from-env"}
    assert program.json("create", *SPACE, env=env)["study"] == "from-env"
    assert (program.folder / "env.journal").exists()
    assert program.json("create", *SPACE, "-f", "given.journal", "--study", "given", env=env)["study"] == "given"
    assert program.json("status", "-fgiven.journal", "--format=json")["study"] == "given"
    assert program.json("status", "--format", "json", env={**env, "JOURNALTUNE_STUDY": ""})["study"] == "from-env"


def test_ask_prints_one_line_for_each_suggestion(study: Any) -> None:
    lines = study.out("ask", "-n", "3").splitlines()
    asked = [json.loads(line) for line in lines]
    assert [each["number"] for each in asked] == [0, 1, 2]
    assert [line == json.dumps(each) for line, each in zip(lines, asked, strict=True)] == [True] * 3
    for each in asked:
        assert list(each) == ["number", "params", "seed", "attempt"]
        assert 1e-5 <= each["params"]["lr"] <= 1e-1
        assert each["params"]["opt"] in ("adam", "sgd")
        assert 0 <= each["seed"] < 2**31
        assert each["attempt"] == 1


def test_a_study_with_a_seed_suggests_the_same_again(study: Any) -> None:
    asked = study.out("ask", "-n", "2")
    study.out("create", "-f", "again.journal", *SPACE, "--seed", "1")
    assert study.out("ask", "-n", "2", "-f", "again.journal") == asked


def test_sh_format_survives_eval(program: Any) -> None:
    odd = ["it's", "a b", 'say "hi"', "$HOME", "`id`", "a;b", "größe", "back\\slash"]
    quoted = ", ".join(json.dumps(text, ensure_ascii=False) for text in odd)
    program.out("create", "--param", f"odd name: choice({quoted})", "--param", "on: choice(true)", "--param", "no: choice(null)")
    for text in odd:
        program.out("enqueue", "--params", json.dumps({"odd name": text}))
    scripts = [program.out("ask", "--format", "sh") for _ in odd]
    print_it = """for each; do eval "$each"; printf '%s|' "$JT_TRIAL" "$JT_odd_name" "$JT_on" "[$JT_no]"; done"""
    done = subprocess.run(["sh", "-euc", print_it, "sh", *scripts], capture_output=True, check=True)
    assert done.stdout.decode() == "".join(f"{number}|{text}|true|[]|" for number, text in enumerate(odd))


def test_a_template_is_filled_for_each_trial(study: Any) -> None:
    (study.folder / "input.in").write_bytes(b'{{"rate": {lr}, "opt": "{opt}"}} {trial} {seed} \xff\r\n')
    done = study.call("ask", "--template", "input.in")
    trial = study.json("trials", "--format", "json")[0]
    start = f'{{"rate": {trial["params"]["lr"]!r}, "opt": "{trial["params"]["opt"]}"}} 0 '
    assert done.stdout.startswith(start.encode())
    assert done.stdout.endswith(b" \xff\r\n")
    assert done.stderr == b""


def test_a_template_without_the_trials_number_gets_a_note(study: Any) -> None:
    (study.folder / "input.in").write_text("{lr}\n")
    done = study.call("ask", "--template", "input.in")
    assert done.returncode == 0
    assert b"this is trial 0" in done.stderr


@pytest.mark.parametrize("text", ["{lrr}", "{", "a } b"])
def test_a_wrong_template_is_found_before_anything_is_asked(study: Any, text: str) -> None:
    (study.folder / "input.in").write_text(text)
    assert study.refused(2, "ask", "--template", "input.in").startswith("input.in, line 1: ")
    assert study.json("trials", "--format", "json") == []


def test_enqueued_parameters_are_asked_next(study: Any) -> None:
    assert study.json("enqueue", "--params", '{"lr": 0.01, "opt": "sgd"}') == {"number": 0}
    waiting = study.json("trials", "--format", "json", "--states", "waiting")
    assert waiting[0]["params"] == {"lr": 0.01, "opt": "sgd"}
    asked = study.json("ask")
    assert (asked["number"], asked["params"]) == (0, {"lr": 0.01, "opt": "sgd"})


def test_enqueue_can_skip_what_exists(study: Any) -> None:
    params = ("--params", '{"lr": 0.01, "opt": "sgd"}')
    study.out("enqueue", *params)
    done = study.call("enqueue", *params, "--skip-if-exists")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"number": None})
    assert b"skipped" in done.stderr


def test_tell_records_everything_it_is_given(study: Any) -> None:
    study.out("ask")
    extras = ("--attr", 'host="gpu=1"', "--attr", "epochs=30", "--constraint", "memory=-1.5")
    assert study.out("tell", "0", "-0.5", *extras) == ""
    (trial,) = study.json("trials", "--format", "json")
    assert (trial["state"], trial["values"]) == ("complete", [-0.5])
    assert trial["user_attrs"] == {"host": "gpu=1", "epochs": 30}
    assert trial["constraints"] == {"memory": -1.5}


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan"])
def test_not_a_number_is_a_failure_of_the_trial_not_of_the_call(study: Any, text: str) -> None:
    study.out("ask")
    done = study.call("tell", "0", text)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"trial 0 is recorded as failed" in done.stderr
    (trial,) = study.json("trials", "--format", "json")
    assert (trial["state"], trial["user_attrs"]) == ("fail", {"fail_reason": "nan"})
    assert study.call("tell", "0", text).returncode == 0


@pytest.mark.parametrize("state", ["fail", "pruned"])
def test_a_trial_without_a_result_is_told_by_its_state(study: Any, state: str) -> None:
    study.out("ask")
    study.out("tell", "0", "--state", state)
    study.out("tell", "0", "--state", state)
    assert study.json("trials", "--format", "json", "--states", state)[0]["number"] == 0


def strict(text: str) -> Any:
    """What a parser makes of JSON that knows no word for infinities, as most languages' do."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_infinities_are_strings_in_what_is_printed_and_read(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)", "--param", "cap: 1 | inf | -inf", "--sampler", "random", "--seed", "1")
    program.out("enqueue", "--params", '{"x": 0.5, "cap": "-inf"}')
    assert strict(program.out("ask"))["params"] == {"x": 0.5, "cap": "-inf"}
    assert b"has no pruner" in program.call("report", "0", "1", "nan").stderr
    program.out("report", "0", "2", "-inf")
    program.out("tell", "0", "inf", "--constraint", "c=-inf", "--attr", "a=1e999", "--attr", "b=NaN")
    assert strict(program.out("best"))["value"] == "inf"
    assert strict(program.out("status", "--format", "json"))["best"]["params"]["cap"] == "-inf"
    (row,) = [strict(line) for line in program.out("trials", "--format", "jsonl").splitlines()]
    assert (row["values"], row["constraints"], row["user_attrs"]) == (["inf"], {"c": "-inf"}, {"a": "inf", "b": "nan"})
    assert row["intermediate_values"] == {"1": "nan", "2": "-inf"}
    assert strict(program.out("trials", "--format", "json")) == [row]
    assert strict(program.out("lookup", "--params", '{"x": 0.5, "cap": "-inf"}'))["number"] == 0
    assert program.call("lookup", "--params", '{"x": 0.5, "cap": "inf"}').returncode == 1
    assert "nan is not allowed" in program.refused(2, "enqueue", "--params", '{"x": "nan"}')
    assert strict(program.out("verify", "--format", "json"))["difference"] is None
    assert strict(program.out("studies", "--format", "json"))[0]["best_value"] == "inf"


@pytest.mark.parametrize(("way", "text"), [("--minimize", "-inf"), ("--maximize", "inf"), ("--maximize", "1e999")])
def test_an_infinity_that_would_be_best_for_ever_is_a_failure(program: Any, way: str, text: str) -> None:
    program.out("create", *SPACE, way, "--seed", "1")
    program.out("ask", "-n", "2")
    for _ in range(2):
        done = program.call("tell", "0", text)
        assert (done.returncode, done.stdout) == (0, b"")
        assert b"recorded as failed: no result is infinitely good" in done.stderr
    program.out("tell", "1", "0.5")
    assert program.json("best")["number"] == 1
    assert program.json("trials", "--format", "json")[0]["user_attrs"] == {"fail_reason": "nan"}


def test_where_all_trials_break_their_constraints_it_is_said(study: Any) -> None:
    study.out("ask", "-n", "2")
    study.out("tell", "0", "0.5", "--constraint", "memory=1")
    message = study.refused(3, "best")
    assert message.startswith("study 'study' has no best trial: the one complete trial violated a constraint (a value above 0)")
    study.out("tell", "1", "0.5", "--constraint", "memory=inf")
    assert "all 2 complete trials violated a constraint" in study.refused(3, "best")
    assert "best       all 2 complete trials violated a constraint" in study.out("status")
    known = study.json("status", "--format", "json")
    assert (known["best"], known["no_best"]) == (None, "all 2 complete trials violated a constraint (a value above 0)")


def test_ask_ends_at_the_studys_budget(study: Any) -> None:
    done = study.call("ask", "-n", "3", "--trials", "2")
    assert done.returncode == 11
    assert [json.loads(line)["number"] for line in done.stdout.splitlines()] == [0, 1]
    assert len(done.stderr.splitlines()) == 1


def test_a_space_can_be_given_to_a_study_of_stock_optuna(program: Any) -> None:
    optuna = pytest.importorskip("optuna")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(program.journal)))
    optuna.create_study(storage=storage, study_name="theirs")
    assert "journaltune create --exist-ok" in program.refused(2, "ask")
    given = program.call("create", "--exist-ok", "--study", "theirs", *SPACE)
    assert (given.returncode, given.stderr.decode().count(" is added: ")) == (0, 2)
    assert program.json("ask")["number"] == 0


def test_each_loop_of_several_gets_trials_of_its_own(study: Any) -> None:
    loops = [study.start("ask", "-n", "5") for _ in range(4)]
    lines = b"".join(loop.communicate()[0] for loop in loops).splitlines()
    assert sorted(json.loads(line)["number"] for line in lines) == list(range(20))


def test_the_loop_of_the_help_text_runs(tmp_path: Path, warm_env: dict[str, str]) -> None:
    page = subprocess.run(["journaltune", "--help"], env=warm_env, capture_output=True, text=True, check=True).stdout
    loop = page.partition("as a shell script")[2].partition("\n")[2].partition("exit codes:")[0]
    train = tmp_path / "train"
    train.write_text('#!/bin/sh\n[ "$4" = sgd ] && [ ! -e failed ] && { touch failed; exit 1; }\necho "$2"\n')
    train.chmod(0o755)
    done = subprocess.run(["bash", "-c", loop], cwd=tmp_path, env=warm_env, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    best, status = (
        json.loads(lines[-1]),
        subprocess.check_output(["journaltune", "status", "--format=json"], cwd=tmp_path, env=warm_env),
    )
    assert (done.returncode, len(lines)) == (0, 2)
    assert best["value"] == best["params"]["lr"]
    assert json.loads(status)["trials"] == {"running": 0, "waiting": 0, "complete": 19, "pruned": 0, "fail": 1}
