"""Giving memory back between trials."""

from __future__ import annotations

import gc
import os
import sys

from journaltune.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
        self._trim = _malloc_trim()  # found now: when memory has run out, nothing can be loaded any more

    def __call__(self, study: object = None, trial: object = None) -> None:
        try:
            self._n_calls += 1
            if self._n_calls % self.every == 0 and self._is_due():
                self.collect()
        except Exception:  # a callback that fails ends the search that it was to save
            pass

    def _is_due(self) -> bool:
        if self.above_bytes is None:
            return True
        resident = resident_bytes()
        return resident is None or resident > self.above_bytes

    def collect(self) -> None:
        """Free what can be freed now, each step whatever became of the others."""
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
            found = int(float(number.removesuffix(unit)) * _UNITS[unit])
        except (ValueError, OverflowError):
            found = 0
        if found > 0:
            return found
    raise UsageError(f"a size is a number of bytes or text such as 2G or 500M, not {text!r}")


def resident_bytes() -> int | None:
    """How much memory this process has in use, in bytes; None where the system does not tell."""
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
