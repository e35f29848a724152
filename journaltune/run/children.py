"""Trainers as processes: started in groups of their own, waited for, measured, and ended with all that descends from them.

The runner is a child subreaper: whatever a trainer leaves behind becomes a child of the runner. A trial's slot is free once
nothing of it is left, so that its GPU and its memory are.
"""

from __future__ import annotations

import os
from resource import RUSAGE_SELF, getrusage
from signal import SIGCONT, SIGKILL, SIGPIPE, SIGSTOP, SIGTERM, SIGXFSZ
from time import time_ns

from journaltune.base.frozen import Frozen
from journaltune.run import processes
from journaltune.run.memory import oom_kills
from journaltune.run.output import Output
from journaltune.run.results import Reports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from journaltune.run.folders import Folder
    from journaltune.run.placeholders import Filling
    from journaltune.run.rules import Clock

GRACE_S = 5.0  # between SIGTERM and SIGKILL
_UNKILLABLE_S = 5.0  # after SIGKILL: a process in an uninterruptible wait does not die before that ends
_COUNTED_S = 0.25
_BEGUN_S = 0.05  # until a program is loaded, its size says nothing
_MORE = 1.05  # a tree that grew by less is not measured exactly again
_IGNORED_BY_PYTHON = (SIGPIPE, SIGXFSZ)  # a trainer finds them as they are by default
_LOG_FLAGS = os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Usage(Frozen):
    """What an attempt took. ``peak_bytes`` is None for one that ended before anybody looked, and was smaller than the runner."""

    wall_s: float
    cpu_s: float
    peak_bytes: int | None = None

    def facts(self) -> dict[str, Any]:
        peak = {} if self.peak_bytes is None else {"peak_bytes": self.peak_bytes}
        return {"wall_s": round(self.wall_s, 3), "cpu_s": round(self.cpu_s, 3), **peak}


class Child:
    """One attempt at a trial. ``ending``: why it was told to end, in a word; ``status``: how it ended, as ``wait4`` says."""

    __slots__ = (
        "began_ns",
        "began_s",
        "ended_s",
        "ending",
        "filling",
        "folder",
        "group_is_gone",
        "is_stuck",
        "kill_at_s",
        "n_kills",
        "n_oom_kills",
        "output",
        "peak_bytes",
        "pid",
        "reports",
        "seen_bytes",
        "start_ticks",
        "status",
        "stderr_start",
        "stdout_fd",
        "unreported",
        "usage",
    )

    def __init__(self, filling: Filling, folder: Folder, n_oom_kills: int | None) -> None:
        self.filling, self.folder, self.n_oom_kills = filling, folder, n_oom_kills
        self.status, self.ending = 0, ""
        self.kill_at_s, self.n_kills = float("inf"), 0
        self.group_is_gone = self.is_stuck = False
        self.peak_bytes, self.seen_bytes = 0, 0
        self.stderr_start = 0
        self.reports = Reports()
        self.unreported: list[tuple[int, float]] = []
        self.usage = Usage(0.0, 0.0)

    @property
    def number(self) -> int:
        return self.filling.trial

    def start(self, program: str, words: list[str], environment: Mapping[str, str], stdin: int, clock: Clock) -> None:
        """OSError when there is no such program, or no process can be made.

        By ``posix_spawn``: a fork would copy the runner's page table each time, and ``Popen`` takes twice as long around it.
        """
        self.stdout_fd = os.open(self.folder.stdout, os.O_RDWR | _LOG_FLAGS, 0o666)
        try:
            stderr = os.open(self.folder.stderr, os.O_WRONLY | _LOG_FLAGS, 0o666)
            try:
                self.stderr_start = os.fstat(stderr).st_size
                self.output = Output(self.stdout_fd, os.fstat(self.stdout_fd).st_size)
                self.began_ns, self.began_s = time_ns(), clock.now()
                streams = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((stdin, self.stdout_fd, stderr))]
                self.pid = os.posix_spawnp(
                    program, words, environment, file_actions=streams, setpgroup=0, setsigdef=_IGNORED_BY_PYTHON
                )
            finally:
                os.close(stderr)
        except BaseException:
            os.close(self.stdout_fd)
            raise
        processes.prefer_for_oom(self.pid)
        self.start_ticks = processes.start_ticks(self.pid)

    def ended(self, status: int, cpu_s: float, max_bytes: int, clock: Clock) -> None:
        """Its first process has ended; others may be left."""
        self.status, self.ended_s = status, clock.now()
        # A child begins with the size of the runner that it was forked from, so a smaller one is not its own.
        own_bytes = max_bytes if max_bytes > getrusage(RUSAGE_SELF).ru_maxrss * 1024 * _MORE else 0
        peak = max(self.peak_bytes, own_bytes)
        self.usage = Usage(self.ended_s - self.began_s, cpu_s, peak or None)

    def read_reports(self, *, ended: bool = False) -> None:
        """Take what the trainer reported since the last time; it stays in ``unreported`` until it is recorded."""
        self.unreported += self.reports.read(self.output, ended=ended)

    def close(self) -> None:
        os.close(self.stdout_fd)


def _keep_what_was_inherited() -> None:
    """Let no trainer have a descriptor of whoever started us: a lock on it would be the trainer's too."""
    for name in os.listdir("/proc/self/fd"):
        try:
            os.set_inheritable(int(name), False)
        except OSError:  # that of the listing itself
            continue


class Children:
    """The trainers that run, and what is left of those that ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)  # else a trainer eats what a loop around us reads
        _keep_what_was_inherited()
        self.running: dict[int, Child] = {}
        self._leaving: list[Child] = []
        self._strays: dict[int, list[Child]] = {}  # by pid: whose they may be
        self._n_oom_kills, self._counted_at_s = oom_kills(), clock.now()

    def __iter__(self) -> Iterator[Child]:
        return iter([*self.running.values(), *self._leaving])

    def __len__(self) -> int:
        return len(self.running) + len(self._leaving)

    def close(self) -> None:
        for child in self:
            child.close()
        os.close(self._stdin)

    def new(self, filling: Filling, folder: Folder) -> Child:
        """An attempt that is about to start. How often the kernel killed for memory is counted a few times a second."""
        now_s = self._clock.now()
        if now_s - self._counted_at_s > _COUNTED_S:
            self._n_oom_kills, self._counted_at_s = oom_kills(), now_s
        return Child(filling, folder, self._n_oom_kills)

    def start(self, child: Child, program: str, words: list[str], environment: Mapping[str, str]) -> None:
        child.start(program, words, environment, self._stdin, self._clock)
        processes.spared_groups.discard(child.pid)  # a number that was another's before
        self.running[child.pid] = child

    # -- waiting -----------------------------------------------------------------------------------------------------

    def reap(self) -> list[Child]:
        """The trainers of which nothing is left now, or of which something can't be ended (``is_stuck``)."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self._strays.pop(pid, None)
            child = self.running.pop(pid, None)
            if child is not None:
                child.ended(status, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, self._clock)
                child.kill_at_s = self._clock.now() + _UNKILLABLE_S
                self._leaving.append(child)
        return self._finished() if self._leaving else []

    def _finished(self) -> list[Child]:
        self._look_for_strays()
        finished = [child for child in self._leaving if not self._is_left(child)]
        now_s = self._clock.now()
        for child in self._leaving:
            if child not in finished and now_s >= child.kill_at_s:
                child.is_stuck = True
                finished.append(child)
        self._leaving = [child for child in self._leaving if child not in finished]
        return finished

    def _is_left(self, child: Child) -> bool:
        """End what is left of a trainer whose first process has ended; whether something is."""
        if not child.group_is_gone:
            child.group_is_gone = not processes.send_group(child.pid, SIGKILL)
        strays = self._of(child)
        processes.send(self._with_descendants(strays), SIGKILL)
        return not child.group_is_gone or bool(strays)

    # -- what trainers leave behind ----------------------------------------------------------------------------------

    def _look_for_strays(self) -> None:
        """Find out whose the children are that nobody here started: orphans of trainers. Nobody's are ended."""
        for pid in processes.children(os.getpid()):
            known = pid in self.running or pid in self._strays
            if not known and processes.group_of(pid) not in processes.spared_groups:
                self._strays[pid] = self._possible_owners(pid)
        present = list(self)
        lost = [pid for pid, owners in self._strays.items() if not any(child in present for child in owners)]
        processes.send(self._with_descendants(lost), SIGKILL)

    def _possible_owners(self, pid: int) -> list[Child]:
        """By process group, by the folder in its environment, else all that were there when it began."""
        everyone = list(self)
        group = processes.group_of(pid)
        folder = processes.variables(pid).get(b"JT_DIR", b"").decode("utf-8", "surrogateescape")
        found = [child for child in everyone if child.pid == group or child.folder.path == folder]
        if found:
            return found
        try:
            began = processes.start_ticks(pid)
        except OSError:
            return []
        return [child for child in everyone if child.start_ticks <= began]

    def _of(self, child: Child) -> list[int]:
        """The strays of a trainer. One that may be several trainers' is the last one's of them."""
        return [
            pid
            for pid, owners in self._strays.items()
            if child in owners and not any(other in self.running.values() for other in owners if other is not child)
        ]

    def _with_descendants(self, pids: list[int]) -> list[int]:
        return [*pids, *(below for pid in pids for below in processes.descendants(pid))]

    def _members(self, child: Child) -> list[int]:
        """All processes of a trainer that /proc shows."""
        return self._with_descendants([child.pid, *self._of(child)])

    # -- ending ------------------------------------------------------------------------------------------------------

    def end(self, child: Child, why: str, grace_s: float | None = None) -> None:
        """Ask a trainer to end, and end it with SIGKILL after a while, usually ``GRACE_S``; the first reason stays."""
        child.ending = child.ending or why
        grace_s = GRACE_S if grace_s is None else grace_s
        kill_at_s = self._clock.now() + grace_s
        if child.kill_at_s <= kill_at_s:
            return
        child.kill_at_s = kill_at_s
        if grace_s <= 0:
            self._kill(child)
            return
        self._signal(child, SIGTERM)
        self._signal(child, SIGCONT)  # a stopped process sees SIGTERM only then

    def _signal(self, child: Child, signal: int) -> None:
        self._look_for_strays()
        processes.send_group(child.pid, signal)
        processes.send([pid for pid in self._members(child) if processes.group_of(pid) != child.pid], signal)

    def _kill(self, child: Child) -> None:
        child.n_kills += 1
        child.kill_at_s = self._clock.now() + _UNKILLABLE_S
        self._signal(child, SIGKILL)

    def kill_overdue(self) -> list[Child]:
        """End those whose time to end by themselves is over; those that even SIGKILL did not end."""
        now_s, stuck = self._clock.now(), []
        for child in [child for child in self.running.values() if now_s >= child.kill_at_s]:
            if child.n_kills == 0:
                self._kill(child)
            else:
                child.is_stuck = True
                child.usage = Usage(now_s - child.began_s, 0.0, child.peak_bytes or None)
                del self.running[child.pid]
                stuck.append(child)
        return stuck

    def next_kill_s(self) -> float:
        return min((child.kill_at_s for child in self), default=float("inf"))

    def stop(self) -> None:
        """Stop all trainers, with what they forked; the clock stands still too."""
        self._clock.stop()
        for child in self.running.values():
            self._signal(child, SIGSTOP)

    def go_on(self) -> None:
        for child in self.running.values():
            self._signal(child, SIGCONT)
        self._clock.go_on()

    # -- memory ------------------------------------------------------------------------------------------------------

    def measure(self, limit_bytes: int | None = None) -> list[Child]:
        """Look at the memory of each trainer's processes; those that have more than the limit.

        Pages that several processes share count once, which takes long to find out: so only where a tree grew, and no tree is
        over the limit by any other measure.
        """
        self._look_for_strays()
        latest_s = self._clock.now() - _BEGUN_S
        return [child for child in self.running.values() if child.began_s < latest_s and self._measured(child, limit_bytes)]

    def _measured(self, child: Child, limit_bytes: int | None) -> bool:
        pids = self._members(child)
        resident = sum(map(processes.resident_bytes, pids))
        child.peak_bytes = max(child.peak_bytes, processes.peak_bytes(child.pid))
        over = limit_bytes is not None and resident > limit_bytes
        if over or resident > child.seen_bytes * _MORE:
            child.seen_bytes = max(child.seen_bytes, resident)
            exact = resident if len(pids) == 1 and not over else sum(map(processes.proportional_bytes, pids))
            child.peak_bytes = max(child.peak_bytes, exact)
            over = limit_bytes is not None and exact > limit_bytes
        return over
