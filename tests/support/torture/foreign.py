"""Clients of other libraries, with the same logs: stock Optuna 5 and Rustuna, each through its own API."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import optuna
import rustuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from rustuna.storages import JournalFileStorage

from torture.clients import Refused

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from torture.clients import Log

_CHOICES = ["a", "ü", 3]
_GRACE_S = 1  # instead of 30 s, for which a killed holder of its lock stalls every other Optuna
_IN_DOUBT, _FINISHED = 7, 4


class _Foreign:
    """What both have in common. An ask of a trial that another one finished meanwhile is in doubt: it is in the journal."""

    by: str
    study: Any

    def __init__(self, log: Log) -> None:
        self.log = log

    def ask(self) -> Any:
        return self.log.call("ask", self._ask, by=self.by)

    def _ask(self, by: str) -> dict[str, Any]:
        try:
            return _handed_out(self.study.ask())
        except RuntimeError as error:
            raise self._refused(error, _IN_DOUBT) from error

    def tell(self, number: int, values: list[float]) -> Any:
        return self.log.call("tell", self._tell, number=number, values=values, by=self.by)

    def _tell(self, number: int, values: list[float], by: str) -> None:
        try:
            self.study.tell(number, values[0])
        except (RuntimeError, ValueError) as error:
            raise self._refused(error, _FINISHED) from error

    def _refused(self, error: Exception, code: int) -> Exception:
        """An error that says that another client finished the trial as a refusal; others as they are."""
        if not self.finished(error):
            return error
        return Refused(code, f"{'in doubt: ' if code == _IN_DOUBT else ''}{error}")

    def finished(self, error: Exception) -> bool:
        raise NotImplementedError


def _handed_out(trial: Any) -> dict[str, Any]:
    params = {
        "x": trial.suggest_float("x", 0, 1),
        "l": trial.suggest_float("l", 1e-5, 1, log=True),
        "n": trial.suggest_int("n", 1, 9, step=2),
        "c": trial.suggest_categorical("c", _CHOICES),
    }
    return {"number": trial.number, "params": params}


class Stock(_Foreign):
    """Optuna: a record, a lock and an fsync for each parameter."""

    by = "optuna"

    def __init__(self, log: Log, path: Path) -> None:
        super().__init__(log)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lock = JournalFileSymlinkLock(str(path), grace_period=_GRACE_S)
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
        sampler = optuna.samplers.RandomSampler(seed=log.index)
        self.study = optuna.load_study(study_name="study", storage=storage, sampler=sampler)

    def finished(self, error: Exception) -> bool:
        return isinstance(error, UpdateFinishedTrialError | ValueError)

    def enqueue(self, params: dict[str, Any]) -> Any:
        return self.log.call("enqueue", self._enqueue, params=params, attrs=self.log.token(), by=self.by)

    def _enqueue(self, params: dict[str, Any], attrs: dict[str, str], by: str) -> None:
        self.study.enqueue_trial(params, user_attrs=attrs)


class Rust(_Foreign):
    """Rustuna. Its queue of enqueued trials is in its own memory, so it only asks and tells."""

    by = "rustuna"

    def __init__(self, log: Log, path: Path) -> None:
        super().__init__(log)
        sampler = rustuna.samplers.RandomSampler(seed=log.index)
        self.study = rustuna.load_study(study_name="study", storage=JournalFileStorage(str(path)), sampler=sampler)

    def finished(self, error: Exception) -> bool:
        return "TrialAlreadyFinished" in str(error)


class Foreigner:
    """What a client of another library does, at random."""

    def __init__(self, client: Stock | Rust, dice: Random) -> None:
        self.client, self.dice = client, dice
        self.mine: list[int] = []

    def live(self) -> None:
        """One call."""
        if isinstance(self.client, Stock) and self.dice.random() < 0.1:
            self.client.enqueue({"x": self.dice.random(), "c": "ü"})
        elif not self.mine or self.dice.random() < 0.4:
            asked = self.client.ask()
            self.mine += [asked["number"]] if asked else []
        else:
            self.client.tell(self.mine.pop(self.dice.randrange(len(self.mine))), [self.dice.random()])
