"""That every way to read a journal gives the same: snapshot and tail, a whole replay, stock Optuna's, and Rustuna's."""

from __future__ import annotations

import json
import shutil
import traceback
from contextlib import closing
from typing import TYPE_CHECKING, Any

import readers

from journaltune.base.errors import JournaltuneError
from journaltune.engine.verify import verify
from journaltune.journal.fold import Fold
from journaltune.journal.journal import Journal
from journaltune.journal.records import Chain, RecordReader
from journaltune.journal.state import JournalState
from journaltune.journal.upkeep.check import check
from torture import views

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def disagreements(path: Path) -> list[str]:
    """What the readers of a journal don't agree about, or can't read; nothing where all is well."""
    alone = path.with_name(f"{path.name}.alone")
    alone.unlink(missing_ok=True)
    shutil.copyfile(path, alone)
    ways: dict[str, Callable[[], views.View]] = {
        "stock Optuna": lambda: views.stock(alone),
        "a replay that decodes everything": lambda: _thorough(path),
        "a snapshot and its tail": lambda: views.ours(path),
    }
    expected = _read(lambda: views.ours(alone))
    readings = {name: _read(way) for name, way in ways.items()}
    wrong = [f"{name}: {_first_difference(got, expected)}" for name, got in readings.items() if got != expected]
    if _read(lambda: views.all_of(path)) != _read(lambda: views.all_of(alone)):
        wrong.append("a snapshot and its tail give another state than a whole replay")
    checked = _read(lambda: [f"check says of byte {damage.offset}: {damage.what}" for damage in check(str(path)).findings])
    wrong += checked if isinstance(checked, list) else [f"check: {checked}"]
    if isinstance(expected, str):
        wrong.append(f"we can't read it: {expected}")
    elif not wrong:
        wrong = _suggested_otherwise(path) + _rustuna(alone)
    alone.unlink(missing_ok=True)
    return wrong


def _read(way: Callable[[], Any]) -> Any:
    """What it reads, or the error as text: no way may stop the others."""
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
    with closing(Journal(str(path))) as journal:
        names = [study.name for study in journal.state.studies.values() if study.config]
    verdicts = {name: _read(lambda name=name: verify(path, name)) for name in names}  # type: ignore[misc]
    wrong = {name: getattr(verdict, "difference", verdict) for name, verdict in verdicts.items()}
    return [f"verify of study {name!r}: {what}" for name, what in wrong.items() if what]


def _rustuna(path: Path) -> list[str]:
    """Rustuna takes the last of two results of a trial, not the first; only then may it see another one. So with two claims."""
    finished = [record["trial_id"] for record in _records(path) if record["op_code"] == 6 and record["state"] in (1, 2, 3)]
    theirs, ours = (
        {name: [readers.text({**trial, "began": None}) for trial in trials] for name, trials in by(path)}
        for by in (readers.plain_by_rustuna, readers.plain_by_us)
    )
    if theirs == ours or len(finished) != len(set(finished)):
        return []
    return [f"Rustuna: {_first_difference(theirs, ours)}"]


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def _first_difference(got: Any, expected: Any) -> str:
    """Where two readings part."""
    if isinstance(got, str) or isinstance(expected, str):
        return f"{str(got)[-600:]} where the replay has {str(expected)[-600:]}"
    if got.keys() != expected.keys():
        return f"studies {sorted(got)} where the replay has {sorted(expected)}"
    for name, lines in expected.items():
        for place in range(max(len(lines), len(got[name]))):
            pair = [row[place] if place < len(row) else "nothing" for row in (got[name], lines)]
            if pair[0] != pair[1]:
                return f"study {name!r}, line {place}: {pair[0]} where the replay has {pair[1]}"
    return "the same"
