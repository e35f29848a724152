"""Spaces with rules, in every command and every call that reads or hands out a trial."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

import journaltune
from journaltune.base.errors import JournaltuneError, UsageError
from journaltune.cli import main
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
def run(study: journaltune.Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls a command in the study's folder; a code other than the one that is expected fails the test."""
    monkeypatch.chdir(Path(study._study.path).parent)

    def run(*arguments: str, code: int = 0) -> str:
        assert main(list(arguments)) == code, capsys.readouterr().err
        captured = capsys.readouterr()
        return captured.err if code else captured.out

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
