"""Memory: freeing it between trials, and recognizing trials that died because it ran out."""

from __future__ import annotations

import gc
import os
import sys

from journaltune.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_OUT_OF_MEMORY = (("torch", "OutOfMemoryError"), ("torch.cuda", "OutOfMemoryError"), ("cupy.cuda.memory", "OutOfMemoryError"))
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class GarbageCollector:
    """A callback for ``optimize``, here and in Optuna, that frees what trials leave behind.

    After each ``every``-th trial it collects cycles, returns freed memory to the system where the C library can (glibc's
    ``malloc_trim``), and empties the caches of PyTorch's and CuPy's allocators where these are imported already. With
    ``above``, a size in bytes or as text (``"2G"``, ``"500 MiB"``), only while the process' resident size is larger; below it
    a call reads one number from the kernel. It never raises, also when memory has run out.

    The resident size is ``/proc/self/statm``'s; where there is none, ``above`` counts as always passed.
    """

    def __init__(self, every: int = 1, above: int | str | None = None) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise UsageError(f"every is a whole number of trials from 1 on, not {every!r}")
        self.every = every
        self.above_bytes = None if above is None else size_bytes(above)
        self.n_collections = 0
        self._n_calls = 0
        self._trim = _malloc_trim()  # looked up now: once memory has run out, nothing can be loaded

    def __call__(self, study: object = None, trial: object = None) -> None:
        try:
            self._n_calls += 1
            if self._n_calls % self.every == 0 and self._is_due():
                self.collect()
        except Exception:  # a callback that raises would end the search
            pass

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.every, self.above_bytes)

    def _is_due(self) -> bool:
        if self.above_bytes is None:
            return True
        resident = resident_bytes()
        return resident is None or resident > self.above_bytes

    def collect(self) -> None:
        """Free memory now; a step that fails does not keep the others from running."""
        self.n_collections += 1
        for step in (gc.collect, _empty_torch, _empty_cupy, self._trim):
            try:
                step()
            except Exception:
                pass


def size_bytes(text: int | str) -> int:
    """A size: a number of bytes, or text such as ``2G``, ``1.5 GiB``, ``500MB``, in powers of 1024. UsageError otherwise."""
    if isinstance(text, int) and not isinstance(text, bool) and text > 0:
        return text
    if isinstance(text, str):
        number = text.strip().lower().removesuffix("ib").removesuffix("b").rstrip()
        unit = number[-1:] if number[-1:] in tuple("kmgt") else ""
        try:
            size = int(float(number.removesuffix(unit)) * _UNITS[unit])
        except (ValueError, OverflowError):
            size = 0
        if size > 0:
            return size
    raise UsageError(f"a size is a number of bytes or text such as 2G or 500M, not {text!r}")


def size_text(size_bytes: float) -> str:
    """A size as people read it: 1.5 GiB."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size_bytes >= 1024 and len(units) > 1:
        size_bytes /= 1024
        units.pop(0)
    return f"{size_bytes:.3g} {units[0]}"


def resident_bytes() -> int | None:
    """The resident size of this process in bytes; None where the system does not report it."""
    try:
        descriptor = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return None
    try:
        return int(os.read(descriptor, 100).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
    finally:
        os.close(descriptor)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out: Python's own, PyTorch's or CuPy's, by class."""
    kinds = [getattr(sys.modules.get(module), name, None) for module, name in _OUT_OF_MEMORY]
    return isinstance(error, (MemoryError, *(kind for kind in kinds if isinstance(kind, type))))


def forget_frames(error: BaseException | None) -> None:
    """Clear the frames of a handled exception and of its causes; their tracebacks are gone afterwards.

    Otherwise an objective that assigns its exception to a variable keeps its frames and all their variables alive, by a cycle.
    """
    from traceback import clear_frames

    left, cleared = [error], set()
    while left:
        error = left.pop()
        if error is None or id(error) in cleared:
            continue
        cleared.add(id(error))
        where, error.__traceback__ = error.__traceback__, None
        clear_frames(where)
        left += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]


def oom_kills() -> int | None:
    """How many processes the kernel has killed for memory: in this control group, or else on the whole machine.

    None where the kernel does not count them. A rise says that a process was killed, not which one.
    """
    for path, key in ((_cgroup_events(), b"oom_kill"), ("/proc/vmstat", b"oom_kill")):
        try:
            with open(path, "rb") as file:
                return next(int(line.split()[1]) for line in file if line.split()[0] == key)
        except (OSError, ValueError, IndexError, StopIteration):
            continue
    return None


def _cgroup_events() -> str:
    """The file in which version 2 of control groups counts; it does not exist under version 1."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            group = next((line.rstrip("\n")[3:] for line in file if line.startswith("0::")), "/")
    except OSError:
        group = "/"
    return f"/sys/fs/cgroup{group.rstrip('/')}/memory.events"


def _malloc_trim() -> Callable[[], object]:
    try:
        from ctypes import CDLL

        trim = CDLL(None).malloc_trim
    except (ImportError, OSError, AttributeError):  # not glibc
        return int
    return lambda: trim(0)


def _empty_torch() -> None:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    for device in ("cuda", "xpu", "mps"):
        module = getattr(torch, device, None)
        if module is not None and getattr(module, "is_available", bool)() and getattr(module, "is_initialized", lambda: True)():
            module.empty_cache()


def _empty_cupy() -> None:
    cupy: Any = sys.modules.get("cupy")
    if cupy is not None:
        cupy.get_default_memory_pool().free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()
