"""Studies side by side: what counts as a trial, as a result, and as better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from journaltune import create_study
from journaltune.base.errors import UsageError
from journaltune.study import OpenStudy
from journaltune.study.compare import Comparison, Standing, compare
from journaltune.study.ranks import p_value
from journaltune.study.studies import open_studies


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "all.journal"


def tell(path: Path, name: str, results: list[Any], **settings: Any) -> None:
    """Each result is a value, values, None for a failure, or a word: its reason."""
    study = create_study(path, study_name=name, params={"x": "float(0, 1)"}, sampler="random", seed=1, **settings)
    for result in results:
        trial = study.ask()
        if result is None or isinstance(result, str):
            study.tell(trial, state="fail", reason=result)
        elif isinstance(result, dict):
            study.tell(trial, **result)
        else:
            study.tell(trial, values=result) if isinstance(result, list) else study.tell(trial, result)


def compared(path: Path, budgets: tuple[int, ...] = (), **groups: list[str]) -> Comparison:
    studies: dict[str, OpenStudy] = {study.name: study for study in open_studies(path)}
    return compare({label: [studies[name] for name in names] for label, names in groups.items()}, budgets)


def at(comparison: Comparison, group: int, trials: int | None) -> Standing:
    return next(standing for standing in comparison.groups[group].standings if standing.trials == trials)


def test_the_best_after_equally_many_trials(path: Path) -> None:
    tell(path, "one", [5.0, None, 3.0, 4.0, 1.0])
    tell(path, "other", [6.0, 2.0, 9.0])
    comparison = compared(path, (2,), a=["one"], b=["other"])
    assert [[standing.trials for standing in group.standings] for group in comparison.groups] == [[2, 3, None]] * 2
    assert [at(comparison, 0, trials).values for trials in (2, 3, None)] == [[5.0], [3.0], [1.0]]
    assert [at(comparison, 1, trials).values for trials in (2, 3, None)] == [[2.0], [2.0], [2.0]]
    assert [group.trials for group in comparison.groups] == [[5], [3]]
    assert all(standing.p_value is None for group in comparison.groups for standing in group.standings)


def test_the_usual_budgets_end_where_a_study_ends(path: Path) -> None:
    tell(path, "one", [float(-n) for n in range(35)])
    assert [standing.trials for standing in compared(path, a=["one"]).groups[0].standings] == [10, 30, 35, None]
    assert [at(compared(path, a=["one"]), 0, trials).values for trials in (10, 35)] == [[-9.0], [-34.0]]


def test_interrupted_trials_don_t_count_and_infeasible_results_neither(path: Path) -> None:
    tell(path, "one", ["interrupted", {"values": [1.0], "constraints": {"c": 0.5}}, 4.0, "oom", float("nan"), 3.0])
    comparison = compared(path, (1, 2, 4, 5), a=["one"])
    assert comparison.groups[0].trials == [5]
    assert [at(comparison, 0, trials).values for trials in (1, 2, 4, 5)] == [[None], [4.0], [4.0], [3.0]]


def test_groups_have_mean_spread_and_a_rank_test_and_larger_is_better_where_it_is_maximized(path: Path) -> None:
    for place, results in enumerate(([1.0, 2.0], [2.0, 3.0], [3.0, 4.0], [4.0, 5.0])):
        tell(path, f"a{place}", results, directions="maximize")
        tell(path, f"b{place}", [-value for value in results], directions="maximize")
    comparison = compared(path, a=["a0", "a1", "a2", "a3"], b=["b0", "b1", "b2", "b3"])
    assert comparison.direction == "maximize"
    assert at(comparison, 0, 2).values == [2.0, 3.0, 4.0, 5.0]
    assert at(comparison, 0, 2).mean == 3.5
    assert at(comparison, 0, 2).spread == pytest.approx((5 / 3) ** 0.5)
    assert at(comparison, 0, 2).p_value is None
    assert at(comparison, 1, 2).values == [-1.0, -2.0, -3.0, -4.0]
    assert at(comparison, 1, 2).p_value == at(comparison, 1, None).p_value == p_value([1, 2, 3, 4], [5, 6, 7, 8])


def test_a_study_without_a_result_is_the_worst_and_after_unequally_many_trials_nothing_is_tested(path: Path) -> None:
    for name, results in {"a0": [1.0, 1.0], "a1": [2.0], "b0": [3.0], "b1": [None]}.items():
        tell(path, name, results)
    comparison = compared(path, a=["a0", "a1"], b=["b0", "b1"])
    assert at(comparison, 1, 1).values == [3.0, None]
    assert at(comparison, 1, 1).mean is None
    assert at(comparison, 1, 1).p_value == p_value([1, 2], [3, 4])
    assert at(comparison, 1, None).p_value is None


def test_several_objectives_are_compared_by_hypervolume_up_to_the_worst_of_all(path: Path) -> None:
    tell(path, "one", [[1.0, 1.0], [0.0, 3.0]], directions=["minimize", "maximize"])
    tell(path, "other", [[4.0, -1.0], [3.0, 3.0]], directions=["minimize", "maximize"])
    comparison = compared(path, (1,), a=["one"], b=["other"])
    assert (comparison.measure, comparison.direction, comparison.reference) == ("hypervolume", "maximize", [4.0, -1.0])
    assert [at(comparison, 0, trials).values for trials in (1, 2)] == [[6.0], [16.0]]
    assert [at(comparison, 1, trials).values for trials in (1, 2)] == [[0.0], [4.0]]


def test_studies_with_other_objectives_are_refused(path: Path) -> None:
    tell(path, "one", [1.0])
    tell(path, "other", [1.0], directions="maximize")
    with pytest.raises(UsageError, match="'one' and 'other' can't be compared: one is to minimize, the other to maximize"):
        compared(path, a=["one"], b=["other"])


def test_a_study_without_trials_has_nothing_to_show(path: Path) -> None:
    tell(path, "one", [])
    assert [standing.trials for standing in compared(path, a=["one"]).groups[0].standings] == [None]
