"""The Python face: trials as contexts, the best ones, closing and reopening, and the lock that makes it safe for threads."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import JournaltuneError, NotFoundError, UsageError
from journaltune.base.model import TrialState
from journaltune.engine.create import delete
from journaltune.journal import fold, journal
from journaltune.journal.fold import apply_own, defer
from journaltune.journal.journal import Journal
from journaltune.journal.replay import apply

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": {"x": "float(0, 1)"}, "seed": 1, **options})


class Objective(Exception):
    pass


def raising(after: Callable[[], object]) -> None:
    after()
    raise Objective


class TestTrialAsContext:
    @pytest.mark.parametrize(
        ("error", "reason"), [(Objective, "exit"), (KeyboardInterrupt, "interrupted"), (MemoryError, "oom"), (SystemExit, "exit")]
    )
    def test_a_block_that_raises_fails_its_trial(self, path: Path, error: type[BaseException], reason: str) -> None:
        study = make(path)
        with pytest.raises(error), study.ask():
            raise error
        (trial,) = study.trials
        assert (trial.state, trial.user_attrs) == (TrialState.FAIL, {"fail_reason": reason})

    def test_a_block_that_raises_after_its_tell_changes_nothing(self, path: Path) -> None:
        study = make(path)
        with pytest.raises(Objective), study.ask() as trial:
            raising(lambda: study.tell(trial, 0.5))
        assert study.best_value == 0.5

    def test_what_another_process_told_stays(self, path: Path) -> None:
        study = make(path)
        with pytest.raises(Objective), study.ask() as trial:
            raising(lambda: load_study(path).tell(trial.number, 0.5))
        assert study.best_value == 0.5

    def test_a_block_that_ends_leaves_the_trial_running(self, path: Path) -> None:
        study = make(path)
        with study.ask():
            pass
        assert study.counts()["running"] == 1

    def test_the_error_of_the_block_is_not_hidden_by_a_study_that_is_gone(self, path: Path) -> None:
        study = make(path)
        with pytest.raises(Objective), study.ask():
            raising(lambda: delete(path, "study"))


class TestBest:
    def test_the_earliest_of_equals_is_the_best(self, path: Path) -> None:
        study = make(path, directions="maximize")
        for value in (0.5, 2.0, 2.0, 1.0):
            study.tell(study.ask(), value)
        assert (study.best_trial.number, study.best_value) == (1, 2.0)
        assert study.best_params == study.trials[1].params
        assert study.best_trials == [study.best_trial]

    @pytest.mark.parametrize(("direction", "worst"), [("minimize", INF), ("maximize", -INF)])
    def test_infinities_are_values_where_they_are_not_best_for_ever(self, path: Path, direction: str, worst: float) -> None:
        study = make(path, directions=direction)
        study.tell(study.ask(), worst)
        assert study.best_value == worst
        for value in (INF, -INF, NAN, 0.5):
            study.tell(study.ask(), value)
        assert study.best_value == 0.5
        assert study.counts()["fail"] == 2

    def test_only_complete_trials_count(self, path: Path) -> None:
        study = make(path)
        study.tell(study.ask(), state="pruned")
        study.tell(study.ask(), state="fail")
        study.ask()
        for read in (lambda: study.best_trial, lambda: study.best_trials, lambda: study.best_value, lambda: study.best_params):
            with pytest.raises(NotFoundError, match="no complete trial"):
                read()
        study.tell(2, 0.7)
        assert study.best_value == 0.7

    def test_a_violated_constraint_rules_a_trial_out(self, path: Path) -> None:
        study = make(path)
        for value, violated in ((0.1, 1e-9), (0.2, 0.0), (0.3, -1.0)):
            study.tell(study.ask(), value, constraints={"memory": violated, "other": -1.0})
        assert study.best_value == 0.2

    def test_the_pareto_front_is_optunas(self, path: Path) -> None:
        study = make(path, directions=["minimize", "maximize"])
        for values in ([1, 1], [0, 0], [2, 3], [1, 1], [1, 0.5], [0, -INF], [INF, INF], [NAN, 9], [0.5, 0.5], [-INF, -5]):
            study.tell(study.ask(), values)
        stock = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))
        assert [trial.number for trial in study.best_trials] == sorted(trial.number for trial in stock.best_trials)
        for read in (lambda: study.best_trial, lambda: study.best_value, lambda: study.best_params):
            with pytest.raises(UsageError, match="best_trials"):
                read()


class TestClosing:
    def test_a_closed_study_opens_again_when_it_is_used(self, path: Path) -> None:
        with make(path) as study:
            study.tell(study.ask(), 0.5)
        load_study(path).ask()
        assert study.ask().number == 2
        study.close()
        study.close()
        assert study.best_value == 0.5

    def test_descriptors_are_given_back(self, path: Path) -> None:
        """At once: a program that opens studies in a loop must not run out of them before the garbage collector comes by."""
        study = make(path)
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            with load_study(path) as other:
                other.ask()
            load_study(path).counts()
            assert study.trials == load_study(path).trials
        assert len(os.listdir("/proc/self/fd")) == before
        for _ in range(20):
            with pytest.raises(JournaltuneError):
                load_study(path, "none")
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == before
        assert study.ask().number == 20

    @pytest.mark.parametrize("closed", [False, True])
    def test_a_journal_that_was_replaced_is_not_taken_for_the_old_one(self, path: Path, closed: bool) -> None:
        study, other = make(path), make(path.with_name("other.journal"), study_name="study", seed=2)
        study.tell(study.ask(), 1.0)
        for _ in range(9):
            other.tell(other.ask(), 2.0)
        if closed:
            study.close()
        other.close()
        os.replace(path.with_name("other.journal"), path)
        before = path.read_bytes()
        for call in (study.ask, lambda: study.tell(0, 3.0), lambda: study.enqueue({"x": 0.5})):
            with pytest.raises(JournaltuneError):
                call()
        assert path.read_bytes() == before
        assert len(load_study(path).trials) == 9

    @pytest.mark.parametrize("closed", [False, True])
    def test_a_journal_that_was_deleted_is_not_made_anew(self, path: Path, closed: bool) -> None:
        study = make(path)
        if closed:
            study.close()
        path.unlink()
        for call in (study.ask, lambda: study.tell(0, 3.0)):
            with pytest.raises(NotFoundError):
                call()
        assert not path.exists()

    def test_the_folder_beside_the_journal_may_go_at_any_time(self, path: Path) -> None:
        study = make(path, params={f"x{i}": "float(0, 1)" for i in range(10)}, sampler="random")
        for number in range(60):
            study.tell(study.ask(), float(number))
        study.close()
        folder = Path(f"{path}.d")
        assert (folder / "snapshot").exists()
        with load_study(path) as opened:
            shutil.rmtree(folder)
            assert opened.best_value == 0.0
            assert len(opened.trials) == 60
            assert opened.ask().number == 60
        assert load_study(path).trials == study.trials


@pytest.mark.parametrize("lived", [False, True])
def test_whatever_uses_the_journal_holds_the_studys_lock(path: Path, monkeypatch: pytest.MonkeyPatch, lived: bool) -> None:
    """Two threads in one journal would apply the same bytes twice, or save a state that does not fit its offset."""
    study = make(path)
    unlocked = set()

    def checked(name: str) -> Callable[..., Any]:
        of = getattr(Journal, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if not study._study.turn._inside:
                unlocked.add(name)
            return of(*arguments, **options)

        return call

    for name in ("sync", "append", "_acquire", "save_snapshot", "save_snapshot_when_due", "close"):
        monkeypatch.setattr(Journal, name, checked(name))
    if lived:
        study._study.n_tells = 255
        study.tell(study.ask(), 1.0)
        study.close()
    else:
        with pytest.raises(Objective), study.ask():
            raise Objective
        study.enqueue({"x": 0.5}, skip_if_exists=True)
        study.tell(study.ask(), 0.5)
        for read in (study.counts, study.get_trials, lambda: study.best_trial, lambda: study.trials, lambda: study.directions):
            read()
    assert unlocked == set()


@pytest.mark.parametrize("nth", range(1, 9))
@pytest.mark.parametrize("half", [False, True])
def test_ctrl_c_while_records_are_applied_costs_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, nth: int, half: bool
) -> None:
    """Six records of another process, of which the first is looked at twice, then the one that this ask has just written."""
    study, other = make(path), load_study(path)
    for value in (0.5, 1.0, 2.0):
        other.tell(other.ask(), value)
    calls = iter(range(1, 99))

    def interrupted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if next(calls) != nth:
                return function(*arguments)
            if half and function(*arguments) is None:  # not deferred: then it is applied
                state, reader, line, _ = arguments
                apply(state, reader.decode(line))
            raise KeyboardInterrupt

        return call

    monkeypatch.setattr(journal, "apply_own", interrupted(apply_own))
    monkeypatch.setattr(fold, "defer", interrupted(defer))
    with pytest.raises(KeyboardInterrupt):
        study.ask()
    monkeypatch.undo()
    assert study.ask().number == (4 if nth == 8 else 3)
    assert study.trials == load_study(path).trials
    assert study.best_value == 0.5


def test_space_files_and_params_and_optunas_distributions_declare_the_same(tmp_path: Path) -> None:
    file = tmp_path / "space.json"
    file.write_text('{"params": {"x": "float(0, 1)"}}')
    distribution = {"name": "FloatDistribution", "attributes": {"step": None, "low": 0.0, "high": 1.0, "log": False}}
    asked = [
        create_study(tmp_path / f"{number}.journal", seed=1, **options).ask().params
        for number, options in enumerate(
            ({"params": {"x": "float(0, 1)"}}, {"space": file}, {"space": str(file)}, {"params": {"x": distribution}})
        )
    ]
    assert asked == [asked[0]] * 4


def test_unknown_names_of_states_are_refused(path: Path) -> None:
    study = make(path)
    study.ask()
    assert study.get_trials([]) == []
    assert len(study.get_trials([TrialState.RUNNING, "complete"])) == 1
    for states in (["done"], "done", ["complete", "nothing"]):
        with pytest.raises(UsageError, match="running, complete"):
            study.get_trials(states)


def test_what_is_read_is_a_copy(path: Path) -> None:
    study = make(path)
    study.tell(study.ask(), 0.5, attrs={"a": [1]})
    study.ask()
    for trial in study.trials:
        trial.params.clear()
        trial.user_attrs.clear()
    assert [list(trial.params) for trial in study.trials] == [["x"], ["x"]]


def test_a_study_shows_its_name_and_its_file(path: Path) -> None:
    study = make(path)
    assert repr(study) == f"Study('study' in {str(path)!r})"
    assert "number=0" in repr(study.ask())
