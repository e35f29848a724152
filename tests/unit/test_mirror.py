"""A mirror holds what the journal holds, whatever happens to the journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from journaltune import Study, UsageError, create_study, load_study
from journaltune.engine import own_trials
from journaltune.engine.ask import ask
from journaltune.engine.owners import Worker
from journaltune.engine.reap import release
from journaltune.engine.resume import holder_of
from journaltune.journal import file as files
from journaltune.journal.journal import Journal
from journaltune.journal.mirror import Mirror, since
from journaltune.study import OpenStudy, resolve
from journaltune.study.trials import trials

if TYPE_CHECKING:
    from journaltune.journal.mirror import News

PARAMS = {"x": "float(0, 1)"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.journal"


@pytest.fixture
def study(path: Path) -> Study:
    return create_study(path, params=PARAMS, sampler="random", seed=1)


class Fetching:
    """A mirror of a journal, and the offsets that it asked for."""

    def __init__(self, path: Path) -> None:
        self.path, self.offsets, self.checks = path, list[int](), False
        self.mirror = Mirror("ssh://there/s.journal", self.fetch, lambda: None, 60.0)

    def fetch(self, offset: int) -> News:
        self.offsets.append(offset)
        return since(Journal(str(self.path)), offset, self.mirror.checksum if self.checks else None)

    def shown(self) -> str:
        self.mirror.sync()
        return repr(trials(OpenStudy(self.mirror, resolve(self.mirror, None))))


def test_a_mirror_reads_what_is_new(study: Study, path: Path) -> None:
    copy = Fetching(path)
    for value in (0.5, 0.25):
        study.tell(study.ask(), value)
        assert copy.shown() == repr(study.trials)
    assert copy.offsets[0] == 0 < copy.offsets[-1] == copy.mirror.offset == path.stat().st_size


def test_a_long_journal_comes_in_parts(study: Study, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 500)
    study.optimize(lambda trial: trial.params["x"], n_trials=9)
    copy = Fetching(path)
    assert copy.shown() == repr(study.trials)
    assert len(copy.offsets) > 2


def test_records_that_were_taken_back_are_forgotten(study: Study, path: Path) -> None:
    study.tell(study.ask(), 0.5, attrs={"half": 1})
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rfind(b"\n", 0, -1) + 1])
    copy = Fetching(path)
    assert "half" in copy.shown()
    again = load_study(path)
    again.enqueue({"x": 0.25})
    assert copy.shown() == repr(again.trials)
    assert "half" not in copy.shown()


def test_another_file_is_read_from_its_beginning(study: Study, path: Path, tmp_path: Path) -> None:
    study.tell(study.ask(), 0.5)
    copy = Fetching(path)
    copy.shown()
    path.unlink()
    other = create_study(path, params=PARAMS, sampler="random", seed=2)
    for value in range(5):
        other.tell(other.ask(), value)
    copy.checks = True
    assert copy.shown() == repr(other.trials)


def test_nothing_is_written_through_a_mirror(study: Study, path: Path) -> None:
    mirror = Fetching(path).mirror
    for call in (mirror.locked, lambda: mirror.asks(0), mirror.flush):
        with pytest.raises(UsageError, match="another machine"):
            call()


def test_a_client_that_is_back_takes_what_nobody_took(study: Study) -> None:
    opened = study._study
    with Worker(opened.path) as first, Worker(opened.path) as other, Worker(opened.path) as second:
        numbers = [ask(opened, owner=first.owner, mark=mark).number for mark in ("ours", "ours", "theirs")]
        own_trials.give_back(opened, first.owner, died=True)
        taken = ask(opened, owner=other.owner, mark="others").number
        assert taken == numbers[0]
        assert own_trials.adopt(opened, ["ours"], second.owner) == [(1, 1)]
        assert own_trials.adopt(opened, ["ours"], second.owner) == [(1, 1)]
        holder = holder_of(opened.state().live[1])
        assert (holder.owner, holder.deaths, holder.attempt, holder.released) == (second.owner, 0, 1, False)
        assert ask(opened, owner=other.owner).number == 2


def test_a_trial_that_was_released_dies_of_nobody(study: Study) -> None:
    opened = study._study
    with Worker(opened.path) as worker:
        release(opened, ask(opened, owner=worker.owner).number)
        own_trials.give_back(opened, worker.owner, died=True)
    assert holder_of(opened.state().live[0]).deaths == 0


def test_a_result_whose_answer_was_lost_is_recorded_once(study: Study) -> None:
    opened = study._study
    with Worker(opened.path) as worker:
        number = ask(opened, owner=worker.owner).number
        result = own_trials.Settled(number, 1, [0.5], None, {}, {}, {})
        assert own_trials.settle(opened, result, worker.owner, "call-1")
        assert own_trials.settle(opened, result, worker.owner, "call-1")
        assert not own_trials.settle(opened, result, worker.owner, "call-2")
    assert study.best_value == 0.5
