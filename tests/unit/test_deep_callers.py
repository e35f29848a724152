"""A caller near Python's limit of recursion: his depth is not the journal's damage, and the next call is right."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import JournalDamagedError, create_study, load_study
from journaltune.api.study import Study


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def depth() -> int:
    frame, found = sys._getframe(), 0
    while frame is not None:
        frame, found = frame.f_back, found + 1  # type: ignore[assignment]
    return found


def with_room(room: int, function: Callable[[], Any]) -> Any:
    """What the function answers when it may go ``room`` calls deep."""

    def down(left: int) -> Any:
        return function() if left <= 0 else down(left - 1)

    return down(sys.getrecursionlimit() - depth() - room)


def seen(study: Study) -> list[Any]:
    return [(trial.number, trial.state, trial.params, trial.values, trial.user_attrs) for trial in study.trials]


def by_stock(path: Path) -> Callable[[], None]:
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.load_study(study_name="study", storage=storage, sampler=optuna.samplers.RandomSampler())

    def write() -> None:
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.set_user_attr("k", [1])
        study.tell(trial, 1.0)

    return write


def by_us(path: Path) -> Callable[[], None]:
    study = load_study(path)

    def write() -> None:
        study.tell(study.ask(), 1.0, attrs={"k": [1]})

    return write


@pytest.mark.parametrize("writer", [by_stock, by_us])
def test_a_deep_caller_is_not_told_of_damage(path: Path, writer: Callable[[Path], Callable[[], None]]) -> None:
    study, found = create_study(path, params={"x": "float(0, 1)"}, sampler="random", seed=1), set()
    write = writer(path)
    for room in range(4, 70, 2):
        write()
        try:
            with_room(room, lambda: study.trials)
            found.add("fits")
        except RecursionError:
            found.add("too deep")
        assert seen(study) == seen(load_study(path))
    assert found == {"fits", "too deep"}


def test_a_record_that_nests_too_deeply_is_damage_whoever_reads_it(path: Path) -> None:
    study = create_study(path, params={"x": "float(0, 1)"}, seed=1)
    deep = "[" * 100_000 + "]" * 100_000
    with path.open("a", encoding="utf-8") as file:
        file.write(f'{{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{{"a":{deep}}}}}\n')
    with pytest.raises(JournalDamagedError, match="nested too deeply"):
        study.ask()
