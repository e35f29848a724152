"""What the numbers were measured on: machine, disk, versions, and whether the installed package is this tree's."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from importlib import metadata, util
from pathlib import Path
from statistics import median

IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")


def file_system(path: Path) -> str:
    """Kind of file system that ``path`` is on, such as ``ext4``; ``unknown`` where the kernel has no /proc."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "unknown"
    resolved = path.resolve()
    above = [(len(mount[1]), mount[2]) for mount in mounts if resolved.is_relative_to(mount[1])]
    # The last of equals: a later mount hides an earlier one at the same place.
    return max(enumerate(above), key=lambda each: (each[1][0], each[0]))[1][1] if above else "unknown"


def disk_folder() -> Path:
    """Where temporary files cost an fsync: the first of the usual places that is not in memory."""
    places = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()]
    usable = [place for place in places if os.access(place, os.W_OK)]
    return next((place for place in usable if file_system(place) not in IN_MEMORY), usable[0])


def fsync_ms(folder: Path, times: int = 50) -> float:
    """Median cost of an append of 300 bytes with its fsync."""
    taken = []
    descriptor = os.open(folder / "fsync", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(times):
        start = time.perf_counter()
        os.write(descriptor, b"x" * 300)
        os.fsync(descriptor)
        taken.append(time.perf_counter() - start)
    os.close(descriptor)
    return median(taken) * 1000


class Others:
    """How much of the machine was taken by programs that are not the bench, from when this was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._busy_s = _busy_s()
        self._own_s = _own_s()

    def line(self) -> str:
        """Ratios stand a busy neighbour, limits in milliseconds don't: so it is said beside them."""
        taken_s = (_busy_s() - self._busy_s) - (_own_s() - self._own_s)
        share = taken_s / (time.monotonic() - self._start) / (os.cpu_count() or 1)
        return f"meanwhile: other programs used {max(0.0, share):.0%} of the processors"


def _busy_s() -> float:
    """Processor seconds of everybody since the machine started, what a hypervisor took included; 0 without a /proc."""
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def describe(folder: Path) -> str:
    """Two lines: the machine and its disk, then the versions."""
    machine = (
        f"machine: {os.cpu_count()} x {_processor()}, {_memory_gib():.0f} GiB, {platform.system()} {platform.release()}, "
        f"{file_system(folder)}, append + fsync {fsync_ms(folder):.2f} ms"
    )
    versions = ", ".join(f"{name} {_version(name)}" for name in ("journaltune", "optuna", "rustuna"))
    return f"{machine}\nversions: Python {platform.python_version()}, {versions}"


def stale_files() -> list[str]:
    """Modules of this tree that differ from the package that will be measured: the one that is installed."""
    found = util.find_spec("journaltune")
    if found is None or found.origin is None:
        return ["journaltune"]
    tree, installed = Path(__file__).resolve().parents[2] / "journaltune", Path(found.origin).parent
    names = [path.relative_to(tree) for path in sorted(tree.rglob("*.py"))]
    return [str(name) for name in names if not _same(tree / name, installed / name)]


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _memory_gib() -> float:
    pages: int = os.sysconf("SC_PHYS_PAGES")
    size_bytes: int = os.sysconf("SC_PAGE_SIZE")
    return pages * size_bytes / 2**30


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"
