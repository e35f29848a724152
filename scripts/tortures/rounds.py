"""A round of a torture: a fresh study, clients that are broken, one more that goes on, and the check of everything."""

from __future__ import annotations

import shutil
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Any

import journaltune
from tortures.clients import PARAMS, Log, Ours
from tortures.history import Finding, check, read_calls
from tortures.machinery import keep
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tortures.logged import Call

LAST = 999_999  # the client that goes on afterwards


def make(folder: Path, sampler: str = "random", seed: int = 1) -> Path:
    """A fresh study in a fresh folder, with room for logs."""
    fresh(folder)
    path = folder / "s.journal"
    journaltune.create_study(path, study_name="study", params=PARAMS, sampler=sampler, seed=seed).close()
    return path


def fresh(folder: Path) -> None:
    """An empty folder with room for logs."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)


def told(found: list[Finding], folder: Path, name: str, runs: int = 1) -> Tally:
    """The tally of one history; its journal and logs are kept where something was found, and removed where nothing was."""
    tally = Tally(runs=runs)
    for finding in found:
        setattr(tally, finding.kind, getattr(tally, finding.kind) + 1)
        tally.note(f"{name}: {finding.kind}: {finding.text}")
    if found:
        logs = {log.name: log.read_bytes() for log in (folder / "logs").glob("*.log")}
        keep(folder.parent, name.replace(" ", "-"), folder / "s.journal", **logs)
    shutil.rmtree(folder, ignore_errors=True)
    return tally


def finish(folder: Path, path: Path, **options: Any) -> list[Finding]:
    """Another client must be able to go on; then everything is checked."""
    log = Log(folder / "logs", LAST)
    try:
        with journaltune.load_study(path, "study", lock_timeout_s=20) as study:
            client = Ours(log, study)
            asked = client.ask()
            if asked is not None:
                client.tell(asked["number"], [0.5], attrs={"last": True})
            client.look()
    except Exception:
        return [Finding("wrong", f"the next command fails: {traceback.format_exc()}")]
    finally:
        log.close()
    return idle(folder, "the client that goes on", lambda index: index == LAST) + check(
        path, read_calls(folder / "logs"), **options
    )


def idle(folder: Path, who: str, clients: Callable[[int], bool], least: int = 1) -> list[Finding]:
    """What says that clients, chosen by their index, had fewer than ``least`` asks or tells acknowledged: nothing was tested."""
    calls = [call for call in read_calls(folder / "logs") if clients(int(call.client))]
    done = Counter(call.what for call in calls if call.acknowledged)
    return [Finding("wrong", f"{who}: {_too_few(calls, what, done[what])}") for what in ("ask", "tell") if done[what] < least]


def _too_few(calls: list[Call], what: str, done: int) -> str:
    refused = next((f"; {call}" for call in calls if call.refused and call.what == what), "")
    return f"only {done} calls of {what} were acknowledged{refused}"


def counted(folder: Path) -> dict[str, int]:
    """How much a round had to check."""
    calls = read_calls(folder / "logs")
    mended = folder / "s.journal.d" / "quarantine"
    return {
        "calls acknowledged": sum(call.acknowledged for call in calls),
        "calls refused": sum(call.refused for call in calls),
        "calls in doubt": sum(call.in_doubt for call in calls),
        "torn tails mended": len(list(mended.glob("*"))),
    }
