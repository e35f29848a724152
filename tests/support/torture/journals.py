"""Small journals that hold a record of every kind: ours, and those of stock Optuna."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

from journaltune.engine.ask import ask
from journaltune.engine.create import create as create_study
from journaltune.engine.enqueue import enqueue
from journaltune.engine.tell import tell
from journaltune.journal.journal import Journal
from journaltune.space import space_from_params
from journaltune.study import open_study

if TYPE_CHECKING:
    from pathlib import Path

    from journaltune.study import OpenStudy

WHEN = "2024-02-29T12:00:00.000001+00:00"
FLOAT = json.dumps({"name": "FloatDistribution", "attributes": {"step": None, "low": 0.0, "high": 1.0, "log": False}})
PARAMS = {"x": "float(0, 1)", "wörd": 'a | "ü" | 3'}
NAME = "größe"


def stock_line(op_code: int, **fields: Any) -> bytes:
    """A record as Optuna's JournalFileBackend.append_logs would write it."""
    return json.dumps({"op_code": op_code, "worker_id": "stock-1", **fields}, separators=(",", ":")).encode() + b"\n"


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as file:
        file.writelines(lines)


def make(path: Path, seed: int, n_more: int = 0) -> None:
    """Asks, tells, attributes, a failure, a queued trial, text of several bytes a letter, records of stock Optuna between."""
    study = create(path, seed)
    for _ in range(3):
        ask(study)
    tell(study, 0, 0.1 + seed, attrs={"k": "naïve ✓"})
    append(
        path,
        stock_line(4, study_id=0, datetime_start=WHEN),
        stock_line(5, trial_id=3, param_name="x", param_value_internal=0.25, distribution=FLOAT),
        stock_line(9, trial_id=3, system_attr={"s": [1, None, "ß"]}).replace(b"\\u00df", "ß".encode()),
        stock_line(6, trial_id=3, state=1, values=[1e-300], datetime_complete=WHEN),
    )
    tell(study, 1, state="fail", reason="oom")
    enqueue(study, {"x": 0.5})
    for number in range(n_more):
        if number == n_more // 2:
            append(path, stock_line(2, study_id=0, user_attr={"middle": 0.5}))
        tell(study, ask(study).number, number / 3)
    study.close()


def make_tail(path: Path) -> None:
    """One more record of ours, then two of stock Optuna that no record of ours follows."""
    with open_study(path, NAME) as study:
        tell(study, 2, -1.5)
    append(
        path,
        stock_line(2, study_id=0, user_attr={"late": 0.5}),
        stock_line(4, study_id=0, datetime_start=WHEN, state=1, value=3.25, datetime_complete=WHEN),
    )


def create(path: Path, seed: int, name: str = NAME) -> OpenStudy:
    return create_study(path, name=name, space=space_from_params(PARAMS), seed=seed, sampler="random")


def save_snapshot(path: Path) -> None:
    with closing(Journal(str(path))) as journal:
        journal.save_snapshot()
