"""What the Gaussian process sees of a study."""

from __future__ import annotations

import json
from math import isnan, log, nan
from pathlib import Path

import pytest
from searching import PARAMS, make

from journaltune import create_study
from journaltune.api.study import Study
from journaltune.run.trial import AskedTrial
from journaltune.suggest.choose import history
from journaltune.suggest.samplers.gp.observations import Observations, observe


def observed(study: Study, number: int | None = None) -> Observations:
    opened = study._study
    return observe(history(opened, opened.state().n_trials if number is None else number), opened.varied)


def enqueued(study: Study, x: float, y: float) -> AskedTrial:
    study.enqueue({"x": x, "y": y})
    return study.ask()


def test_complete_pruned_failed_and_running_trials_are_told_apart(path: Path) -> None:
    study = make(path, "gp")
    trials = [enqueued(study, at / 10, 0.5) for at in range(6)]
    trials[1].report(7.0, 1)
    trials[1].report(6.0, 2)
    study.tell(1, state="pruned")
    study.tell(0, 1.0)
    study.tell(2, state="fail", reason="oom")
    study.tell(3, state="fail", reason="interrupted")
    study.tell(5, state="pruned")
    found = observed(study)
    assert (found.numbers, found.values) == ([0, 1], [1.0, 6.0])
    assert found.rows == [[0.0, 0.5], [0.1, 0.5]]
    assert (found.failed, found.pending) == ([[0.2, 0.5], [0.5, 0.5]], [[0.4, 0.5]])


def test_a_trial_without_a_value_is_a_failure_unless_its_parameters_had_been_tried(path: Path) -> None:
    study = make(path, "gp")
    for number, x in enumerate((0.1, 0.2, 0.1, 0.3)):
        assert enqueued(study, x, 0.5).number == number
    study.tell(0, 1.0)
    for number in (1, 2):
        study.tell(number, state="pruned")
    told = {
        "op_code": 6,
        "worker_id": "other",
        "trial_id": 3,
        "state": 1,
        "values": [nan],
        "datetime_complete": "2026-01-01T00:00:00",
    }
    with path.open("a", encoding="utf-8") as journal:
        journal.write(json.dumps(told) + "\n")
    assert study.trials[3].state.name == "COMPLETE"
    assert (observed(study).numbers, observed(study).failed) == ([0], [[0.2, 0.5], [0.3, 0.5]])


def test_values_are_minimised(path: Path) -> None:
    study = make(path, "gp", directions="maximize")
    study.tell(enqueued(study, 0.1, 0.2), 3.0)
    assert observed(study).values == [-3.0]


def test_the_order_in_which_trials_finished_says_nothing(path: Path) -> None:
    study = make(path, "gp")
    for at in range(4):
        enqueued(study, at / 10, 0.5)
    for number in (2, 0, 3, 1):
        study.tell(number, float(number))
    assert observed(study).numbers == [0, 1, 2, 3]


def test_failures_can_be_left_out(path: Path) -> None:
    study = make(path, "gp", failures="ignore")
    study.tell(enqueued(study, 0.1, 0.2), state="fail")
    study.tell(enqueued(study, 0.3, 0.2), state="fail", reason="interrupted")
    found = observed(study)
    assert (found.failed, found.passed) == ([], [[0.1, 0.2]])


def test_with_a_lag_the_latest_results_are_not_there_yet(path: Path) -> None:
    study = make(path, "gp", lag=2)
    for at in range(4):
        study.tell(enqueued(study, at / 10, 0.5), float(at))
    found = observed(study, 4)
    assert (found.numbers, len(found.pending)) == ([0, 1, 2], 1)


def test_constraints_stand_beside_the_values(path: Path) -> None:
    study = make(path, "gp")
    study.tell(enqueued(study, 0.1, 0.2), 1.0, constraints={"size": 0.5})
    study.tell(enqueued(study, 0.2, 0.2), 2.0)
    assert [list(told.values()) for told in observed(study).constraints] == [[0.5], []]


def test_parameters_that_came_later_are_absent_in_earlier_trials(path: Path) -> None:
    study = make(path, "gp")
    study.tell(enqueued(study, 0.1, 0.2), 1.0)
    wider = create_study(path, params={**PARAMS, "opt": "a | b"}, exist_ok=True)
    (row,) = observed(wider).rows
    assert row[:2] == [0.1, 0.2]
    assert isnan(row[2])


@pytest.mark.parametrize(("bounds", "kept"), [("float(0, 0.5)", True), ("float(0.9, 1)", False), ("float(-10, 10)", True)])
def test_trials_beyond_changed_bounds_are_seen_unless_they_are_far_away(path: Path, bounds: str, kept: bool) -> None:
    study = make(path, "gp")
    study.tell(enqueued(study, 0.7, 0.2), 1.0)
    changed = create_study(path, params={**PARAMS, "x": bounds}, exist_ok=True)
    assert len(observed(changed).rows) == kept


def test_trials_without_any_parameter_of_the_space_are_left_out(path: Path) -> None:
    study = make(path, "gp")
    study.tell(enqueued(study, 0.7, 0.2), 1.0)
    assert observed(create_study(path, params={"z": "float(0, 1)"}, exist_ok=True, drop=list(PARAMS))).rows == []


def reported(study: Study, x: float, *values: float, stopped: bool) -> None:
    trial = enqueued(study, x, 0.5)
    for step, value in zip((1, 3, 9), values, strict=False):
        trial.report(value, step)
    study.tell(trial, state="pruned") if stopped else study.tell(trial, values[-1])


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_how_far_stopped_trials_had_come_is_told_with_what_others_had_there(path: Path, direction: str) -> None:
    study, sign = make(path, "gp", directions=direction), -1.0 if direction == "maximize" else 1.0
    reported(study, 0.1, 5.0, 4.0, 3.0, stopped=False)
    reported(study, 0.2, 9.0, stopped=True)
    reported(study, 0.3, 6.0, 5.5, stopped=True)
    reported(study, 0.4, nan, 2.0, 1.0, stopped=False)
    found = observed(study)
    assert found.values == [sign * value for value in (3.0, 9.0, 5.5, 1.0)]
    assert found.progress == pytest.approx([1.0, log(2) / log(10), log(4) / log(10), 1.0])
    assert sorted(found.earlier) == [
        (0, pytest.approx(log(2) / log(10)), sign * 5.0),
        (0, pytest.approx(log(4) / log(10)), sign * 4.0),
        (2, pytest.approx(log(2) / log(10)), sign * 6.0),
        (3, pytest.approx(log(4) / log(10)), sign * 2.0),
    ]


def test_without_stopped_trials_nobody_asks_how_far_trials_had_come(path: Path) -> None:
    study = make(path, "gp")
    reported(study, 0.1, 5.0, 4.0, 3.0, stopped=False)
    assert (observed(study).progress, observed(study).earlier) == ((), ())


def test_before_any_trial_is_complete_the_longest_one_is_the_measure(path: Path) -> None:
    study = make(path, "gp")
    reported(study, 0.1, 5.0, stopped=True)
    reported(study, 0.2, 5.0, 4.0, stopped=True)
    assert observed(study).progress == pytest.approx([log(2) / log(4), 1.0])
