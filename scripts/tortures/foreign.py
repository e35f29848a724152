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

from tortures.clients import Refused

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tortures.clients import Log

_CHOICES = ["a", "ü", 3]
_GRACE_S = 1  # instead of 30 s, for which a killed holder of its lock stalls every other Optuna


def _handed_out(trial: Any) -> dict[str, Any]:
    params = {
        "x": trial.suggest_float("x", 0, 1),
        "l": trial.suggest_float("l", 1e-5, 1, log=True),
        "n": trial.suggest_int("n", 1, 9, step=2),
        "c": trial.suggest_categorical("c", _CHOICES),
    }
    return {"number": trial.number, "params": params}


class Stock:
    """Optuna: a record, a lock and an fsync for each parameter."""

    by = "optuna"

    def __init__(self, log: Log, path: Path) -> None:
        self.log = log
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lock = JournalFileSymlinkLock(str(path), grace_period=_GRACE_S)
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
        sampler = optuna.samplers.RandomSampler(seed=log.index)
        self.study = optuna.load_study(study_name="study", storage=storage, sampler=sampler)

    def ask(self) -> Any:
        return self.log.call("ask", self._ask, by=self.by)

    def _ask(self) -> dict[str, Any]:
        try:
            return _handed_out(self.study.ask())
        except UpdateFinishedTrialError as error:  # it is in the journal, and another one told it before it was handed out
            raise Refused(7, f"in doubt: {error}") from error

    def tell(self, number: int, values: list[float]) -> Any:
        return self.log.call("tell", lambda: self._tell(number, values[0]), number=number, values=values, by=self.by)

    def _tell(self, number: int, value: float) -> None:
        try:
            self.study.tell(number, value)
        except (UpdateFinishedTrialError, ValueError) as error:
            raise Refused(4, str(error)) from error

    def enqueue(self, params: dict[str, Any]) -> Any:
        attrs = {"token": f"token {self.log.next_token():.0f}"}
        body = lambda: self.study.enqueue_trial(params, user_attrs=attrs)  # noqa: E731
        return self.log.call("enqueue", body, params=params, attrs=attrs, by=self.by)


class Rust:
    """Rustuna. Its queue of enqueued trials is in its own memory, so it only asks and tells."""

    by = "rustuna"

    def __init__(self, log: Log, path: Path) -> None:
        self.log = log
        sampler = rustuna.samplers.RandomSampler(seed=log.index)
        self.study = rustuna.load_study(study_name="study", storage=JournalFileStorage(str(path)), sampler=sampler)

    def ask(self) -> Any:
        return self.log.call("ask", self._ask, by=self.by)

    def _ask(self) -> dict[str, Any]:
        try:
            return _handed_out(self.study.ask())
        except RuntimeError as error:
            raise _as_refusal(error, 7) from error

    def tell(self, number: int, values: list[float]) -> Any:
        return self.log.call("tell", lambda: self._tell(number, values[0]), number=number, values=values, by=self.by)

    def _tell(self, number: int, value: float) -> None:
        try:
            self.study.tell(number, value)
        except RuntimeError as error:
            raise _as_refusal(error, 4) from error


def _as_refusal(error: Exception, code: int) -> Exception:
    """What Rustuna says of a trial that another one finished. An ask of it is in doubt then: the trial is in the journal."""
    return Refused(code, f"{'in doubt: ' if code == 7 else ''}{error}") if "TrialAlreadyFinished" in str(error) else error


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
            found = self.client.ask()
            self.mine += [found["number"]] if found else []
        else:
            self.client.tell(self.mine.pop(self.dice.randrange(len(self.mine))), [self.dice.random()])
