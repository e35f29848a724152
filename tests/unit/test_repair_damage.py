"""Damage of every sort at random places, and repairs that are broken off: what was not hit comes out as it was."""

from __future__ import annotations

import errno
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import readers
from lines import lines_of, put
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import MachineError, create_study, load_study
from journaltune.journal import system
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.repair import repair

# Ids count on every record that creates a trial: whatever is destroyed, what is known of all other trials has to stay.


def ours(path: Path) -> None:
    study = create_study(path, params={"x": "float(0, 1)", "c": "a | b"}, seed=1)
    for _ in range(2):
        asked = [study.ask() for _ in range(3)]
        for trial in reversed(asked):
            study.tell(trial, float(trial.number), attrs={"k": trial.number})


def stock(path: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(path)))
    optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=1)).optimize(_objective, n_trials=5)


def _objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    trial.report(x, 1)
    return x


def mixed(path: Path) -> None:
    ours(path)
    stock(path)
    study = load_study(path, path.stem)
    for _ in range(3):
        study.tell(study.ask(), 9.0)


Damage = Callable[[random.Random, list[bytes], int], tuple[list[bytes], int]]


def _flip(dice: random.Random, lines: list[bytes], place: int) -> tuple[list[bytes], int]:
    """The lines with one bit flipped, and how many of them were damaged, from ``place`` on."""
    line = bytearray(lines[place])
    line[dice.randrange(len(line))] ^= 1 << dice.randrange(8)
    return [*lines[:place], bytes(line), *lines[place + 1 :]], 1


def _nul(dice: random.Random, lines: list[bytes], place: int) -> tuple[list[bytes], int]:
    line = lines[place]
    begin = dice.randrange(len(line))
    end = dice.randrange(begin, len(line))
    return [*lines[:place], line[:begin] + bytes(end - begin) + line[end:], *lines[place + 1 :]], 1


def _nul_span(dice: random.Random, lines: list[bytes], place: int) -> tuple[list[bytes], int]:
    end = min(place + dice.randrange(2, 5), len(lines))
    return [*lines[:place], bytes(sum(map(len, lines[place:end])) + end - place - 1), *lines[end:]], end - place


def _other_bytes(dice: random.Random, lines: list[bytes], place: int) -> tuple[list[bytes], int]:
    return [*lines[:place], bytes(dice.choice(b'ab{}"\0\xff') for _ in lines[place]), *lines[place + 1 :]], 1


def _no_utf8(dice: random.Random, lines: list[bytes], place: int) -> tuple[list[bytes], int]:
    at = dice.randrange(len(lines[place]) - 1)
    return [*lines[:place], lines[place][:at] + b"\xc3\x28" + lines[place][at + 2 :], *lines[place + 1 :]], 1


def _newline_inside(dice: random.Random, lines: list[bytes], place: int) -> tuple[list[bytes], int]:
    at = dice.randrange(1, len(lines[place]) - 1)
    return [*lines[:place], lines[place][:at], lines[place][at + 1 :], *lines[place + 1 :]], 1


def _torn_before(dice: random.Random, lines: list[bytes], place: int) -> tuple[list[bytes], int]:
    torn = lines[place][: dice.randrange(1, len(lines[place]))]
    return [*lines[:place], torn + lines[place], *lines[place + 1 :]], 0


def _newline_gone(dice: random.Random, lines: list[bytes], place: int) -> tuple[list[bytes], int]:
    both = lines[place - 1] + bytes([dice.choice([0, 0x0B, 0x8A])]) + lines[place]
    return [*lines[: place - 1], both, *lines[place + 1 :]], 0


@pytest.fixture(scope="module", params=[ours, stock, mixed])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "study.journal"
    request.param(path)
    return path


def trial_numbers(lines: list[bytes]) -> list[tuple[int, int] | None]:
    """Study id and number of the trial that each line is about."""
    found: list[tuple[int, int] | None] = []
    made: list[tuple[int, int]] = []
    for record in map(json.loads, lines):
        if record["op_code"] == 4:
            made.append((record["study_id"], sum(study_id == record["study_id"] for study_id, _ in made)))
        found.append(made[-1] if record["op_code"] == 4 else made[record["trial_id"]] if "trial_id" in record else None)
    return found


def by_number(seen: list[dict[str, Any]]) -> dict[tuple[int, int], Any]:
    return {(study["id"], trial["number"]): trial for study in seen for trial in study["trials"]}


@pytest.mark.parametrize("damage", [_flip, _nul, _nul_span, _other_bytes, _no_utf8, _newline_inside, _torn_before, _newline_gone])
def test_every_trial_whose_records_are_whole_comes_out_as_it_was(written: Path, tmp_path: Path, damage: Damage) -> None:
    lines, dice = lines_of(written), random.Random(20261121)
    expected, about = by_number(readers.by_us(written)), trial_numbers(lines)
    for run, place in enumerate(dice.sample(range(1, len(lines)), 6)):
        path = tmp_path / f"{run}.journal"
        damaged, n_damaged = damage(dice, lines, place)
        put(path, damaged)
        n_findings = check(str(path)).n_findings
        mended = repair(str(path))
        assert bool(mended) == bool(n_findings)
        assert check(str(path)).findings == []
        assert repair(str(path)) == []
        seen = readers.by_us(path)
        assert seen == readers.by_optuna(path)
        assert len(readers.plain_by_rustuna(path)) == len(seen)
        hurt = set(about[place : place + n_damaged])
        after = by_number(seen)
        assert {key: after.get(key) for key in expected if key not in hurt} == {
            key: trial for key, trial in expected.items() if key not in hurt
        }, (place, mended)


# Interruptions: at every call that changes a file.


class KilledError(BaseException):
    """Everything after it fails too, as nothing happens after a kill."""


@pytest.fixture
def broken_off() -> Iterator[Callable[[int, str], None]]:
    """Let the Nth system call of the package be its last (``kill``), or fail as on a full disk (``full``)."""

    def arrange(last: int, how: str) -> None:
        left = [last]

        def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
            left[0] -= 1
            if left[0] < 0 and how == "kill":
                raise KilledError
            if left[0] == -1 and name in ("mkdir", "create", "write", "pwrite", "fsync", "rename"):
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*arguments)

        system.fault = fault

    yield arrange
    system.fault = None


@pytest.mark.parametrize("how", ["kill", "full"])
@pytest.mark.parametrize("damage", [_flip, _nul_span, _newline_inside, _torn_before, _newline_gone])
def test_a_repair_that_was_broken_off_is_finished_by_the_next(
    written: Path, tmp_path: Path, broken_off: Callable[[int, str], None], damage: Damage, how: str
) -> None:
    lines = lines_of(written)
    damaged, _ = damage(random.Random(1), lines, len(lines) // 2)
    whole = tmp_path / "whole.journal"
    put(whole, damaged)
    repair(str(whole))
    expected, n_calls, ended = readers.by_us(whole), 0, False
    while not ended:
        path = tmp_path / f"{n_calls}.journal"
        put(path, damaged)
        broken_off(n_calls, how)
        try:
            repair(str(path))
            ended = n_calls > 8
        except (KilledError, MachineError):
            pass
        system.fault = None
        Path(f"{path}.lock").unlink(missing_ok=True)  # as if the 30 s of Optuna's lock were over
        repair(str(path))
        assert check(str(path)).findings == []
        assert readers.by_us(path) == expected
        assert readers.by_optuna(path) == expected
        n_calls += 1
    assert n_calls > 8
