"""What `status --watch` shows of how a search goes, and when it ends."""

from __future__ import annotations

import json
import os
import shlex
import signal
from typing import TYPE_CHECKING, Any

import pytest
from screen import Terminal

from journaltune.cli.watch import lines, sparkline
from journaltune.study import open_study
from journaltune.study.trials import is_over, time_left_s

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("values", "shown"),
    [([1.0, 0.0], "█▁"), ([0.0, 0.5, 1.0], "▁▅█"), ([2.0, 2.0], "▁▁"), ([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], "█▇▆▅▄▃▂▁")],
)
def test_a_sparkline_is_the_higher_the_greater_the_value(values: list[float], shown: str) -> None:
    assert sparkline(values) == shown


def test_a_long_sparkline_begins_and_ends_where_the_values_do() -> None:
    assert len(line := sparkline([float(-n) for n in range(1000)])) == 60
    assert (line[0], line[-1]) == ("█", "▁")


def test_lines_tell_the_best_value_and_failures(told: Any) -> None:
    with open_study(str(told.journal), None) as study:
        assert lines(study) == ["progress   █▁ 0.5 to 0.25", "failures   1 failed (1 oom)"]


def create_with_budget(program: Any, trials: int) -> None:
    (program.folder / "study.json").write_text(json.dumps({"params": {"x": "float(0, 1)"}, "trials": trials, "seed": 1}))
    program.out("create", "--space", "study.json")


@pytest.mark.parametrize(("n_told", "left"), [(3, False), (5, True)])
def test_the_time_left_needs_a_budget_and_a_pace(program: Any, n_told: int, left: bool) -> None:
    create_with_budget(program, 9)
    for number in range(n_told):
        program.out("ask")
        program.out("tell", str(number), "1")
    with open_study(str(program.journal), None) as study:
        assert (time_left_s(study) is not None) == left


def test_watching_ends_with_the_study(program: Any) -> None:
    """With the last of its trials, not with the last one that is asked."""
    create_with_budget(program, 2)
    for number in range(2):
        program.out("ask")
        with open_study(str(program.journal), None) as study:
            assert not is_over(study)
        program.out("tell", str(number), "1")
    watched = [json.loads(line) for line in program.out("status", "--watch", "--format", "json").splitlines()]
    assert [each["trials"]["complete"] for each in watched] == [2]


@pytest.fixture
def watched(program: Any) -> Iterator[Terminal]:
    create_with_budget(program, 3)
    for number in range(2):
        program.out("ask")
        program.out("tell", str(number), str(2 - number))
    terminal = Terminal(program.command("status", "--watch"), program.folder, os.environ)
    yield terminal
    terminal.close()


def test_watching_survives_any_size_of_the_window_and_ends_with_the_study(program: Any, watched: Terminal) -> None:
    """A window of 20 columns and 5 rows shows what changes, cut; the last page stays on the usual screen."""
    watched.until("progress   █▁ 2 to 1")
    watched.resize(20, 5)
    shown = watched.until(lambda text: "…" in text and len(text.splitlines()) <= 5 and "progress" in text)
    assert [line.split()[0] for line in shown.splitlines() if line] == ["study", "trials", "best", "progress"]
    assert max(map(len, shown.splitlines())) < 20
    watched.resize(1, 1)
    watched.until(lambda text: text.strip() == "…")
    watched.resize(100)
    watched.until("objective  minimize")
    program.out("ask")
    program.out("tell", "2", "0.5")
    assert watched.wait() == 0
    assert "progress   █▃▁ 2 to 0.5" in str(watched.screen)
    assert watched.raw.count("\x1b[?1049h") == watched.raw.count("\x1b[?1049l") == 1
    assert watched.raw.count("\x1b[?25l") == watched.raw.count("\x1b[?25h") == 1
    assert "\x1b[2J" not in watched.raw  # nothing is wiped, so nothing flickers


def test_watching_ends_when_the_journal_is_gone(program: Any, watched: Terminal) -> None:
    watched.until("progress")
    program.journal.unlink()
    assert watched.wait() == 3
    assert watched.raw.count("\x1b[?1049l") == 1
    assert "there is no journal" in str(watched.screen)


def test_watching_gives_the_screen_and_the_cursor_back_when_it_is_ended(watched: Terminal) -> None:
    watched.until("progress")
    os.kill(watched.pid, signal.SIGTERM)
    assert watched.wait() == 128 + signal.SIGTERM
    assert watched.raw.endswith("\x1b[?25h\x1b[?1049l")


def test_ctrl_z_gives_the_screen_and_the_cursor_to_the_shell_until_it_is_in_the_foreground_again(program: Any) -> None:
    create_with_budget(program, 3)
    program.out("ask")
    program.out("tell", "0", "1")
    shell = Terminal(["bash", "--norc", "--noprofile", "-i"], program.folder, {**os.environ, "PS1": "$ "})
    try:
        shell.type(shlex.join(program.command("status", "--watch")) + "\n")
        shell.until("objective  minimize")
        shell.type("\x1a")
        shell.until("Stopped")
        assert shell.raw.rindex("\x1b[?25h\x1b[?1049l") > shell.raw.rindex("\x1b[?1049h")
        for go_on in ("bg", "echo $((6 * 7))"):
            shell.type(f"{go_on}\n")
        shell.until("42")
        shell.type("fg\n")
        shell.until("objective  minimize")
        assert shell.raw.count("\x1b[?1049h\x1b[?25l") == 2
        shell.type("\x03")
        shell.until("Stopped")  # on the shell's own screen
        assert shell.raw.count("\x1b[?25h\x1b[?1049l") == 2
    finally:
        shell.close()
