"""What others write between a call's look at the journal and its lock counts as if it had been there before."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journaltune import load_study
from journaltune.api.study import Study
from journaltune.engine import ask
from journaltune.journal.journal import Journal
from journaltune.suggest.choose import choose


@pytest.fixture
def before_the_lock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have something done once, right before the next call takes the journal's lock."""

    def once(body: Callable[[], object]) -> None:
        locked = Journal.locked

        def late(self: Journal, **options: Any) -> Any:
            monkeypatch.setattr(Journal, "locked", locked)
            body()
            return locked(self, **options)

        monkeypatch.setattr(Journal, "locked", late)

    return once


@pytest.fixture
def while_it_samples(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have something done once, while the sampler of the next ask works."""

    def once(body: Callable[[], object]) -> None:
        choice = choose

        def slow(*arguments: Any) -> Any:
            monkeypatch.setattr(ask, "choose", choice)
            body()
            return choice(*arguments)

        monkeypatch.setattr(ask, "choose", slow)

    return once


@pytest.mark.parametrize("options", [{"request_id": "r"}, {"skip_if_exists": True}], ids=str)
def test_the_same_enqueue_by_two_at_once_queues_one_trial(
    path: Path, study: Study, before_the_lock: Any, options: dict[str, Any]
) -> None:
    other, answers = load_study(path), list[int | None]()
    before_the_lock(lambda: answers.append(other.enqueue({"x": 0.5}, **options)))
    answers.append(study.enqueue({"x": 0.5}, **options))
    assert answers == [0, 0 if "request_id" in options else None]
    assert [trial.number for trial in load_study(path).trials] == [0]


def test_what_is_enqueued_while_an_ask_samples_comes_first(path: Path, study: Study, while_it_samples: Any) -> None:
    while_it_samples(lambda: load_study(path).enqueue({"x": 0.5}))
    assert [study.ask().params["x"] == 0.5, study.ask().params["x"] == 0.5] == [True, False]


def test_a_trial_that_goes_back_to_the_queue_while_an_ask_samples_comes_first(
    path: Path, study: Study, while_it_samples: Any
) -> None:
    """Another program may do that; there is no trial more than before then."""
    back = {"op_code": 6, "worker_id": "other", "trial_id": 0, "state": 4, "values": None}
    first = study.ask()
    while_it_samples(lambda: path.open("ab", buffering=0).write(json.dumps(back).encode() + b"\n"))
    again, second = study.ask(), study.ask()
    assert (again.number, again.params, second.number) == (0, first.params, 1)


def test_what_is_enqueued_in_vain_is_failed_under_the_lock_of_stock_writers(
    path: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stock Optuna may claim the trial at that moment: a trial that it runs must not be failed under its hands."""
    line = {"op_code": 4, "worker_id": "other", "study_id": 0, "state": 4, "datetime_start": None}
    with path.open("ab") as file:
        file.write(json.dumps({**line, "system_attrs": {"fixed_params": {"x": 7.0}}}).encode() + b"\n")
    append, held = Journal.append, list[tuple[int, bool]]()

    def watched(self: Journal, batch: Any) -> Any:
        held.append((batch[-1]["op_code"], os.path.lexists(f"{path}.lock")))
        return append(self, batch)

    monkeypatch.setattr(Journal, "append", watched)
    assert study.ask().number == 1
    assert held == [(6, True), (4, False)]
    assert study.trials[0].user_attrs["fail_reason"] == "infeasible"
