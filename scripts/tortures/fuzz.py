"""Fuzzed command lines, parameters, space files and journals: an exit code of the contract and one line, never a traceback

Each run calls one command in a child with little memory and time. Checked: the exit code, one line on stderr for an error,
nothing written on exit 2 and 3, no control character of a file's contents on stderr or in what people read, and after a change
that stock Optuna reads the journal as we do. Some calls are real processes, with arguments that are not text.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from journaltune.base.errors import JournaltuneError
from journaltune.cli.commands import NAMES, load
from journaltune.cli.options import COMMON
from tortures import texts, views
from tortures.calls import Call, call, complaint, digest, limit_memory
from tortures.machinery import Child, chance, keep, spread
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

TARGET = 5_000
LIMIT_S = 20.0
_MEMORY_BYTES = 1 << 30
_PROCESSES = 25  # one call in so many is a process of its own
# These run what they are given, serve until they are stopped, or write where they are told to.
_LEFT_OUT = ("run", "serve", "compact", "copy")
_WITHOUT_END = ("--watch", "--socket", "--stdio")
_FOR_PROGRAMS = ("sh", "csv")  # their text goes to eval or into a file, and has to be what it is


def run(n: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    commands = [name for name in NAMES if name not in _LEFT_OUT]
    say(f"{len(commands)} commands: {' '.join(commands)}")

    def work(share: range, own: Path) -> Tally:
        return sum((_run(commands, index, seed, own) for index in share), Tally())

    return spread(n, work, folder)


def _run(commands: list[str], index: int, seed: int, folder: Path) -> Tally:
    random = chance(seed, "fuzz", index)
    own = folder / "run"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    texts.lay_out(own, random)
    arguments, environment = _command_line(commands, random), _environment(random)
    before = digest(own)
    if index % _PROCESSES == 0:
        answer, error = _process(own, arguments, environment)
    else:
        ended = Child(lambda: _in_child(own, arguments, environment)).end(LIMIT_S)
        answer, error = ended.result, "took too long" if ended.late else ended.error
    tally = Tally(runs=1)
    for problem in _problems(arguments, answer, error, before, own):
        tally.wrong += 1
        shown = [text if len(text) < 200 else f"{text[:40]}...({len(text)})" for text in arguments]
        tally.note(f"seed {seed}, run {index}: {shown!a}, {environment}: {problem}")
        keep(folder, str(index), own / "study.journal", arguments=repr(arguments).encode("utf-8", "surrogatepass"))
    if isinstance(answer, Call):
        tally.counts[f"with exit code {answer.code}"] = 1
    return tally


def _command_line(commands: list[str], random: Random) -> list[str]:
    name = random.choice(commands)
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


def _option(option: Any, random: Random) -> list[str]:
    name = random.choice(option.names)
    if option.metavar is None:
        return [name if random.random() < 0.95 else f"{name}=1"]
    # So many asks as somebody says take so long as they take.
    value = random.choice(texts.COUNTS) if name == "-n" else texts.text_for(option.names[-1], option.metavar, random)
    if random.random() < 0.3:
        return [f"{name}={value}" if name.startswith("--") else f"{name}{value}"]
    return [name, value] if random.random() < 0.97 else [name]


def _environment(random: Random) -> dict[str, str]:
    found = {}
    for name in ("JOURNALTUNE_JOURNAL", "JOURNALTUNE_STUDY", "COLUMNS"):
        if random.random() < 0.1:
            found[name] = texts.text_for("--study", "NAME", random).replace("\0", "0")[:1000]
    return found


def _in_child(folder: Path, arguments: list[str], environment: dict[str, str]) -> Call:
    os.chdir(folder)
    os.environ.update(
        {name: value.encode("utf-8", "surrogatepass").decode(errors="surrogateescape") for name, value in environment.items()}
    )
    limit_memory(_MEMORY_BYTES)
    return call(*arguments)


def _process(folder: Path, arguments: list[str], environment: dict[str, str]) -> tuple[Call | None, str]:
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
            timeout=3 * LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, "took too long"
    return Call(done.returncode, done.stdout, done.stderr), ""


def _problems(arguments: list[str], answer: object, error: str, before: dict[str, object], folder: Path) -> list[str]:
    if not isinstance(answer, Call):
        return [error]
    found = [complaint(answer)]
    if _steers(answer.err) or (_steers(answer.out) and not _for_programs(arguments)):
        found.append(f"control characters among {answer.out[-200:]!r}, {answer.err[-200:]!r}")
    after = digest(folder)
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if changed and answer.code in (2, 3):
        found.append(f"exit code {answer.code}, and {changed} changed")
    found += [_disagreement(folder / name) for name in changed if name.endswith(".journal")]
    return [f"{problem}; stderr: {answer.err[-300:]!r}" for problem in found if problem]


def _for_programs(arguments: list[str]) -> bool:
    return any(name in text for name in (*_FOR_PROGRAMS, "--template") for text in arguments if len(text) < 100)


def _steers(data: bytes) -> bool:
    return any((char < " " and char != "\n") or "\x7f" <= char <= "\x9f" for char in data.decode(errors="replace"))


def _disagreement(path: Path) -> str:
    try:
        ours = views.ours(path)
    except JournaltuneError as error:
        return "" if path.name.startswith("damaged") else f"{path.name} can't be read any more: {error}"
    return "" if views.stock(path) == ours else f"stock Optuna reads {path.name} otherwise than we do"
