"""What `repair` puts where trials and studies were lost, so that everything after keeps its id and number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from lines import lines_of, put
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study
from journaltune.journal.upkeep import salvage
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.repair import repair


def results(path: Path) -> dict[str, list[Any]]:
    """By study and number: parameters and values, as stock Optuna reads them."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    found = sorted(storage.get_all_studies(), key=lambda study: study._study_id)
    return {one.study_name: [(trial.params, trial.values) for trial in storage.get_all_trials(one._study_id)] for one in found}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two studies that take turns; each value is what was suggested."""
    found = tmp_path / "two.journal"
    first = create_study(found, params={"x": "float(0, 1)"}, study_name="first", seed=1)
    second = create_study(found, params={"x": "float(0, 1)"}, study_name="second", seed=2)
    for _ in range(3):
        for study in (first, second):
            trial = study.ask()
            study.tell(trial, trial.params["x"])
    return found


@pytest.mark.parametrize("kept", [0, 60, -30])
def test_a_second_study_whose_record_is_gone_keeps_its_trials_whoever_asks_next(path: Path, kept: int) -> None:
    before, lines = results(path), lines_of(path)
    assert json.loads(lines[2])["study_id"] == 0
    put(path, [lines[0], lines[1][:kept] + bytes(len(lines[1][kept:])), *lines[2:]])
    (mended,) = repair(str(path))
    assert "1 study" in mended.done
    assert list(results(path).values()) == list(before.values())


def test_a_study_that_is_gone_with_trials_of_others_and_its_own_is_put_back(tmp_path: Path) -> None:
    """What is left of the gap names only a trial; nobody tells the number of stock Optuna's first one."""
    path = tmp_path / "study.journal"
    ours = create_study(path, params={"x": "float(0, 1)"}, study_name="ours", seed=1)
    ours.tell(ours.ask(), 0.0)
    begin = len(lines_of(path))
    ours.ask()
    stock = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="stock")
    theirs = stock.ask()
    end = len(lines_of(path))
    ours.tell(ours.ask(), 2.0)
    stock.tell(theirs, 0.5)
    stock.tell(stock.ask(), 1.5)
    lines = lines_of(path)
    gap = b"\n".join(lines[begin:end])
    put(path, [*lines[:begin], gap[:60] + bytes(len(gap) - 60), *lines[end:]])
    repair(str(path))
    found = results(path)
    assert [values for _, values in found["ours"]] == [[0.0], None, [2.0]]
    assert [values for _, values in found["recovered-1"]] == [None, [1.5]]


def test_two_studies_that_are_gone_together_come_back_as_two(path: Path) -> None:
    """With one name only, the second would take no effect, and its trials would go with it."""
    before, lines = results(path), lines_of(path)
    put(path, [lines[0][:70] + bytes(len(lines[0]) - 70 + 1 + len(lines[1])), *lines[2:]])
    repair(str(path))
    after = results(path)
    assert list(after) == ["first", "recovered-1"]
    assert list(after.values()) == list(before.values())


def test_a_second_study_whose_record_was_taken_out_is_noted(path: Path) -> None:
    before, lines = results(path), lines_of(path)
    put(path, [lines[0], *lines[2:]])
    noted, *_ = repair(str(path))
    assert "1 study and 0 trials noted" in noted.done
    assert list(results(path).values()) == list(before.values())


def test_a_lost_trial_is_not_put_into_a_study_whose_numbers_are_right(tmp_path: Path) -> None:
    """Of the gap, the head of our ask is left; that stock Optuna's trial was in it too only the ids say."""
    path = tmp_path / "study.journal"
    ours = create_study(path, params={"x": "float(0, 1)"}, study_name="ours", seed=1)
    stock = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="stock")
    for _ in range(3):
        trial, theirs = ours.ask(), stock.ask()
        ours.tell(trial, trial.params["x"])
        stock.tell(theirs, 0.5)
    before, lines = results(path), lines_of(path)
    place = [number for number, line in enumerate(lines) if b'"op_code":4' in line][2]
    size = len(lines[place]) + len(lines[place + 1]) + 1
    put(path, [*lines[:place], lines[place][:60].ljust(size, b"\0"), *lines[place + 2 :]])
    repair(str(path))
    assert [values for _, values in results(path)["ours"]] == [before["ours"][0][1], None, before["ours"][2][1]]
    assert [values for _, values in results(path)["stock"]] == [[0.5], None, [0.5]]


def test_each_line_is_looked_ahead_at_once_however_many_are_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, n_trials = tmp_path / "study.journal", 300
    rest = b'"worker_id":"w","trial_id":%d,"state":%d,"values":[0.5],"datetime_complete":"2026-01-01T00:00:00Z"}'
    lines = [b'{"op_code":0,"worker_id":"w","study_name":"s","directions":[1]}']
    for number in range(n_trials):
        lines.append(b'{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null}')
        lines.append(b'{"op_code":6,' + rest % (number, 9))  # no such state
        lines.append(b'{"op_code":6,' + rest % (number, 1))
    put(path, lines)
    looked_at, decoded = [0], salvage.decoded

    def count(text: bytes) -> dict[str, Any] | None:
        looked_at[0] += 1
        return decoded(text)

    monkeypatch.setattr(salvage, "decoded", count)
    assert len(repair(str(path))) == n_trials
    assert looked_at[0] <= 2 * len(lines)
    assert [values for _, values in results(path)["s"]] == [[0.5]] * n_trials
    assert check(str(path)).findings == []
