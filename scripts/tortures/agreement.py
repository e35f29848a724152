"""That every way to read a journal gives the same: snapshot and tail, a whole replay, stock Optuna's, and Rustuna's."""

from __future__ import annotations

import json
import shutil
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rustuna.storages import JournalFileStorage

from journaltune.base.errors import JournaltuneError
from journaltune.engine.verify import verify
from journaltune.journal.fold import Fold
from journaltune.journal.journal import Journal
from journaltune.journal.records import Chain, RecordReader
from journaltune.journal.state import JournalState
from journaltune.journal.upkeep.check import check
from journaltune.study.trials import trials_of
from tortures import views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def disagreements(path: Path, *, rustuna: bool = True) -> list[str]:
    """What the readers of a journal don't agree about, or can't read; nothing where all is well."""
    alone = path.with_name(f"{path.name}.alone")
    alone.unlink(missing_ok=True)
    shutil.copyfile(path, alone)
    ways: dict[str, Callable[[], Any]] = {
        "a whole replay": lambda: views.ours(alone),
        "stock Optuna": lambda: views.stock(alone),
        "a replay that decodes everything": lambda: _thorough(path),
        "a snapshot and its tail": lambda: views.ours(path),
    }
    read = {name: _read(way) for name, way in ways.items()}
    expected = read["a whole replay"]
    wrong = [f"{name}: {_first_difference(found, expected)}" for name, found in read.items() if found != expected]
    if _read(lambda: views.all_of(path)) != _read(lambda: views.all_of(alone)):
        wrong.append("a snapshot and its tail give another state than a whole replay")
    checked = _read(lambda: [f"check says of byte {found.offset}: {found.what}" for found in check(str(path)).findings])
    wrong += checked if isinstance(checked, list) else [f"check: {checked}"]
    if isinstance(expected, str):
        wrong.append(f"we can't read it: {expected}")
    elif not wrong:
        wrong += _suggested_otherwise(path) + (_rustuna(alone) if rustuna else [])
    alone.unlink(missing_ok=True)
    return wrong


def _read(way: Callable[[], Any]) -> Any:
    """What it reads, or the error as text: none of them may stop the others."""
    try:
        return way()
    except JournaltuneError as error:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return traceback.format_exc()


def _thorough(path: Path) -> views.View:
    state, data = JournalState(), path.read_bytes()
    fold = Fold(str(path), RecordReader(), state, Chain(), thorough=True)
    fold.feed(data[: data.rfind(b"\n") + 1], 0)
    return views.of_state(state)


def _suggested_otherwise(path: Path) -> list[str]:
    """Suggestions that don't follow from what their asks saw, in each study that has a space."""
    journal = Journal(str(path))
    names = [study.name for study in journal.state.studies.values() if study.config]
    journal.close()
    verdicts = {name: _read(lambda name=name: verify(path, name)) for name in names}  # type: ignore[misc]
    return [f"verify of study {name!r}: {found}" for name, found in verdicts.items() if getattr(found, "difference", found)]


def _rustuna(path: Path) -> list[str]:
    """Rustuna takes the last of two results of a trial, not the first; only then may it see another one."""
    twice = _told_twice(path)
    journal = Journal(str(path))
    ours = {s.name: [_plain(t) for t in trials_of(s, set(range(5)))] for s in journal.state.studies.values()}
    journal.close()
    storage = JournalFileStorage(str(path))
    theirs = {study.name: [_plain(trial) for trial in storage.get_trials(study.id)] for study in storage.get_studies()}
    if twice or ours == theirs:
        return []
    return [f"Rustuna: {_first_difference(theirs, ours)}"]


def _told_twice(path: Path) -> bool:
    finished = [record["trial_id"] for record in _records(path) if record["op_code"] == 6 and record["state"] in (1, 2, 3)]
    return len(finished) != len(set(finished))


def _records(path: Path) -> Iterable[dict[str, Any]]:
    return (json.loads(line) for line in path.read_bytes().split(b"\n")[:-1])


def _plain(trial: Any) -> str:
    """What Rustuna keeps of a trial: it makes no difference between 1 and 1.0, and drops the values of pruned trials."""
    values = [float(value).hex() for value in trial.values or ()] if trial.state.name == "COMPLETE" else []
    params = {n: float(value).hex() if type(value) in (int, float) else value for n, value in trial.params.items()}
    return json.dumps([trial.number, trial.state.name, values, params, dict(trial.user_attrs)], sort_keys=True)


def _first_difference(found: Any, expected: Any) -> str:
    """Where two readings part."""
    if isinstance(found, str) or isinstance(expected, str):
        return f"{str(found)[-600:]} where the replay has {str(expected)[-600:]}"
    if found.keys() != expected.keys():
        return f"studies {sorted(found)} where the replay has {sorted(expected)}"
    for name, lines in expected.items():
        for place in range(max(len(lines), len(found[name]))):
            pair = [row[place] if place < len(row) else "nothing" for row in (found[name], lines)]
            if pair[0] != pair[1]:
                return f"study {name!r}, line {place}: {pair[0]} where the replay has {pair[1]}"
    return "the same"
