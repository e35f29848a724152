"""A request id stands for one request: the same call again changes nothing, and another one under it is refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from journaltune import ConflictError, create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import InDoubtError, MachineError
from journaltune.engine import report as report_verb
from journaltune.journal import system

NAN = float("nan")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return create_study(tmp_path / "s.journal", params={"x": "float(0, 1)", "k": "a | 1 | true"}, sampler="random", seed=1)


@pytest.fixture
def fault() -> Iterator[Callable[[Callable[..., Any]], None]]:
    """Sets what happens instead of a call of the system, until the test ends."""
    yield lambda instead: setattr(system, "fault", instead)
    system.fault = None


def report(study: Study, number: int, step: int, value: float) -> bool:
    return report_verb.report(study._study, number, step, value, request_id="r")


@pytest.mark.parametrize("value", [0.5, NAN])
@pytest.mark.parametrize("finished", [False, True])
def test_another_report_under_a_used_id_is_refused(study: Study, value: float, finished: bool) -> None:
    trial = study.ask()
    assert report(study, trial.number, 5, value)
    if finished:
        study.tell(trial, 1.0)
    assert report(study, trial.number, 5, value)
    for step, other in ((6, value), (5, 0.25)):
        with pytest.raises(ConflictError, match="request id 'r' was used for another report of trial 0"):
            report(study, trial.number, step, other)
    assert list(study.trials[0].intermediate_values) == [5]


def claim_and_tell(study: Study) -> None:
    study.tell(study.ask(), 1.0, attrs={"more": 1})


@pytest.mark.parametrize("then", [lambda study: None, lambda study: study.ask(), claim_and_tell], ids=["waits", "runs", "told"])
def test_other_parameters_under_a_used_id_are_refused(study: Study, then: Callable[[Study], object]) -> None:
    assert study.enqueue({"x": 0.5, "k": 1}, request_id="q") == 0
    then(study)
    again = load_study(study._study.path)
    for same in (study, again):
        assert same.enqueue({"k": 1, "x": 0.5}, request_id="q") == 0
        for other in ({"x": 0.75, "k": 1}, {"x": 0.5, "k": True}, {"x": 0.5}, {}):
            with pytest.raises(ConflictError, match="request id 'q' was used to enqueue trial 0 with other parameters"):
                same.enqueue(other, request_id="q")
    assert len(study.trials) == 1


def test_other_attributes_under_a_used_id_are_refused_while_it_waits(study: Study) -> None:
    study.enqueue({"x": 0.5}, attrs={"a": 1}, request_id="q")
    assert study.enqueue({"x": 0.5}, attrs={"a": 1}, request_id="q") == 0
    for attrs in (None, {"a": 2}, {"a": 1, "b": 1}):
        with pytest.raises(ConflictError):
            study.enqueue({"x": 0.5}, attrs=attrs, request_id="q")


def landed(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if name == "write":
        function(*arguments)
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return function(*arguments)


def torn(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if name == "pwrite":
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return function(arguments[0], arguments[1][:20]) if name == "write" else function(*arguments)


def unsynced(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if name == "fdatasync":
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return function(*arguments)


@pytest.mark.parametrize("trouble", [landed, torn, unsynced])
def test_an_enqueue_in_doubt_names_the_id_to_repeat_it_with(study: Study, fault: Any, trouble: Callable[..., Any]) -> None:
    fault(trouble)
    with pytest.raises(InDoubtError, match=r"or repeat it with --request-id [0-9a-f]{16}$") as caught:
        study.enqueue({"x": 0.25})
    system.fault = None
    assert study.enqueue({"x": 0.25}, request_id=str(caught.value).split()[-1]) == 0
    assert [trial.number for trial in study.trials] == [0]


def test_where_nothing_was_written_nothing_is_in_doubt(study: Study, fault: Any) -> None:
    def full(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return function(*arguments)

    fault(full)
    with pytest.raises(MachineError, match="the disk is full") as caught:
        study.enqueue({"x": 0.25})
    assert not isinstance(caught.value, InDoubtError)
    assert "request-id" not in str(caught.value)
