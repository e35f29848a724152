"""Pruning as a whole: from a report to the trial that stopped, across kills, snapshots, compaction and Optuna's own workers."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import journaltune
from journaltune import TrialPruned, UsageError, create_study, load_study
from journaltune.api.study import Study
from journaltune.engine.prune import should_prune
from journaltune.journal.journal import Journal
from journaltune.journal.snapshot import path_of
from journaltune.journal.steps import steps_of
from journaltune.journal.upkeep.compact import compact
from journaltune.study.settings import PRUNERS
from journaltune.suggest.pruners import NAMES, hyperband

HALVING: dict[str, Any] = {"pruner": "halving", "pruner_options": {"min_resource": 1, "reduction_factor": 2}}
MEDIAN: dict[str, Any] = {"pruner": "median", "pruner_options": {"n_startup_trials": 1}}


def make(path: Path, **pruner: Any) -> Study:
    return create_study(path, study_name="s", params={"x": "float(0, 1)"}, sampler="random", seed=1, **pruner)


def run(study: Study, n_trials: int, dice: Random, n_steps: int = 6) -> list[tuple[str, int]]:
    """States and last steps of trials whose values come from dice."""
    for _ in range(n_trials):
        trial = study.ask()
        for step in range(n_steps):
            trial.report(dice.random(), step)
            if trial.should_prune():
                study.tell(trial, state="pruned")
                break
        else:
            study.tell(trial, dice.random())
    return [(trial.state.name, trial.last_step or 0) for trial in study.trials]


def test_the_settings_name_every_pruner() -> None:
    assert PRUNERS == NAMES


def test_optimize_prunes_and_keeps_the_last_value(path: Path) -> None:
    study = make(path, **MEDIAN)

    def objective(trial: Any) -> float:
        for step in range(3):
            trial.report(float(trial.number), step)
            if trial.should_prune():
                raise TrialPruned
        return float(trial.number)

    study.optimize(objective, n_trials=3)
    assert [(trial.state.name, trial.values) for trial in study.trials] == [
        ("COMPLETE", [0.0]),
        ("PRUNED", [1.0]),
        ("PRUNED", [2.0]),
    ]


@pytest.mark.parametrize("pruner", [HALVING, MEDIAN], ids=["halving", "median"])
def test_a_trial_that_was_to_stop_stops_when_it_is_resumed(path: Path, pruner: dict[str, Any]) -> None:
    study = make(path, **pruner)
    first, second = study.ask(), study.ask()
    first.report(0.1, 1)
    assert not first.should_prune()
    study.tell(first, 0.1)
    second.report(0.9, 1)
    assert second.should_prune()
    # Killed before its tell; meanwhile others bring worse results, beside which it would not stop.
    for _ in range(6):
        other = study.ask()
        other.report(5.0, 1)
        study.tell(other, 5.0)
    study.release(second)
    again = study.ask()
    assert (again.number, again.attempt) == (second.number, 2)
    again.report(0.9, 1)
    assert again.should_prune()
    again.report(0.01, 2)
    assert not again.should_prune(), "a trainer that goes on is judged by its later steps"


def test_decisions_do_not_depend_on_where_the_history_is_read_from(path: Path) -> None:
    for name, options in (("median", {}), ("halving", {}), ("hyperband", {"max_resource": 6})):
        paths = [path.with_name(f"{name}-{way}") for way in ("replayed", "snapshot", "compacted")]
        outcomes = [_outcomes_of(each, name, options) for each in paths]
        assert outcomes[0] == outcomes[1] == outcomes[2]
        assert len({state for state, _ in outcomes[0][12:]}) == 2


def _outcomes_of(path: Path, name: str, options: dict[str, Any]) -> list[tuple[str, int]]:
    study = make(path, pruner=name, pruner_options=options)
    dice = Random(3)
    run(study, 12, dice)
    running = study.ask()
    running.report(dice.random(), 0)
    study.tell(running, dice.random())
    if "snapshot" in path.name:
        study._study.journal.save_snapshot()
        assert Path(path_of(str(path))).exists()
    if "compacted" in path.name:
        study.close()
        compact(str(path), f"{path}-2")
        path = Path(f"{path}-2")
    study = load_study(path, study.study_name)
    return run(study, 12, dice)


def test_a_snapshot_with_a_bad_block_is_made_up_for_by_a_replay(path: Path) -> None:
    study = make(path, **MEDIAN)
    run(study, 8, Random(5))
    study._study.journal.save_snapshot()
    saved = Path(path_of(str(path)))
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1  # the last block's last value
    saved.write_bytes(data)
    wanted = steps_of(study._study.state().finished)
    found = steps_of(load_study(path)._study.state().finished)
    assert {key: wanted.block(key) for key in wanted.names()} == {key: found.block(key) for key in found.names()}


def test_the_index_of_steps_is_read_a_step_at_a_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(path, **MEDIAN)
    run(study, 8, Random(5))
    study._study.journal.save_snapshot()
    opened = load_study(path)
    trial = opened.ask()
    trial.report(0.5, 3)
    finished = opened._study.state().finished
    monkeypatch.setattr(type(finished), "extras", property(lambda _: pytest.fail("every trial's attributes were read")))
    should_prune(opened._study, trial.number)
    assert list(steps_of(finished)._blocks) == ["3"]


def test_stock_optuna_works_on_the_same_file_with_its_own_pruner(path: Path) -> None:
    study = make(path, **HALVING)
    stock = optuna.load_study(
        study_name=study.study_name,
        storage=JournalStorage(JournalFileBackend(str(path))),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    )
    for value in (0.5, 0.4):
        trial = stock.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        trial.report(value, 1)
        assert not trial.should_prune()
        stock.tell(trial, value)
    ours = study.ask()
    ours.report(0.45, 1)
    assert ours.should_prune(), "the rungs that Optuna's pruner noted count"
    study.tell(ours, state="pruned")
    trial = stock.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    trial.report(0.44, 1)
    assert not trial.should_prune(), "0.44 is in the better half of four; without what we noted it were not in that of three"
    assert stock.trials[2].system_attrs["completed_rung_0"] == 0.45
    assert journaltune.load_study(path).to_optuna().trials[2].value == 0.45


def test_hyperbands_brackets_get_trials_by_their_budgets() -> None:
    budgets = hyperband.bracket_budgets(1, 27, 3)
    assert budgets == [27, 12, 6, 4]
    brackets = [hyperband.bracket_of("s", number, budgets) for number in range(2000)]
    shares = [brackets.count(bracket) / 2000 for bracket in range(4)]
    assert all(abs(share - budget / sum(budgets)) < 0.04 for share, budget in zip(shares, budgets, strict=True))


def test_a_study_without_a_pruner_stops_nothing(path: Path) -> None:
    study = make(path)
    assert {state for state, _ in run(study, 10, Random(1))} == {"COMPLETE"}


def test_a_pruner_can_be_given_later_and_taken_away(path: Path) -> None:
    study = make(path, **HALVING)
    study = create_study(path, exist_ok=True, pruner="threshold", pruner_options={"upper": 1.0})
    assert study._study.setting("pruner_options") == {"upper": 1.0}
    trial = study.ask()
    trial.report(2.0, 0)
    assert trial.should_prune()
    study = create_study(path, exist_ok=True, pruner="none")
    trial = study.ask()
    trial.report(2.0, 0)
    assert not trial.should_prune()
    with pytest.raises(UsageError, match="2 objectives"):
        create_study(path.with_name("b"), params={"x": "1|2"}, directions=["minimize", "minimize"], pruner="median")


def test_writers_at_once_make_the_same_snapshot(path: Path) -> None:
    study = make(path, **MEDIAN)
    run(study, 5, Random(2))
    one, other = Journal(str(path)), Journal(str(path))
    blocks = [steps_of(journal.state.studies[0].finished).packed() for journal in (one, other)]
    assert blocks[0] == blocks[1]
