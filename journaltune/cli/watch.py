"""What `status --watch` adds: lines on how the search goes, and a screen that is drawn anew without flicker."""

from __future__ import annotations

import sys

from journaltune.cli import output
from journaltune.cli.progress import duration_text, failures_text, number_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from journaltune.study import OpenStudy

REFRESH_S = 1.0
_SHARE = 0.2  # of one core at most, where a study is so long that a page takes its time
_BARS, _PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.-=+*%#"
_MOST_BARS = 60
_COLUMNS, _ROWS = 80, 24
_OWN_SCREEN, _BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # the cursor is hidden there
_CHANGING = ("study", "trials", "running", "best", "progress", "failures", "time left")


def lines(study: OpenStudy) -> list[str]:
    """How the best value went, what failed of which reason, and how long the study takes to its budget."""
    from journaltune.plots.sample import best_so_far, failures
    from journaltune.study.trials import time_left_s

    best, reasons, left_s = best_so_far(study), {each.reason: each.count for each in failures(study)}, time_left_s(study)
    found = []
    if len(best) > 1:
        found.append(f"progress   {sparkline(best)} {number_text(best[0])} to {number_text(best[-1])}")
    if reasons:
        found.append(f"failures   {failures_text(reasons)}")
    if left_s is not None:
        found.append(f"time left  about {duration_text(left_s)}")
    return [output.visible(line) for line in found]


def sparkline(values: Sequence[float]) -> str:
    """One character for each value, of many for each so many-th: the higher the greater."""
    bars = _BARS if output.can_show(_BARS) else _PLAIN_BARS
    n = min(len(values), _MOST_BARS)
    shown = [values[round(place * (len(values) - 1) / max(n - 1, 1))] for place in range(n)]
    low, high = min(shown), max(shown)
    return "".join(bars[round((value - low) / (high - low) * (len(bars) - 1))] if high > low else bars[0] for value in shown)


def watch(page: Callable[[], tuple[str, bool]], is_data: bool) -> None:
    """Print the page each second until it says that the study is over. A terminal shows it on a screen of its own, and the last
    page stays on the usual one. Elsewhere a blank line stands between two, unless they are data."""
    from signal import SIG_IGN, SIGTERM, SIGTSTP, getsignal, signal
    from time import process_time, sleep

    is_terminal = output.require_open().isatty() and not is_data
    gap = "" if is_data else "\n"
    try:
        if is_terminal:
            signal(SIGTERM, lambda number, frame: sys.exit(128 + number))  # not without giving the screen back
            if getsignal(SIGTSTP) != SIG_IGN:
                signal(SIGTSTP, _pause)
            output.write(_OWN_SCREEN)
        began_s = process_time()
        text, is_over = page()
        while not is_over:
            output.write(_drawn(text) if is_terminal else text + gap)
            sleep(max(REFRESH_S, (process_time() - began_s) / _SHARE))
            began_s = process_time()
            text, is_over = page()
    except BaseException:
        if is_terminal:
            output.write(_BACK)
        raise
    output.write(f"{_BACK if is_terminal else ''}{text}")


def _pause(number: int, frame: FrameType | None) -> None:
    """Ctrl-Z: the shell has its screen and cursor back until this is in the foreground again, where it goes on.

    Written past the stream, in whose own write the signal may have come.
    """
    import os
    from signal import SIG_DFL, SIGSTOP, signal

    terminal, own = sys.stdout.fileno(), os.getpid()
    os.write(terminal, _BACK.encode())
    signal(number, SIG_DFL)
    os.kill(own, number)
    while os.getpgrp() != _in_front(terminal):  # the shell's `bg`
        os.kill(own, SIGSTOP)
    signal(number, _pause)
    os.write(terminal, _OWN_SCREEN.encode())


def _in_front(terminal: int) -> int:
    """The process group that has the terminal; ours where it is not the one that started us."""
    import os

    try:
        return os.tcgetpgrp(terminal)
    except OSError:
        return os.getpgrp()


def _drawn(text: str) -> str:
    """From the upper left corner, line over line: nothing is wiped before it is written anew, so nothing flickers. What is wider
    or higher than the screen is cut, whatever its size is by now."""
    import os

    from journaltune.cli.table import shorten

    size = os.get_terminal_size(sys.stdout.fileno())
    columns, rows = size.columns or _COLUMNS, size.lines or _ROWS  # 0: nobody said
    lines, most = text.splitlines(), max(rows - 1, 1)
    if len(lines) > most:
        lines = _changing(lines)
    shown = [shorten(line, max(columns - 1, 1)) for line in lines[:most]]
    return "\x1b[H" + "".join(f"{line}\x1b[K\n" for line in shown) + "\x1b[J"


def _changing(lines: Sequence[str]) -> list[str]:
    """First the lines that tell how it goes, then the settings, each with the indented lines below it."""
    blocks: list[list[str]] = []
    for line in lines:
        if line.startswith(" ") and blocks:
            blocks[-1].append(line)
        else:
            blocks.append([line])
    blocks.sort(key=lambda block: not block[0].startswith(_CHANGING))
    short = [block[0] for block in blocks if block[0].startswith(_CHANGING)]
    return [*short, *(line for block in blocks for line in block if line not in short)]
