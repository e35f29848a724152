"""How a run goes, on stderr: one line that is redrawn on a terminal, and one line a trial in a log."""

from __future__ import annotations

import os
import sys
from time import monotonic

from journaltune.base.words import text_of
from journaltune.cli.output import note, say, visible
from journaltune.cli.table import shorten, text_width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.run.recorder import Ended, Progress

_REDRAW_S, _TICK_S = 0.1, 1.0
_BAR_WIDTH = 24
_SHOWN_IN_FULL = 3  # failures of one reason, with what they wrote last
_FAR_S = 3600.0


def listener(n_objectives: int, quiet: bool) -> Log | Line:
    stderr = sys.stderr
    if quiet or stderr is None or not stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return Log(quiet)
    return Line(n_objectives)


class Log:
    """A line for each trial; with ``quiet`` for failures only."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._n_of_reason: dict[str, int] = {}
        self._total: int | None = None

    def ended(self, ended: Ended) -> None:
        if ended.outcome.state == "fail":
            say("".join(f"{line}\n" for line in self._failure(ended)))
        elif not self._quiet:
            say(f"{self._place(ended)}{result_text(ended)}\n")

    def _place(self, ended: Ended) -> str:
        return f"[{ended.n_finished}/{self._total}] " if self._total is not None else f"[{ended.n_finished}] "

    def _failure(self, ended: Ended) -> list[str]:
        reason = str(ended.outcome.reason or "no reason")
        n = self._n_of_reason[reason] = self._n_of_reason.get(reason, 0) + 1
        lines = failure_lines(ended)
        if n > _SHOWN_IN_FULL:
            lines = lines[:1]
        elif n == _SHOWN_IN_FULL:
            lines.append(
                f"  (of further failures with reason {reason}, the first line only; `journaltune logs NUMBER` shows all)"
            )
        return [f"{self._place(ended)}{lines[0]}", *lines[1:]]

    def note(self, text: str) -> None:
        note(text)

    def look(self, progress: Progress) -> float:
        self._total = progress.n_trials
        return _FAR_S

    def redraw(self) -> None:
        """Nothing was drawn."""

    def close(self) -> None:
        """Nothing is left to be wiped."""


class Line(Log):
    """The line of a terminal; failures and notes go above it."""

    def __init__(self, n_objectives: int) -> None:
        super().__init__(quiet=True)
        self._n_objectives = n_objectives
        self._is_drawn, self._at_s, self._last = False, 0.0, ""

    def ended(self, ended: Ended) -> None:
        if ended.outcome.state == "fail":
            self._wipe()
            super().ended(ended)

    def note(self, text: str) -> None:
        say("\r\x1b[K")  # over what the terminal echoed of Ctrl-C, too
        self._is_drawn = False
        super().note(text)

    def look(self, progress: Progress) -> float:
        """At most ten times a second, however much ends."""
        super().look(progress)
        now_s = monotonic()
        if now_s - self._at_s < _REDRAW_S:
            return _REDRAW_S - (now_s - self._at_s)
        self._at_s, self._last_progress = now_s, progress
        self._draw()
        return _TICK_S

    def _draw(self) -> None:
        line = progress_line(self._last_progress, _width())
        if line != self._last or not self._is_drawn:
            say(f"\r{line}\x1b[K")
            self._is_drawn, self._last = True, line

    def redraw(self) -> None:
        self._is_drawn, self._at_s = False, 0.0

    def _wipe(self) -> None:
        if self._is_drawn:
            say("\r\x1b[K")
            self._is_drawn, self._at_s = False, 0.0

    def close(self) -> None:
        self._wipe()


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return 80


def progress_line(progress: Progress, width: int) -> str:
    """One line that is narrower than the terminal: a wrapped one could not be redrawn. The bar goes first where room is short."""
    parts = [_count(progress)]
    if progress.best is not None:
        parts.append(f"best {number_text(progress.best[0])} (#{progress.best[1]})")
    parts.append(f"{progress.n_running} running")
    if progress.reasons:
        parts.append(failures_text(progress.reasons))
    parts.append(_time(progress))
    if progress.stopping:
        parts.append(progress.stopping)
    text = visible("  ".join(filter(None, parts)))
    bar = _bar(progress)
    if bar and text_width(text) + len(bar) + 1 < width:
        text = f"{bar} {text}"
    return shorten(text, max(width - 1, 1))


def _count(progress: Progress) -> str:
    return f"{progress.n_finished} trials" if progress.n_trials is None else f"{progress.n_finished}/{progress.n_trials}"


def _bar(progress: Progress) -> str:
    if not progress.n_trials:
        return ""
    full = min(_BAR_WIDTH * progress.n_finished // progress.n_trials, _BAR_WIDTH)
    return f"[{('=' * full + '>' * (full < _BAR_WIDTH)).ljust(_BAR_WIDTH)}]"


def _time(progress: Progress) -> str:
    """How long it has run, and how long it will, at the pace so far."""
    gone = duration_text(progress.elapsed_s)
    if progress.n_trials is None or not progress.n_ended_here or progress.stopping:
        return gone
    left = max(progress.n_trials - progress.n_finished, 0)
    return f"{gone}, {duration_text(progress.elapsed_s / progress.n_ended_here * left)} left"


def failures_text(reasons: Mapping[str, int]) -> str:
    """How many trials failed, and of what: ``3 failed (2 exit, 1 oom)``."""
    each = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1]))
    return f"{sum(reasons.values())} failed ({each})"


def result_text(ended: Ended) -> str:
    """A finished trial in one line, for a log."""
    outcome = ended.outcome
    values = " ".join(map(number_text, outcome.values or ()))
    result = f"pruned at {values}" if outcome.state == "pruned" and values else values or outcome.state
    best = ", the best so far" if ended.is_best and outcome.state == "complete" else ""
    return visible(f"trial {ended.number}: {result}{best}, in {duration_text(ended.wall_s)}: {params_text(ended.params)}")


def failure_lines(ended: Ended) -> list[str]:
    """A failed attempt: what went wrong, with which parameters, and what the trainer wrote last."""
    first, *rest = (ended.outcome.message or "no message").splitlines()
    again = f"; attempt {ended.next_attempt} follows" if ended.next_attempt is not None else ""
    reason = f" ({ended.outcome.reason})" if ended.outcome.reason else ""
    lines = [f"trial {ended.number} failed{reason}: {first}, after {duration_text(ended.wall_s)}{again}", *rest]
    lines += [f"  | {line[:200]}" for line in ended.stderr or ()]
    if ended.params:
        lines.append(f"  with {params_text(ended.params)}; all that it printed: journaltune logs {ended.number}")
    return [visible(line) for line in lines]


def params_text(params: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={number_text(value)}" for name, value in params.items())


def number_text(value: object) -> str:
    """A value for people: floats with six digits."""
    return f"{value:.6g}" if isinstance(value, float) else text_of(value)


def duration_text(seconds: float) -> str:
    """0.3s, 42s, 3m07s, 2h05m."""
    if seconds < 59.5:
        return f"{seconds:.0f}s" if seconds >= 9.95 else f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"
