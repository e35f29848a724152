"""`journaltune.load_study("ssh://HOST/PATH")`: objectives run here, the journal stays there."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from machines import Machine, servers
from running import gone, until

import journaltune
from journaltune import ConflictError, ExhaustedError, MachineError, NotFoundError, Study, UsageError

LARGE = 9 * 2**20


@pytest.fixture
def far(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """A study whose journal is on the other machine."""
    for name in ("PATH", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, machine.env[name])
    made = journaltune.create_study(
        machine.journal, params={"x": "float(0, 1)", "opt": "a | 'b c'"}, sampler="random", seed=1, directions=["minimize"]
    )
    with made:
        yield made


def near(machine: Machine) -> Study:
    """The same study, by the file itself."""
    return journaltune.load_study(machine.folder / "study.journal")


def test_a_study_is_read_and_changed_as_one_that_is_here(far: Study, machine: Machine) -> None:
    with pytest.raises(NotFoundError, match="no complete trial yet"):
        far.best_trial  # noqa: B018
    trial = far.ask()
    assert trial.report(0.5, 1)
    assert not trial.should_prune()
    trial.set_user_attr("note", {"nan": float("nan"), "text": "é\u2028"})
    trial.set_constraint("c", -1.0)
    assert far.tell(trial, 0.25).name == "COMPLETE"
    assert far.tell(0, 0.25, constraints={"c": -1.0}).name == "COMPLETE"
    with pytest.raises(ConflictError, match=r"already complete with 0\.25"):
        far.tell(0, 0.5)
    assert far.enqueue({"x": 0.5}) == 1
    assert far.enqueue({"x": 0.5, "opt": "a"}, skip_if_exists=True) == 2
    assert far.ask().params["x"] == 0.5
    far.tell(1, float("inf"))
    far.tell(far.ask(), state="fail", reason="oom")
    far.set_user_attr("dataset", [1, None])
    far.set_metric_names(["loss"])
    assert [found.number for found in far.lookup(trial.params)] == [0]
    assert far.retry() == [(2, 3)]
    far.withdraw(1, reason="a bad disk")
    here = near(machine)
    assert repr(far.trials) == repr(here.trials)
    assert (far.user_attrs, far.metric_names, far.directions) == (here.user_attrs, here.metric_names, here.directions)
    assert (far.best_value, far.best_params, far.seed, far.counts()) == (0.25, trial.params, 1, here.counts())
    assert far.recommended_trial.number == 0
    assert here.verify().difference is None
    assert machine.url in repr(far)


def test_what_others_write_is_seen(far: Study, machine: Machine) -> None:
    here = near(machine)
    assert far.trials == []
    number = here.ask().number
    assert far.counts()["running"] == 1
    here.tell(number, 0.5)
    assert far.best_value == 0.5
    far.release(here.ask())
    assert far.ask().attempt == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda study: study.verify(),
        lambda study: study.to_optuna(),
        lambda study: study.trials_dataframe(),
        lambda study: study.add_trial(study.trials[0]),
        lambda study: study.lookup({"x": 0.5, "opt": "a"}, all_studies=True),
        lambda study: study.ask().storage,
        lambda study: study.ask(owner_pid=1),
        lambda study: journaltune.storage(study._study.path),
    ],
)
def test_what_needs_the_file_itself_says_so(far: Study, call: Callable[[Study], Any]) -> None:
    far.tell(far.ask(), 0.5)
    with pytest.raises(UsageError, match="machine"):
        call(far)


def test_a_lock_file_of_another_machine_is_refused(machine: Machine, far: Study, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lock_file"):
        journaltune.create_study(machine.journal, study_name="other", params={"x": "float(0, 1)"}, lock_file=tmp_path)


def test_errors_are_those_of_the_engine(far: Study, machine: Machine) -> None:
    with pytest.raises(ConflictError, match="exists"):
        journaltune.create_study(machine.journal, params={"x": "float(0, 1)"})
    with pytest.raises(NotFoundError, match="no trial 7"):
        far.tell(7, 1.0)
    with pytest.raises(UsageError, match="takes 1 value"):
        far.tell(far.ask(), [1.0, 2.0])
    with pytest.raises(ExhaustedError):
        far.ask(max_trials=1)
    with pytest.raises(NotFoundError, match="there is no journal"):
        journaltune.load_study(f"{machine.journal}.missing")
    with pytest.raises(UsageError, match="names no journal on another machine"):
        journaltune.load_study("ssh://host")


def objective(trial: journaltune.AskedTrial) -> float:
    trial.report(trial.params["x"], 1)
    return float(trial.params["x"])


@pytest.mark.parametrize("options", [{}, {"n_jobs": 2}, {"isolate": True}])
def test_optimize_runs_objectives_here(far: Study, machine: Machine, options: dict[str, Any]) -> None:
    far.optimize(objective, total_trials=6, **options)
    far.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    trials = near(machine).trials
    assert [trial.value for trial in trials] == [trial.params["x"] for trial in trials]
    assert [trial.last_step for trial in trials] == [1] * 6 + [None] * 2
    assert [trial.number for trial in far.trials_iter(1) if far.tell(trial, 1.0)] == [8]


def test_the_search_is_the_one_that_would_be_here(far: Study, tmp_path: Path) -> None:
    same = journaltune.create_study(
        tmp_path / "same.journal", params={"x": "float(0, 1)", "opt": "a | 'b c'"}, sampler="random", seed=1
    )
    for study in (far, same):
        study.optimize(objective, n_trials=5)
    assert [trial.params for trial in far.trials] == [trial.params for trial in same.trials]


def test_a_pickled_trial_reports_over_a_connection_of_its_own(far: Study) -> None:
    trial = pickle.loads(pickle.dumps(far.ask()))
    trial.report(0.5, 3)
    assert far.trials[0].intermediate_values == {3: 0.5}
    trial.study.tell(trial, 0.5)
    trial.study.close()
    assert far.best_value == 0.5


def test_large_values_go_through_up_to_the_servers_limit(far: Study) -> None:
    far.tell(far.ask(), 0.5, attrs={"large": "x" * LARGE})
    assert len(far.trials[0].user_attrs["large"]) == LARGE
    with pytest.raises(UsageError, match=r"may have 10485760 bytes"):
        far.tell(far.ask(), 0.5, attrs={"large": "x" * (LARGE + 2**21)})
    far.tell(1, 0.5)


def kill_servers(machine: Machine) -> None:
    pids = servers(machine.folder / "study.journal")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(map(gone, pids)), "a killed server is there")


def test_a_broken_connection_is_made_again_and_its_trials_are_still_there(far: Study, machine: Machine) -> None:
    trial = far.ask()
    kill_servers(machine)
    trial.report(0.5, 1)
    kill_servers(machine)
    assert far.ask().number == 1
    far.tell(trial, 0.25)
    assert [(each.attempt, each.value) for each in far.trials] == [(1, 0.25), (1, None)]


def test_trials_that_others_took_meanwhile_stay_theirs(far: Study, machine: Machine) -> None:
    trial = far.ask()
    kill_servers(machine)
    taken = near(machine).ask()
    assert (taken.number, taken.attempt) == (trial.number, 2)
    assert far.ask().number == 1
    far.tell(trial, 0.5)  # the first result counts
    with pytest.raises(ConflictError):
        near(machine).tell(taken, 0.25)


@pytest.mark.parametrize("method", ["ask.ask", "tell.tell", "report.report", "enqueue.enqueue", "withdraw.withdraw"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_call_that_is_cut_is_made_once(
    far: Study, machine: Machine, sshd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, after: bool
) -> None:
    far.close()
    monkeypatch.setenv("PATH", f"{sshd}/cutting:{machine.env['PATH']}")
    monkeypatch.setenv("CUT", method)
    monkeypatch.setenv("CUT_DONE", str(tmp_path / "cut"))
    if after:
        monkeypatch.setenv("CUT_AFTER", "1")
    trial = far.ask()
    trial.report(0.5, 1)
    far.tell(trial, 0.5)
    assert far.enqueue({"x": 0.125}) == 1
    far.withdraw(0, reason="why not")
    assert (tmp_path / "cut").exists()
    assert [(each.number, each.attempt, each.value, each.intermediate_values) for each in near(machine).trials] == [
        (0, 1, 0.5, {1: 0.5}),
        (1, 1, None, {}),
    ]


def test_a_killed_program_leaves_its_trial_to_the_next_ask(machine: Machine, far: Study) -> None:
    code = (
        f"import journaltune, time; print(journaltune.load_study({machine.journal!r}).ask().number, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], env=machine.env, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "0\n"
        program.kill()
    none = near(machine)
    until(lambda: none.ask(max_trials=1).attempt == 2 if "alive" not in status(machine) else False)


def status(machine: Machine) -> str:
    return json.dumps(json.loads(machine.out("status", "--format", "json"))["running"])


def test_ctrl_c_in_a_call_leaves_the_study_in_use(far: Study, machine: Machine) -> None:
    trial = far.ask()
    (server,) = servers(machine.folder / "study.journal")
    os.kill(server, signal.SIGSTOP)
    ours = os.getpid()
    interrupt = f"import os, signal, time; time.sleep(1); os.kill({ours}, signal.SIGINT)"
    with subprocess.Popen([sys.executable, "-c", interrupt]), pytest.raises(KeyboardInterrupt):
        far.tell(trial, 0.5)
    os.kill(server, signal.SIGCONT)
    far.tell(trial, 0.5)
    assert near(machine).best_value == 0.5


def test_a_machine_that_is_away_is_a_machine_error(
    far: Study, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = far.ask()
    monkeypatch.setenv("PATH", f"{tmp_path}")
    kill_servers(machine)
    with pytest.raises(MachineError, match="has no ssh"):
        far.tell(trial, 0.5)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", machine.env["PATH"])
    far.tell(trial, 0.5)
    assert near(machine).best_value == 0.5
