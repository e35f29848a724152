"""`journaltune run` in a terminal, through a shell: what its screen shows, and what the keys do."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import Runs, until
from screen import Screen, Terminal

from journaltune.run import processes

SHELL = ["bash", "--norc", "--noprofile", "-i"]
Open = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def open_one(columns: int = 100, **env: str) -> Terminal:
        python = f"{sys.executable} -m journaltune"
        opened.append(Terminal(SHELL, tmp_path, {**os.environ, "PS1": "$ ", "RUN": python, **env}, columns))
        opened[-1].until("$")
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def call(runs: Runs, body: str, *options: str) -> str:
    """A line to be typed: a run of a trainer that waits for a file."""
    train = " ".join(runs.trainer(body))
    return f"$RUN run {' '.join(options)} -- {train} '{{x: float(0, 1)}}'\n"


WAITS = "until(f'go{number}'); print(1 / (1 + number))"


def go(runs: Runs, *numbers: int) -> None:
    for number in numbers:
        (runs.folder / f"go{number}").touch()


def states(runs: Runs) -> str:
    """T for each process of a trainer that is stopped, else another letter."""
    return "".join(processes.read_proc(f"{pid}/stat").rpartition(b")")[2].split()[0].decode() for pid in runs.alive())


def runner_of_shell(shown: Terminal) -> int:
    (front,) = processes.children(shown.pid)
    return processes.children(front)[0]


def is_pending(pid: int, number: int) -> bool:
    """Whether a process has not seen a signal yet; a second one would be lost."""
    (mask,) = re.findall(rb"^ShdPnd:\s*([0-9a-f]+)$", processes.read_proc(f"{pid}/status"), re.M)
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_one_line_shows_how_far_it_is(runs: Runs, terminal: Open) -> None:
    shown = terminal()
    body = f"if number == 1: sys.exit('no such data')\n{WAITS}"
    shown.type(call(runs, body, "-n 6", "-j 3"))
    shown.until(
        lambda text: re.search(r"^\[====> {19}\] 1/6  3 running  1 failed \(1 exit\)  [0-9.]+s, [0-9.ms]+ left$", text, re.M)
    )
    assert "\n  | no such data\n" in str(shown.screen)
    go(runs, 0, 2)
    shown.until("3/6  best 0.333333 (#2)  3 running  1 failed (1 exit)")
    shown.resize(50)
    shown.until(lambda text: re.search(r"^3/6  best 0.333333 \(#2\)  3 running .*…$", text, re.M))
    go(runs, 3, 4, 5)
    text = shown.until("again    journaltune exec best")
    assert text.count("running") == 0, "the line is gone at the end"
    assert "trials   6: 5 complete, 1 failed (1 exit)" in text
    assert "best     0.166667, trial 5: x=" in text
    assert '"number"' not in text


def test_another_terminal_watches_it(runs: Runs, terminal: Open) -> None:
    ran, watching = terminal(), terminal()
    ran.type(call(runs, f"x = bytearray(80_000_000)\n{WAITS}", "-n 3", "-j 2"))
    until(lambda: runs.seen() == 2)
    watching.type("clear; $RUN status --watch\n")
    owner = rf"\(process {runner_of_shell(ran)}, alive\)"
    watching.until(
        lambda text: re.search(
            rf"^trials     2 running\n *trial 0 runs for [\d.]+s, up to \d\d.*MiB {owner}\n *trial 1 runs for .*{owner}\nbest ",
            text,
            re.M,
        )
    )
    go(runs, 1)
    watching.until(lambda text: re.search(r"^trials     2 running, 1 complete\n(.*\n)*best       trial 1 with 0.5\n", text, re.M))
    go(runs, 0, 2)
    text = watching.until("trials     3 complete")
    assert text.count("trials     ") == text.count("best       ") == 1, "each page is where the last one was"
    assert "runs for" not in text
    watching.type("echo code $?\n")  # it ends with the study, and leaves the last page
    text = watching.until("code 0")
    assert text.count("trials     3 complete") == 1


def test_what_watches_a_study_survives_another_size_of_its_window_and_leaves_the_screen_as_it_was(terminal: Open) -> None:
    watching = terminal(100)
    watching.type(
        "$RUN create --param 'x: float(0, 1)' --seed 1 > made; $RUN ask -n 3 > asked; $RUN tell 0 0.5; $RUN tell 1 0.25\n"
    )
    watching.type("$RUN tell 2 nan; clear; echo before; $RUN status --watch\n")
    watching.until("failures   1 failed (1 nan)")
    watching.resize(40)
    text = watching.until(lambda text: all(len(line) < 40 for line in text.splitlines()) and "best       trial 1" in text)
    assert text.count("best       ") == 1
    assert "progress   █▁ 0.5 to 0.25" in text
    watching.resize(100)
    watching.until(lambda text: any(len(line) > 40 for line in text.splitlines()))
    watching.type("\x03")
    watching.type("echo code $?\n")
    text = watching.until("code 130")
    assert "before" in text
    assert "best       " not in text


def test_nothing_but_lines_goes_into_a_log_or_a_dumb_terminal(runs: Runs, terminal: Open) -> None:
    shown = terminal()
    shown.type(call(runs, "print(number)", "-n 3").replace("\n", " 2>log; echo do''ne\n"))
    shown.until("done")
    assert "\x1b" not in (log := (runs.folder / "log").read_text())
    assert "\r" not in log
    assert len(log.splitlines()) == 7
    dumb = terminal(TERM="dumb")
    dumb.type("TERM=dumb $RUN run -n 5; echo do''ne\n")
    dumb.until("done")
    assert "[4/5] trial 3: 3, in " in str(dumb.screen)
    assert "running" not in dumb.raw


def test_ctrl_c_lets_running_trials_finish(runs: Runs, terminal: Open) -> None:
    shown = terminal()
    shown.type(call(runs, WAITS, "-n 9", "-j 3"))
    shown.until("3 running")
    shown.type("\x03")
    shown.until("finishing 3 running trials; Ctrl-C again ends them")
    shown.until("interrupted")
    go(runs, *range(9))
    shown.until("again  ")
    shown.type("echo code $?\n")
    shown.until("code 130")
    assert sorted(runs.outcomes()) == [1 / 3, 1 / 2, 1.0]


def test_ctrl_c_twice_ends_them(runs: Runs, terminal: Open) -> None:
    shown = terminal()
    shown.type(call(runs, f"if number == 1: ignore()\nif number == 2: daemon(forever)\n{WAITS}", "-n 9", "-j 3"))
    shown.until("3 running")
    until(lambda: runs.seen() == 4)
    shown.type("\x03")
    shown.until("finishing 3")
    shown.type("\x03")
    shown.until("ending 3 running trials; the next run makes them again")
    shown.type("\x03")
    shown.until("3 to be made again")
    shown.type("echo code $?\n")
    shown.until("code 130")
    assert runs.none_is_left()
    assert runs.outcomes() == ["running"] * 3


def test_a_fourth_one_ends_a_runner_that_does_not_answer(runs: Runs, terminal: Open) -> None:
    shown = terminal()
    shown.type(call(runs, f"if number == 1: ignore()\nif number == 2: daemon(forever)\n{WAITS}", "-n 9", "-j 3"))
    shown.until("3 running")
    until(lambda: runs.seen() == 4)
    (front,) = processes.children(shown.pid)
    runner = runner_of_shell(shown)
    os.kill(runner, signal.SIGSTOP)
    for count in range(1, 4):
        shown.type("\x03")
        shown.until(lambda text, count=count: text.count("^C") == count)
        until(lambda: not is_pending(front, signal.SIGINT), "the front does not see it")
    assert not processes.is_gone(runner)
    shown.type("\x03")
    shown.until(f"\njournaltune: the runner, process {runner}, was ended by SIGKILL, so its trainers are ended;")
    shown.type("echo code $?\n")
    shown.until("code 130")
    assert runs.none_is_left()
    assert runs.outcomes() == ["running"] * 3


def test_a_loop_of_the_shell_ends_with_it(runs: Runs, terminal: Open) -> None:
    shown = terminal()
    shown.type(f"for i in 1 2; do {call(runs, WAITS, '-n 9').strip()}; done; echo loop en''ded\n")
    shown.until("1 running")
    shown.type("\x03")
    shown.until("finishing 1 running trial;")
    go(runs, *range(9))
    shown.until("again  ")
    shown.type("echo code $?\n")
    assert "loop ended" not in shown.until("code 130")


def test_ctrl_z_pauses_the_trainers_and_their_time(runs: Runs, terminal: Open) -> None:
    shown = terminal()
    shown.type(call(runs, f"if number == 1: daemon(forever)\n{WAITS}", "-n 2", "-j 2", "--trial-timeout 4s"))
    until(lambda: runs.seen() == 3)
    shown.type("\x1a")
    shown.until("Stopped")
    until(lambda: states(runs) == "TTT", "not all are stopped")
    shown.type("sleep 4.5; echo wa''ited\n")
    shown.until("waited")
    assert states(runs) == "TTT"
    shown.type("fg\n")
    until(lambda: "T" not in states(runs), "not all go on")
    go(runs, 0, 1)
    shown.until("again  ")
    assert runs.outcomes() == [1.0, 0.5]


def test_it_goes_on_in_the_background(runs: Runs, terminal: Open) -> None:
    shown = terminal()
    shown.type("stty tostop\n")
    shown.type(call(runs, WAITS, "-n 2", "-j 2"))
    until(lambda: runs.seen() == 2)
    shown.type("\x1a")
    shown.until("Stopped")
    shown.type("bg\n")
    until(lambda: "T" not in states(runs), "not all go on")
    go(runs, 0, 1)
    until(lambda: runs.outcomes() == [1.0, 0.5])


def test_trainers_have_no_terminal(runs: Runs, terminal: Open) -> None:
    """What reads it would stop for ever, or take the keys of somebody else."""
    shown = terminal()
    body = "try: open('/dev/tty'); print(0)\nexcept OSError as error: print(error.errno)"
    shown.type(call(runs, body, "-n 1"))
    shown.until("again  ")
    assert runs.outcomes() == [6.0]  # ENXIO


def test_a_terminal_that_closes_ends_the_trainers(runs: Runs, terminal: Open) -> None:
    shown = terminal()
    shown.type(call(runs, "forever()", "-n 2", "-j 2"))
    until(lambda: runs.seen() == 2)
    os.close(shown.fd)
    shown.fd = os.open(os.devnull, os.O_RDONLY)
    until(runs.none_is_left)


def test_the_screen_knows_what_the_program_uses() -> None:
    screen = Screen(10)
    screen.feed("one\r\ntwo\x1b[K\r\x1b[Kx\rlonger than ten\x1b[")
    screen.feed("K!")
    assert str(screen) == "one\nlonger tha\nn ten!"
