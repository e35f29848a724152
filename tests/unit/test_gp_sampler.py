"""The samplers gp and auto: what they suggest for studies of every kind."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from searching import PARAMS, make, next_ones

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import ExhaustedError, UsageError
from journaltune.space import space_from_params
from journaltune.study import settings
from journaltune.suggest.choose import history
from journaltune.suggest.samplers import auto
from journaltune.suggest.samplers import make as make_sampler
from journaltune.suggest.samplers.gp import design, habits, model
from journaltune.suggest.samplers.gp.observations import Observations
from journaltune.suggest.samplers.gp.proposal import propose

Objective = Callable[..., float]
INF = math.inf


def bowl(x: float, y: float) -> float:
    return (x - 0.3) ** 2 + (y - 0.7) ** 2


def told(study: Study, count: int, objective: Objective = bowl) -> Study:
    for _ in range(count):
        trial = study.ask()
        value = objective(**trial.params)
        study.tell(trial, **({"state": "fail"} if math.isnan(value) else {"values": value}))
    return study


def distances(study: Study, last: int) -> list[float]:
    return [math.dist((trial.params["x"], trial.params["y"]), (0.3, 0.7)) for trial in study.trials[-last:]]


# What it finds.


@pytest.mark.parametrize(("sampler", "direction"), [("gp", "minimize"), ("auto", "maximize")])
def test_it_ends_at_the_optimum(path: Path, sampler: str, direction: str) -> None:
    sign = 1 if direction == "minimize" else -1
    study = told(make(path, sampler, directions=direction), 20, lambda x, y: sign * bowl(x, y))
    assert min(distances(study, 20)) < 3e-3
    assert study.verify().difference is None


def go_on(study: Study, steps: tuple[int, ...], stops: Callable[[float, float], bool]) -> None:
    """A trial whose value falls to the bowl's, by steps; stopped trials have made the first one only."""
    trial = study.ask()
    x, y = trial.params["x"], trial.params["y"]
    stopped = stops(x, y)
    for step in steps[:1] if stopped else steps:
        trial.report(bowl(x, y) + 3.0 / step, step)
    study.tell(trial, state="pruned") if stopped else study.tell(trial, bowl(x, y) + 3.0 / steps[-1])


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_trials_that_were_stopped_near_the_best_one_scare_nobody_away(path: Path, noise: float) -> None:
    """Their values are from the beginning of a trial, where all are large."""
    study, dice = make(path, "gp"), np.random.default_rng(0)
    for x, y in itertools.product((0.1, 0.5, 0.9), repeat=2):
        study.enqueue({"x": x, "y": y})
        go_on(study, (1, 3, 9, 27), lambda x, y: False)
    for x, y in ((0.28, 0.68), (0.32, 0.72), (0.3, 0.66), (0.34, 0.7)):
        study.enqueue({"x": x + noise * dice.normal(), "y": y})
        go_on(study, (1, 3, 9, 27), lambda x, y: True)
    assert fmean(math.dist((found["x"], found["y"]), (0.3, 0.7)) for found in next_ones(study, 6)) < 0.1
    best = study.recommended_trial.value
    assert best == pytest.approx(study.best_value), "nobody knows what a stopped one would have come to"


def test_a_search_with_stopped_trials_is_verified_and_goes_on_to_the_optimum(path: Path) -> None:
    study = make(path, "auto", pruner="hyperband", pruner_options={"max_resource": 27})
    for _ in range(25):
        go_on(study, (1, 3, 9, 27), lambda x, y: len(study.trials) % 3 == 0)
    with study.ask() as running:
        assert running.number == 25
        assert study.ask().number == 26  # with another one on its way
        study.tell(running, 3.0)
    assert min(distances(study, 15)) < 0.02
    assert study.verify().difference is None


def test_it_finds_the_best_of_categories_integers_steps_and_logarithms(path: Path) -> None:
    space = {"opt": "a | b | c", "n": "int(1, 12)", "step": "float(0, 1, step=0.1)", "rate": "log(1e-6, 1)"}

    def objective(opt: str, n: int, step: float, rate: float) -> float:
        return {"a": 0.5, "b": 0.0, "c": 0.8}[opt] + (n - 4) ** 2 / 20 + (step - 0.6) ** 2 + (math.log10(rate) + 3) ** 2 / 9

    best = told(make(path, "gp", params=space), 25, objective).best_params
    assert (best["opt"], best["n"]) == ("b", 4)
    assert best["step"] == pytest.approx(0.6, abs=0.11)
    assert abs(math.log10(best["rate"]) + 3) < 0.3


def test_it_finds_the_best_of_categories_only_and_repeats_none(path: Path) -> None:
    space = dict.fromkeys(("c0", "c1", "c2"), "a | b | c | d | e")

    def objective(**params: str) -> float:
        codes = ["abcde".index(value) for value in params.values()]
        return sum(math.sin(2.0 * code + at) for at, code in enumerate(codes)) + 0.3 * (codes[0] == codes[2])

    study = told(make(path, "gp", params=space), 40, objective)
    every = [objective(**dict(zip(space, values, strict=True))) for values in itertools.product("abcde", repeat=3)]
    assert study.best_value == min(every)
    assert len({repr(trial.params) for trial in study.trials}) == 40


def test_running_trials_are_spread_and_all_workers_reach_the_optimum(path: Path) -> None:
    study = told(make(path, "gp"), 12)
    running = [study.ask() for _ in range(8)]
    assert len({repr(trial.params) for trial in running}) == 8
    for _ in range(20):
        trial = running.pop(0)
        study.tell(trial, bowl(**trial.params))
        running.append(study.ask())
    assert math.dist((study.best_params["x"], study.best_params["y"]), (0.3, 0.7)) < 5e-3


def test_failures_are_kept_away_from_although_the_best_values_lie_among_them(path: Path) -> None:
    def fails(x: float, y: float) -> float:
        return math.nan if x > 0.5 and y > 0.5 else (x - 0.7) ** 2 + (y - 0.7) ** 2

    study = told(make(path, "gp"), 50, fails)
    assert study.counts()["fail"] <= 13
    assert study.best_value < 0.0401


def test_a_branch_of_which_a_part_fails_is_not_given_up(path: Path) -> None:
    """The best values are those of the choice that fails with large rates, and the first trials of it do."""

    def fails(opt: str, rate: float) -> float:
        if opt == "fast" and rate > 0.3:
            return math.nan
        return {"slow": 0.5, "plain": 0.3, "fast": 0.0}[opt] + (rate - 0.2) ** 2

    study = make(path, "gp", params={"opt": "slow | plain | fast", "rate": "float(0, 1)"})
    for rate in (0.5, 0.7, 0.9):
        study.enqueue({"opt": "fast", "rate": rate})
    told(study, 25, fails)
    assert study.best_value < 0.001
    assert study.counts()["fail"] <= 9


def test_a_constraint_that_is_told_is_kept(path: Path) -> None:
    study = make(path, "gp")
    for _ in range(20):
        trial = study.ask()
        x, y = trial.params["x"], trial.params["y"]
        study.tell(trial, -x - y, constraints={"size": x * x + y * y - 0.5})
    assert study.best_trial.constraints["size"] <= 0
    assert study.best_value == pytest.approx(-1.0, abs=0.01)


# Studies of every kind.


@pytest.mark.parametrize(
    "objective",
    [
        lambda x, y: 1.0,
        lambda x, y: INF,
        lambda x, y: -INF if x < 0.5 else INF,
        lambda x, y: 1e30 if x > 0.6 else bowl(x, y),
        lambda x, y: 1e-300 * bowl(x, y),
        lambda x, y: float(round(4 * bowl(x, y))),
        lambda x, y: math.nan if x > 0.01 else 1.0,
    ],
    ids=["equal", "infinite", "both infinities", "outliers", "tiny", "plateaus", "nearly all fail"],
)
def test_whatever_the_results_it_suggests_something_new_of_the_space(path: Path, objective: Objective) -> None:
    study = told(make(path, "gp"), 18, objective)
    assert len({repr(trial.params) for trial in study.trials}) == 18
    assert all(0 <= value <= 1 for trial in study.trials for value in trial.params.values())
    assert study.verify().difference is None


def test_outliers_hide_nothing(path: Path) -> None:
    study = told(make(path, "gp"), 30, lambda x, y: 1e30 if x > 0.6 else bowl(x, y))
    assert min(distances(study, 30)) < 0.02


@pytest.mark.parametrize("n_columns", [1, 30])
def test_few_and_many_parameters(path: Path, n_columns: int) -> None:
    space = {f"x{at}": "float(0, 1)" for at in range(n_columns)}
    study = told(make(path, "gp", params=space), 24, lambda **x: sum((value - 0.6) ** 2 for value in x.values()) / n_columns)
    assert study.best_value < (1e-5 if n_columns == 1 else 0.05)


def test_a_finite_space_is_tried_out_without_repeats_and_then_repeated(path: Path) -> None:
    study = told(make(path, "gp", params={"x": "a | b | c | d", "y": "int(1, 3)"}), 15, lambda x, y: "abcd".index(x) - y)
    assert len({repr(trial.params) for trial in study.trials[:12]}) == 12


def test_a_finite_space_is_exhausted_where_nothing_is_to_be_tried_twice(path: Path) -> None:
    study = told(make(path, "gp", params={"x": "a | b | c | d", "y": "int(1, 3)"}, duplicates="resample"), 12, lambda **_: 1.0)
    with pytest.raises(ExhaustedError):
        study.ask()


def test_replicates_are_several_results_of_one_place(path: Path) -> None:
    study, dice = make(path, "gp", replicates=3), iter(np.random.default_rng(0).normal(0, 0.02, 60))
    told(study, 60, lambda x, y: bowl(x, y) + next(dice))
    assert [trial.params for trial in study.trials[::3]] == [trial.params for trial in study.trials[2::3]]
    assert min(distances(study, 9)) < 0.15


def test_enqueued_and_pruned_trials_count_as_results(path: Path) -> None:
    study = make(path, "gp")
    for at in range(6):
        study.enqueue({"x": at / 5, "y": 0.7})
        trial = study.ask()
        trial.report(bowl(**trial.params), 1)
        study.tell(trial, state="pruned")
    assert all(abs(found["x"] - 0.3) < 0.2 for found in next_ones(study))


@pytest.mark.parametrize("failures", ["worst", "ignore"])
@pytest.mark.parametrize("ends", ["fail", "pruned", "nan"])
def test_what_brings_no_value_is_not_suggested_for_ever(path: Path, ends: str, failures: str) -> None:
    """Where the best results lie, beyond x = 0.3, trials fail, or are pruned before they have a value, or report NaN only."""
    study = make(path, "auto", failures=failures)
    for _ in range(18):
        trial = study.ask()
        if trial.params["x"] <= 0.3:
            study.tell(trial, -trial.params["x"])
            continue
        if ends == "nan":
            trial.report(math.nan, 1)
        study.tell(trial, state="fail" if ends == "fail" else "pruned")
    tried = [(trial.params["x"], trial.params["y"]) for trial in study.trials]
    assert len(set(tried)) == len(tried)
    if (ends, failures) != ("fail", "ignore"):
        assert sum(x > 0.3 for x, _ in tried[14:]) < 2
    assert study.verify().difference is None


def test_studies_of_before_are_verified_though_they_did_not_see_what_brought_no_value(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(settings.ARITHMETIC, "pruned")
    study = make(path, "auto")
    for _ in range(16):
        trial = study.ask()
        x = trial.params["x"]
        study.tell(trial, **({"values": -x} if x <= 0.3 else {"state": "pruned"}))
    assert len({trial.params["x"] for trial in study.trials[12:]}) < 4
    monkeypatch.undo()
    assert load_study(path).verify().difference is None


def test_a_parameter_that_was_added_and_one_whose_bounds_moved_are_no_obstacle(path: Path) -> None:
    told(make(path, "gp"), 10)
    study = create_study(path, params={"x": "float(0, 0.5)", "y": "float(0, 1)", "opt": "a | b"}, exist_ok=True)
    told(study, 10, lambda x, y, opt: bowl(x, y) + (opt == "a"))
    assert study.best_params["opt"] == "b"
    assert study.verify().difference is None


# What it depends on.


def failing_studies_end(path: Path) -> list[dict[str, object]]:
    study = make(path, "auto", params={"x": "float(0, 1)", "y": "float(0, 1)", "opt": "a | b"}, seed=3)
    told(study, 18, lambda x, y, opt: math.nan if x + y > 1.3 else (x - 0.7) ** 2 + (y - 0.6) ** 2 + (opt == "a"))
    return [trial.params for trial in study.trials[16:]]


def test_a_study_of_before_goes_on_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [(0.4368, 0.4930), (0.4367, 0.4928)]
    before = [{"x": pytest.approx(x, abs=3e-4), "y": pytest.approx(y, abs=3e-4), "opt": "b"} for x, y in places]
    with monkeypatch.context() as patch:
        patch.delitem(settings.ARITHMETIC, "gp")
        assert failing_studies_end(tmp_path / "before.journal") == before
    assert load_study(tmp_path / "before.journal").verify().difference is None
    assert failing_studies_end(tmp_path / "new.journal") != before
    assert load_study(tmp_path / "new.journal").verify().difference is None


def test_a_journal_of_before_whose_trials_were_pruned_is_verified(tmp_path: Path) -> None:
    """Made by the version before the process had sums, and before it knew how far a stopped trial had come."""
    shutil.copy(Path(__file__).parent.parent / "data" / "auto_without_sums.journal", tmp_path / "old.journal")
    study = load_study(tmp_path / "old.journal")
    assert study.counts()["pruned"] == 15
    verdict = study.verify()
    assert (verdict.difference, verdict.n_verified) == (None, 30)


def test_a_journal_with_the_present_model_is_verified(tmp_path: Path) -> None:
    """Of noisy results, three trials at a time, with a condition and a failure: what a later model has to verify."""
    shutil.copy(Path(__file__).parent.parent / "data" / "auto_with_sums.journal", tmp_path / "old.journal")
    study = load_study(tmp_path / "old.journal")
    assert study.counts()["fail"] == 1
    verdict = study.verify()
    assert (verdict.difference, verdict.n_verified) == (None, 32)


def test_the_design_lasts_until_enough_results_are_there(path: Path) -> None:
    study = make(path, "gp")
    distributions, running = space_from_params(PARAMS).distributions, [study.ask() for _ in range(20)]
    for trial in running[:2]:
        study.tell(trial, bowl(**trial.params))
    for trial in running[5:15]:
        study.tell(trial, state="fail")
    assert next_ones(study, 1) == [design.row(distributions, 20, 0, 0)]
    study.tell(running[15], 0.5)
    assert next_ones(study, 1) != [design.row(distributions, 20, 0, 0)]


def test_the_design_is_asked_for_as_a_whole(path: Path) -> None:
    distributions, study = space_from_params(PARAMS).distributions, make(path, "gp")
    for number in range(7):
        first = next_ones(study, 1)
        assert (first == [design.row(distributions, number, 0, 0)]) == (number < design.size(2))
        told(study, 1)


def test_a_running_trial_and_a_failed_one_change_what_comes_next(path: Path) -> None:
    study = told(make(path, "gp"), 15)
    before = next_ones(study)
    trial = study.ask()
    assert next_ones(study) != before
    study.tell(trial, state="fail")
    assert next_ones(study) != before


@pytest.mark.parametrize("lag", [None, 3])
def test_many_at_a_time_and_every_suggestion_comes_out_the_same_again(path: Path, lag: int | None) -> None:
    study = make(path, "auto", lag=lag)
    running = [study.ask() for _ in range(3)]
    for _ in range(15):
        trial = running.pop(0)
        study.tell(trial, bowl(**trial.params))
        running.append(study.ask())
    verdict = load_study(path).verify()
    assert (verdict.difference, verdict.n_verified) == (None, 18)


def valley(x: float, y: float) -> float:
    """Rosenbrock's."""
    return 100 * ((4 * y - 2) - (4 * x - 2) ** 2) ** 2 + (3 - 4 * x) ** 2


def test_a_large_study_is_seen_in_part_and_then_left_to_tpe(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(habits, "PRESENT", habits.PRESENT.but(most_fitted=10))
    monkeypatch.setattr(model, "MOST_CONDITIONED", 12)
    monkeypatch.setattr(auto, "MOST_TRIALS", 36)
    study = told(make(path, "auto"), 36, valley)
    values = [trial.value for trial in study.trials]
    assert min(values[14:]) < min(values[:14])
    opened = study._study
    arguments = (history(opened, 36), opened.varied, 36, 5, 0)
    assert opened.state().n_trials == 36
    by_gp = make_sampler("auto", {}).suggest(*arguments)
    assert by_gp == make_sampler("gp", {}).suggest(*arguments)
    told(study, 1, valley)
    by_tpe = make_sampler("auto", {}).suggest(history(opened, 37), opened.varied, 37, 5, 0)
    assert by_tpe == make_sampler("tpe", {}).suggest(history(opened, 37), opened.varied, 37, 5, 0)


def test_several_objectives_are_left_to_tpe(path: Path) -> None:
    study = make(path, "auto", directions=["minimize", "maximize"])
    for _ in range(14):
        trial = study.ask()
        study.tell(trial, [trial.params["x"], trial.params["y"]])
    arguments = (history(study._study, 14), study._study.varied, 14, 5, 0)
    assert make_sampler("auto", {}).suggest(*arguments) == make_sampler("tpe", {}).suggest(*arguments)
    with pytest.raises(UsageError, match="one objective, not 2"):
        make(path, "gp", study_name="other", directions=["minimize", "maximize"])


@pytest.mark.parametrize("sampler", ["gp", "auto"])
def test_options_are_refused_with_what_to_take_instead(path: Path, sampler: str) -> None:
    with pytest.raises(UsageError, match=f"sampler {sampler} has no option 'n_startup_trials'"):
        make(path, sampler, {"n_startup_trials": 4})
    assert not path.exists()


# Conditions.


BRANCHES = space_from_params({"opt": "first | second", "a": "float(0, 1) if opt == first", "b": "float(0, 1) if opt == second"})
BRANCHED = BRANCHES.distributions


def branched(values: dict[str, float]) -> float:
    """The first branch is easy and ends at 0.2, the second is narrow and ends at 0."""
    return 0.2 + (values["a"] - 0.5) ** 2 if values["opt"] == 0 else min(1.0, 8 * abs(values["b"] - 0.83))


def test_absent_parameters_are_left_out_and_no_branch_is_forgotten() -> None:
    rows: list[list[float]] = []
    values: list[float] = []
    for number in range(25):
        if number < 6:
            found = {"opt": float(number % 2), "ab"[number % 2]: number / 6}
        else:
            seen = Observations(list(range(number)), rows, values, [{}] * number, [], [])
            found = propose(seen, BRANCHED, number, number, BRANCHES.rules)
        assert set(found) == {"opt", "a" if found["opt"] == 0 else "b"}
        rows.append([found.get(name, math.nan) for name in BRANCHED])
        values.append(branched(found))
    assert sum(row[0] == 1 for row in rows) >= 12
    assert min(values) < 0.02
