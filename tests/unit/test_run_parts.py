"""The small parts of `run`: its clock, its rules, what it keeps, what it notes beside the journal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from journaltune import Study, create_study
from journaltune.base.errors import UsageError
from journaltune.engine import own_trials
from journaltune.engine.owners import Worker
from journaltune.run import folders, processes, roster, rules
from journaltune.run.memory import size_text
from journaltune.run.placeholders import CommandLine
from journaltune.run.plan import KEPT, Plan, checked, time_limit
from journaltune.run.roster import Entry, Roster
from journaltune.run.rules import Clock, Rules
from journaltune.run.tally import Tally, tally_of
from journaltune.study.trials import n_counted

TRAIN = CommandLine(["true"])


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The kernel's clock, which a test moves on."""
    time_s = [100.0]
    monkeypatch.setattr(rules, "monotonic", lambda: time_s[0])
    return time_s


def test_the_clock_stands_still_while_trainers_do(now: list[float]) -> None:
    clock = Clock()
    began_s = clock.now()
    for pause_s in (5.0, 7.0):
        clock.stop()
        clock.stop()
        now[0] += pause_s
        clock.go_on()
        clock.go_on()
        now[0] += 1.0
    assert clock.now() - began_s == 2.0


class TestRules:
    def rules(self, **settings: Any) -> Rules:
        return Rules(Plan(TRAIN, None, [None], **settings), Clock())

    def ends(self, made: Rules, outcomes: str) -> list[bool]:
        return [made.ended(outcome == "f") for outcome in outcomes]

    def test_without_a_rule_failures_end_nothing(self) -> None:
        made = self.rules()
        assert self.ends(made, "fffff") == [False] * 5
        assert not made.stopping

    def test_more_failures_than_allowed(self) -> None:
        made = self.rules(max_failures=2)
        assert self.ends(made, "ff.ff") == [False, False, False, True, False]
        assert made.stopping == "3 trials failed, and --max-failures allows 2"

    def test_a_share_of_at_least_three(self) -> None:
        assert self.ends(self.rules(halt_percent=50.0), "ff..f") == [False] * 4 + [True]
        assert self.ends(self.rules(halt_percent=50.0), "fff") == [False, False, True]
        assert self.ends(self.rules(halt_percent=50.0), "f....ff") == [False] * 7
        assert self.ends(self.rules(halt_percent=40.0), "f....ff") == [False] * 6 + [True]

    def test_the_first_reason_to_stop_stays(self) -> None:
        made = self.rules(max_failures=0)
        made.stop("interrupted")
        made.ended(True)
        assert (made.stopping, made.is_halted) == ("interrupted", True)

    def test_time_of_the_run(self, now: list[float]) -> None:
        made = self.rules(timeout_s=10.0)
        assert made.allow_start([])  # type: ignore[arg-type]
        now[0] += 10.0
        assert not made.allow_start([])  # type: ignore[arg-type]
        assert made.stopping == "the time of 10 s is over"

    def test_memory_that_others_grew_to_is_left_for_those_that_run(
        self, now: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Running:
            seen_bytes = 10

        monkeypatch.setattr(processes, "available_bytes", lambda: 1000)
        made = self.rules(memory_free_bytes=800)
        running: Any = [Running()]
        made.started()
        assert made.allow_start([])  # type: ignore[arg-type]
        assert not made.allow_start(running), "how large it gets is not known yet"
        now[0] += rules._APART_S
        assert made.allow_start(running)
        made.ended(False, peak_bytes=200)
        assert made.allow_start(running)
        made.ended(False, peak_bytes=300)
        assert not made.allow_start(running)
        assert made.allow_start([])  # type: ignore[arg-type]
        monkeypatch.setattr(processes, "available_bytes", lambda: None)
        assert made.allow_start(running)

    def test_the_limit_of_an_attempt(self) -> None:
        tally = Tally(None)  # type: ignore[arg-type]
        assert self.rules().limit_s(tally) is None
        assert self.rules(trial_timeout=time_limit("90s")).limit_s(tally) == 90.0
        share = self.rules(trial_timeout=time_limit("150%"))
        tally._walls_s = [1.0, 2.0]
        assert share.limit_s(tally) is None
        tally._walls_s = [1.0, 2.0, 4.0, 10.0]
        assert share.limit_s(tally) == 4.5


class TestKept:
    @pytest.mark.parametrize(
        ("text", "seconds", "percent"),
        [
            ("90", 90, None),
            ("90s", 90, None),
            ("250ms", 0.25, None),
            ("1.5h", 5400, None),
            ("2d", 172800, None),
            ("200%", None, 200),
        ],
    )
    def test_time_limits(self, text: str, seconds: float | None, percent: float | None) -> None:
        limit = time_limit(text)
        assert (limit.text, limit.seconds, limit.percent) == (text, seconds, percent)

    @pytest.mark.parametrize("text", ["", "0", "0%", "-1s", "1e3", "1w", "1 s", "s", "%", "1%%", "٣s", "1..5s", None, 90])
    def test_what_is_no_time_limit(self, text: Any) -> None:
        with pytest.raises(UsageError):
            time_limit(text)

    @pytest.mark.parametrize("name", KEPT)
    def test_what_damage_left_in_the_place_of_a_setting_is_refused(self, name: str) -> None:
        for value in ([], {}, None, "", -1, "x" if name != "gpus" else 7):
            with pytest.raises(UsageError):
                checked({name: value})

    def test_a_setting_that_nobody_knows_is_named(self) -> None:
        with pytest.raises(UsageError, match="'job' is not a setting of run"):
            checked({"job": 2})


OWNER = {"boot": "b", "ns": 1, "time_ns": 2, "pid": 3}


class TestRoster:
    FIRST, SECOND = Entry(7, 1, 100, 5000), Entry(8, 2, 101, 5001, 123456)

    def test_what_is_put_is_read_by_slot(self, tmp_path: Path) -> None:
        path = str(tmp_path / "worker")
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        made = Roster(fd, OWNER)
        made.put(2, self.SECOND)
        made.put(0, self.FIRST)
        place = {"boot": "b", "ns": 1, "time_ns": 2}
        assert roster.read(path) == (place, [self.FIRST, self.SECOND])
        made.clear(0)
        made.put(2, self.FIRST)
        assert roster.read(path) == (place, [self.FIRST])
        os.ftruncate(fd, os.fstat(fd).st_size - 200)  # as a line that is just being written
        assert roster.read(path) == (place, [])
        os.close(fd)

    def test_without_a_file_it_does_nothing(self, tmp_path: Path) -> None:
        Roster(-1, OWNER).put(0, self.FIRST)
        assert roster.read(str(tmp_path / "none")) == ({}, [])

    @pytest.mark.parametrize(
        "text", [b"", b"\0" * 1000, b"[]\n[]\n", b'{}\n{"number": 1}\n', b'{}\n{"number": "x"}', b"\xff\n" * 5]
    )
    def test_what_is_none_is_read_as_empty(self, tmp_path: Path, text: bytes) -> None:
        (tmp_path / "worker").write_bytes(text)
        assert roster.read(str(tmp_path / "worker"))[1] == []


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return create_study(tmp_path / "study.journal", params={"x": "float(0, 1)"}, seed=1, sampler="random")


class TestFolders:
    def prepare(self, study: Study, began_us: int, is_first: bool, **params: Any) -> folders.Folder:
        return folders.prepare(study._study.path, 0, 3, params or {"x": 0.5}, began_us, is_first)

    def test_a_next_attempt_finds_what_was_kept_but_no_result(self, study: Study) -> None:
        folder = self.prepare(study, 0, True)
        assert folder.path == f"{study._study.path}.d/trials/000003"
        for name in ("checkpoint", "result"):
            Path(folder.path, name).touch()
        assert self.prepare(study, 0, False) == folder
        assert sorted(os.listdir(folder.path)) == ["checkpoint", "params.json"]

    @pytest.mark.parametrize(("is_first", "later_us", "x"), [(True, 0, 0.5), (False, 10**13, 0.5), (False, 0, 0.25)])
    def test_another_trials_folder_is_moved_aside(self, study: Study, is_first: bool, later_us: int, x: float) -> None:
        folder = self.prepare(study, 0, True)
        began_us = os.stat(folder.params).st_mtime_ns // 1000 + later_us
        Path(folder.path, "checkpoint").touch()
        self.prepare(study, began_us, is_first, x=x)
        assert sorted(os.listdir(folder.path)) == ["params.json"]
        assert sorted(os.listdir(f"{folder.path}.old-1")) == ["checkpoint", "params.json"]

    def test_it_is_for_those_who_may_use_the_journal(self, study: Study) -> None:
        os.chmod(study._study.path, 0o640)
        folder = self.prepare(study, 0, True)
        assert os.stat(folder.path).st_mode & 0o777 == 0o750 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class TestOwnTrials:
    def settle(self, study: Study, worker: Worker, number: int, state: int, **rest: Any) -> bool:
        values = {"values": None, "reason": None, "attrs": {}, "constraints": {}, "usage": {"wall_s": 1.0}, **rest}
        return own_trials.settle(study._study, own_trials.Settled(number=number, state=state, **values), worker.owner)

    def ask(self, study: Study, worker: Worker) -> int:
        from journaltune.engine.ask import ask

        return ask(study._study, owner=worker.owner).number

    def test_a_tally_is_what_the_whole_study_says(self, study: Study) -> None:
        with Worker(study._study.path) as worker:
            tally = tally_of(study._study)
            for place in range(12):
                number = self.ask(study, worker)
                if place % 4 == 0:
                    self.settle(study, worker, number, 3, reason=("oom", "interrupted", "exit")[place // 4])
                elif place % 4 == 1:
                    self.settle(study, worker, number, 1, values=[place / 10], constraints={"c": float(place % 3 - 1)})
                elif place % 4 == 2:
                    self.settle(study, worker, number, 1, values=[1.0 / place], usage={"wall_s": float(place)})
                tally = tally_of(study._study)
        state = study._study.state()
        n_running = len(state.live)
        assert tally.n_finished == n_counted(state) - n_running == 8
        assert tally.reasons == {"oom": 1, "exit": 1}
        assert tally.best == (study.best_value, study.best_trial.number)
        assert tally.median_wall_s() == 1.5
        assert Tally(state.finished).update(state).best == tally.best

    def test_only_its_owner_settles_a_trial(self, study: Study) -> None:
        with Worker(study._study.path) as worker, Worker(study._study.path) as other:
            number = self.ask(study, worker)
            assert not self.settle(study, other, number, 1, values=[1.0])
            assert self.settle(study, worker, number, 1, values=[1.0])
            assert not self.settle(study, worker, number, 1, values=[1.0])
        assert study.trials[0].system_attrs["journaltune:usage"] == {"wall_s": 1.0}

    def test_a_pruned_trial_has_its_last_report(self, study: Study) -> None:
        with Worker(study._study.path) as worker:
            number = self.ask(study, worker)
            assert not own_trials.report_all(study._study, number, worker.owner, [(1, 5.0), (2, 3.0), (1, 9.0)])
            assert self.settle(study, worker, number, 2)
            assert not own_trials.report_all(study._study, number, worker.owner, [(3, 1.0)])
        assert (study.trials[0].value, study.trials[0].intermediate_values) == (3.0, {1: 5.0, 2: 3.0})

    @pytest.mark.parametrize("ended", [False, True])
    def test_each_report_is_shown_to_the_pruner_and_a_trial_that_has_ended_keeps_its_result(
        self, tmp_path: Path, ended: bool
    ) -> None:
        study = create_study(
            tmp_path / "study.journal", params={"x": "float(0, 1)"}, pruner="threshold", pruner_options={"upper": 2.0}
        )
        with Worker(study._study.path) as worker:
            number, reports = self.ask(study, worker), [(1, 1.0), (2, 5.0), (3, 1.0)]
            assert own_trials.report_all(study._study, number, worker.owner, reports, ended) is not ended
            assert self.settle(study, worker, number, 1, values=[7.0])
        assert study.trials[0].intermediate_values == dict(reports if ended else reports[:2])

    def test_a_next_attempt_is_the_same_trial(self, study: Study) -> None:
        from journaltune.engine.resume import holder_of

        with Worker(study._study.path) as worker:
            number = self.ask(study, worker)
            assert own_trials.rerun(study._study, number, 1, worker.owner, "m", "exit") == 2
            assert own_trials.rerun(study._study, number, 1, worker.owner, "m", "exit") == 2  # its answer was lost
            assert own_trials.rerun(study._study, number, 2, worker.owner, "m", "oom") == 3
            assert own_trials.n_failures(study._study, number) == 2
            holder = holder_of(study._study.state().live[number])
            assert (holder.attempt, holder.deaths, holder.owner, holder.mark) == (3, 0, worker.owner, "m")
            assert own_trials.rerun(study._study, number, 3, {"pid": 1}, "m", "exit") is None


@pytest.mark.parametrize(("size", "text"), [(5, "5 bytes"), (1536, "1.5 KiB"), (8 << 30, "8 GiB"), (2000 << 40, "2e+03 TiB")])
def test_sizes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
