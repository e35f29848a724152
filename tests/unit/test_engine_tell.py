"""What `tell` promises: each trial finishes once, the same tell again is harmless, and what is refused writes nothing."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import ConflictError, JournaltuneError, MachineError, NotFoundError, UsageError
from journaltune.base.model import Trial, TrialState
from journaltune.journal import file as files
from journaltune.journal import tail

NAN, INF = math.nan, math.inf


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, n_running: int = 3, **options: Any) -> Study:
    study = create_study(path, **{"params": {"x": "float(0, 1)"}, "seed": 1, **options})
    for _ in range(n_running):
        study.ask()
    return study


def stock(path: Path) -> optuna.Study:
    return optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))


def refused(path: Path, error: type[JournaltuneError], study: Study, *told: Any, **options: Any) -> JournaltuneError:
    before, trials = path.read_bytes(), study.trials
    with pytest.raises(error) as caught:
        study.tell(*told, **options)
    assert path.read_bytes() == before
    assert "\n" not in str(caught.value)
    assert study.trials == trials
    return caught.value


def told(path: Path, number: int = 0) -> Trial:
    return load_study(path).trials[number]


def test_a_value_completes_the_trial(path: Path) -> None:
    assert make(path).tell(0, 0.25) is TrialState.COMPLETE
    trial = told(path)
    assert (trial.state, trial.values, trial.value) == (TrialState.COMPLETE, [0.25], 0.25)
    assert trial.datetime_start is not None
    assert trial.datetime_complete is not None
    assert trial.datetime_start <= trial.datetime_complete


@pytest.mark.parametrize(
    "value",
    [
        1,
        True,
        0.1,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        INF,
        np.float64(0.1),
        np.float32(0.1),
        np.int64(7),
        np.bool_(True),
        np.array(0.1),
        np.array([0.1]),
        (0.1,),
        [0.1],
    ],
)
def test_every_kind_of_number_is_a_value_and_keeps_all_its_digits(path: Path, value: Any) -> None:
    expected = float(value[0] if isinstance(value, (tuple, list)) else np.asarray(value, dtype=float).reshape(-1)[0])
    assert make(path).tell(0, value) is TrialState.COMPLETE
    for found in (told(path).values, stock(path).trials[0].values):
        assert found is not None
        assert [number.hex() for number in found] == [expected.hex()]
        assert type(found[0]) is float


@pytest.mark.parametrize("value", ["0.5", b"0.5", 1j, object(), 10**400, ["a"], [None], {"value": 1.0}, [[1.0]]])
def test_what_is_no_number_is_refused(path: Path, value: Any) -> None:
    assert refused(path, UsageError, make(path), 0, value).exit_code == 2


@pytest.mark.parametrize(
    ("directions", "values"),
    [
        (["minimize"], [1.0, 2.0]),
        (["minimize"], []),
        (["minimize", "maximize"], 1.0),
        (["minimize", "maximize"], [1.0]),
        (["minimize", "maximize"], [1.0, 2.0, 3.0]),
        (["minimize", "maximize"], [NAN]),
    ],
)
def test_a_wrong_number_of_values_is_refused(path: Path, directions: list[str], values: Any) -> None:
    study = make(path, directions=directions)
    assert f"takes {len(directions)} value" in str(refused(path, UsageError, study, 0, values))


@pytest.mark.parametrize("number", [0.0, "0", None, True, [0]])
def test_what_is_no_number_of_a_trial_is_refused(path: Path, number: Any) -> None:
    assert refused(path, UsageError, make(path), number, 1.0).exit_code == 2


@pytest.mark.parametrize("number", [3, -1, 10**30])
def test_an_unknown_number_is_refused_and_the_last_one_named(path: Path, number: Any) -> None:
    assert "the last one is 2" in str(refused(path, NotFoundError, make(path), number, 1.0))


def test_in_a_study_without_trials_every_number_is_unknown(path: Path) -> None:
    assert "nothing was asked yet" in str(refused(path, NotFoundError, make(path, 0), 0, 1.0))


def test_a_number_may_come_from_numpy(path: Path) -> None:
    assert make(path).tell(np.int64(2), 1.0) is TrialState.COMPLETE  # type: ignore[arg-type]
    assert told(path, 2).value == 1.0


def test_a_waiting_trial_has_to_be_asked_first(path: Path) -> None:
    study = make(path)
    study.enqueue({"x": 0.5})
    assert "ask for it first" in str(refused(path, ConflictError, study, 3, 1.0))
    assert study.ask().number == 3
    assert study.tell(3, 1.0) is TrialState.COMPLETE


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        ([], {"state": "complete"}),
        ([], {"state": "running"}),
        ([], {"state": "waiting"}),
        ([], {"state": TrialState.WAITING}),
        ([], {"state": "FAIL"}),
        ([], {"state": 3}),
        ([1.0], {"state": "fail"}),
        ([1.0], {"reason": "oom"}),
        ([], {"state": "pruned", "reason": "oom"}),
        ([1.0], {"constraints": {"c": NAN}}),
        ([1.0], {"constraints": {"c": "1"}}),
        ([1.0], {"constraints": {"": 1.0}}),
        ([], {"state": "fail", "reason": ""}),
        ([], {"state": "fail", "reason": 5}),
        ([], {"state": "fail", "reason": "\ud800"}),
    ],
)
def test_a_tell_that_contradicts_itself_is_refused(path: Path, arguments: list[float], options: dict[str, Any]) -> None:
    assert refused(path, UsageError, make(path), 0, *arguments, **options).exit_code == 2


NESTED: list[Any] = []
for _ in range(100):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "attrs",
    [
        {"\ud800": 1},
        {"a": "\udfff"},
        {"a": {"\ud800": 1}},
        {"a": ["\ud800"]},
        {"a": 2**63},
        {"a": [-(2**63) - 1]},
        {"a": 10**4000},
        {"a": NESTED},
        {"a": {1: 2}},
        {"a": {1, 2}},
        {"a": object()},
        {"a": b"bytes"},
        {"": 1},
        {5: 1},
    ],
)
def test_attributes_that_not_every_reader_can_hold_are_refused(path: Path, attrs: dict[Any, Any]) -> None:
    assert refused(path, UsageError, make(path), 0, 1.0, attrs=attrs).exit_code == 2


def test_attributes_and_constraints_are_there_for_every_reader(path: Path) -> None:
    attrs = {"host": "gpu1", "nested": {"a": [1, None, True, -1.5, "ü\u2028\x00"]}, "empty": "", "last": 2**63 - 1, "inf": [INF]}
    make(path).tell(0, 1.0, attrs=attrs, constraints={"memory": -1.5, "ü": np.float64(2), "inf": INF})
    trial, other = told(path), stock(path).trials[0]
    assert trial.user_attrs == other.user_attrs == attrs
    assert trial.constraints == {"memory": -1.5, "ü": 2.0, "inf": INF}
    assert trial.system_attrs == other.system_attrs
    assert optuna.trial.FrozenTrial.constraints.__get__(other) == trial.constraints


@pytest.mark.parametrize("values", [NAN, [NAN], np.float64("nan"), np.array(NAN), -INF, [np.float64("-inf")]])
def test_not_a_number_is_a_failure_with_that_reason(path: Path, values: Any) -> None:
    study = make(path)
    assert study.tell(0, values) is TrialState.FAIL
    assert study.tell(0, values) is TrialState.FAIL
    trial = told(path)
    assert (trial.state, trial.values, trial.user_attrs) == (TrialState.FAIL, None, {"fail_reason": "nan"})
    assert study.tell(0, state="fail", reason="nan") is TrialState.FAIL
    refused(path, ConflictError, study, 0, 1.0)


def test_one_value_of_several_that_is_not_a_number_fails_the_trial(path: Path) -> None:
    study = make(path, directions=["minimize", "maximize"])
    assert study.tell(0, [1.0, NAN]) is TrialState.FAIL
    assert told(path).values is None


def test_of_infinities_those_that_would_be_best_for_ever_fail_the_trial(path: Path) -> None:
    study = make(path, n_running=8, directions=["minimize", "maximize"])
    assert study.tell(0, [-INF, 0.0]) is TrialState.FAIL
    assert study.tell(1, [0.0, INF]) is TrialState.FAIL
    assert study.tell(2, [INF, -INF]) is TrialState.COMPLETE
    assert study.tell(3, [-INF, 0.0], state="pruned") is TrialState.FAIL
    assert study.tell(4, [INF, 0.0], state="pruned") is TrialState.PRUNED
    assert {trial.user_attrs.get("fail_reason") for trial in study.get_trials(("fail",))} == {"nan"}


def test_a_pruned_trial_does_not_take_over_an_infinity_that_would_be_best(path: Path) -> None:
    study = make(path)
    study.ask().report(-INF, 1)
    assert study.tell(3, state="pruned") is TrialState.PRUNED
    assert study.tell(3, state="pruned") is TrialState.PRUNED
    assert told(path, 3).values is None


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.int64(-7), -7),
        (np.uint8(7), 7),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(3), 3),
        ([np.float32(0.5), {"a": (np.int8(1),)}], [0.5, {"a": [1]}]),
        (NAN, NAN),
        ([np.float64("nan"), {"a": NAN}], [NAN, {"a": NAN}]),
    ],
    ids=repr,
)
def test_what_numpy_computes_can_be_an_attribute(path: Path, given: Any, stored: Any) -> None:
    study = make(path)
    for _ in range(2):
        assert study.tell(0, 1.0, attrs={"a": given}) is TrialState.COMPLETE
    assert repr(told(path).user_attrs["a"]) == repr(stored)
    theirs = stock(path).trials[0].user_attrs["a"]
    assert repr(theirs) == repr(stored).replace("nan", "'NaN'")
    assert study.enqueue({"x": 0.5}, attrs={"a": given}) == 3
    assert repr(study.ask().user_attrs["a"]) == repr(stored)
    study.tell(1, 2.0, attrs={"a": 0})
    with pytest.raises(ConflictError):
        study.tell(1, 2.0, attrs={"a": given})


AGAIN: list[dict[str, Any]] = [
    {"values": 1.5},
    {"values": [1.5]},
    {"values": INF},
    {"values": 1.5, "state": "complete"},
    {"state": "fail"},
    {"state": "fail", "reason": "oom"},
    {"reason": "oom"},
    {"state": "pruned"},
    {"values": 1.5, "attrs": {"a": [1, {"b": None}], "c": 1.0}},
    {"values": 1.5, "constraints": {"c": 0.5, "d": -INF}},
    {"state": "fail", "reason": "ü", "attrs": {"a": "b"}},
]


@pytest.mark.parametrize("options", AGAIN)
def test_the_same_tell_again_changes_nothing(path: Path, options: dict[str, Any]) -> None:
    study, other = make(path), load_study(path)
    state = study.tell(0, **options)
    before = path.read_bytes()
    for teller in (study, other, load_study(path)):
        assert teller.tell(0, **options) is state
    assert path.read_bytes() == before


@pytest.mark.parametrize("first", AGAIN)
@pytest.mark.parametrize(
    "second",
    [
        {"values": 1.25},
        {"values": -INF},
        {"state": "fail", "reason": "timeout"},
        {"reason": "timeout"},
        {"values": 1.5, "attrs": {"new": 1}},
        {"values": 1.5, "attrs": {"a": [True, {"b": None}]}},
        {"values": 1.5, "constraints": {"c": 0.75}},
        {"values": 1.5, "constraints": {"new": 0.0}},
    ],
)
def test_another_result_for_a_finished_trial_is_a_conflict(path: Path, first: dict[str, Any], second: dict[str, Any]) -> None:
    study = make(path)
    study.tell(0, **first)
    for teller in (study, load_study(path)):
        error = refused(path, ConflictError, teller, 0, **second)
        assert error.exit_code == 4
        assert "trial 0 of study 'study' is already" in str(error)


def test_the_conflict_says_what_is_recorded(path: Path) -> None:
    study = make(path)
    study.tell(0, 0.93)
    study.tell(1, state="fail", reason="oom")
    assert "already complete with 0.93" in str(refused(path, ConflictError, study, 0, 1.0))
    assert "already fail (oom)" in str(refused(path, ConflictError, study, 1, 1.0))


def test_what_another_process_told_meanwhile_counts(path: Path) -> None:
    study, other = make(path), load_study(path)
    other.tell(0, 1.0)
    other.tell(1, state="fail", reason="oom")
    assert study.tell(0, 1.0) is TrialState.COMPLETE
    refused(path, ConflictError, study, 1, 1.0)
    assert study.tell(2, 3.0) is TrialState.COMPLETE
    assert other.best_value == 1.0


def test_what_a_stock_worker_told_meanwhile_counts(path: Path) -> None:
    study = make(path)
    stock(path).tell(0, 1.0)
    stock(path).tell(1, state=optuna.trial.TrialState.FAIL)
    assert study.tell(0, 1.0) is TrialState.COMPLETE
    assert study.tell(1, state="fail") is TrialState.FAIL
    refused(path, ConflictError, study, 0, 2.0)
    refused(path, ConflictError, study, 1, state="fail", reason="oom")


@pytest.mark.parametrize("same", [False, True])
def test_a_stock_worker_that_tells_between_our_look_and_our_write_was_first(
    path: Path, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    """Stock workers don't know our lock: the journal's order decides whose result counts."""
    study, append = make(path), files.append

    def meanwhile(*arguments: Any) -> None:
        monkeypatch.undo()
        stock(path).tell(0, 1.0)
        append(*arguments)

    monkeypatch.setattr(files, "append", meanwhile)
    if same:
        assert study.tell(0, 1.0) is TrialState.COMPLETE
    else:
        with pytest.raises(ConflictError, match=r"already complete with 1\.0"):
            study.tell(0, 2.0, attrs={"a": 1})
    for trial in (told(path), study.trials[0]):
        assert (trial.values, trial.user_attrs) == ([1.0], {})


def test_trials_of_a_stock_worker_can_be_told(path: Path) -> None:
    study = make(path, 0)
    asked = stock(path).ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    assert study.tell(asked.number, 0.5) is TrialState.COMPLETE
    assert stock(path).trials[0].value == 0.5


def test_a_pruned_trial_takes_its_last_intermediate_value_as_in_optuna(path: Path) -> None:
    study, worker = make(path, 0), stock(path)
    for number, reports in enumerate([{3: 0.3, 1: 0.1}, {0: 0.5, 7: NAN}, {}]):
        asked = worker.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        for step, value in reports.items():
            asked.report(value, step)
        for _ in range(2):
            assert study.tell(number, state="pruned") is TrialState.PRUNED
    assert [trial.values for trial in load_study(path).trials] == [[0.3], None, None]
    assert [trial.values for trial in stock(path).trials] == [[0.3], None, None]


def test_every_told_trial_is_one_that_optuna_can_copy(path: Path) -> None:
    """Optuna checks a trial's fields against each other when it is added to another study, not when it is read."""
    study = make(path, 10)
    for number, options in enumerate(AGAIN[:10]):
        study.tell(number, **options)
    copy = optuna.create_study()
    copy.add_trials(stock(path).trials)
    assert len(copy.trials) == 10


def test_states_may_be_names_or_states(path: Path) -> None:
    study = make(path)
    assert study.tell(0, state=TrialState.FAIL) is TrialState.FAIL
    assert study.tell(0, state="fail") is TrialState.FAIL
    assert study.tell(1, state=TrialState.PRUNED) is TrialState.PRUNED


def test_a_full_disk_leaves_the_trial_running_and_it_can_be_told_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(path)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("journaltune.journal.system.write", full)
        error = refused(path, MachineError, study, 0, 1.0, attrs={"a": 1}, constraints={"c": 1.0})
    assert error.exit_code == 7
    assert "disk is full" in str(error)
    assert study.tell(0, 2.0) is TrialState.COMPLETE
    assert told(path).user_attrs == {}


def test_what_a_stock_writer_finishes_while_a_torn_tail_is_mended_is_not_finished_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make(path)
    with path.open("ab") as file:
        file.write(b'{"torn')
    mend = tail.mend_tail

    def meanwhile(*arguments: Any, **options: Any) -> bool:
        mended = mend(*arguments, **options)
        with path.open("ab") as file:
            file.write(
                b'{"op_code":6,"worker_id":"w","trial_id":0,"state":1,"values":[7.0],"datetime_complete":"2024-01-01T00:00:00"}\n'
            )
        return mended

    monkeypatch.setattr(tail, "mend_tail", meanwhile)
    with pytest.raises(ConflictError, match=r"already complete with 7\.0"):
        study.tell(0, 1.0)
    assert path.read_bytes().count(b'"op_code":6') == 1
    assert study.trials[0].values == [7.0]


def test_a_failed_fsync_is_in_doubt_and_telling_again_settles_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(path)

    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("journaltune.journal.system.fdatasync", failing)
        with pytest.raises(MachineError, match="in doubt"):
            study.tell(0, 1.0)
    assert study.tell(0, 1.0) is TrialState.COMPLETE
    refused(path, ConflictError, study, 0, 2.0)
    assert [trial.value for trial in load_study(path).get_trials(["complete"])] == [1.0]


def test_zero_and_minus_zero_are_two_results(path: Path) -> None:
    study = make(path)
    study.tell(0, 0.0, constraints={"c": 0.0})
    study.tell(0, 0.0, constraints={"c": 0.0})
    with pytest.raises(ConflictError):
        study.tell(0, -0.0)
    with pytest.raises(ConflictError):
        study.tell(0, 0.0, constraints={"c": -0.0})
