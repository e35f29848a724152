"""Fuzzed command lines, parameters, space files and journals: an exit code of the contract and one line, never a traceback.

Each run calls one command in a child with little memory and time. Checked: the exit code, one line on stderr for an error,
nothing written on exit 2 and 3, no control character of a file's contents on stderr or in what people read, and after a change
that stock Optuna reads the journal as we do. Some calls are real processes, with arguments that are not text.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from torture import texts, views
from torture.calls import Answer, call, complaint, digest, limit_memory
from torture.children import Child
from torture.share import Clean, Finds, Run, Share

from journaltune.base.errors import JournaltuneError
from journaltune.cli import output, table, trials
from journaltune.cli.commands import NAMES, load
from journaltune.cli.options import COMMON, Option

_FEW = 40
_LIMIT_S = 20.0
_MEMORY_BYTES = 1 << 30
_PROCESSES = 25  # one call in so many is a process of its own
# These run what they are given, serve until they are stopped, or write where they are told to.
_LEFT_OUT = ("run", "serve", "dashboard", "compact", "copy", "plot", "page")
_WITHOUT_END = ("--watch", "--socket", "--stdio")
_FOR_PROGRAMS = ("sh", "csv")  # their text goes to eval or into a file, and has to be what it is


@pytest.mark.torture(runs=5_000, few=_FEW)
def test_no_command_line_gets_a_traceback(clean: Clean) -> None:
    tally = clean(fuzz)
    for code in (0, 2):
        assert tally.counts[f"with exit code {code}"] >= tally.runs // 8  # of code 0 a fifth, give or take 2 in 100 at full scale


def fuzz(share: Share) -> None:
    share.each(range(share.n), _fuzz)


def _fuzz(run: Run, number: int) -> None:
    dice = run.dice("fuzz", number)
    folder = run.fresh()
    texts.lay_out(folder, dice)
    arguments, environment = _command_line(dice), _environment(dice)
    run.what = f"{[text if len(text) < 200 else f'{text[:40]}...({len(text)})' for text in arguments]!a}, {environment}"
    before = digest(folder)
    if number % _PROCESSES == 0:
        answer, error = _process(folder, arguments, environment)
    else:
        ended = Child(lambda: _in_child(folder, arguments, environment), _LIMIT_S).end()
        answer, error = ended.result, "took too long" if ended.late else ended.error
    if answer is None:
        run.find("wrong", error)
        return
    run.count(f"with exit code {answer.code}")
    for problem in _problems(arguments, answer, before, folder):
        run.find("wrong", problem, arguments=repr(arguments).encode("utf-8", "surrogatepass"))


def _command_line(random: Random) -> list[str]:
    name = random.choice([name for name in NAMES if name not in _LEFT_OUT])
    command = load(name).COMMAND
    arguments = []
    for argument in command.arguments:
        if random.random() < 0.9:
            arguments += [texts.text_for(argument.name, argument.name, random) for _ in range(_how_often(random))]
    if random.random() < 0.6:
        arguments += ["-f", random.choice(texts.JOURNALS)]
    for option in command.options + COMMON:
        likely = 0.7 if option.names[0] in ("--param", "--params") else 0.12
        if random.random() < likely and option.names[0] not in _WITHOUT_END:
            for _ in range(_how_often(random)):
                arguments += _option(option, random)
    if random.random() < 0.1:
        random.shuffle(arguments)
    if random.random() < 0.05:
        arguments.insert(random.randrange(len(arguments) + 1), texts.strange(random))
    return [name if random.random() < 0.97 else texts.strange(random), *arguments]


def _how_often(random: Random) -> int:
    return random.choice((1,) * 12 + (2, 3))


def _option(option: Option, random: Random) -> list[str]:
    name = random.choice(option.names)
    if option.metavar is None:
        return [name if random.random() < 0.95 else f"{name}=1"]
    # So many asks as somebody says take so long as they take.
    value = random.choice(texts.COUNTS) if name == "-n" else texts.text_for(option.names[-1], option.metavar, random)
    if random.random() < 0.3:
        return [f"{name}={value}" if name.startswith("--") else f"{name}{value}"]
    return [name, value] if random.random() < 0.97 else [name]


def _environment(random: Random) -> dict[str, str]:
    environment = {}
    for name in ("JOURNALTUNE_JOURNAL", "JOURNALTUNE_STUDY", "COLUMNS"):
        if random.random() < 0.1:
            environment[name] = texts.text_for("--study", "NAME", random).replace("\0", "0")[:1000]
    return environment


def _in_child(folder: Path, arguments: list[str], environment: dict[str, str]) -> Answer:
    os.chdir(folder)
    os.environ.update(
        {name: value.encode("utf-8", "surrogatepass").decode(errors="surrogateescape") for name, value in environment.items()}
    )
    limit_memory(_MEMORY_BYTES)
    return call(*arguments)


def _process(folder: Path, arguments: list[str], environment: dict[str, str]) -> tuple[Answer | None, str]:
    """As a process: arguments are bytes there, without NULs, and not too long for the system."""
    words = [text.encode("utf-8", "surrogatepass").replace(b"\0", b"")[:100_000] for text in arguments]
    program = [sys.executable.encode(), b"-P", b"-m", b"journaltune"]
    settings = {name: value.encode("utf-8", "surrogatepass") for name, value in environment.items()}
    try:
        done = subprocess.run(
            [*program, *words],
            cwd=folder,
            env={**os.environb, **{name.encode(): value for name, value in settings.items()}},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=3 * _LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, "took too long"
    return Answer(done.returncode, done.stdout, done.stderr), ""


def _problems(arguments: list[str], answer: Answer, before: dict[str, object], folder: Path) -> list[str]:
    problems = [complaint(answer)]
    if _steers(answer.err) or (_steers(answer.out) and not _for_programs(arguments)):
        problems.append(f"control characters among {answer.out[-200:]!r}, {answer.err[-200:]!r}")
    after = digest(folder)
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if changed and answer.code in (2, 3):
        problems.append(f"exit code {answer.code}, and {changed} changed")
    problems += [_disagreement(folder / name) for name in changed if name.endswith(".journal")]
    return [f"{problem}; stderr: {answer.err[-300:]!r}" for problem in problems if problem]


def _for_programs(arguments: list[str]) -> bool:
    return any(name in text for name in (*_FOR_PROGRAMS, "--template") for text in arguments if len(text) < 100)


def _steers(data: bytes) -> bool:
    return any((char < " " and char != "\n") or "\x7f" <= char <= "\x9f" for char in data.decode(errors="replace"))


def _disagreement(path: Path) -> str:
    try:
        ours = views.ours(path)
    except JournaltuneError as error:
        return "" if path.name.startswith("damaged") else f"{path.name} can't be read any more: {error}"
    return views.differs(path, ours) and f"{path.name}: {views.differs(path, ours)}"


def test_an_exception_that_is_none_of_ours_is_found(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "duration_text", lambda seconds: 1 / 0)
    assert finds(fuzz, 150, "exit code 70")


def test_text_that_steers_a_terminal_is_found(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (output, table):
        monkeypatch.setattr(module, "visible", lambda text: text)
    assert finds(fuzz, 150, "control characters")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((0, b"{}\n", b""), ""),
        ((2, b"", b"journaltune: no\n"), ""),
        ((2, b"", b"journaltune: no\nand more\n"), "exit code 2 with 2 lines on stderr"),
        ((7, b"", b""), "exit code 7 with 0 lines on stderr"),
        ((3, b"{}\n", b"journaltune: no\n"), "exit code 3 with data on stdout"),
        ((-6, b"", b""), "exit code -6"),
        ((7, b"", b"Traceback (most recent call last):\n"), "a traceback"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(answer: tuple[int, bytes, bytes], problem: str) -> None:
    assert complaint(Answer(*answer)) == problem


@pytest.mark.parametrize("broken", [b'"a\x01"', b'"\\x"', b'"\\u12"', b'"a'])
def test_json_that_breaks_off_in_a_string_is_refused_by_a_process_that_never_imported_json(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(b'{"op_code":0,"worker_id":"w","study_name":' + broken + b',"directions":[1]}\n')
    done = subprocess.run([sys.executable, "-P", "-m", "journaltune", "studies", "-f", path], capture_output=True, check=False)
    assert done.returncode == 6, done.stderr
    assert b"damaged at byte 0" in done.stderr
