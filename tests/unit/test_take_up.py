"""The trial of a worker that died is handed out again; what the worker's death means for budgets, samplers and people."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import ConflictError, ExhaustedError, NotFoundError, create_study, load_study
from journaltune.api.study import Study
from journaltune.cli import main
from journaltune.engine import owners, resume

Worker = Callable[[], int]
Kill = Callable[[int], None]


class Workers:
    """Processes that own trials."""

    def __init__(self) -> None:
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> int:
        process = subprocess.Popen(["sleep", "60"])
        self._running[process.pid] = process
        return process.pid

    def kill(self, pid: int) -> None:
        self._running[pid].kill()
        self._running.pop(pid).wait()

    def dead(self, study: Study, **options: Any) -> Any:
        """A trial whose owner died after it had asked."""
        pid = self.start()
        trial = study.ask(owner_pid=pid, **options)
        self.kill(pid)
        return trial

    def end(self) -> None:
        for pid in list(self._running):
            self.kill(pid)


@pytest.fixture
def workers() -> Iterator[Workers]:
    started = Workers()
    yield started
    started.end()


def facts(trial: Any) -> tuple[int, dict[str, Any], int]:
    return trial.number, trial.params, trial.seed


class TestAskedAgain:
    def test_it_is_the_same_trial_and_the_next_attempt(self, study: Study, workers: Workers) -> None:
        lost = workers.dead(study)
        again = study.ask(owner_pid=os.getpid())
        assert facts(again) == facts(lost)
        assert (lost.attempt, again.attempt) == (1, 2)
        assert study.ask().number == 1  # it is taken only once
        study.tell(again, 0.5)
        assert (study.trials[0].value, study.trials[0].attempt) == (0.5, 2)

    def test_lowest_number_first_and_before_what_is_enqueued(self, study: Study, workers: Workers) -> None:
        lost = [workers.dead(study) for _ in range(1)]
        pid = workers.start()
        lost.append(study.ask(owner_pid=os.getpid()))  # takes trial 0 up
        later = study.ask(owner_pid=pid)
        study.enqueue({"x": 0.25})
        study.release(0)
        workers.kill(pid)
        assert [study.ask().number for _ in range(3)] == [0, later.number, 2]

    def test_a_trial_of_a_living_owner_or_of_nobody_is_left_alone(self, study: Study, workers: Workers) -> None:
        study.ask(owner_pid=workers.start())
        study.ask()
        assert study.ask().number == 2

    def test_stock_readers_see_a_running_trial_all_the_while(self, study: Study, path: Path, workers: Workers) -> None:
        workers.dead(study)
        for _ in range(2):
            theirs = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
            assert [trial.state for trial in theirs.trials] == [optuna.trial.TrialState.RUNNING]
            study.ask(owner_pid=os.getpid())

    def test_a_trial_that_stock_optuna_asked_for_has_no_owner_of_ours(self, study: Study, path: Path) -> None:
        optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path)))).ask()
        assert study.ask().number == 1

    def test_an_enqueued_trial_keeps_its_parameters(self, study: Study, workers: Workers) -> None:
        study.enqueue({"x": 0.25})
        workers.dead(study)
        assert facts(study.ask())[:2] == (0, {"x": 0.25})

    def test_a_space_that_changed_meanwhile_changes_no_trial_that_was_asked(
        self, study: Study, path: Path, workers: Workers
    ) -> None:
        lost = workers.dead(study)
        create_study(path, study_name="s", params={"y": "float(2, 3)"}, drop=["x"], exist_ok=True)
        assert facts(study.ask()) == facts(lost)
        assert study.ask().params.keys() == {"y"}


class TestTimeToLive:
    def test_it_passes_and_a_report_or_a_renewal_makes_it_count_anew(self, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
        now_s = 1000.0
        monkeypatch.setattr(resume, "clock", lambda: {"boot": "b", "boot_s": now_s, "unix_s": 5.0})
        first = study.ask(ttl_s=60)
        now_s += 50
        first.report(0.5, step=1)
        now_s += 50
        assert study.ask().number == 1
        assert main(["tell", "-f", study._study.path, "0", "--renew"]) == 0
        now_s += 59
        assert study.ask().number == 2
        now_s += 2
        again = study.ask(ttl_s=60)
        assert (facts(again), again.attempt) == (facts(first), 2)

    def test_a_clock_that_was_set_changes_nothing_within_a_boot_and_counts_after_one(
        self, study: Study, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = {"boot": "b", "boot_s": 10.0, "unix_s": 1e9}
        monkeypatch.setattr(resume, "clock", lambda: dict(now))
        study.ask(ttl_s=60)
        now["unix_s"] = 2e9
        assert study.ask().number == 1
        now.update(boot="another", boot_s=1.0)
        assert study.ask().number == 0


class TestCrashLoops:
    def test_a_trial_that_kills_its_owners_fails_and_its_callbacks_are_called(self, path: Path, workers: Workers) -> None:
        study = create_study(path, params={"x": "float(0, 1)"}, sampler="random", seed=1, attempts=2)
        workers.dead(study)
        assert workers.dead(study).attempt == 2
        seen = list[int]()
        study.optimize(lambda trial: 1.0, 1, callbacks=[lambda _, trial: seen.append(trial.number)])
        assert seen == [0, 1]
        assert (study.trials[0].state.name, study.trials[0].user_attrs["fail_reason"]) == ("FAIL", "crash-loop")

    def test_the_sampler_sees_it_as_a_bad_result(self, path: Path, workers: Workers) -> None:
        study = create_study(path, params={"x": "float(0, 1)"}, sampler="random", seed=1, attempts=1)
        workers.dead(study)
        study.ask()
        assert study._study.look(lambda state: state.finished.column("codes")[0]) & 0x10 == 0  # not hidden from samplers

    def test_a_trial_that_was_given_back_did_not_kill_anybody(self, path: Path, workers: Workers) -> None:
        study = create_study(path, params={"x": "float(0, 1)"}, sampler="random", seed=1, attempts=2)
        for attempt in range(1, 6):
            trial = study.ask(owner_pid=os.getpid())
            assert (trial.number, trial.attempt) == (0, attempt)
            study.release(trial)
        assert workers.dead(study).number == 0
        assert study.ask().number == 0


class TestRelease:
    def test_several_are_given_back_or_none(self, study: Study) -> None:
        for _ in range(3):
            study.ask(owner_pid=os.getpid())
        study.tell(1, 0.5)
        before = Path(study._study.path).read_bytes()
        for numbers, error, code in ((["0", "99"], NotFoundError, 3), (["0", "1"], ConflictError, 4)):
            assert main(["release", "-f", study._study.path, *numbers]) == code == error.exit_code
            assert Path(study._study.path).read_bytes() == before
        assert main(["release", "-f", study._study.path, "0", "2"]) == 0
        assert [study.ask().number for _ in range(3)] == [0, 2, 3]


class TestReap:
    def test_trials_of_the_dead_fail_and_no_budget_and_no_sampler_counts_them(self, study: Study, workers: Workers) -> None:
        workers.dead(study)
        alive = study.ask(owner_pid=os.getpid())
        assert alive.number == 0  # taken up
        study.tell(alive, 0.5)
        pid = workers.start()
        study.ask(owner_pid=pid)
        workers.kill(pid)
        seen = list[int]()
        assert study.reap([lambda _, trial: seen.append(trial.number)]) == seen == [1]
        assert study.trials[1].user_attrs["fail_reason"] == "owner-died"
        assert study._study.look(lambda state: state.finished.column("codes")[1]) & 0x10  # hidden from samplers
        assert study.reap() == []
        assert study.ask(max_trials=2).number == 2
        with pytest.raises(ExhaustedError):
            study.ask(max_trials=2)

    def test_by_number_all_of_them_are_proven_dead_or_none_fails(self, study: Study, path: Path, workers: Workers) -> None:
        pids = [workers.start() for _ in range(2)]
        for pid in [*pids, None]:
            study.ask(owner_pid=pid)
        workers.kill(pids[0])
        for numbers, code in ((["0", "1"], 4), (["0", "2"], 4), (["0", "7"], 3)):
            assert main(["reap", "-f", str(path), *numbers]) == code
            assert study.counts()["fail"] == 0
        assert main(["reap", "-f", str(path), "0"]) == 0
        assert study.counts()["fail"] == 1


class TestRetry:
    def test_failed_parameters_are_queued_once_by_reason_or_number(self, study: Study) -> None:
        asked = [study.ask() for _ in range(4)]
        for trial, reason in zip(asked, ("oom", "timeout", "oom", None), strict=True):
            study.tell(trial, state="fail" if reason else "complete", reason=reason, values=None if reason else 1.0)
        assert study.retry(reason="oom") == [(0, 4), (2, 5)]
        assert study.retry(reason="oom") == []
        assert study.retry([1]) == [(1, 6)]
        with pytest.raises(ConflictError, match="did not fail"):
            study.retry([3])
        again = [study.ask() for _ in range(3)]
        assert [trial.params for trial in again] == [asked[0].params, asked[2].params, asked[1].params]
        assert [trial.user_attrs["retry_of"] for trial in study.trials[4:]] == [0, 2, 1]


class TestLateResults:
    def test_the_first_one_counts_and_the_other_hears_who_took_the_trial(self, study: Study, workers: Workers) -> None:
        lost = workers.dead(study)
        study.tell(study.ask(owner_pid=os.getpid()), 0.5)
        with pytest.raises(ConflictError, match=f"attempt 2: process {os.getpid()} took it up at .* its owner process .* died"):
            study.tell(lost, 0.7)
        late, taken = workers.dead(study), study.ask()
        study.tell(late, 0.1)
        with pytest.raises(ConflictError):
            study.tell(taken, 0.2)
        assert [trial.value for trial in study.trials] == [0.5, 0.1]


# With one worker, whatever a study has besides, the search goes on as if nobody had died.
SETTINGS: list[dict[str, Any]] = [
    {"sampler": "tpe"},
    {"sampler": "auto"},
    {"sampler": "nsgaii", "sampler_options": {"population_size": 4}},
    {"sampler": "nsgaii", "sampler_options": {"population_size": 4}, "directions": ["minimize", "maximize"]},
    {"sampler": "grid", "params": {"x": "float(0, 0.9, step=0.1)", "o": "a | b"}},
    {"sampler": "bruteforce", "params": {"x": "int(0, 9)", "o": "a | b"}},
    {"sampler": "tpe", "params": {"x": "int(0, 5)"}, "duplicates": "reuse"},
    {"sampler": "tpe", "params": {"x": "int(0, 30)"}, "duplicates": "resample"},
    {"sampler": "tpe", "replicates": 2},
    {"sampler": "tpe", "lag": 2},
    {"sampler": "tpe", "failures": "ignore"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: " ".join(map(str, settings.values()))[:60])
def test_a_search_whose_worker_dies_at_every_third_trial_is_the_same_search(
    tmp_path: Path, workers: Workers, settings: dict[str, Any]
) -> None:
    def searched(name: str, deadly: bool) -> list[Any]:
        study = create_study(tmp_path / name, study_name="s", **{"params": {"x": "float(0, 1)"}, "seed": 7, **settings})
        for turn in range(30):
            if deadly and turn % 3 == 1:
                try:
                    workers.dead(study, max_trials=16)
                except ExhaustedError:
                    break
            try:
                trial = study.ask(owner_pid=os.getpid(), max_trials=16)
            except ExhaustedError:
                break
            values = [math.sin(7 * trial.params["x"]), trial.params["x"]][: len(study.directions)]
            study.tell(trial, values) if trial.number % 5 != 3 else study.tell(trial, state="fail")
        assert study.counts()["running"] == 0
        assert study.verify().difference is None
        return [(trial.number, trial.state, trial.params, trial.values, trial.seed) for trial in study.trials]

    assert searched("killed", True) == searched("whole", False)


class TestShown:
    def test_status_names_owners_and_how_they_are(self, study: Study, path: Path, workers: Workers, capsys: Any) -> None:
        workers.dead(study)
        pid = workers.start()
        study.release(0)
        again = study.ask(owner_pid=pid)
        study.ask()
        for command in (["status"], ["trials"], ["verify"]):
            assert main([*command, "-f", str(path)]) == 0
        text = capsys.readouterr()
        assert f"process {pid}, alive" in text.out
        assert "nobody said who" in text.out
        assert "attempt 2" in text.out or again.attempt == 2
        workers.kill(pid)
        assert main(["status", "-f", str(path), "--format", "json"]) == 0
        assert '"standing": "dead"' in capsys.readouterr().out
        assert main(["verify", "-f", str(path)]) == 0
        assert (
            f"running   2, whose results can't be seen yet: 0 (process {pid}, dead), 1 (nobody said who)"
            in capsys.readouterr().out
        )

    def test_an_owner_that_nothing_proves_dead_is_unknown_and_keeps_its_trial(
        self, study: Study, workers: Workers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workers.dead(study)
        monkeypatch.setattr(owners.Probe, "standing", lambda *_: owners.UNKNOWN)
        assert [found for _, _, found in resume.pending(study._study)] == ["unknown"]
        assert study.ask().number == 1


def test_the_seed_of_a_trial_is_one_that_r_takes(study: Study, path: Path) -> None:
    seeds = [study.ask().seed for _ in range(200)]
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert len(set(seeds)) == 200
    assert [trial.seed for trial in load_study(path).trials] == seeds
