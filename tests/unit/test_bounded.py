"""TPE on many trials: which ones it learns from, and that they follow from the history alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base import COMPLETE, FAIL, MAXIMIZE, MINIMIZE, PRUNED, RUNNING
from journaltune.base.constraints import as_attrs
from journaltune.base.errors import UsageError
from journaltune.journal import records
from journaltune.journal.journal import Journal
from journaltune.space import space_from_params
from journaltune.study.settings import ARITHMETIC
from journaltune.suggest.history import History
from journaltune.suggest.samplers import bounded, from_rustuna, make
from journaltune.suggest.samplers.bounded import Best, Chosen, Front
from tests.support.made_trials import Trials

SPACE = space_from_params({"x": "float(0, 1)", "n": "int(1, 9)", "c": "a | b"}).distributions


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """The limit, so low that a test gets over it."""
    monkeypatch.setattr(from_rustuna, "MOST_WHOLE", 32)
    monkeypatch.setattr(bounded, "MOST_WHOLE", 32)
    monkeypatch.setattr(bounded, "_BEST", 5)
    monkeypatch.setattr(bounded, "_CROWD", 16)
    return 32


def history(trials: Trials) -> History:
    return History(trials.state, "worst", True)


def grow(trials: Trials, dice: random.Random, number: int, kind: str) -> None:
    """One more trial: ``plain``, or one of every state and value, or one with constraints."""
    params = {"x": dice.random(), "n": float(dice.randint(1, 9)), "c": float(dice.random() < 0.5)}
    values = [dice.choice([params["x"], dice.random(), 0.25]) for _ in trials.state.directions]
    if kind == "plain":
        trials.add(params, COMPLETE, values)
    elif kind == "constrained":
        limits = {"a": dice.random() - 0.3, "b": dice.random() - 0.5} if number > 40 and dice.random() < 0.9 else {}
        trials.add(params, COMPLETE, values, **as_attrs(limits))
    else:
        state = dice.choice([COMPLETE, COMPLETE, COMPLETE, FAIL, PRUNED])
        odd = dice.choice([None, None, None, [float("nan")], [float("inf")], [-1e308], [1.0, 2.0, 3.0]])
        if dice.random() < 0.1:
            del params["n"]
        trials.add(params, state, (odd * len(values) if odd and len(odd) == 1 else odd or values) if state != FAIL else None)


@pytest.mark.parametrize("kind", ["plain", "constrained", "of every state"])
@pytest.mark.parametrize("directions", [[MINIMIZE], [MAXIMIZE], [MAXIMIZE, MINIMIZE]])
def test_a_cached_sampler_suggests_what_a_fresh_one_does(few: int, kind: str, directions: list[int]) -> None:
    dice, trials, cached = random.Random(kind), Trials(directions, SPACE), make("tpe", {})
    for number in range(220):
        grow(trials, dice, number, kind)
        if number == 180:
            trials.add({"x": 0.5, "n": 2.0, "c": 1.0}, RUNNING)
        if dice.random() < 0.2:
            arguments = history(trials), SPACE, number, number, 0
            assert cached.suggest(*arguments) == make("tpe", {}).suggest(*arguments)


@pytest.mark.parametrize("count", [20, 31])
@pytest.mark.parametrize("kind", ["plain", "constrained"])
def test_of_few_trials_none_is_left_out(few: int, count: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dice, trials = random.Random(1), Trials([MINIMIZE], SPACE)
    for number in range(count):
        grow(trials, dice, number + 40, kind)
    trials.add({"x": 0.5, "n": 2.0, "c": 1.0}, FAIL)
    monkeypatch.setattr(from_rustuna, "MOST_WHOLE", 0)  # the bounded way, which then chooses all of them
    arguments = SPACE, count, 7, 0
    assert make("tpe", {}).suggest(history(trials), *arguments) == make("tpe", {}).suggest(
        History(trials.state, "worst"), *arguments
    )


def chosen_of(losses: Sequence[float], observed: Callable[[int], bool] = lambda _: True, step: int = 1) -> list[list[int]]:
    """The rows that are chosen after each addition of ``step`` trials."""
    chosen, seen = Chosen(1), []
    for start in range(0, len(losses), step):
        rows = range(start, min(start + step, len(losses)))
        has = [row for row in rows if observed(row)]
        chosen.add(rows, has, [losses[row] for row in has])
        seen.append(chosen.rows())
    return seen


def test_what_is_chosen_is_bounded_holds_the_best_and_never_comes_back(few: int) -> None:
    dice = random.Random(3)
    losses = [dice.choice([dice.random(), 0.5]) for _ in range(700)]
    left: set[int] = set()
    before: set[int] = set()
    for n, rows in enumerate(chosen_of(losses), 1):
        assert rows == sorted(set(rows))
        assert rows == list(range(n)) if n <= few else few / 2 <= len(rows) <= few + 1 + bounded._BEST
        assert set(sorted(range(n), key=lambda row: (losses[row], row))[: bounded._BEST]) <= set(rows)
        left |= before - set(rows)
        assert not left & set(rows)
        before = set(rows)


@pytest.mark.parametrize("step", [7, 100, 1999])
def test_what_is_chosen_does_not_depend_on_how_often_somebody_looked(few: int, step: int) -> None:
    dice = random.Random(4)
    losses = [round(dice.random(), 2) for _ in range(1999)]

    def observed(row: int) -> bool:
        return row % 5 != 0

    assert chosen_of(losses, observed, step)[-1] == chosen_of(losses, observed)[-1]


def test_the_sample_is_spread_over_all_trials(few: int) -> None:
    rows = [row for row in chosen_of([1.0] * 4096)[-1] if row >= bounded._BEST]
    assert max(after - before for before, after in pairwise(rows)) < 2 * 4096 / (few / 2)
    assert 0.2 < sum(row % 2 for row in rows) / len(rows) < 0.8


def front(losses: Sequence[tuple[float, ...]]) -> list[int]:
    leaders = Front()
    for row, loss in enumerate(losses):
        leaders.add([row], [loss])
    together = Front()
    together.add(range(len(losses)), losses)
    assert together.rows() == leaders.rows()
    return leaders.rows()


def test_the_best_of_several_objectives_are_the_front_and_its_ends() -> None:
    dice = random.Random(5)
    losses = [(0.0, dice.random(), dice.random()) for _ in range(600)]
    rows = front(losses)
    assert len(rows) < bounded._CROWD
    undominated = [
        row for row, (_, a, b) in enumerate(losses) if not any(c <= a and d <= b and (c, d) != (a, b) for _, c, d in losses)
    ]
    assert set(undominated) <= set(rows)


def test_a_crowded_front_keeps_its_ends_and_stays_spread() -> None:
    dice = random.Random(6)
    losses = [(0.0, x, 1 - x) for x in (dice.random() for _ in range(600))]
    rows = front(losses)
    assert bounded._CROWD / 2 <= len(rows) < bounded._CROWD
    kept = sorted(losses[row][1] for row in rows)
    assert (kept[0], kept[-1]) == (min(losses)[1], max(losses)[1])
    assert max(b - a for a, b in pairwise(kept)) < 0.1


def test_what_violates_less_is_better_and_what_violates_nothing_best() -> None:
    losses = [(0.5, 0.0, 0.0), (0.0, 9.0, 9.0), (0.25, 1.0, 1.0)]
    assert [a for a in range(3) for b in range(3) if bounded._dominates(losses[a], losses[b])] == [1, 1, 2]
    best = Best()
    best.add(range(30), [(0.0, 1.0)] * 10 + [(0.5, 0.0)] * 20)
    assert best.rows()[:10] == list(range(10))


def test_an_option_for_a_long_startup_holds_beyond_the_limit(few: int) -> None:
    dice, trials = random.Random(7), Trials([MINIMIZE], SPACE)
    long = make("tpe", {"n_startup_trials": 60})
    drawn = [make("random", {}).suggest(history(trials), SPACE, 0, seed, 0) for seed in range(5)]
    for number in range(90):
        arguments = [(history(trials), SPACE, number, seed, 0) for seed in range(5)]
        assert ([long.suggest(*each) for each in arguments] == drawn) == (number < 60)
        grow(trials, dice, number, "plain")


def test_a_study_says_that_it_learns_from_a_bounded_number_of_trials_and_verifies(few: int, tmp_path: Path) -> None:
    study = create_study(tmp_path / "j", params={"x": "float(0, 1)", "c": "a | b"}, seed=1, sampler="tpe")
    assert study._study.config.items() >= ARITHMETIC.items()
    for number in range(90):
        trial = study.ask()
        if number % 9:
            study.tell(trial, trial.params["x"], state="pruned" if number % 7 == 0 else None)
    Journal(str(tmp_path / "j")).save_snapshot()
    verdict = load_study(tmp_path / "j").verify()
    assert (verdict.difference, verdict.n_verified) == (None, 90)


def configured(path: Path, **config: Any) -> Study:
    """A new study whose configuration has these values; None: it says nothing of them."""
    study = create_study(path, params={"x": "float(0, 1)", "y": "float(0, 1)"}, seed=1, sampler="tpe")._study
    new = {name: value for name, value in {**study.config, **config}.items() if value is not None}
    record = records.study_record(records.SET_STUDY_SYSTEM_ATTR, study.study_id, system_attr={records.CONFIG_ATTR: new})
    with study.journal.locked():
        study.journal.append([record])
    return load_study(path)


def searched(study: Study) -> list[dict[str, Any]]:
    for _ in range(80):
        trial = study.ask()
        study.tell(trial, trial.params["x"] + abs(trial.params["y"] - 0.5))
    return [trial.params for trial in study.trials]


def test_a_study_of_before_goes_on_with_all_of_its_trials(few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, new = searched(configured(tmp_path / "a", tpe=None)), searched(configured(tmp_path / "b"))
    assert load_study(tmp_path / "a").verify().difference is None
    n_same = next(number for number in range(80) if before[number] != new[number])
    assert n_same == few + 1
    monkeypatch.setattr(from_rustuna, "MOST_WHOLE", 80)
    assert searched(configured(tmp_path / "c")) == before


def test_a_study_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a newer journaltune: its setting tpe is 'boundless'"):
        configured(tmp_path / "a", tpe="boundless").ask()
