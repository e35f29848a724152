"""Optuna, Rustuna and journaltune on one file, in turns and at once: whoever reads it sees the same trials."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import Any

import optuna
import pytest
import readers
import rustuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rustuna.storages import JournalFileStorage
from rustuna.trial import TrialState as RustState

import journaltune
from journaltune.engine.ask import ask
from journaltune.engine.create import create
from journaltune.engine.enqueue import enqueue
from journaltune.engine.tell import tell
from journaltune.space import space_from_params
from journaltune.study.trials import trials

pytestmark = pytest.mark.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

STUDY = "größe 🎉"
CHOICES = ["a", "ü", 1, 2.5, True, None]
SPACE = {"x": "float(0, 1)", "n": "int(1, 9, step=2)", "c": "a | ü | 1 | 2.5 | true | null", "l": "log(1e-5, 1)"}
DIRECTIONS = ["minimize", "maximize"]
Turn = Callable[[], None]


class Optuna:
    """A worker that goes through Optuna's own API, with one storage for its whole life."""

    def __init__(self, path: Path, dice: random.Random) -> None:
        self.storage = JournalStorage(JournalFileBackend(str(path)))
        sampler = optuna.samplers.RandomSampler(seed=1)
        self.study = optuna.create_study(
            study_name=STUDY, storage=self.storage, directions=DIRECTIONS, sampler=sampler, load_if_exists=True
        )
        self.dice = dice

    def ask(self) -> optuna.Trial:
        trial = self.study.ask()
        trial.suggest_float("x", 0, 1)
        trial.suggest_int("n", 1, 9, step=2)
        trial.suggest_categorical("c", CHOICES)
        trial.suggest_float("l", 1e-5, 1, log=True)
        return trial

    def complete(self) -> None:
        trial = self.ask()
        trial.set_user_attr("ö", {"deep": [1, None, "é\n"]})
        trial.set_constraint("size", self.dice.uniform(-1, 1))
        self.study.tell(trial, [self.dice.random(), -1])

    def prune(self) -> None:
        trial = self.ask()
        self.study._storage.set_trial_intermediate_value(trial._trial_id, 1, 0.5)
        self.study._storage.set_trial_intermediate_value(trial._trial_id, 3, self.dice.random())
        self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)

    def fail(self) -> None:
        self.study.tell(self.ask(), [nan, 1.0])

    def leave_running(self) -> None:
        self.study.ask().suggest_float("x", 0, 1)

    def enqueue(self) -> None:
        self.study.enqueue_trial({"x": self.dice.random(), "c": True}, user_attrs={"who": "optuna"})

    def add(self) -> None:
        trial = optuna.trial.create_trial(
            values=[1, 2.0], params={"x": 0.5}, distributions={"x": optuna.distributions.FloatDistribution(0, 2)},
            user_attrs={"k": "v"}, intermediate_values={0: 1.0},
        )  # fmt: skip
        self.study.add_trial(trial)

    def other_study(self) -> None:
        optuna.create_study(study_name="other", storage=self.storage, load_if_exists=True).set_user_attr("k", [1])

    def delete_other_study(self) -> None:
        if "other" in [study.study_name for study in self.storage.get_all_studies()]:
            optuna.delete_study(study_name="other", storage=self.storage)


class Rustuna:
    """A worker that goes through Rustuna's API."""

    def __init__(self, path: Path, dice: random.Random) -> None:
        self.storage = JournalFileStorage(str(path))
        sampler = rustuna.samplers.RandomSampler(seed=1)
        self.study = rustuna.create_study(
            study_name=STUDY, storage=self.storage, directions=DIRECTIONS, sampler=sampler, load_if_exists=True
        )
        self.dice = dice

    def ask(self) -> Any:
        trial = self.study.ask()
        trial.suggest_float("x", 0, 1)
        trial.suggest_int("n", 1, 9, step=2)
        trial.suggest_categorical("c", CHOICES)
        trial.suggest_float("l", 1e-5, 1, log=True)
        return trial

    def complete(self) -> None:
        trial = self.ask()
        trial.set_user_attrs({"ö": {"deep": [1, None, "é\n"]}, "k": 1})
        trial.set_constraint("size", self.dice.uniform(-1, 1))
        self.study.tell(trial.number, [self.dice.random(), self.dice.choice([1.0, inf, -inf])])

    def prune(self) -> None:
        trial = self.ask()
        self.storage.set_trial_intermediate_value(trial._trial_id, 1, nan)
        self.storage.set_trial_intermediate_value(trial._trial_id, 2, self.dice.random())
        self.study.tell(trial.number, state=RustState.PRUNED)

    def fail(self) -> None:
        self.study.tell(self.ask().number, [nan, 1.0])

    def leave_running(self) -> None:
        self.study.ask()

    def enqueue_and_ask(self) -> None:
        # At one stroke: its queue is in its own memory, and it can't ask any more once another one finished such a trial.
        self.study.enqueue_trial({"x": self.dice.random(), "c": "ü"}, user_attrs={"who": "rustuna"})
        self.complete()


class Ours:
    def __init__(self, path: Path, dice: random.Random) -> None:
        space = space_from_params(SPACE)
        self.study = create(path, name=STUDY, space=space, directions=DIRECTIONS, sampler="random", seed=1, exist_ok=True)
        self.dice = dice

    def complete(self) -> None:
        values = [self.dice.random(), self.dice.choice([1, inf, -inf])]
        attrs = {"ö": {"deep": [1, None, "é\n", inf]}}
        tell(self.study, ask(self.study).number, values, constraints={"size": self.dice.choice([-1, inf])}, attrs=attrs)

    def prune(self) -> None:
        tell(self.study, ask(self.study, ttl_s=60).number, state="pruned")

    def fail(self) -> None:
        tell(self.study, ask(self.study).number, state="fail", reason="außer Speicher")

    def tell_nan(self) -> None:
        tell(self.study, ask(self.study).number, [nan, 1.0])

    def leave_running(self) -> None:
        ask(self.study)

    def enqueue(self) -> None:
        enqueue(self.study, {"x": self.dice.random(), "c": True}, attrs={"who": "journaltune"})

    def snapshot(self) -> None:
        self.study.journal.save_snapshot()


def turns_of(workers: list[Any]) -> list[Turn]:
    return [
        getattr(worker, name)
        for worker in workers
        for name in vars(type(worker))
        if not name.startswith("_") and name not in ("ask", "delete_other_study")
    ]


@pytest.mark.parametrize("first", [Optuna, Rustuna, Ours])
def test_in_turns_every_reader_sees_the_same_trials(first: type, tmp_path: Path) -> None:
    path, dice = tmp_path / "s.journal", random.Random(first.__name__)
    workers = [kind(path, dice) for kind in sorted([Optuna, Rustuna, Ours], key=lambda kind: kind is not first)]
    turns = turns_of(workers) * 4
    dice.shuffle(turns)
    for turn in turns:
        turn()
    by_kind = {type(worker): worker for worker in workers}
    by_kind[Optuna].delete_other_study()
    expected = readers.by_optuna(path)
    assert len(expected[0]["trials"]) > 40
    assert readers.by_us(path) == expected
    assert readers.plain_by_us(path) == readers.plain_by_rustuna(path)
    # And each of those that were there all the time.
    by_kind[Ours].study.journal.sync()
    assert readers.of_state(by_kind[Ours].study.journal.state) == expected
    assert len(by_kind[Optuna].study.trials) == len(by_kind[Rustuna].study.trials) == len(expected[0]["trials"])


def test_an_ask_takes_what_optuna_and_rustuna_enqueued(tmp_path: Path) -> None:
    path, dice = tmp_path / "s.journal", random.Random(0)
    workers = Ours(path, dice), Optuna(path, dice), Rustuna(path, dice)
    given = [{"x": 0.125, "c": None}, {"x": 0.1, "n": 7, "c": 2.5, "l": 1e-3}, {"n": 9, "c": True}, {"c": "ü"}]
    for params in given:
        workers[1].study.enqueue_trial(params)
        workers[2].study.enqueue_trial(params)
    for params in given:
        for _ in range(2):
            asked = ask(workers[0].study).params
            assert {name: asked[name] for name in params} == params
            assert type(asked["c"]) is type(params["c"])


def test_optuna_asks_what_we_enqueued(tmp_path: Path) -> None:
    ours, theirs = Ours(tmp_path / "s.journal", random.Random(0)), Optuna(tmp_path / "s.journal", random.Random(0))
    enqueue(ours.study, {"x": 0.125, "c": None}, attrs={"k": 1})
    trial = theirs.ask()
    assert (trial.number, trial.params["x"], trial.params["c"], trial.user_attrs) == (0, 0.125, None, {"k": 1})
    theirs.study.tell(trial, [1, 2])
    assert trials(ours.study)[0].values == [1.0, 2.0]


def test_optunas_infinities_and_nan_are_numbers_here(tmp_path: Path) -> None:
    """Not in the turns above: Rustuna 0.2 refuses a file in which Optuna wrote one."""
    path = tmp_path / "s.journal"
    theirs = Optuna(path, random.Random(0))
    trial = theirs.ask()
    theirs.storage.set_trial_intermediate_value(trial._trial_id, 1, nan)
    theirs.storage.set_trial_intermediate_value(trial._trial_id, 2, -inf)
    theirs.study.tell(trial, [inf, -inf])
    assert readers.by_us(path) == readers.by_optuna(path)
    assert [study.number for study in trials(Ours(path, random.Random(0)).study)] == [0]


STOCK_WORKER = """
import sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name=sys.argv[2], storage=storage, sampler=optuna.samplers.RandomSampler())
print("ready", flush=True)
for _ in range(int(sys.argv[3])):
    trial = study.ask()
    study.tell(trial, [trial.suggest_float("x", 0, 1), 0.0])
"""


def test_at_once_nothing_is_lost_and_nothing_is_damaged(tmp_path: Path) -> None:
    """Optuna doesn't take our lock, so its records land anywhere between ours."""
    path, n_theirs = tmp_path / "s.journal", 25
    ours = Ours(path, random.Random(0))
    command = [sys.executable, "-c", STOCK_WORKER, str(path), STUDY, str(n_theirs)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
    told = {}
    while any(worker.poll() is None for worker in workers):
        number = ask(ours.study).number
        told[number] = [float(len(told)), 1.0]
        tell(ours.study, number, told[number])
    for worker in workers:
        assert worker.wait() == 0
        worker.stdout and worker.stdout.close()
    expected = readers.by_optuna(path)
    assert len(expected[0]["trials"]) == len(told) + 2 * n_theirs
    assert readers.by_us(path) == expected
    assert readers.plain_by_us(path) == readers.plain_by_rustuna(path)
    assert {trial.number: trial.values for trial in trials(ours.study) if trial.number in told} == told


WAITER = """
import sys
library, path = sys.argv[1:]
if library == "optuna":
    import optuna
    from optuna.storages.journal import JournalFileBackend
    storage = optuna.storages.JournalStorage(JournalFileBackend(path))
    study = optuna.load_study(study_name="s", storage=storage)
else:
    import rustuna
    study = rustuna.load_study(study_name="s", storage=rustuna.storages.JournalFileStorage(path))
print("asks", flush=True)
trial = study.ask()
trial.suggest_float("x", 0, 1)
study.tell(trial.number, 1.0)
print("told")
"""


@pytest.mark.parametrize("library", ["optuna", "rustuna"])
def test_a_stock_writer_that_waits_for_a_dead_one_goes_on_when_one_of_us_writes(tmp_path: Path, library: str) -> None:
    """Rustuna would wait for ever, and Optuna for as long as we write at least every 30 s."""
    path = tmp_path / "s.journal"
    study = journaltune.create_study(path, study_name="s", params={"x": "float(0, 1)"})
    lock = f"{path}.lock"
    os.symlink(path, lock)
    waiting = subprocess.Popen([sys.executable, "-c", WAITER, library, str(path)], stdout=subprocess.PIPE, text=True)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "asks\n"
    study.tell(study.ask(), 0.5)
    assert os.path.lexists(lock), "nobody may break the lock of one that may live"
    os.utime(lock, (0, 0), follow_symlinks=False)
    study = journaltune.load_study(path)  # who has just looked does not look again for a second
    study.tell(study.ask(), 0.25)
    assert waiting.communicate()[0] == "told\n"
    assert sorted(trial.value for trial in study.trials) == [0.25, 0.5, 1.0]
