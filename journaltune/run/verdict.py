"""What came of an attempt whose process ended: complete, pruned, failed for a reason, or nothing to tell."""

from __future__ import annotations

import os
from signal import SIGKILL, Signals

from journaltune.run import results
from journaltune.run.memory import oom_kills, size_text
from journaltune.run.outcome import Outcome, as_told, failure
from journaltune.run.output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.run.children import Child
    from journaltune.run.plan import Plan

INTERRUPTED = "interrupted"
_STDERR_LINES = 5


def verdict(child: Child, plan: Plan, directions: list[int], limit_s: float | None) -> Outcome | None:
    """What to tell; None for an attempt that was ended from outside before it had a result: it is made again next time."""
    if child.ending == "pruned":
        return Outcome("pruned")
    if child.ending == "timeout":
        return failure("timeout", f"it ran for {child.usage.wall_s:.3g} s, and --trial-timeout allows {_allowed(plan, limit_s)}")
    if child.ending == "oom":
        allowed = size_text(plan.memory_bytes or 0)
        return failure("oom", f"its processes had {size_text(child.peak_bytes)}, and --memory allows {allowed}")
    code = -SIGKILL if child.is_stuck else os.waitstatus_to_exitcode(child.status)
    if code:
        return None if child.ending else _of_exit_code(code, child.n_oom_kills)
    attempt = results.Attempt(child.output, child.reports, child.folder.result, child.filling, child.began_ns)
    try:
        outcome, _ = results.read(attempt, plan.result, len(directions))
        outcome = as_told(outcome, directions)
    except OSError as error:
        outcome = failure("result", f"its result can't be read: {error}")
    return None if child.ending and outcome.state == "fail" else outcome


def _allowed(plan: Plan, limit_s: float | None) -> str:
    limit = plan.trial_timeout
    if limit is None or limit.percent is None or limit_s is None:
        return "" if limit is None else limit.text
    return f"{limit.text} of the median, {limit_s:.3g} s"


def _of_exit_code(code: int, oom_kills_before: int | None) -> Outcome:
    """What an end says that nobody here asked for. The kernel does not say who sent a signal.

    A SIGKILL counts as out of memory where the kernel killed something for memory meanwhile; a shell that started the trainer
    exits with 137 then.
    """
    if code in (-SIGKILL, 128 + SIGKILL):
        now = oom_kills()
        if oom_kills_before is not None and now is not None and now > oom_kills_before:
            return failure("oom", "it was killed by SIGKILL while the kernel was out of memory")
    if code < 0:
        return failure("signal", f"it was killed by {_name(-code)}")
    if code - 128 in set(Signals):
        return failure("signal", f"exit status {code}, by which shells and launchers say that {_name(code - 128)} killed it")
    return failure("exit", f"exit status {code}")


def _name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def last_words(child: Child) -> list[str]:
    """The last lines that an attempt wrote on stderr."""
    try:
        fd = os.open(child.folder.stderr, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        return Output(fd, child.stderr_start).last_lines(_STDERR_LINES)
    finally:
        os.close(fd)
