"""Constraints, whichever program wrote them: what is read of them, and who sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import optuna
import pytest
import rustuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rustuna.storages import JournalFileStorage
from searching import PARAMS, make, next_ones

import journaltune
from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.constraints import as_attrs, constraints_in, is_constraint
from journaltune.base.errors import ConflictError

pytestmark = pytest.mark.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

N_TRIALS = 14
BEST = 7  # the least value of those that satisfy both constraints

Results = list[tuple[dict[str, float], float, list[float]]]  # parameters, value, constraints


def results() -> Results:
    """The later, the better, but what comes after ``BEST`` breaks a constraint."""
    rows = [({"x": i / N_TRIALS, "y": (5 * i % N_TRIALS) / N_TRIALS}, -float(i), [-i / 3, -0.25]) for i in range(N_TRIALS)]
    for number, (_, _, constraints) in enumerate(rows[BEST + 1 :]):
        constraints[number % 2] = 0.1 * number + 1e-5
    return rows


def by_us(path: Path, rows: Results) -> None:
    study = create_study(path, study_name="s", params=PARAMS, sampler="random", seed=1)
    for params, value, constraints in rows:
        study.enqueue(params)
        study.tell(study.ask(), value, constraints={str(i): number for i, number in enumerate(constraints)})


def by_optuna(path: Path, rows: Results) -> None:
    study = optuna.create_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
    for params, value, constraints in rows:
        study.enqueue_trial(params)
        trial = study.ask()
        for name in params:
            trial.suggest_float(name, 0, 1)
        for i, number in enumerate(constraints):
            trial.set_constraint(str(i), number)
        study.tell(trial, value)


def by_optunas_sampler(path: Path, rows: Results) -> None:
    """As the function does that its samplers take."""
    sampler = optuna.samplers.NSGAIISampler(constraints_func=lambda trial: rows[trial.number][2])
    study = optuna.create_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))), sampler=sampler)
    for params, value, _ in rows:
        study.enqueue_trial(params)
        trial = study.ask()
        for name in params:
            trial.suggest_float(name, 0, 1)
        study.tell(trial, value)


def by_rustuna(path: Path, rows: Results) -> None:
    study = rustuna.create_study(study_name="s", storage=JournalFileStorage(str(path)))
    for params, value, constraints in rows:
        study.enqueue_trial(params)
        trial = study.ask()
        for name in params:
            trial.suggest_float(name, 0, 1)
        trial.set_constraints({str(i): number for i, number in enumerate(constraints)})
        study.tell(trial.number, [value])


WRITERS = [by_us, by_optuna, by_optunas_sampler, by_rustuna]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.journal"


def resumed(path: Path, sampler: str, **options: Any) -> Study:
    return create_study(path, study_name="s", params=PARAMS, sampler=sampler, sampler_options=options, seed=1, exist_ok=True)


def attrs_in(path: Path) -> list[Any]:
    """What the journal's records say of constraints."""
    attrs = [json.loads(line).get("system_attr", {}) for line in path.read_text().splitlines()]
    return [value for attr in attrs for key, value in attr.items() if is_constraint(key)]


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({}, {}),
        ({"constraints:b": 1, "constraints:a": -0.5, "other": 2}, {"a": -0.5, "b": 1.0}),
        ({"constraints:b": "0.00001", "constraints:a": "-inf", "constraints:c": "-0"}, {"a": -inf, "b": 1e-5, "c": -0.0}),
        ({"constraints": [1, -2.5]}, {"0": 1.0, "1": -2.5}),
        ({"constraints": [1.0, 2.0], "constraints:1": "3", "constraints:a": 4}, {"0": 1.0, "1": 3.0, "a": 4.0}),
        ({"constraints": None}, {}),
        ({"constraints": "0.5", "constrained": 1, "constraints_": 1}, {}),
        ({"constraints": [None, "x", [], 10**400, 2], "constraints:a": {}, "constraints:b": "no number"}, {"4": 2.0}),
    ],
    ids=str,
)
def test_every_spelling_is_read(attrs: dict[str, Any], expected: dict[str, float]) -> None:
    found = constraints_in(attrs)
    assert repr(found) == repr(expected)
    assert constraints_in(as_attrs(found)) == found
    assert all(is_constraint(key) for key in as_attrs(found))


@pytest.mark.parametrize("write", WRITERS)
def test_they_are_the_same_whoever_wrote_them(path: Path, write: Callable[[Path, Results], None]) -> None:
    write(path, results())
    written = attrs_in(path)
    assert {type(value) for value in written} == {{by_optunas_sampler: list, by_rustuna: str}.get(write, float)}
    found = [trial.constraints for trial in load_study(path).trials]
    assert found == [{str(i): number for i, number in enumerate(constraints)} for _, _, constraints in results()]


@pytest.mark.parametrize("write", WRITERS)
def test_a_trial_that_breaks_one_is_not_the_best(path: Path, write: Callable[[Path, Results], None]) -> None:
    write(path, results())
    study = load_study(path)
    assert study.best_trial.number == BEST
    for theirs in (study.to_optuna(), optuna.load_study(study_name="s", storage=journaltune.storage(path))):
        assert theirs.best_trial.number == BEST
        assert [trial.constraints for trial in theirs.trials] == [trial.constraints for trial in study.trials]


@pytest.mark.parametrize("write", WRITERS)
def test_a_tell_that_brings_the_same_changes_nothing(path: Path, write: Callable[[Path, Results], None]) -> None:
    write(path, results())
    before, study = path.read_bytes(), load_study(path)
    for number, (_, value, constraints) in enumerate(results()):
        study.tell(number, value, constraints={"1": constraints[1], "0": constraints[0]})
        with pytest.raises(ConflictError):
            study.tell(number, value, constraints={"0": constraints[0], "1": constraints[1] + 1e-12})
    assert path.read_bytes() == before


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("sampler", ["tpe", "optuna.TPESampler"])
def test_samplers_see_them(tmp_path: Path, sampler: str, write: Callable[[Path, Results], None]) -> None:
    found = {}
    for name, author, constraints in (("their", write, True), ("our", by_us, True), ("no", write, False)):
        path = tmp_path / f"{name}.journal"
        author(path, [(params, value, told if constraints else [-1.0, -1.0]) for params, value, told in results()])
        study = resumed(path, sampler)
        found[name] = next_ones(study)
        study.tell(study.ask(), 1.0, constraints={"0": 1.0})
        study.ask()
        verdict = study.verify()
        assert (verdict.n_verified, verdict.difference) == (2 if author is not by_us else N_TRIALS + 2, None)
    assert found["their"] == found["our"] != found["no"]


def test_nsgaii_sees_those_of_rustunas_population(path: Path, tmp_path: Path) -> None:
    sampler = rustuna.samplers.NSGAIISampler(seed=1, population_size=6)
    study = rustuna.create_study(study_name="s", storage=JournalFileStorage(str(path)), sampler=sampler)
    for number in range(6):
        trial = study.ask()
        x, _ = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        trial.set_constraint("c", (-1) ** number * (x - 0.5))
        study.tell(trial.number, [x])
    spellings: dict[str, Callable[[str], dict[str, Any]]] = {
        "text": lambda text: {"constraints:c": text},
        "number": lambda text: {"constraints:c": float(text)},
        "none": lambda _: {"other": 1},
    }
    seen = {}
    for name, spelled in spellings.items():
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            if "constraints:c" in record.get("system_attr", {}):
                record["system_attr"] = spelled(record["system_attr"]["constraints:c"])
        copy = tmp_path / f"{name}.journal"
        copy.write_text("".join(json.dumps(record) + "\n" for record in records))
        seen[name] = next_ones(resumed(copy, "nsgaii", population_size=6), seeds=12)
    assert seen["text"] == seen["number"] != seen["none"]


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii"])
def test_equal_violations_give_one_order_in_every_process(path: Path, sampler: str) -> None:
    """Rustuna would add eight numbers up in the order of a hash table, and round each trial's sum in another way."""
    study = make(path, sampler, {"population_size": 6} if sampler == "nsgaii" else {})
    broken = dict(zip("abcdefgh", (0.1, 0.2, 0.3, 0.7, 0.11, 1e-3, 5.3, 0.9), strict=True))
    for _ in range(12):
        trial = study.ask()
        study.tell(trial, trial.params["x"], constraints=broken)
    assert all(next_ones(study) == next_ones(study) for _ in range(10))


def test_a_claimed_duplicate_has_those_of_its_twin(path: Path) -> None:
    study = create_study(path, params=PARAMS, sampler="random", duplicates="reuse", seed=1)
    for _ in range(2):
        study.enqueue({"x": 0.5, "y": 0.5})
    study.tell(study.ask(), 1.0, constraints={"b": 0.5, "a": -1.0})
    study.ask()
    first, twin, _ = study.trials
    assert twin.user_attrs == {"duplicate_of": first.number}
    assert twin.constraints == first.constraints == {"a": -1.0, "b": 0.5}
