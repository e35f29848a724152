"""What holds in the first kilobytes of a journal holds far behind them, and in lines longer than what is read at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.base.errors import JournalDamagedError
from journaltune.journal import file as files
from journaltune.journal.journal import Journal

PARAMS = {"x": "float(0, 1)"}


@pytest.mark.parametrize("pad", [0, 20_000, 200_000])
def test_a_call_that_broke_off_is_taken_back_wherever_it_began(tmp_path: Path, pad: int) -> None:
    path = tmp_path / "s.journal"
    study = create_study(path, params=PARAMS, sampler="random", seed=1)
    study.enqueue({"x": 0.5}, attrs={"pad": "p" * pad})
    study.tell(study.ask(), 0.5, attrs={"half": 1})
    study.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rfind(b"\n", 0, -1) + 1])
    load_study(path).enqueue({"x": 0.25})
    readers = load_study(path).trials, JournalStorage(JournalFileBackend(str(path))).get_all_trials(0)
    for trials in readers:
        assert [(trial.state.name, "half" in trial.user_attrs) for trial in trials] == [("RUNNING", False), ("WAITING", False)]


@pytest.mark.parametrize("length", [1, 99, 100, 101, 5000])
def test_a_line_longer_than_what_is_read_at_once_is_read_whole(tmp_path: Path, length: int) -> None:
    path = tmp_path / "s.journal"
    lines = [b"short\n", b"x" * length + b"\n", b"next\n", b"torn"]
    path.write_bytes(b"".join(lines))
    fd, found = os.open(path, os.O_RDONLY), b""
    while data := files.read_from(fd, len(found), 100):
        assert data.endswith(b"\n")
        found += data
    os.close(fd)
    assert found == b"".join(lines[:3])


def test_a_journal_with_such_a_line_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 64)
    study = create_study(tmp_path / "s.journal", params=PARAMS, sampler="random", seed=1)
    study.enqueue({"x": 0.5}, attrs={"pad": "p" * 1000})
    assert study.ask().params == {"x": 0.5}
    study.ask()
    assert len(load_study(tmp_path / "s.journal").trials) == 2


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["first", "last"])
def test_a_snapshot_of_a_long_journal_that_was_changed_at_either_end_is_not_believed(tmp_path: Path, share: float) -> None:
    path = tmp_path / "s.journal"
    study = create_study(path, params=PARAMS, sampler="random", seed=1)
    for number in range(60):
        study.tell(study.ask(), number / 3, attrs={"pad": f"pad {number:04} " * 10})
    study.close()
    journal = Journal(str(path))
    journal.save_snapshot()
    journal.close()
    data = path.read_bytes()
    assert len(data) > 3 * 8192
    pads = [place for place in range(len(data)) if data.startswith(b"pad 00", place)]
    with path.open("r+b") as file:  # the same file, as long as before
        file.seek(pads[int(share * (len(pads) - 1))])
        file.write(b"PAD")
    with pytest.raises(JournalDamagedError):
        Journal(str(path))


def test_a_record_longer_than_what_is_read_at_once_reaches_a_journal_that_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 1000)
    path = tmp_path / "s.journal"
    study = create_study(path, params=PARAMS, sampler="random", seed=1)
    study.tell(study.ask(), 0.5)
    other = load_study(path)
    study.set_user_attr("long", "x" * 5000)
    other.set_user_attr("short", 1)  # a writer that missed it would write for another place
    for each in (study, other, load_study(path)):
        assert each.user_attrs == {"long": "x" * 5000, "short": 1}
