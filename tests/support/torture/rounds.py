"""A round of clients: a fresh study, clients that are broken, one more that goes on, and the check of everything."""

from __future__ import annotations

import shutil
import traceback
from collections import Counter
from typing import TYPE_CHECKING

import journaltune
from torture.agreement import disagreements
from torture.checker import Finding, judge, read_calls
from torture.clients import PARAMS, Log, Ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from torture.checker import Call
    from torture.share import Run

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


def tell(run: Run, findings: Iterable[Finding]) -> None:
    for finding in findings:
        run.find(finding.kind, f"{finding.kind}: {finding.text}")


def finish(folder: Path, *, also: frozenset[int] = frozenset()) -> list[Finding]:
    """Another client must be able to go on; then everything is checked. ``also``: exit codes that the machine explains here."""
    path = folder / "s.journal"
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
    return idle(folder, "the client that goes on", lambda index: index == LAST) + check(folder, also=also)


def check(folder: Path, *, also: frozenset[int] = frozenset()) -> list[Finding]:
    """The calls against the journal, and every reader against every other."""
    path = folder / "s.journal"
    wrong = [Finding("wrong", text) for text in disagreements(path)]
    return judge(path.read_bytes(), read_calls(folder / "logs"), also=also) + wrong


def idle(folder: Path, who: str, clients: Callable[[int], bool], least: int = 1) -> list[Finding]:
    """A finding where clients, chosen by their index, had fewer than ``least`` asks or tells acknowledged: nothing was tested."""
    calls = [call for call in read_calls(folder / "logs") if clients(int(call.client))]
    done = Counter(call.what for call in calls if call.acknowledged)
    return [Finding("wrong", f"{who}: {_too_few(calls, what, done[what])}") for what in ("ask", "tell") if done[what] < least]


def _too_few(calls: list[Call], what: str, done: int) -> str:
    refused = next((f"; {call}" for call in calls if call.refused and call.what == what), "")
    return f"only {done} calls of {what} were acknowledged{refused}"


def count(run: Run) -> None:
    """How much a round had to check."""
    calls = read_calls(run.folder / "logs")
    run.count("calls acknowledged", sum(call.acknowledged for call in calls))
    run.count("calls refused", sum(call.refused for call in calls))
    run.count("calls in doubt", sum(call.in_doubt for call in calls))
    run.count("torn tails mended", len(list((run.folder / "s.journal.d" / "quarantine").glob("*"))))
