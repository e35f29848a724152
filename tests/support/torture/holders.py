"""The holder of a journal's locks, killed or stopped at each step of each operation while others wait."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import journaltune
from journaltune.journal import lock, system
from journaltune.journal.journal import Journal
from torture.checker import Finding, read_calls
from torture.children import Child
from torture.clients import Log, Ours
from torture.faults import at
from torture.rounds import finish

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


def kill(folder: Path, operation: str, step: str, heir: bool) -> list[Finding]:
    """Kill the holder; others have to go on at once, although a child of the holder may live."""
    holder, findings = _held(folder, operation, step, heir=heir)
    holder.kill()
    holder.reap()
    try:
        return findings + finish(folder)
    finally:
        if heir:
            os.killpg(holder.pid, signal.SIGKILL)


def stop(folder: Path, operation: str, step: str) -> list[Finding]:
    """Leave the holder stopped: others are told its pid, clients that need no lock go on, and after SIGCONT all do."""
    holder, findings = _held(folder, operation, step)
    log = Log(folder / "logs", 2)
    with journaltune.load_study(folder / "s.journal", lock_timeout_s=_WAIT_S) as study:
        client = Ours(log, study)
        client.look()
        client.ask()
        client.tell(1, [0.75])
    os.kill(holder.pid, signal.SIGCONT)
    ended = holder.end()
    if ended.status != 0:
        findings.append(Finding("wrong", f"the holder ended with {ended.status} after it was stopped: {ended.error}"))
    calls = read_calls(folder / "logs", "000002.log")
    refused = [call for call in calls if call.refused]
    if [call.what for call in refused] != (["ask", "tell"] if step in _HOLDS_JOURNAL else ["ask"]):
        findings.append(Finding("wrong", f"with the holder stopped {step}: {'; '.join(map(str, calls))}"))
    unnamed = [call for call in refused if call.code != 5 or str(holder.pid) not in call.error]
    findings += [Finding("wrong", f"does not name {holder.pid}: {call}") for call in unnamed]
    return findings + finish(folder, also=frozenset({5}))


def _held(folder: Path, operation: str, step: str, *, heir: bool = False) -> tuple[Child, list[Finding]]:
    """A journal with two running trials, one that waits for a claim, and a holder that stands still."""
    log = Log(folder / "logs", 0)
    with journaltune.load_study(folder / "s.journal") as study:
        client = Ours(log, study)
        client.ask()
        client.ask()
        if operation == "claim":
            client.enqueue({"l": 0.01})
    log.close()
    holder = Child(lambda: _hold(folder, operation, step, heir))
    if os.WIFSTOPPED(os.waitpid(holder.pid, os.WUNTRACED)[1]):
        return holder, []
    raise RuntimeError(f"{operation} never came to {step}")


def _hold(folder: Path, operation: str, step: str, heir: bool) -> None:
    """In a child: one operation, stopped at one step of it until somebody else sends SIGCONT."""
    reached = False

    def stand_still() -> None:
        nonlocal reached
        if reached:
            return
        reached = True
        if heir and os.fork() == 0:
            signal.pause()
        os.kill(os.getpid(), signal.SIGSTOP)

    os.setpgid(0, 0)  # the heir is found by its process group
    client = Ours(Log(folder / "logs", 1), journaltune.load_study(folder / "s.journal"))
    _install(step, stand_still)
    _OPERATIONS[operation](client)


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
        system.fault = at(when, stand_still, names=(what,))
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
