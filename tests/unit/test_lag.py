"""Deterministic parallel searches: what a trial sees depends on numbers, not on when others finish."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest

from journaltune import ConflictError, UsageError, create_study, load_study
from journaltune.api.study import Study
from journaltune.base import RUNNING, WAITING
from journaltune.base.errors import WaitTimeoutError
from journaltune.engine.ask import ask
from journaltune.engine.claim import claim, decide
from journaltune.journal.state import StudyState
from journaltune.suggest.lag import Lagged

SPACE = {"x": "float(0, 1)", "n": "int(1, 64, log)", "kind": "a | b | c"}


def value_of(params: dict[str, Any]) -> float:
    return float((params["x"] - 0.3) ** 2 + params["n"] / 64 + "abc".index(params["kind"]))


def finish(study: Study, number: int, params: dict[str, Any]) -> None:
    if number % 5 == 3:
        study.tell(number, state="fail", reason="oom")
    elif number % 7 == 4:
        study.tell(number, state="pruned", values=value_of(params))
    else:
        study.tell(number, value_of(params), constraints={"c": float(number)}, attrs={"a": number})


def in_some_order(path: Path, lag: int, n_trials: int, chance: random.Random, **options: Any) -> list[Any]:
    """Up to ``lag`` trials run at a time; which of them finishes next is drawn."""
    study = create_study(path, params=SPACE, seed=7, lag=lag, **options)
    running: dict[int, dict[str, Any]] = {}
    asked = []
    while len(asked) < n_trials or running:
        if len(asked) < n_trials and len(running) < lag and (not running or chance.random() < 0.5):
            try:
                trial = study.ask(wait_s=0)
            except WaitTimeoutError:
                pass
            else:
                asked.append((trial.number, trial.params, trial.seed))
                running[trial.number] = trial.params
                continue
        number = chance.choice(sorted(running))
        finish(study, number, running.pop(number))
        if chance.random() < 0.2:
            study.close()
            study = load_study(path)
    return asked


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("lag", [1, 2, 5])
def test_the_same_trials_whatever_the_timing(tmp_path: Path, sampler: str, lag: int) -> None:
    searches = [in_some_order(tmp_path / f"{seed}.journal", lag, 25, random.Random(seed), sampler=sampler) for seed in range(4)]
    assert all(search == searches[0] for search in searches)
    for seed in range(4):
        verdict = load_study(tmp_path / f"{seed}.journal").verify()
        assert (verdict.n_verified, verdict.difference) == (25, None)


def test_without_a_lag_the_timing_shows(tmp_path: Path) -> None:
    """So that the test above could fail."""
    found = []
    for order in ((0, 1), (1, 0)):
        study = create_study(
            tmp_path / f"{order}.journal", params=SPACE, seed=7, sampler_options={"n_startup_trials": 1}, sampler="tpe"
        )
        asked = [study.ask() for _ in range(2)]
        for number in order:
            study.tell(number, value_of(asked[number].params))
            found.append(study.ask().params)
    assert found[0] != found[2]


def test_a_lag_of_one_is_what_one_worker_does(tmp_path: Path) -> None:
    alone = create_study(tmp_path / "alone.journal", params=SPACE, sampler="tpe", seed=7)
    lagged = create_study(tmp_path / "lagged.journal", params=SPACE, sampler="tpe", seed=7, lag=1)
    for _ in range(20):
        trials = alone.ask(), lagged.ask()
        assert trials[0].params == trials[1].params
        for study, trial in zip((alone, lagged), trials, strict=True):
            finish(study, trial.number, trial.params)


def test_an_ask_waits_for_the_result_it_needs_and_says_so(tmp_path: Path) -> None:
    study = create_study(tmp_path / "s.journal", params=SPACE, seed=7, lag=2)
    first, second = study.ask(), study.ask()
    heard: list[tuple[int, int]] = []
    told = threading.Event()

    def on_wait(number: int, awaited: int) -> None:
        heard.append((number, awaited))
        told.set()

    def tell() -> None:
        told.wait()
        study.tell(first, 0.5)  # another thread of the same Study: the waiting ask holds no lock

    thread = threading.Thread(target=tell)
    thread.start()
    found = ask(study._study, on_wait=on_wait, wait_s=60)
    thread.join()
    assert (found.number, heard) == (2, [(2, 0)])
    with pytest.raises(WaitTimeoutError, match=r"trial 3 .* needs the result of trial 1, which is still running") as caught:
        study.ask(wait_s=0.01)
    assert caught.value.exit_code == 5
    study.tell(second, state="fail", reason="mine")
    assert study.ask(wait_s=0).number == 3


def test_enqueued_trials_wait_their_turn(tmp_path: Path) -> None:
    study = create_study(tmp_path / "s.journal", params=SPACE, seed=7, lag=1)
    study.enqueue({"x": 0.25})
    study.enqueue({"x": 0.75})
    first = study.ask()
    assert first.params["x"] == 0.25
    with pytest.raises(WaitTimeoutError):
        study.ask(wait_s=0)
    study.tell(first, 1.0)
    assert study.ask(wait_s=0).params["x"] == 0.75
    assert study.verify().n_verified == 2


@pytest.mark.parametrize("lag", [0, -1, 1.5, "2"])
def test_a_lag_is_at_least_one(tmp_path: Path, lag: Any) -> None:
    with pytest.raises(UsageError):
        create_study(tmp_path / "s.journal", params=SPACE, lag=lag)
    assert not (tmp_path / "s.journal").exists()


def test_a_lag_can_be_given_later(tmp_path: Path) -> None:
    study = create_study(tmp_path / "s.journal", params=SPACE, seed=7)
    for _ in range(9):
        study.tell(study.ask(), 1.0)
    with pytest.raises(ConflictError):
        create_study(tmp_path / "s.journal", lag=2)
    study = create_study(tmp_path / "s.journal", lag=2, exist_ok=True)
    for _ in range(9):
        study.tell(study.ask(), 1.0)
    assert study.verify().n_verified == 18


@pytest.mark.parametrize("duplicates", ["reuse", "resample"])
@pytest.mark.parametrize("lag", [1, 2, 3])
def test_a_search_goes_on_past_parameters_that_were_enqueued_several_times(tmp_path: Path, duplicates: str, lag: int) -> None:
    twice = {"x": 0.5, "n": 8, "kind": "b"}

    def search(path: Path, chance: random.Random) -> list[Any]:
        study = create_study(path, params=SPACE, sampler="tpe", seed=7, lag=lag, duplicates=duplicates)
        for n in range(6):
            study.enqueue(twice if n != 3 else {"x": 0.25})
        return in_some_order(path, lag, 14, chance, exist_ok=True)

    searches = [search(tmp_path / f"{seed}.journal", random.Random(seed)) for seed in range(3)]
    assert all(found == searches[0] for found in searches)
    for seed in range(3):
        study = load_study(tmp_path / f"{seed}.journal")
        verdict = study.verify()
        assert (verdict.n_foreign, verdict.difference) == (0, None)
        assert study.counts()["waiting"] == study.counts()["running"] == 0
        taken_over = [trial.number for trial in study.trials if "duplicate_of" in trial.user_attrs]
        assert taken_over == [number for number in (1, 2, 4, 5) if number >= lag], "the result that it may know of is too late"


def contents(view: StudyState) -> Any:
    rows = [(number, code, params) for number, code, _, params in view.finished.rows()]
    return rows, {number: (trial.state, trial.params) for number, trial in view.live.items()}


def test_a_trial_that_waits_is_no_result_and_takes_its_place_when_it_has_one(tmp_path: Path) -> None:
    study = create_study(tmp_path / "s.journal", params=SPACE, seed=7)
    for n in range(6):
        study.enqueue({"x": n / 8})
    opened = study._study
    space = opened.space
    assert space is not None

    def take(number: int) -> None:
        waiting = opened.state().live[number]
        choice = decide(opened, waiting)
        assert choice is not None
        assert claim(opened, number, choice, space, {"n": number})

    for number in (0, 1, 3, 4):
        take(number)
        study.tell(number, 1.0)
    kept = Lagged(opened)
    before = kept.view(opened.state(), 5, 2)
    assert [number for number, *_ in before.finished.rows()] == [0, 1, 3]
    assert {number: trial.state for number, trial in before.live.items()} == {2: WAITING, 4: RUNNING}
    take(2)
    assert contents(kept.view(opened.state(), 5, 2)) == contents(Lagged(opened).view(opened.state(), 5, 2))
    study.tell(2, 1.0)
    after = kept.view(opened.state(), 6, 2)
    assert [number for number, *_ in after.finished.rows()] == [0, 1, 2, 3, 4]
    assert contents(after) == contents(Lagged(opened).view(opened.state(), 6, 2))
    assert contents(kept.view(opened.state(), 3, 2)) == contents(Lagged(opened).view(opened.state(), 3, 2))
