"""Processes as /proc shows them: children, memory, start; and the end of all that descend from this one.

A child subreaper gets orphans as its own children. So whoever is one finds each process that its children leave behind, daemons
too, without a look at all of /proc.
"""

from __future__ import annotations

import os
from signal import SIGKILL
from time import monotonic, sleep

from journaltune.engine.owners import read_proc, stat_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_OOM_SCORE = b"500"  # the kernel then takes a trainer before the runner, which would take all trainers along


def become_subreaper(death_signal: int = 0) -> bool:
    """Get the orphans among one's descendants as children, where the system can; with a signal for when the parent dies."""
    try:
        from ctypes import CDLL

        prctl = CDLL(None).prctl
        if death_signal:
            prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        return bool(prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


_ARE_LISTED = os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # kernels can be built without


def children(pid: int) -> list[int]:
    """The children of all threads of a process; none where that can't be seen."""
    if not _ARE_LISTED:
        return [other for other in all_pids() if _parent(other) == pid]
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        return [int(child) for task in tasks for child in read_whole(f"{pid}/task/{task}/children").split()]
    except OSError:
        return []


def _parent(pid: int) -> int:
    try:
        return int(stat_fields(pid)[1])
    except OSError:
        return 0


def descendants(pid: int) -> list[int]:
    """All that descend from a process and have a living parent."""
    found, left = [], [pid]
    while left:
        below = children(left.pop())
        found += below
        left += below
    return found


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks after the boot: with its pid this tells it from others. OSError when it is gone."""
    return int(stat_fields(pid)[19])


def is_gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        return stat_fields(pid)[0] in (b"Z", b"X")
    except OSError:
        return not _exists(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def group_of(pid: int) -> int:
    """The process group, 0 when the process is gone."""
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def variables(pid: int) -> dict[bytes, bytes]:
    """The environment that a process was started with, as far as it may be read and has not overwritten it."""
    try:
        parts = read_whole(f"{pid}/environ").split(b"\0")
    except OSError:
        return {}
    return dict(part.split(b"=", 1) for part in parts if b"=" in part)


def read_whole(name: str) -> bytes:
    with open(f"/proc/{name}", "rb", buffering=0) as file:
        return file.read()


def all_pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def resident_bytes(pid: int) -> int:
    """What a process has in memory, pages that it shares with others included; 0 when it is gone."""
    try:
        return int(read_proc(f"{pid}/statm").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def proportional_bytes(pid: int) -> int:
    """What a process has in memory, of shared pages its share. Reading it takes a thousand times as long as the resident size.

    Where it may not be read, the pages that are the process' own: a process must not be ended for what it shares.
    """
    try:
        for line in read_proc(f"{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        _, resident, shared, *_ = map(int, read_proc(f"{pid}/statm").split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * _PAGE_BYTES


def peak_bytes(pid: int) -> int:
    """The most that a living process ever had in memory; 0 when it is gone."""
    try:
        for line in read_proc(f"{pid}/status").splitlines():
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def prefer_for_oom(pid: int) -> None:
    """Have the kernel end this process rather than the runner when memory is out."""
    try:
        fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, _OOM_SCORE)
    except OSError:  # it has more already
        pass
    finally:
        os.close(fd)


def available_bytes() -> int | None:
    """How much memory new processes can have, of the machine and of this control group; None where nothing says it."""
    found = [size for size in (_of_machine(), _of_control_group()) if size is not None]
    return min(found) if found else None


def _of_machine() -> int | None:
    try:
        for line in read_proc("meminfo").splitlines():
            if line.startswith(b"MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _of_control_group() -> int | None:
    """Version 2 only; a container has its own group at the root."""
    try:
        group = next(line[3:] for line in read_proc("self/cgroup").decode().splitlines() if line.startswith("0::"))
        sizes = []
        for name in ("memory.max", "memory.current"):
            with open(f"/sys/fs/cgroup{group.rstrip('/')}/{name}", "rb") as file:
                sizes.append(int(file.read()))
    except (OSError, ValueError, StopIteration):  # "max": no limit
        return None
    return max(sizes[0] - sizes[1], 0)


def send(pids: Iterable[int], signal: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal)
        except OSError:  # it is gone, or somebody else's
            continue


def send_group(group: int, signal: int) -> bool:
    """Signal a process group; whether it has members."""
    try:
        os.killpg(group, signal)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


spared_groups: set[int] = set()  # of processes that no trainer started: see ``serve.ssh.Link``


def bury(spare: Collection[int] = (), within_s: float = 5.0) -> list[int]:
    """End all descendants of this process with SIGKILL, and wait for them; those that are still there after ``within_s``.

    What they leave behind comes here as children, so this goes on until there are none. ``spare``: children of others.
    """
    until = monotonic() + within_s
    while True:
        left = [pid for pid in children(os.getpid()) if pid not in spare and group_of(pid) not in spared_groups]
        if not left:
            return []
        send([*left, *(pid for child in left for pid in descendants(child) if pid not in spare)], SIGKILL)
        if not sum(map(_reaped, left)):
            if monotonic() > until:
                return left
            sleep(0.001)


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
