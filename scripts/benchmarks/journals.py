"""Prepared journals: the same random trials as our engine writes them and as Optuna's JournalStorage does."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from benchmarks.bench import measure, say
from benchmarks.contenders import STUDY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CREATE_TRIAL, SET_TRIAL_STATE_VALUES = 4, 6
WORKER_ID = "0b6b2f9e-7c1d-4a55-9a3e-5d1f0f6c2a71-140406830132096"
STARTED, COMPLETED = "2026-01-02T03:04:05.000000+00:00", "2026-01-02T03:04:06.000000+00:00"


class Journals:
    """Hands out copies of journals with so many finished trials, each in a new folder, under the name of the study.

    The longest is written once; a shorter one is its beginning, which is a journal too.
    """

    def __init__(self, folder: Path, most_trials: int) -> None:
        self._folder = folder
        self._most_trials = most_trials
        self._made = count()

    def empty(self) -> Path:
        """A path in a new folder, with nothing there yet."""
        folder = self._folder / f"{next(self._made):04}"
        folder.mkdir(parents=True)
        return folder / f"{STUDY}.journal"

    def ours(self, trials: int, sampler: str) -> Path:
        """Our own records, without a snapshot."""
        path = self.empty()
        with self._base().open("rb") as base, path.open("wb") as copy:
            copy.writelines(_beginning(base, trials))
        if sampler != "random":
            # Ten thousand trials drawn by TPE would take minutes to write; what is asked next doesn't care who drew them.
            measure("resample", path, sampler)
        return path

    def optuna(self, trials: int) -> Path:
        """The same trials in Optuna's own records."""
        path = self.empty()
        with self._base().open("rb") as base, path.open("w", encoding="ascii", newline="\n") as native:
            native.writelines(optuna_records(_finished(_beginning(base, trials))))
        return path

    def _base(self) -> Path:
        base = self._folder / "base" / f"{STUDY}.journal"
        if not base.exists():
            say(f"writing {self._most_trials:,} trials")
            base.parent.mkdir()
            part = base.with_name("part") / base.name
            part.parent.mkdir()
            measure("write", part, self._most_trials)
            part.rename(base)
        return base


def _beginning(lines: Iterable[bytes], trials: int) -> Iterator[bytes]:
    """All lines up to the one that finishes the last of so many trials."""
    finished = 0
    for line in lines:
        if finished == trials:
            return
        yield line
        finished += b'"op_code":6' in line.replace(b" ", b"")


def _finished(lines: Iterable[bytes]) -> Iterator[tuple[dict[str, float], dict[str, str], float]]:
    """Parameters, distributions and value of each trial; each is finished by the record after the one that made it."""
    asked: dict[str, Any] = {}
    for line in lines:
        record = json.loads(line)
        if record["op_code"] == CREATE_TRIAL:
            asked = record
        elif record["op_code"] == SET_TRIAL_STATE_VALUES:
            yield asked["params"], asked["distributions"], record["values"][0]


def optuna_records(trials: Iterable[tuple[dict[str, float], dict[str, str], float]]) -> Iterator[str]:
    """What JournalStorage writes for ``study.ask(space)`` and ``study.tell``, byte for byte but for ids and times."""
    head = f'"worker_id":"{WORKER_ID}",'
    yield f'{{"op_code":0,{head}"study_name":"{STUDY}","directions":[1]}}\n'
    for number, (params, distributions, value) in enumerate(trials):
        lines = [f'{{"op_code":4,{head}"study_id":0,"datetime_start":"{STARTED}"}}\n']
        for name, internal in params.items():
            named = f'"trial_id":{number},"param_name":"{name}","param_value_internal":{internal!r}'
            lines.append(f'{{"op_code":5,{head}{named},"distribution":{json.dumps(distributions[name])}}}\n')
        lines.append(
            f'{{"op_code":6,{head}"trial_id":{number},"state":1,"values":[{value!r}],"datetime_complete":"{COMPLETED}"}}\n'
        )
        yield "".join(lines)
