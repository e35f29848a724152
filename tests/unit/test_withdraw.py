"""Withdrawn results: gone from the search and from what is shown of it, there for stock Optuna, and kept by every rewrite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import ConflictError, NotFoundError, UsageError, create_study, load_study
from journaltune.api.study import Study
from journaltune.engine.withdraw import withdrawn
from journaltune.journal.upkeep.compact import compact

SAMPLERS = ["auto", "tpe", "gp", "nsgaii", "optuna.TPESampler", "cmaes"]


def told(path: Path, n_trials: int = 8, without: tuple[int, ...] = (), **given: Any) -> Study:
    """A study whose results are x; the trials ``without`` one failed in a way that tells samplers nothing."""
    study = create_study(path, **{"params": {"x": "float(0, 1)", "y": "float(0, 1)"}, "seed": 1, "sampler": "random", **given})
    for _ in range(n_trials):
        trial = study.ask()
        if trial.number in without:
            study.tell(trial, state="fail", reason="interrupted")
        else:
            study.tell(trial, trial.params["x"])
    return study


def test_a_withdrawn_result_is_never_best_and_counts_nowhere(path: Path) -> None:
    study = told(path)
    best = study.best_trial
    study.withdraw(best.number, reason="labels were shuffled")
    assert study.best_trial.number != best.number
    assert study.best_value == min(t.value for t in study.trials if t.number != best.number and t.value is not None)
    assert study.counts()["complete"] == 7
    assert study.lookup(best.params) == []
    assert withdrawn(study._study) == {best.number: "labels were shuffled"}
    assert study.trials[best.number].value == best.value, "the record stays"
    study.optimize(lambda trial: trial.params["x"], total_trials=8)
    assert len(study.trials) == 9, "it does not count for a total"


def test_stock_optuna_still_shows_it(path: Path) -> None:
    study = told(path)
    before = study.best_trial
    study.withdraw(before.number, reason="why")
    stock = optuna.load_study(study_name=study.study_name, storage=JournalStorage(JournalFileBackend(str(path))))
    assert stock.best_trial.number == before.number
    assert study.to_optuna().best_trial.number == before.number


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_suggests_as_if_the_trials_had_told_nothing(path: Path, sampler: str) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    lost = path.with_name("lost")
    study, other = told(path, 14), told(lost, 14, without=(3, 7))
    study.withdraw([3, 7], reason="why")
    options = {"population_size": 4} if sampler == "nsgaii" else None
    for each in (path, lost):
        create_study(each, sampler=sampler, sampler_options=options, exist_ok=True)
    assert [study.ask().params for _ in range(3)] == [other.ask().params for _ in range(3)]
    assert study.verify().difference is None


def test_it_is_hidden_from_snapshots_and_compacted_journals_too(path: Path) -> None:
    study = told(path)
    number = study.best_trial.number
    study._study.journal.save_snapshot()
    study.withdraw(number, reason="why")
    wanted = study.best_trial
    reread = load_study(path)
    assert reread.best_trial == wanted
    reread._study.journal.save_snapshot()
    assert load_study(path).best_trial == wanted
    assert load_study(path)._study.state().withdrawn == {number}
    compact(str(path), f"{path}-2")
    copied = load_study(f"{path}-2")
    assert copied.best_trial.number == wanted.number
    assert copied.counts() == study.counts()


def test_duplicates_and_replicates_try_its_parameters_again(path: Path) -> None:
    space = {"params": {"x": "1 | 2"}, "sampler": "grid"}
    study = told(path.with_name("a"), 2, duplicates="reuse", **space)
    study.withdraw(0, reason="why")
    study.enqueue({"x": study.trials[0].params["x"]})
    assert study.ask().number == 2, "it is asked for: there is no result to reuse"
    study = told(path.with_name("b"), 4, replicates=2, **space)
    study.withdraw(1, reason="why")
    assert study.ask().params == study.trials[1].params


def test_only_finished_trials_and_all_or_none(path: Path) -> None:
    study = told(path, 3)
    running = study.ask()
    for numbers, error in ([0, 9], NotFoundError), ([0, running.number], ConflictError), ([0, True], UsageError):
        with pytest.raises(error):
            study.withdraw(numbers, reason="why")
    with pytest.raises(UsageError, match="a reason"):
        study.withdraw(0, reason=3)  # type: ignore[arg-type]
    assert withdrawn(study._study) == {}
    study.withdraw([0, 1], reason="why")
    before = path.read_bytes()
    study.withdraw([1, 0, 1], reason="why")
    assert path.read_bytes() == before
    with pytest.raises(ConflictError, match="was withdrawn already, because of 'why'"):
        study.withdraw([2, 1], reason="other")
    assert path.read_bytes() == before


def test_other_processes_forget_what_they_worked_out_from_it(path: Path) -> None:
    study, other = told(path, 12, sampler="tpe"), load_study(path)
    other.tell(other.ask(), 0.5)  # its sampler has read all results
    study.withdraw(list(range(6)), reason="why")
    fresh = load_study(path)
    assert other.best_trial.number == fresh.best_trial.number
    next_one = other.ask()
    assert load_study(path).verify().difference is None
    assert next_one.number == 13


def test_a_withdrawn_trial_no_longer_stops_others(path: Path) -> None:
    study = create_study(path, params={"x": "float(0, 1)"}, pruner="median", pruner_options={"n_startup_trials": 1})
    for value in (0.0, 5.0):
        trial = study.ask()
        trial.report(value, 1)
        study.tell(trial, value)
    running = study.ask()
    running.report(4.0, 1)
    assert running.should_prune()
    study.withdraw(0, reason="a value that nobody can reach")
    other = study.ask()
    other.report(4.0, 1)
    assert not other.should_prune()
