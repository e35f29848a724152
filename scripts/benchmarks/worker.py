"""A measured process: ``python worker.py WHAT ARGUMENT...`` does one measurement and prints it as one JSON line."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # Before the package's own imports: this process was started by path, with nothing of the tree to import from.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import lookups
from benchmarks.bench import without_fsync
from benchmarks.contenders import asker, contender

if TYPE_CHECKING:
    from collections.abc import Callable


def write(path: str, trials: str) -> dict[str, Any]:
    """A journal of random trials by our own engine. Nothing is measured on it yet, so it need not reach the disk."""
    without_fsync()
    ours = contender("ours")
    ours.create(path, "random")
    for _ in range(int(trials)):
        trial = ours.ask()
        ours.tell(trial, sum((value - 0.3) ** 2 for value in trial.params.values()))
    ours.close()
    return {}


def resample(path: str, sampler: str) -> dict[str, Any]:
    """Gives an existing study of ours another sampler."""
    import journaltune

    journaltune.create_study(path, sampler=sampler, exist_ok=True).close()
    return {}


def create(path: str, name: str, sampler: str) -> dict[str, Any]:
    who = contender(name)
    who.create(path, sampler)
    who.close()
    return {}


def single(path: str, name: str, trials: str) -> dict[str, Any]:
    """Trials a second of one process from an empty file; ``fsyncs`` counts those made through ``os`` (Rustuna's are not seen)."""
    fsyncs = _count_fsyncs()
    who, count = asker(name), int(trials)
    who.create(path, "random")
    draw = random.Random(0).random
    before = fsyncs[0]
    start = time.perf_counter()
    for _ in range(count):
        who.tell(who.ask(), draw())
    seconds = time.perf_counter() - start
    return {"trials_per_s": count / seconds, "fsyncs": fsyncs[0] - before}


def _count_fsyncs() -> list[int]:
    """Wraps ``os.fsync`` and ``os.fdatasync`` before any library takes hold of them."""
    count = [0]

    def counted(call: Callable[[Any], None]) -> Callable[[Any], None]:
        def fsync(descriptor: Any) -> None:
            count[0] += 1
            call(descriptor)

        return fsync

    for name in ("fsync", "fdatasync"):
        vars(os)[name] = counted(getattr(os, name))
    return count


def parallel(path: str, name: str, sampler: str, sleep_s: str) -> dict[str, Any]:
    """One of many workers. Says ``ready``, is told when to start and to end, counts the trials told in between.

    A trial of its own comes first: what a library still imports in its first ask is no part of a window.
    """
    who = contender(name)
    who.load(path, sampler)
    draw, nap_s = random.Random(os.getpid()).random, float(sleep_s)
    who.tell(who.ask(), draw())
    print("ready", flush=True)
    start, end = (float(word) for word in sys.stdin.readline().split())
    time.sleep(max(0.0, start - time.monotonic()))
    ask_s, told = [], 0
    while (now := time.monotonic()) < end:
        handle = who.ask()
        ask_s.append(time.monotonic() - now)
        if nap_s:
            time.sleep(nap_s)
        who.tell(handle, draw())
        told += time.monotonic() < end
    return {"trials": told, "ask_s": ask_s}


def opening(path: str, name: str) -> dict[str, Any]:
    """From an interpreter with its imports done to a study whose trials and best value are known."""
    who = contender(name)
    start = time.perf_counter()
    who.load(path, "random")
    trials, best = who.known()
    seconds = time.perf_counter() - start
    who.close()
    return {"seconds": seconds, "trials": trials, "best": best}


def memory(path: str, name: str, listed: str) -> dict[str, Any]:
    """Growth of the peak resident set while a study is loaded and, with ``listed``, all its trials are built and held."""
    who = contender(name)
    before = _resident_bytes("VmRSS")
    who.load(path, "random")
    trials, best = who.known()
    if listed == "listed":
        trials = who.everything()
    growth = _resident_bytes("VmHWM") - before
    return {"bytes": growth, "trials": trials, "best": best}


def _resident_bytes(field: str) -> int:
    """From the kernel's own table: ``ru_maxrss`` also counts what the parent held when it forked."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{field}:")[1].split()[0]) * 1024


def quality(path: str, who: str, name: str, budget: str, workers: str, seeds: str) -> dict[str, Any]:
    """The best value of each of several searches."""
    without_fsync()
    from benchmarks.quality import best_of_seeds

    return {"best": best_of_seeds(path, who, name, int(budget), int(workers), int(seeds))}


def failures(path: str, who: str, budget: str, seeds: str) -> dict[str, Any]:
    """Failed trials and the best value of each of several searches."""
    without_fsync()
    from benchmarks.failures import failed_and_best

    return failed_and_best(path, who, int(budget), int(seeds))


MEASUREMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "write": write,
    "create": create,
    "resample": resample,
    "single": single,
    "parallel": parallel,
    "opening": opening,
    "memory": memory,
    "quality": quality,
    "failures": failures,
    "write_lookups": lookups.write,
    "lookups": lookups.looks,
}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](*sys.argv[2:])))
