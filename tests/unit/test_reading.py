"""What is read of a study: its trials, their counts, the best of them; Optuna is the judge of the last."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from math import inf, nan
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune.base.errors import NotFoundError, UsageError
from journaltune.base.model import TrialState
from journaltune.engine.ask import ask
from journaltune.engine.create import create, delete
from journaltune.engine.tell import tell
from journaltune.space import space_from_params
from journaltune.study import OpenStudy, open_study, trials
from journaltune.study.best import best_trials

optuna.logging.set_verbosity(optuna.logging.ERROR)
COMPLETE, PRUNED, FAIL = 1, 2, 3


def told(*values: float, state: int = COMPLETE, **system_attrs: object) -> dict[str, Any]:
    return {"state": state, "values": list(values) or None, "system_attrs": system_attrs}


def write(path: Path, directions: Sequence[int], trials: Sequence[dict[str, Any]]) -> None:
    records = [{"op_code": 0, "study_name": "s", "directions": list(directions)}]
    records += [{"op_code": 4, "study_id": 0, "datetime_start": None, **trial} for trial in trials]
    path.write_text("".join(json.dumps({"worker_id": "w", **record}) + "\n" for record in records))


@pytest.fixture
def study_of(tmp_path: Path) -> Any:
    """A study with these directions and trials."""

    def make(directions: Sequence[int], *trials: dict[str, Any]) -> OpenStudy:
        write(tmp_path / "s.journal", directions, trials)
        return open_study(tmp_path / "s.journal")

    return make


def best(study: OpenStudy) -> list[int]:
    return [trial.number for trial in best_trials(study)]


def test_the_best_is_the_smallest_or_the_largest(study_of: Any) -> None:
    trials = [told(2.0), told(-1.0), told(3.0)]
    assert best(study_of([1], *trials)) == [1]
    assert best(study_of([2], *trials)) == [2]


def test_of_equals_the_earliest_is_the_best(study_of: Any) -> None:
    for direction in (1, 2):
        assert best(study_of([direction], told(1.0), told(0.0, state=PRUNED), told(1.0), told(1.0))) == [0]
        assert best(study_of([direction], told(0.0), told(-0.0))) == [0]


def test_the_earliest_is_so_by_number_not_by_when_it_finished(tmp_path: Path) -> None:
    study = create(tmp_path / "s.journal", space=space_from_params({"x": "float(0, 1)"}), seed=1)
    numbers = [ask(study).number for _ in range(3)]
    for number in reversed(numbers):
        tell(study, number, 0.5)
    assert best(study) == [0]
    assert [trial.number for trial in trials.trials(study)] == [0, 1, 2]


def test_infinite_values_are_compared(study_of: Any) -> None:
    assert best(study_of([1], told(inf), told(1e308), told(inf))) == [1]
    assert best(study_of([1], told(inf), told(inf))) == [0]
    assert best(study_of([1], told(5.0), told(-inf))) == [1]
    assert best(study_of([2], told(5.0), told(-inf), told(inf))) == [2]


def test_nan_is_never_the_best(study_of: Any) -> None:
    """Others may record it as complete."""
    assert best(study_of([1], told(nan), told(7.0), told(nan))) == [1]
    assert best(study_of([1], told(nan, attr=1), told(7.0, attr=1), told(nan))) == [1]
    assert best(study_of([2, 1], told(nan, 0.0), told(1.0, 9.0), told(0.0, nan))) == [1]
    with pytest.raises(NotFoundError):
        best(study_of([1], told(nan)))


def test_only_complete_trials_count(study_of: Any) -> None:
    with pytest.raises(NotFoundError, match="no complete trial yet"):
        best(study_of([1], told(1.0, state=PRUNED), told(state=FAIL), {"state": 0}, {"state": 4}))
    assert best(study_of([1], told(0.0, state=PRUNED), told(1.0))) == [1]


def test_a_complete_trial_with_the_wrong_number_of_values_is_not_the_best(study_of: Any) -> None:
    assert best(study_of([1], told(), told(0.0, 0.0), told(3.0))) == [2]
    assert best(study_of([1, 1], told(0.0), told(3.0, 3.0))) == [1]


@pytest.mark.parametrize(
    "violated",
    [
        {"constraints": [0.1]},
        {"constraints": [-1, 0, 1e-9]},
        {"constraints:c": 0.1},
        {"constraints:c": "0.1"},
        {"constraints:c": "inf"},
        {"constraints": [0.0], "constraints:c": inf},
    ],
    ids=str,
)
def test_a_trial_that_violates_a_constraint_is_not_the_best(study_of: Any, violated: dict[str, Any]) -> None:
    satisfied = {"constraints": [0, -0.5], "constraints:c": 0.0, "constraints:d": "-0.5", "constrained": 9}
    assert best(study_of([1], told(0.0, **violated), told(2.0, **satisfied), told(3.0))) == [1]
    assert best(study_of([1, 2], told(0.0, 9.0, **violated), told(2.0, 1.0, **satisfied))) == [1]
    with pytest.raises(NotFoundError):
        best(study_of([1], told(0.0, **violated)))


values = st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.5, 2.0, inf, -inf]) | st.floats(-2, 2)
constraints = st.sampled_from(
    [{}, {}, {}, {"constraints": [0.5]}, {"constraints": [0, -1]}, {"constraints:a": 1.0}, {"constraints:a": -1.0}]
)


@st.composite
def studies(draw: st.DrawFn) -> tuple[list[int], list[dict[str, Any]]]:
    directions = draw(st.lists(st.sampled_from([1, 2]), min_size=1, max_size=4))
    width = len(directions)
    trial = st.builds(
        lambda told_values, state, attrs: told(*told_values, state=state, **attrs),
        st.lists(values, min_size=width, max_size=width),
        st.sampled_from([COMPLETE, COMPLETE, COMPLETE, PRUNED, FAIL]),
        constraints,
    )
    return directions, draw(st.lists(trial, max_size=14))


@given(studies())
def test_the_best_are_those_that_optuna_names(study: tuple[list[int], list[dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s.journal")
        write(path, *study)
        theirs = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
        if len(theirs.directions) > 1:
            expected = [trial.number for trial in theirs.best_trials]
        else:
            try:
                expected = [theirs.best_trial.number]
            except ValueError:
                expected = []
        try:
            ours = best_trials(open_study(path))
        except NotFoundError:
            ours = []
        assert [trial.number for trial in ours] == expected


MIXED = [told(1.0), told(2.0, state=PRUNED), told(state=FAIL), {"state": 0}, {"state": 4}, told(3.0), told(state=FAIL)]


def test_counts_name_every_state(study_of: Any) -> None:
    assert trials.counts(study_of([1])) == {"running": 0, "waiting": 0, "complete": 0, "pruned": 0, "fail": 0}
    assert trials.counts(study_of([1], *MIXED)) == {"running": 1, "waiting": 1, "complete": 2, "pruned": 1, "fail": 2}


def test_counts_go_with_the_journal_and_with_hidden_failures(tmp_path: Path) -> None:
    study = create(tmp_path / "s.journal", space=space_from_params({"x": "float(0, 1)"}), seed=1)
    for reason in ("interrupted", "oom", "owner-died"):
        tell(study, ask(study).number, state="fail", reason=reason)
    tell(study, ask(study).number, 1.0, constraints={"c": 1.0}, attrs={"k": 1})
    other = open_study(tmp_path / "s.journal")
    ask(other)
    assert trials.counts(study) == {"running": 1, "waiting": 0, "complete": 1, "pruned": 0, "fail": 3}


@pytest.mark.parametrize(
    ("states", "numbers"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6]),
        ([], []),
        (["complete"], [0, 5]),
        (["FAIL", "running"], [2, 3, 6]),
        ("waiting", [4]),
        ("pruned, complete", [0, 1, 5]),
        ([TrialState.RUNNING, "waiting"], [3, 4]),
        ({TrialState.PRUNED}, [1]),
        ([TrialState.FAIL, "fail"], [2, 6]),
    ],
)
def test_trials_are_chosen_by_state_and_sorted_by_number(study_of: Any, states: Any, numbers: list[int]) -> None:
    assert [trial.number for trial in trials.trials(study_of([1], *MIXED), states)] == numbers


@pytest.mark.parametrize("states", ["done", ["complete", "Finished"], ""])
def test_an_unknown_state_names_those_there_are(study_of: Any, states: Any) -> None:
    with pytest.raises(UsageError, match="running, complete, pruned, fail, waiting"):
        trials.trials(study_of([1], *MIXED), states)


FLOAT = json.dumps({"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "log": False}})
INT = json.dumps({"name": "IntUniformDistribution", "attributes": {"low": 0, "high": 9, "step": 1}})
CHOICE = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": [True, 1, None, "ü"]}})


@pytest.mark.parametrize("state", TrialState)
def test_a_trial_is_told_whole_in_every_state(study_of: Any, state: TrialState) -> None:
    record = {
        **told(0.5, state=int(state), s=[1]),
        "datetime_start": "2024-01-01T00:00:00+01:00",
        "datetime_complete": "2024-01-01T00:00:00.000001+00:00",
        "distributions": {"x": FLOAT, "n": INT, "c": CHOICE},
        "params": {"c": 2, "n": 7.0, "x": 1},
        "user_attrs": {"u": {"v": None}},
        "intermediate_values": {"3": 0.25, "1": -inf},
    }
    (trial,) = trials.trials(study_of([1], record))
    assert (trial.number, trial.state, trial.value, trial.values) == (0, state, 0.5, [0.5])
    assert list(trial.params.items()) == [("c", None), ("n", 7), ("x", 1.0)]
    assert [type(value) for value in trial.params.values()] == [type(None), int, float] or not state.is_finished()
    assert (trial.user_attrs, trial.system_attrs) == ({"u": {"v": None}}, {"s": [1]})
    assert trial.intermediate_values == {3: 0.25, 1: -inf}
    assert trial.datetime_start == datetime(2023, 12, 31, 23, tzinfo=UTC)
    assert trial.datetime_complete == datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.RUNNING])
def test_whoever_changes_what_he_read_changes_nothing_else(study_of: Any, state: TrialState) -> None:
    """Nor what the next snapshot holds."""
    record = {**told(0.5, 0.5, state=int(state), s=[1]), "user_attrs": {"u": {"v": [0]}}, "intermediate_values": {"3": 0.25}}
    study = study_of([1], record)
    before = repr(trials.trials(study))
    (trial,) = trials.trials(study)
    assert trial.values is not None
    trial.values.append(9.0)
    trial.user_attrs["u"]["v"].append(1)
    trial.user_attrs["w"] = 2
    trial.system_attrs["s"].clear()
    trial.intermediate_values.clear()
    trial.params["x"] = 1.0
    assert repr(trials.trials(study)) == before
    study.journal.save_snapshot()
    again = open_study(study.path)
    assert again.journal.opened_at > 0
    assert repr(trials.trials(again)) == before


def test_a_finished_trial_is_found_by_its_number(tmp_path: Path) -> None:
    study = create(tmp_path / "s.journal", space=space_from_params({"x": "float(0, 1)"}), seed=1)
    asked = [ask(study) for _ in range(5)]
    for number in (3, 0, 4):
        tell(study, number, float(number))
    for number in (3, 0, 4):
        trial = trials.finished_trial(study.state(), number)
        assert (trial.number, trial.values, trial.params) == (number, [float(number)], asked[number].params)
    for number in (1, 5, -1):
        with pytest.raises(KeyError):
            trials.finished_trial(study.state(), number)


def test_a_deleted_study_is_not_found(study_of: Any) -> None:
    study = study_of([1], told(1.0))
    delete(study.path, "s")
    for read in (trials.trials, trials.counts, best_trials):
        with pytest.raises(NotFoundError, match="deleted"):
            read(study)
