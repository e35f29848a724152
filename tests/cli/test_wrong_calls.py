"""A corpus of wrong calls, with the hint that each must give. In one process: the messages count, not the streams."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from journaltune import create_study
from journaltune.cli import main
from journaltune.cli.commands import NAMES
from journaltune.cli.hints import _COMMANDS, _OPTIONS, as_json, for_option
from journaltune.cli.options import COMMON

SPACE = '[params]\nlr = "log(1e-5, 1)"\n'
X = "--param 'x: float(0, 1)'"

CALLS = [
    # the journal
    ("ask study.journal", "write -f study.journal"),
    ("best runs/a.journal", "write -f runs/a.journal"),
    ("tell study.journal 3 0.5", "write -f study.journal"),
    ("ask --storage sqlite:///a.db", "write -f FILE"),
    (f"create -f space.toml {X}", "`journaltune create --space space.toml`"),
    ("ask -f space.toml", "space.toml is no journal"),
    (f"create -f runs/a.journal {X}", "there is no folder runs", "`mkdir -p runs`"),
    (f"create -f 'my runs/2/a.journal' {X}", "there is no folder my runs/2", "`mkdir -p 'my runs/2'`"),
    (f"create -f :memory: {X}", "':memory:' is no file", "name a file"),
    (f"create -f sqlite:///a.db {X}", "'sqlite:///a.db' is a URL", "name one, such as study.journal"),
    # results
    ("tell --trial 3 --value 0.5", "tell NUMBER VALUE"),
    ("tell -n 3 0.5", "tell NUMBER VALUE"),
    ("tell --loss=0.5", "tell NUMBER VALUE"),
    ("tell 3 0,5", "write 0.5, with a decimal point"),
    ("tell 3 -1,5e-3", "write -1.5e-3, with a decimal point"),
    ("tell 3 1,000", "with a decimal point, and without separators"),
    ("tell 3 50%", "write 50, without the sign"),
    ("tell 3 loss=0.5", "write 0.5, without a name"),
    ("tell 3 low", "a trial without a result is told with --state fail"),
    ("tell 3 0.5 --state complete", "leave --state out"),
    ("tell 3 --state failed", "did you mean fail?"),
    ("tell 3 0.5 --attr ok=True", "JSON says true for True", "write true"),
    ("report --trial 3 --step 1 --value 2", "report NUMBER STEP VALUE"),
    # the space
    ("create lr=0.1..1", "--param 'lr: float(0.1, 1)'"),
    ("create 'lr: 1e-5..1'", "--param 'lr: log(1e-5, 1)'"),
    ("create 'lr: log(1e-5, 1)'", "--param 'lr: log(1e-5, 1)'"),
    ("create space.toml", "--space space.toml"),
    ("create --param lr=0.1..1", "--param 'lr: float(0.1, 1)'"),
    ("create --param 'lr: 0.1-1'", "--param 'lr: float(0.1, 1)'"),
    ("create --param 'lr: 1e-5:1e-1'", "--param 'lr: log(1e-5, 1e-1)'"),
    ("create --param 'lr: 1e-5..1e-1'", "--param 'lr: log(1e-5, 1e-1)'"),
    ("create --param 'n: 32-256'", "--param 'n: int(32, 256)'"),
    ("create --param 'n: int'", "--param 'n: int(1, 8)'"),
    ("create --param 'n: uniform'", "--param 'n: float(0, 1)'"),
    ("create --param 'lr: loguniform(1e-5, 1)'", "--param 'lr: log(1e-5, 1)'"),
    ("create --param 'n: randint(1, 8)'", "--param 'n: int(1, 8)'"),
    ("create --param 'opt: choices(a, b)'", "--param 'opt: choice(a, b)'"),
    ("create --param 'x: uniform(0, 1)'", "--param 'x: float(0, 1)'"),
    ("create --param 'opt: adam'", "choice(adam)", "adam | ANOTHER"),
    ("create --param 'a:b:int(1, 8)'", "needs a blank behind it", "--param 'a:b: int(1, 8)'"),
    ("create --params 'lr: log(1e-5, 1)'", "write --param 'lr: log(1e-5, 1)'"),
    (f"create {X} --drop x", "--exist-ok"),
    # how much, which way, which sampler
    ("create --direction minimize", "write --minimize"),
    (f"create --direction maximize {X}", "write --maximize"),
    (f"create {X} --direction", "write --minimize NAME or --maximize NAME"),
    (f"create {X} --n-trials 30", "ask --trials 30", "run -n 30"),
    ("ask --n-trials 30", "write --trials N"),
    ("run --n-trials 30 -- true", "write -n N"),
    ("run -n 3 --jobs 4 -- true", "write -j J"),
    ("ask 5", "write -n 5"),
    ("ask --sampler tpe", "give it to `journaltune create`"),
    (f"create {X} --sampler TPE", "write tpe, or optuna.TPESampler"),
    (f"create {X} --sampler TPESampler", "write tpe, or optuna.TPESampler"),
    (f"create {X} --sampler nsga2", "did you mean nsgaii?"),
    (f"create {X} --sampler gird", "did you mean grid?"),
    (f"create {X} --sampler wavelet", "take one of tpe, random"),
    (f"create {X} --sampler-option group=true", "has no option 'group'", "--sampler optuna.TPESampler"),
    (f"create {X} --sampler nsgaii --sampler-option constraints_func=1", "--sampler optuna.NSGAIISampler"),
    (f"create {X} --sampler optuna.TPESampler --sampler-option grup=true", "has no option 'grup'; did you mean group?"),
    (f"create {X} --sampler optuna.TPESamplr", "did you mean optuna.TPESampler?"),
    (f"create {X} --sampler optuna.RandomSampler --sampler-option pop=4", "its options are none"),
    ("create --sampler grid --param 'g: log(1e-9, 1e3)'", "as in g: 1e-09 | 1e-06 | 0.001 | 1.0 | 1000.0"),
    ("create --sampler grid --param 'g: float(0, 1)'", "as in g: float(0.0, 1.0, step=0.25)"),
    (f"create {X} --load-if-exists", "write --exist-ok"),
    ("create --study-name digits", "write --study NAME"),
    # JSON
    ("enqueue lr=0.1", """--params '{"lr": 0.1}'"""),
    ("enqueue lr=0.1 opt=adam", """--params '{"lr": 0.1, "opt": "adam"}'"""),
    ("lookup lr=0.1", """--params '{"lr": 0.1}'"""),
    ("""enqueue --params '{"flag": True}'""", "JSON says true for True", """write '{"flag": true}'"""),
    ("""enqueue --params "{'lr': 0.1, 'opt': None}" """, "JSON says null for None", """write '{"lr": 0.1, "opt": null}'"""),
    ("enqueue --params '{lr: 0.1, opt: adam}'", """write '{"lr": 0.1, "opt": "adam"}'"""),
    ("enqueue --params lr=0.1", """write '{"lr": 0.1}'"""),
    ("enqueue --param x", """write --params '{"lr": 0.1}'"""),
    ("best json", "write --format json"),
    ("trials --json", "write --format json"),
    # commands
    ("ASK", "did you mean ask?"),
    ("asc", "did you mean ask?"),
    ("export", "`journaltune trials` does that"),
    ("results", "`journaltune trials` does that"),
    ("list", "`journaltune trials` does that"),
    ("version", "`journaltune --version` does that"),
    ("optimize", "`journaltune run` does that"),
    ("create-study", "`journaltune create` does that"),
    ("best-trial", "`journaltune best` does that"),
    ("fail", "`journaltune tell NUMBER --state fail` does that"),
]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, str, str]]:
    """A function that calls the program in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(line: str) -> tuple[int, str, str]:
        code = main(shlex.split(line))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.mark.parametrize(("line", "hints"), [(line, hints) for line, *hints in CALLS])
def test_a_wrong_call_gets_the_hint_that_helps(
    call: Callable[[str], tuple[int, str, str]], tmp_path: Path, line: str, hints: list[str]
) -> None:
    (tmp_path / "space.toml").write_text(SPACE)
    code, out, err = call(line)
    assert (code, out) == (3 if "no folder" in hints[0] else 2, "")
    assert err.startswith("journaltune: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert all(hint in err for hint in hints), err
    assert [path.name for path in tmp_path.iterdir()] == ["space.toml"]
    assert (tmp_path / "space.toml").read_text() == SPACE


@pytest.mark.parametrize(
    "line",
    [
        "ask --xyzzy 3",
        "tell 3 0.5 --trail",
        "tell 3 0.5 --jury",
        "create --wavelet 3",
        "xyzzy",
        "l",
        "be",
        "best now",
        "trials trials",
        "enqueue fast",
        "create now",
        "tell three 1",
    ],
)
def test_what_is_near_nothing_gets_no_suggestion(call: Callable[[str], tuple[int, str, str]], line: str) -> None:
    code, out, err = call(line)
    assert (code, out) == (2, "")
    assert "did you mean" not in err
    assert "write" not in err


@pytest.mark.parametrize(
    "line", ["-V", "--version", "trials --states RUNNING", "trials --states Running,COMPLETE", "status --format JSON"]
)
def test_what_can_only_mean_one_thing_is_taken(call: Callable[[str], tuple[int, str, str]], tmp_path: Path, line: str) -> None:
    create_study(tmp_path / "study.journal", params={"x": "float(0, 1)"}, sampler="random").ask()
    code, out, err = call(line)
    assert (code, err) == (0, "")
    assert out


def test_what_the_hints_lead_to_works(call: Callable[[str], tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(SPACE)
    (tmp_path / "my runs").mkdir()
    for line in (
        "create --space space.toml --sampler random",
        "create -f 'my runs/a.journal' --param 'lr: log(1e-5, 1)' --sampler grid --param 'g: 1e-09 | 1e-06'",
    ):
        code, _, err = call(line)
        assert (code, err) == ((0, "") if "grid" not in line else (2, err))
    assert call("enqueue --params '{\"lr\": 0.1}'")[0] == 0
    assert call("create --study g --sampler grid --param 'g: 1e-09 | 1e-06 | 0.001 | 1.0 | 1000.0'")[0] == 0
    assert call("ask --study g -n 5")[0] == 0
    assert (
        call(
            "create --study o --param 'x: float(0, 1)' --sampler optuna.TPESampler --sampler-option group=true "
            "--sampler-option multivariate=true"
        )[0]
        == 0
    )


def test_a_changed_study_says_on_stderr_what_changed(call: Callable[[str], tuple[int, str, str]], tmp_path: Path) -> None:
    assert call("create --study digits --param 'lr: log(1e-5, 1)' --param 'opt: adam | sgd' --sampler random")[0] == 0
    code, out, err = call("create --exist-ok --param 'wd: float(0, 1)' --param 'lr: log(1e-3, 1)' --drop opt")
    assert (code, '"study": "digits"' in out) == (0, True)
    assert err.splitlines() == [
        "journaltune: create: lr is log(0.001, 1.0) now (it was log(1e-05, 1.0))",
        "journaltune: create: opt is dropped (it was adam | sgd)",
        "journaltune: create: wd is added: float(0.0, 1.0)",
    ]
    assert call("create --exist-ok --param 'wd: float(0, 1)' --param 'lr: log(1e-3, 1)' --drop opt")[2] == ""
    code, _, err = call("create --exist-ok --drop lrr")
    assert (code, "no parameter lrr that could be dropped; did you mean lr?" in err) == (2, True)


def test_what_a_space_file_no_longer_names_stays_and_is_said(call: Callable[[str], tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(SPACE + 'opt = "a | b"\n')
    assert call("create --exist-ok --space space.toml --sampler random")[2] == ""
    (tmp_path / "space.toml").write_text(SPACE)
    err = call("create --exist-ok --space space.toml")[2]
    assert err == "journaltune: create: opt stayed, although the space file does not name it; --drop opt takes it out\n"
    assert call("create --exist-ok --drop opt")[0] == 0
    assert call("create --exist-ok --space space.toml")[2] == ""


def test_nothing_verified_is_not_all_the_same(call: Callable[[str], tuple[int, str, str]], tmp_path: Path) -> None:
    create_study(tmp_path / "study.journal", params={"x": "float(0, 1)"}, sampler="random").close()
    code, printed, _ = call("verify")
    assert (code, printed.splitlines()[0]) == (0, "verified  nothing: the study has no suggestion that could be recomputed")
    call("ask")
    assert call("verify")[1].startswith("verified  1 suggestion, all the same bit for bit\n")


def test_the_hints_lead_to_what_there_is() -> None:
    """No hint for an option that the command has; each command that a hint names is there."""
    from journaltune.cli.commands import load

    for command, hints in _OPTIONS.items():
        known = {name for option in (*(load(command).COMMAND.options if command else ()), *COMMON) for name in option.names}
        for others in hints.values():
            assert known.isdisjoint(others.split()), (command, known & set(others.split()))
    assert all(does.partition(" ")[0] in (*NAMES, "--version") for does in _COMMANDS)
    assert not any(name in NAMES for others in _COMMANDS.values() for name in others.split())
    assert for_option("best", "--storage", ["--journal"], None) == "; write -f FILE"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'a': True}", '{"a": true}'),
        ("[1, None]", "[1, null]"),
        ("True", "true"),
        ("{a: 1, b: x}", '{"a": 1, "b": "x"}'),
        ("a=1", '{"a": 1}'),
        ("a=True,b='x'", '{"a": true, "b": "x"}'),
        ("gpu1", None),
        ("{}{", None),
        ("a=", None),
        ("{'a': {1, 2}}", None),
        ("(" * 5000, None),
        ("{'a': '" + "x" * 500 + "'}", None),
    ],
)
def test_the_json_that_was_meant(text: str, expected: str | None) -> None:
    assert as_json(text) == expected
