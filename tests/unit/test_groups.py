"""TPE and NSGA-II on spaces in which a trial lacks parameters: see ``RustunaSampler.groups`` and ``NsgaiiSampler.always``."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from journaltune import create_study, load_study
from journaltune.base import COMPLETE, FAIL, PRUNED, RUNNING
from journaltune.space import space_from_params
from journaltune.suggest.history import History
from journaltune.suggest.samplers import make
from tests.support.made_trials import Trials

COLUMNS = {"kind": "a | b", "x": "float(0, 1)", "y": "float(0, 1)", "deep": "int(1, 9)", "rate": "log(1e-4, 1)"}
GROUPS = [["kind", "x"], ["y"], ["deep", "rate"]]
ALWAYS = GROUPS[0]
SPACE = space_from_params(COLUMNS).distributions
ACTIVE = {0.0: ["kind", "x", "y"], 1.0: ["kind", "x", "deep", "rate"]}


def active(internal: Mapping[str, float]) -> dict[str, float]:
    return {name: internal[name] for name in ACTIVE[internal["kind"]]}


def history(trials: Trials) -> History:
    return History(trials.state, "worst")


def tpe(groups: list[list[str]] | None = GROUPS, n_startup: int = 10) -> Any:
    sampler = make("tpe", {"n_startup_trials": n_startup})
    sampler.groups = groups  # type: ignore[attr-defined]
    return sampler


def nsgaii(size: int = 8) -> Any:
    sampler = make("nsgaii", {"population_size": size})
    sampler.always = ALWAYS  # type: ignore[attr-defined]
    return sampler


def loss(params: Mapping[str, float]) -> float:
    if params["kind"] == 0.0:
        return (params["x"] - 0.2) ** 2 + (params["y"] - 0.7) ** 2 + 0.1
    return (params["x"] - 0.8) ** 2 + ((params["deep"] - 6) / 9) ** 2 + abs(params["rate"] - 0.01)


def mixed(count: int, seed: int = 0) -> Trials:
    """Trials of both kinds in every state, as a study with failures, pruning and workers has them."""
    dice, trials = random.Random(seed), Trials(space=SPACE)
    for number in range(count):
        params = active({name: dice.choice([0.0, 1.0]) if name == "kind" else dice.random() for name in COLUMNS} | {"deep": 3.0})
        params = {name: max(value, 1e-4) if name == "rate" else value for name, value in params.items()}
        state = dice.choice([COMPLETE, COMPLETE, COMPLETE, FAIL, PRUNED, RUNNING if number > count - 4 else COMPLETE])
        trials.add(params, state, [loss(params)] if state == COMPLETE else None)
    return trials


@pytest.mark.parametrize("sampler", [tpe, nsgaii])
def test_a_cached_sampler_suggests_what_a_fresh_one_does(sampler: Callable[[], Any]) -> None:
    cached, trials = sampler(), Trials(space=SPACE)
    for number in range(70):
        arguments = history(trials), SPACE, number, 1000 + number, 0
        suggested = cached.suggest(*arguments)
        assert suggested == sampler().suggest(*arguments)
        assert list(suggested.internal) == list(SPACE)
        assert all(SPACE[name].low <= value <= SPACE[name].high for name, value in suggested.internal.items() if name != "kind")
        params = active(suggested.internal)
        state = (COMPLETE, COMPLETE, FAIL, COMPLETE, PRUNED, RUNNING)[number % 6]
        trials.add(params, state, [loss(params)] if state == COMPLETE else None, **suggested.attrs)


def test_a_history_that_shrank_is_read_again() -> None:
    cached = tpe()
    for count in (60, 30, 50):
        arguments = history(mixed(count)), SPACE, count, 5, 0
        assert cached.suggest(*arguments) == tpe().suggest(*arguments)


def test_one_group_of_all_columns_is_what_no_groups_are() -> None:
    trials = Trials(space=SPACE)
    whole, none = tpe([list(SPACE)]), tpe(None)
    for number in range(40):
        arguments = history(trials), SPACE, number, number, 0
        suggested = whole.suggest(*arguments)
        assert suggested == none.suggest(*arguments)
        state = (COMPLETE, COMPLETE, FAIL, RUNNING)[number % 4]
        trials.add(suggested.internal, state, [suggested.internal["x"]] if state == COMPLETE else None)


@pytest.mark.parametrize("states", [[COMPLETE], [COMPLETE, PRUNED]])
def test_each_group_has_its_own_startup(states: list[int]) -> None:
    trials, dice = Trials(space=SPACE), random.Random(1)
    draws = [tpe().suggest(history(trials), SPACE, 0, seed, 0).internal for seed in range(20)]
    for number in range(24):
        params = active({"kind": float(number % 8 == 7), "x": dice.random(), "y": dice.random(), "deep": 2.0, "rate": 0.5})
        trials.add(params, states[number % len(states)], [dice.random()] if states[number % len(states)] == COMPLETE else None)
    after = [tpe().suggest(history(trials), SPACE, 24, seed, 0).internal for seed in range(20)]
    for group, known in (("x", True), ("y", True), ("deep", False), ("rate", False)):
        assert ([a[group] for a in after] != [d[group] for d in draws]) == known


def test_groups_do_not_share_their_random_numbers() -> None:
    columns = dict.fromkeys("abcd", "float(0, 1)")
    space = space_from_params(columns).distributions
    internal = tpe([["a"], ["b"], ["c", "d"]]).suggest(history(Trials(space=space)), space, 0, 1, 0).internal
    assert len(set(internal.values())) == 4


def test_what_is_modelled_of_a_group_is_modelled_jointly() -> None:
    """Good trials lie on a diagonal of two columns, which a model of each column alone can't see."""
    columns = {"kind": "a | b", "u": "float(0, 1)", "v": "float(0, 1)"}
    space, dice = space_from_params(columns).distributions, random.Random(3)
    trials = Trials(space=space)
    for _ in range(400):
        kind, u, v = float(dice.random() < 0.5), dice.random(), dice.random()
        trials.add({"kind": kind, "u": u, "v": v} if kind else {"kind": kind}, values=[abs(u - v) if kind else 0.5])

    def spread(groups: list[list[str]]) -> float:
        sampler = tpe(groups)
        asked = [sampler.suggest(history(trials), space, 400, seed, 0).internal for seed in range(60)]
        return sum(abs(each["u"] - each["v"]) for each in asked)

    assert spread([["kind"], ["u", "v"]]) < 0.7 * spread([["kind"], ["u"], ["v"]])


def test_trials_of_before_a_parameter_was_added_count_for_the_others() -> None:
    trials, dice = Trials(space=SPACE), random.Random(2)
    for _ in range(60):
        x, y = dice.random(), dice.random()
        trials.add({"kind": 0.0, "x": x, "y": y}, values=[(x - 0.3) ** 2 + (y - 0.6) ** 2])
    sampler, divided = tpe([list(SPACE)]), tpe([["kind", "x", "y"], ["deep", "rate"]])
    asked = [sampler.suggest(history(trials), SPACE, 60, seed, 0).internal for seed in range(30)]
    assert asked == [divided.suggest(history(trials), SPACE, 60, seed, 0).internal for seed in range(30)]
    assert sorted(abs(each["x"] - 0.3) for each in asked)[15] < 0.15
    assert sorted(each["rate"] for each in asked)[0] < 1e-2 < sorted(each["rate"] for each in asked)[-1]


def test_an_interrupted_suggestion_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, trials = tpe(), mixed(60)
    arguments = history(trials), SPACE, 60, 1, 0
    before = sampler.suggest(*arguments)

    class Interrupted:
        def sample_joint(self, *_: object) -> None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(sampler), "_fresh", lambda *_: Interrupted())
        with pytest.raises(KeyboardInterrupt):
            sampler.suggest(*arguments)
    assert sampler.suggest(*arguments) == before


def common_loss(params: Mapping[str, float]) -> float:
    return abs(params["x"] - 0.7) + 0.2 * params["kind"] + 0.01 * loss(params)


@pytest.mark.parametrize(("sampler", "of", "share"), [(tpe, loss, 0.4), (lambda: nsgaii(12), common_loss, 0.6)])
def test_a_conditional_problem_is_searched_better_than_at_random(
    sampler: Callable[[], Any], of: Callable[[Mapping[str, float]], float], share: float
) -> None:
    def sum_of_last(make_one: Callable[[], Any]) -> float:
        total = 0.0
        for seed in range(6):
            searching, trials = make_one(), Trials(space=SPACE)
            for number in range(120):
                suggested = searching.suggest(history(trials), SPACE, number, seed * 1000 + number, 0)
                params = active(suggested.internal)
                trials.add(params, values=[of(params)], **suggested.attrs)
                total += of(params) * (number >= 80)
        return total

    assert sum_of_last(sampler) < share * sum_of_last(lambda: make("random", {}))


def test_a_member_of_a_generation_needs_the_columns_of_all_trials_only() -> None:
    trials, sampler = Trials(space=SPACE), nsgaii(4)
    for number in range(9):
        suggested = sampler.suggest(history(trials), SPACE, number, number, 0)
        assert suggested.attrs["generation"] == str(number // 4)
        trials.add(active(suggested.internal), values=[loss(suggested.internal)], **suggested.attrs)


def test_without_a_column_that_all_trials_have_nsgaii_draws_at_random() -> None:
    sampler = nsgaii()
    sampler.always = []
    suggested = sampler.suggest(history(Trials(space=SPACE)), SPACE, 0, 1, 0)
    assert list(suggested.internal) == list(SPACE)


@pytest.mark.parametrize(("name", "attribute", "value"), [("tpe", "groups", [["x", "y"], ["z"]]), ("nsgaii", "always", ["y"])])
def test_a_study_whose_trials_lack_parameters_verifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, attribute: str, value: Any
) -> None:
    monkeypatch.setattr(type(make(name, {})), attribute, value)
    options = {"n_startup_trials": 5} if name == "tpe" else {"population_size": 4}
    columns = {"x": "float(0, 1)", "y": "float(0, 1)"}
    for params in (columns, {**columns, "z": "int(1, 9)"}):
        study = create_study(tmp_path / "j", params=params, seed=1, sampler=name, sampler_options=options, exist_ok=True)
        for number in range(14):
            trial = study.ask()
            if number % 5:
                study.tell(trial, trial.params["x"] + trial.params["y"])
    verdict = load_study(tmp_path / "j").verify()
    assert (verdict.difference, verdict.n_verified) == (None, 28)


CONDITIONAL = {
    "kind": "a | b",
    "x": "float(0, 1)",
    "y": "float(0, 1) if kind == a",
    "deep": "int(1, 9) if kind == b",
    "rate": "log(1e-4, 1) if deep > 3",
}


@pytest.mark.parametrize("name", ["tpe", "nsgaii"])
def test_a_study_with_conditions_is_searched_by_its_groups_and_verifies(tmp_path: Path, name: str) -> None:
    options = {"n_startup_trials": 5} if name == "tpe" else {"population_size": 6}
    study = create_study(tmp_path / "j", params=CONDITIONAL, seed=1, sampler=name, sampler_options=options)
    for number in range(60):
        trial = study.ask()
        if number % 7:
            study.tell(trial, abs(trial.params["x"] - 0.4) + (0.5 if trial.params["kind"] == "b" else trial.params["y"]))
    late = [trial.params for trial in study.trials[30:]]
    if name == "tpe":
        assert sum(abs(params["x"] - 0.4) < 0.2 for params in late) > 15
        assert sum(params["kind"] == "a" for params in late) > 20
        assert sum(params["y"] for params in late if "y" in params) < 0.4 * sum("y" in params for params in late)
    verdict = load_study(tmp_path / "j").verify()
    assert (verdict.difference, verdict.n_verified) == (None, 60)
