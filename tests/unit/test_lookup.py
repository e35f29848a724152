"""Looking trials up by their parameters: what is equal, where it looks, and that no look changes the answer of the next."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

import journaltune
from journaltune import create_study, load_study, reuse_duplicate
from journaltune.api.study import Study
from journaltune.base.errors import NotFoundError, SpaceError, UsageError
from journaltune.journal import snapshot
from journaltune.journal.keys import ShapeKeys
from journaltune.journal.upkeep.check import check
from journaltune.space import Distribution, parse_spec
from journaltune.study.lookup import lookup

SPACE = {
    "lr": "log(1e-5, 1e-1)",
    "rate": "float(0, 1, step=0.1)",
    "n": "int(1, 100, log)",
    "c": "a | 1 | true | '1' | 1.5 | null",
}
POINT = {"lr": 1e-3, "rate": 0.3, "n": 10, "c": 1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def told(study: Study, value: float, **params: Any) -> int:
    number = study.enqueue({**POINT, **params})
    study.tell(study.ask(), value)
    assert number is not None
    return number


def numbers(found: list[Any]) -> list[int]:
    return [trial.number for trial in found]


@pytest.fixture
def study(path: Path) -> Study:
    return create_study(path, params=SPACE, seed=1)


def test_the_newest_comes_first_and_nothing_else_comes(study: Study) -> None:
    for value, n in enumerate((10, 11, 10, 12, 10)):
        told(study, value, n=n)
    assert numbers(study.lookup(POINT)) == [4, 2, 0]
    assert [trial.value for trial in study.lookup(POINT)] == [4.0, 2.0, 0.0]
    assert study.lookup({**POINT, "n": 13}) == []


@pytest.mark.parametrize("choice", ["a", 1, True, "1", 1.5, None])
def test_choices_are_told_apart_by_type(study: Study, choice: object) -> None:
    for each in ("a", 1, True, "1", 1.5, None):
        told(study, 0.0, c=each)
    (found,) = study.lookup({**POINT, "c": choice})
    assert type(found.params["c"]) is type(choice)
    assert found.params["c"] == choice


def test_a_float_with_a_step_is_its_place_on_the_grid(study: Study) -> None:
    told(study, 0.0, rate=0.30000000000000004)
    assert numbers(study.lookup({**POINT, "rate": 0.3})) == [0]
    assert study.lookup({**POINT, "rate": 0.4}) == []


def test_floats_without_a_step_are_equal_to_the_last_bit_only(study: Study) -> None:
    told(study, 0.0, lr=1e-3)
    assert study.lookup({**POINT, "lr": 0.0010000000000000002}) == []


def test_zero_has_one_sign(path: Path) -> None:
    study = create_study(path, params={"x": "float(-1, 1)"})
    study.enqueue({"x": -0.0})
    study.tell(study.ask(), 1.0)
    assert numbers(study.lookup({"x": 0.0})) == [0]


def test_states_are_the_callers_choice(study: Study) -> None:
    told(study, 1.0)
    for end in ({"state": "pruned"}, {"state": "fail", "reason": "interrupted"}, {"values": 2.0}):
        study.enqueue(POINT)
        study.tell(study.ask(), **end)  # type: ignore[arg-type]
    study.enqueue(POINT)
    study.ask()
    study.enqueue(POINT)
    assert numbers(study.lookup(POINT)) == [3, 2, 1, 0]
    assert numbers(study.lookup(POINT, states=["complete"])) == [3, 0]
    assert numbers(study.lookup(POINT, states="running,waiting")) == [5, 4]
    with pytest.raises(UsageError):
        study.lookup(POINT, states=["done"])


def test_all_parameters_have_to_be_given_and_known(study: Study) -> None:
    with pytest.raises(SpaceError, match="c is missing"):
        study.lookup({"lr": 1e-3, "rate": 0.3, "n": 10})
    with pytest.raises(SpaceError, match="d is not a parameter"):
        study.lookup({**POINT, "d": 1})
    with pytest.raises(SpaceError, match="not one of the choices"):
        study.lookup({**POINT, "c": "b"})
    with pytest.raises(SpaceError, match="is not a number"):
        study.lookup({**POINT, "n": "ten"})


def test_trials_from_before_the_bounds_moved_are_found(study: Study, path: Path) -> None:
    told(study, 0.0, n=90)
    narrow = create_study(path, params={**SPACE, "n": "int(1, 50, log)"}, exist_ok=True)
    assert numbers(narrow.lookup({**POINT, "n": 90})) == [0]


def test_by_number_the_trial_itself_is_left_out(study: Study) -> None:
    for _ in range(3):
        told(study, 0.0)
    study.enqueue(POINT)
    opened = study._study
    assert [each.trial.number for each in lookup(opened, number=1)] == [2, 0]
    assert [each.trial.number for each in lookup(opened, number=3)] == [2, 1, 0]
    with pytest.raises(NotFoundError, match="no trial 7"):
        lookup(opened, number=7)


def test_other_studies_whose_spaces_agree(path: Path, tmp_path: Path) -> None:
    one = create_study(path, study_name="one", params=SPACE)
    other = create_study(path, study_name="other", params={**SPACE, "n": "int(2, 90, log)"})
    create_study(path, study_name="fewer", params={"lr": SPACE["lr"]})
    create_study(path, study_name="steps", params={**SPACE, "c": "a | 1"})
    elsewhere = create_study(tmp_path / "elsewhere.journal", study_name="far", params=SPACE)
    for value, study in enumerate((one, other, elsewhere)):
        told(study, value)
    assert [trial.value for trial in one.lookup(POINT)] == [0.0]
    assert [trial.value for trial in one.lookup(POINT, all_studies=True)] == [0.0, 1.0]
    assert [trial.value for trial in one.lookup(POINT, all_studies=True, also=[tmp_path / "elsewhere.journal"])] == [
        0.0,
        1.0,
        2.0,
    ]
    with pytest.raises(NotFoundError):
        one.lookup(POINT, also=[tmp_path / "none.journal"])


def test_in_a_study_that_optuna_defines_as_it_runs_what_is_absent_is_absent(path: Path) -> None:
    theirs = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))))

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_int("x", 0, 1)
        return x + (trial.suggest_categorical("more", ["yes"]) == "yes" if trial.number % 2 else 0)

    theirs.optimize(objective, n_trials=20)
    study = load_study(path)
    expected = [t.number for t in theirs.trials if t.params == {"x": 0}][::-1]
    assert numbers(study.lookup({"x": 0})) == expected
    assert (
        numbers(study.lookup({"x": 1, "more": "yes"}))
        == [t.number for t in theirs.trials if t.params == {"x": 1, "more": "yes"}][::-1]
    )


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.booleans()), max_size=40), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_index_finds_what_a_scan_finds(tmp_path_factory: pytest.TempPathFactory, asked: Any, dice: random.Random) -> None:
    study = create_study(tmp_path_factory.mktemp("s") / "s.journal", params={"x": "float(0, 1, step=0.5)", "c": "a | 1"})
    for place, first in asked:
        study.enqueue({"x": place / 2, "c": "a" if first else 1})
        study.tell(study.ask(), 0.0)
        if dice.random() < 0.3:
            if dice.random() < 0.3:
                study._study.journal.save_snapshot()
                study = load_study(study._study.path)
            wanted = {"x": dice.choice([0.0, 0.5, 1.0]), "c": dice.choice(["a", 1])}
            expected = [trial.number for trial in study.trials if trial.params == wanted][::-1]
            assert numbers(study.lookup(wanted)) == expected


def test_keys_are_kept_in_the_snapshot_and_checked_there(study: Study, path: Path) -> None:
    for n in range(10, 40):
        told(study, 0.0, n=n)
    study.lookup(POINT)
    study._study.journal.save_snapshot()
    again = load_study(path)
    assert len(again._study.state().finished.column("keys")) == 30
    assert numbers(again.lookup({**POINT, "n": 39})) == [29]
    assert check(path).findings == []
    keys = again._study.state().finished.column("keys")
    keys[3] ^= 1
    again._study.journal.save_snapshot()
    assert "same parameters" in str(check(path).findings)
    assert snapshot.offset_of(str(path)) > 0


def test_a_lookup_of_a_long_journal_leaves_its_keys_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("journaltune.study.lookup._SNAPSHOT_FROM", 4)
    study = create_study(path, params={"x": "float(0, 1)"})
    for _ in range(6):
        study.tell(study.ask(), 0.0)
    with load_study(path) as reader:
        reader.lookup({"x": 0.5})
    assert len(load_study(path)._study.state().finished.column("keys")) == 6


def test_equal_keys_of_different_parameters_are_told_apart(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ShapeKeys, "key", lambda self, params: 7)
    told(study, 0.0, n=10)
    told(study, 1.0, n=11)
    assert numbers(study.lookup({**POINT, "n": 11})) == [1]


def test_the_order_of_the_parameters_makes_no_difference() -> None:
    x, c = parse_spec("x", "float(0, 1)").to_json(), parse_spec("c", "a | b").to_json()
    assert ShapeKeys((("x", x), ("c", c))).key([0.5, 1.0]) == ShapeKeys((("c", c), ("x", x))).key([1.0, 0.5])
    assert ShapeKeys((("x", x), ("c", c))).key([0.5, 1.0]) != ShapeKeys((("x", x), ("d", c))).key([0.5, 1.0])
    assert ShapeKeys((("ab", x), ("c", x))).key([0.5, 1.0]) != ShapeKeys((("a", x), ("bc", x))).key([0.5, 1.0])


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e3), st.integers(0, 10_000), st.sampled_from([-1, 0, 1]))
def test_whoever_rounds_a_step_gets_the_same_key(low: float, step: float, place: int, ulps: int) -> None:
    import math

    grid = Distribution("float", "FloatDistribution", low, low + 10_000 * step, step)
    keys, value = ShapeKeys((("x", grid.to_json()),)), low + place * step
    other = math.nextafter(value, math.inf * ulps) if ulps else value
    if grid.contains(value) and grid.contains(other):
        assert keys.key([value]) == keys.key([other])


STORAGES = {
    "ours": lambda path: journaltune.storage(path),
    "in memory": lambda path: InMemoryStorage(),
    "Optuna's journal": lambda path: JournalStorage(JournalFileBackend(str(path))),
}


@pytest.mark.parametrize("name", STORAGES)
def test_an_optuna_objective_takes_over_the_result_of_a_complete_duplicate(name: str, path: Path) -> None:
    storage: BaseStorage = STORAGES[name](path)
    calls = []

    def objective(trial: optuna.Trial) -> float:
        x, c = trial.suggest_float("x", 0, 1, step=0.25), trial.suggest_categorical("c", ["a", 1, "1"])
        seen = reuse_duplicate(trial)
        if seen is not None:
            assert seen.params == {"x": x, "c": c}
            assert type(seen.params["c"]) is type(c)
            return float(seen.value)
        calls.append(repr(trial.params))
        if len(calls) % 5 == 0:
            raise optuna.TrialPruned
        return float(len(calls))

    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=3))
    study.optimize(objective, n_trials=60)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len({trial.value for trial in complete}) == len({repr(trial.params) for trial in complete}) < len(complete)
    other = optuna.create_study(storage=storage, study_name="another one")
    other.optimize(lambda trial: 0.0 if reuse_duplicate(trial) is None else 1.0, n_trials=1)
    assert other.trials[0].value == 0.0


def test_a_running_duplicate_has_nothing_to_take_over(path: Path) -> None:
    study = optuna.create_study(storage=journaltune.storage(path))
    trials = [study.ask({"c": optuna.distributions.CategoricalDistribution(["a"])}) for _ in range(3)]
    assert reuse_duplicate(trials[2]) is None
    study.tell(trials[1], 1.5)
    assert reuse_duplicate(trials[2]).number == 1
    study.tell(trials[0], 0.5)
    assert reuse_duplicate(trials[2]).number == 1


def test_an_objective_of_ours_takes_over_the_result_too(path: Path) -> None:
    study = create_study(path, params={"c": "a | b"}, sampler="random", seed=1)
    values = []
    for number in range(8):
        trial = study.ask()
        seen = reuse_duplicate(trial)
        values.append(float(number) if seen is None else seen.value)
        study.tell(trial, values[-1])
    assert len(set(values)) == 2
    assert reuse_duplicate(optuna.trial.FixedTrial({"c": "a"})) is None
