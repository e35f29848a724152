"""The holder of a journal's locks, killed or stopped at each step of each operation while others wait."""

from __future__ import annotations

import os
import signal
import traceback
from typing import TYPE_CHECKING, Any

import journaltune
from journaltune.journal import lock, system
from journaltune.journal.journal import Journal
from tortures.clients import Log, Ours
from tortures.history import Finding, read_calls
from tortures.rounds import finish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OPERATIONS: dict[str, Callable[[Ours], object]] = {
    "ask": lambda client: client.ask(),
    "claim": lambda client: client.ask(),
    "tell": lambda client: client.tell(0, [0.5], attrs={"a": 1.5, "b": "x" * 50}, constraints={"c": 1.0}),
    "enqueue": lambda client: client.enqueue({"x": 0.25}),
}
_LOCK_STEPS = ("before flock", "after flock", "before release", "after release")
_WRITE_STEPS = ("before write", "half write", "after write", "before read back", "after read back")
_ASK_STEPS = ("before ask lock", "after ask lock", "before ask release", "after ask release")
_SYNC_STEPS = ("before fdatasync", "after fdatasync")

# Which locks are held there: of the journal, of the study's asks.
_HOLDS_JOURNAL = ("after flock", "before write", "after write", "before read back", "after read back", "before release")
_HOLDS_ASKS = ("after ask lock", "before ask release")
_WAIT_S = 0.05


def _steps(operation: str) -> tuple[str, ...]:
    return (*_LOCK_STEPS, *_WRITE_STEPS, *(_ASK_STEPS if operation in ("ask", "claim") else _SYNC_STEPS))


KILLED = [(operation, step, heir) for operation in _OPERATIONS for step in _steps(operation) for heir in (False, True)]
STOPPED = [(o, s) for o in _OPERATIONS for s in _steps(o) if s in (*_HOLDS_JOURNAL, *_HOLDS_ASKS)]


class Holder:
    """A forked client that does one operation and stands still at one step of it, until it is told to go on."""

    def __init__(self, folder: Path, operation: str, step: str, *, heir: bool) -> None:
        said, say = os.pipe()
        wait, self._go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(said)
            os.close(self._go)
            _hold(folder, operation, step, heir, say, wait)
        os.close(say)
        os.close(wait)
        self.said = os.read(said, 100)
        os.close(said)

    def end(self, number: int = 0) -> int:
        """Kill it, or let it go on; its exit status. A child of its own lives until ``leave``."""
        if number:
            os.kill(self.pid, number)
        else:
            os.write(self._go, b".")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def leave(self) -> None:
        os.close(self._go)


def _hold(folder: Path, operation: str, step: str, heir: bool, say: int, wait: int) -> None:
    """The child's side. Whoever reads ``wait`` ends with the parent at the latest."""
    reached = False

    def stand_still() -> None:
        nonlocal reached
        if reached:
            return
        reached = True
        if heir and os.fork() == 0:
            os.close(say)
            os.read(wait, 1)
            os._exit(0)
        os.write(say, b"here")
        os.read(wait, 1)

    try:
        client = Ours(Log(folder / "logs", 1), journaltune.load_study(folder / "s.journal"))
        _install(step, stand_still)
        _OPERATIONS[operation](client)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _install(step: str, stand_still: Callable[[], None]) -> None:
    when, what = step.split(" ", 1)
    places = {
        "flock": (lock, "acquire"),
        "release": (lock, "release"),
        "ask lock": (lock, "try_asks"),
        "ask release": (lock, "release_asks"),
        "read back": (Journal, "_read_back"),
    }
    if what not in places:
        system.fault = _at_system_call(what, when, stand_still)
        return
    where, name = places[what]
    original = getattr(where, name)

    def around(*arguments: Any) -> Any:
        if when == "before":
            stand_still()
        answer = original(*arguments)
        if when == "after":
            stand_still()
        return answer

    setattr(where, name, around)


def _at_system_call(what: str, when: str, stand_still: Callable[[], None]) -> Callable[..., Any]:
    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name != what:
            return function(*arguments)
        if when == "before":
            stand_still()
        elif when == "half":
            function(arguments[0], arguments[1][: len(arguments[1]) // 2], *arguments[2:])
            stand_still()
        answer = function(*arguments)
        if when == "after":
            stand_still()
        return answer

    return fault


def _held(folder: Path, operation: str, step: str, *, heir: bool = False) -> tuple[Holder, list[Finding]]:
    """A journal with two running trials, one that waits for a claim, and a holder that stands still."""
    log = Log(folder / "logs", 0)
    with journaltune.load_study(folder / "s.journal") as study:
        client = Ours(log, study)
        client.ask()
        client.ask()
        if operation == "claim":
            client.enqueue({"l": 0.01})
    log.close()
    holder = Holder(folder, operation, step, heir=heir)
    return holder, [] if holder.said == b"here" else [Finding("wrong", f"{operation} never came to {step}: {holder.said!r}")]


def kill(folder: Path, operation: str, step: str, heir: bool) -> list[Finding]:
    """Kill the holder; others have to go on at once, although a child of its may live."""
    holder, found = _held(folder, operation, step, heir=heir)
    holder.end(signal.SIGKILL)
    try:
        return found + finish(folder, folder / "s.journal")
    finally:
        holder.leave()


def stop(folder: Path, operation: str, step: str) -> list[Finding]:
    """Stop the holder: others are told who it is, whoever needs no lock goes on, and after SIGCONT all do."""
    holder, found = _held(folder, operation, step)
    os.kill(holder.pid, signal.SIGSTOP)
    os.waitpid(holder.pid, os.WUNTRACED)
    log = Log(folder / "logs", 2)
    with journaltune.load_study(folder / "s.journal", lock_timeout_s=_WAIT_S) as study:
        client = Ours(log, study)
        client.look()
        client.ask()
        client.tell(1, [0.75])
    os.kill(holder.pid, signal.SIGCONT)
    status = holder.end()
    holder.leave()
    if status != 0:
        found.append(Finding("wrong", f"the holder ended with {status} after it was stopped"))
    calls = [call for call in read_calls(folder / "logs") if call.client == "000002"]
    refused = [call for call in calls if call.refused]
    whole = step in _HOLDS_JOURNAL
    if [call.what for call in refused] != (["ask", "tell"] if whole else ["ask"]):
        found.append(Finding("wrong", f"with the holder stopped {step}: {'; '.join(map(str, calls))}"))
    found += [Finding("wrong", f"names not {holder.pid}: {c}") for c in refused if c.code != 5 or str(holder.pid) not in c.error]
    found += finish(folder, folder / "s.journal", also=frozenset({5}))
    return found
