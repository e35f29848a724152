"""Clients whose every call is logged before it is made and after it answered, for the checker of histories.

A log has one line a write, so a kill leaves whole lines, and a call without a second line is in doubt.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from journaltune.base.errors import JournaltuneError
from journaltune.base.model import TrialState
from journaltune.engine.report import report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from journaltune.api.study import Study

UNEXPECTED = 1
CALLS_PER_CLIENT = 1_000_000
PARAMS = {"x": "float(0, 1)", "l": "log(1e-5, 1)", "n": "int(1, 9, step=2)", "c": 'a | "ü" | 3'}
_SPECIAL = (0.0, -0.0, 5e-324, -1e308, float("inf"), float("-inf"), float("nan"), 1 / 3)


class Log:
    """The log of one client. ``index`` tells clients of one history apart, also within what they write into the journal."""

    def __init__(self, folder: Path, index: int) -> None:
        self.index, self._n = index, 0
        self.acknowledged = Counter[str]()
        self._fd = os.open(folder / f"{index:06}.log", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)

    def next_token(self) -> float:
        """A number that no other call has: the time to live of an ask, which no machine is so slow as to see the end of."""
        return float(1 + (1 + self.index) * CALLS_PER_CLIENT + self._n)

    def token(self) -> dict[str, str]:
        """An attribute that tells an enqueued trial apart."""
        return {"token": f"token {self.next_token():.0f}"}

    def call(self, what: str, body: Callable[..., Any], **asked: Any) -> Any:
        """Make a call. Returns its answer; None if it was refused. An error that is not one of the package is raised again."""
        self._n += 1
        own = self._n
        self._write({"id": own, "what": what, "asked": asked, "begin": time.monotonic_ns()})
        try:
            answer = body(**asked)
        except (JournaltuneError, Refused) as error:
            self._write({"id": own, "end": time.monotonic_ns(), "code": error.exit_code, "error": str(error)})
            return None
        except Exception:
            self._write({"id": own, "end": time.monotonic_ns(), "code": UNEXPECTED, "error": traceback.format_exc()})
            raise
        self._write({"id": own, "end": time.monotonic_ns(), "answer": answer})
        self.acknowledged[what] += 1
        return answer

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._fd, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        os.close(self._fd)


class Refused(Exception):
    """A refusal of another program, with the exit code that says the same here."""

    def __init__(self, exit_code: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Ours:
    """A client of the Python face. Several may share a study, one for each thread."""

    def __init__(self, log: Log, study: Study) -> None:
        self.log, self.study = log, study

    def ask(self, **options: Any) -> Any:
        return self.log.call("ask", self._ask, ttl_s=self.log.next_token(), **options)

    def _ask(self, **asked: Any) -> dict[str, Any]:
        trial = self.study.ask(**asked)
        return {"number": trial.number, "params": trial.params, "seed": trial.seed}

    def tell(self, number: int, values: list[float] | None = None, **result: Any) -> Any:
        return self.log.call("tell", self._tell, number=number, values=values, **result)

    def _tell(self, number: int, **result: Any) -> int:
        return int(self.study.tell(number, **result))

    def enqueue(self, params: dict[str, Any], *, attrs: dict[str, str] | None = None, **options: Any) -> Any:
        """``attrs`` are those of an earlier call, if this one repeats it."""
        return self.log.call("enqueue", self.study.enqueue, params=params, attrs=attrs or self.log.token(), **options)

    def report(self, number: int, step: int, value: float, **options: Any) -> Any:
        return self.log.call("report", partial(report, self.study._study), number=number, step=step, value=value, **options)

    def look(self) -> Any:
        return self.log.call("look", self._look)

    def _look(self) -> dict[str, int]:
        counts = self.study.counts()
        return {"trials": sum(counts.values()), "finished": counts["complete"] + counts["pruned"] + counts["fail"]}


class CommandLine:
    """A client that starts a process for each call."""

    def __init__(self, log: Log, path: Path) -> None:
        self.log, self.path = log, path

    def _run(self, command: str, *arguments: object) -> str:
        full = [sys.executable, "-m", "journaltune", command, "-f", str(self.path), *map(str, arguments)]
        done = subprocess.run(full, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(done.returncode if done.returncode > 0 else UNEXPECTED, done.stderr.strip())
        return done.stdout

    def ask(self) -> Any:
        return self.log.call("ask", self._ask, ttl_s=self.log.next_token(), prints=True)

    def _ask(self, ttl_s: float, prints: bool) -> Any:
        return json.loads(self._run("ask", "--ttl", f"{ttl_s:.0f}s"))

    def tell(self, number: int, values: list[float] | None = None, **result: Any) -> Any:
        return self.log.call("tell", self._tell, number=number, values=values, **result)

    def _tell(self, number: int, values: list[float] | None, **result: Any) -> str | None:
        arguments: list[object] = [number, *map(repr, values or [])]
        for option in ("state", "reason"):
            arguments += [f"--{option}", result[option]] if result.get(option) else []
        for key, value in (result.get("attrs") or {}).items():
            arguments += ["--attr", f"{key}={json.dumps(value)}"]
        for name, value in (result.get("constraints") or {}).items():
            arguments += ["--constraint", f"{name}={value!r}"]
        return self._run("tell", *arguments) or None


class Life:
    """What a client of ours does, at random: every kind of call, right ones and wrong ones."""

    def __init__(self, client: Ours, dice: Random) -> None:
        self.client, self.dice = client, dice
        self.mine: list[int] = []
        self.told: list[tuple[int, list[float] | None, dict[str, Any]]] = []
        self.reported: list[tuple[int, int, float, dict[str, Any]]] = []
        self.queued: list[tuple[dict[str, Any], str]] = []
        self.steps = 0
        self._ways = {
            self.ask: 30, self.tell: 30, self.tell_of_another: 8, self.tell_again: 4, self.tell_differently: 4, self.report: 6,
            self.report_again: 3, self.enqueue: 8, self.enqueue_again: 2, self.look: 4, self.snapshot: 2, self.close: 2,
            self.ask_too_much: 2,
        }  # fmt: skip

    def live(self) -> None:
        """One call, or two."""
        (way,) = self.dice.choices(list(self._ways), list(self._ways.values()))
        way()

    def ask(self) -> None:
        if len(self.mine) < 4:
            budget = {"max_trials": self.dice.choice([10, 10**6])} if self.dice.random() < 0.1 else {}
            asked = self.client.ask(**budget)
            self.mine += [asked["number"]] if asked else []

    def tell(self) -> None:
        if self.mine:
            self.tell_number(self.mine.pop(self.dice.randrange(len(self.mine))))

    def tell_number(self, number: int) -> None:
        result = self._result()
        self.told = [*self.told[-9:], (number, *result)]
        self.client.tell(number, result[0], **result[1])

    def _result(self) -> tuple[list[float] | None, dict[str, Any]]:
        dice, result = self.dice, dict[str, Any]()
        if dice.random() < 0.3:
            result["attrs"] = {"told by": f"{self.client.log.next_token():.0f}", "ä": [dice.random(), None]}
        if dice.random() < 0.2:
            result["constraints"] = {"c": dice.uniform(-1, 1)}
        result |= self._request(0.3)
        if dice.random() < 0.2:
            return None, {**result, "state": "fail", "reason": dice.choice(["oom", "timeout", "my word"])}
        if dice.random() < 0.1:
            result["state"] = "pruned"
            if dice.random() < 0.5:
                return None, result
        value = dice.choice(_SPECIAL) if dice.random() < 0.1 and "state" not in result else dice.random()
        return [value], result

    def tell_of_another(self) -> None:
        """Whose trial it is does not matter to the journal: the first result counts."""
        running = [trial.number for trial in self.client.study.get_trials([TrialState.RUNNING])]
        if running:
            self.tell_number(self.dice.choice(running))

    def tell_again(self) -> None:
        if self.told:
            number, values, result = self.dice.choice(self.told)
            self.client.tell(number, values, **result)

    def tell_differently(self) -> None:
        if self.told:
            self.client.tell(self.dice.choice(self.told)[0], [self.dice.random()])

    def report(self) -> None:
        self.steps += 1
        if self.mine:
            step = self.client.log.index * CALLS_PER_CLIENT + self.steps
            value = float("nan") if self.dice.random() < 0.2 else self.dice.random()
            self._report(self.dice.choice(self.mine), step, value, self._request(0.3))

    def report_again(self) -> None:
        """What was reported before, or another value for that step, as a trainer does that resumed from a checkpoint."""
        if self.reported:
            number, step, value, request = self.dice.choice(self.reported)
            other = self.dice.random() < 0.5
            self._report(number, step, self.dice.random() if other else value, {} if other else request)

    def _report(self, number: int, step: int, value: float, request: dict[str, Any]) -> None:
        self.reported = [*self.reported[-4:], (number, step, value, request)]
        self.client.report(number, step, value, **request)

    def _request(self, share: float) -> dict[str, Any]:
        """A request id of its own, in some calls."""
        return {"request_id": f"{self.client.log.next_token():.0f}"} if self.dice.random() < share else {}

    def enqueue(self) -> None:
        if self.dice.random() < 0.5:
            self.client.enqueue({"n": self.dice.choice([1, 3, 5, 7, 9]), "c": "ü"}, skip_if_exists=True)
        elif self.dice.random() < 0.4:
            request = f"{self.client.log.next_token():.0f}"
            self.queued = [*self.queued[-4:], ({"x": self.dice.random()}, request)]
            self.client.enqueue(self.queued[-1][0], attrs={"token": f"token {request}"}, request_id=request)
        else:
            self.client.enqueue({"x": self.dice.random(), "l": 10 ** -self.dice.uniform(0.1, 4.9)})

    def enqueue_again(self) -> None:
        if self.queued:
            params, request = self.dice.choice(self.queued)
            self.client.enqueue(params, attrs={"token": f"token {request}"}, request_id=request)

    def look(self) -> None:
        self.client.look()

    def snapshot(self) -> None:
        study = self.client.study._study
        with study.turn.lock, study.turn:
            study.journal.sync()
            study.journal.save_snapshot()

    def close(self) -> None:
        self.client.study.close()

    def ask_too_much(self) -> None:
        self.client.tell(10**6, [1.0])
        self.client.ask(max_trials=0)
