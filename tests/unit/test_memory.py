"""The garbage-collection callback: it frees what a loop leaks, costs next to nothing below its limit, and never raises."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from journaltune import GarbageCollector, UsageError
from journaltune.run import memory

LEAK = """
import gc, sys
import journaltune
from journaltune.run.memory import resident_bytes

class Node:
    def __init__(self):
        self.me, self.data = self, bytearray(4_000_000)

gc.disable()
free = journaltune.GarbageCollector(every=int(sys.argv[1]))
sizes = []
for number in range(200):
    Node()
    free()
    sizes.append(resident_bytes())
print(sizes[20], max(sizes[20:]), sizes[-1])
"""


@pytest.mark.parametrize("every", [1, 5])
def test_the_resident_size_of_a_loop_that_leaks_cycles_stays_flat(every: int) -> None:
    done = subprocess.run([sys.executable, "-c", LEAK, str(every)], stdout=subprocess.PIPE, text=True, check=True)
    early, largest, last = map(int, done.stdout.split())
    assert largest < early + every * 4_000_000 + 20_000_000
    assert last < early + every * 4_000_000 + 20_000_000


def test_without_it_the_same_loop_grows() -> None:
    """So that the test above could fail."""
    done = subprocess.run([sys.executable, "-c", LEAK, "1000"], stdout=subprocess.PIPE, text=True, check=True)
    early, _, last = map(int, done.stdout.split())
    assert last > early + 500_000_000


@pytest.mark.parametrize(("every", "calls", "collections"), [(1, 3, 3), (2, 5, 2), (7, 6, 0)])
def test_it_collects_after_each_nth_trial(every: int, calls: int, collections: int) -> None:
    collector = GarbageCollector(every=every)
    for _ in range(calls):
        collector(None, None)
    assert collector.n_collections == collections


def test_below_its_limit_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "collect", lambda: pytest.fail("collected"))
    collector = GarbageCollector(above="1T")
    collector()
    assert collector.n_collections == 0


def test_where_the_size_is_not_known_it_collects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident_bytes", lambda: None)
    collector = GarbageCollector(above="1T")
    collector()
    assert collector.n_collections == 1


@pytest.mark.parametrize("error", [MemoryError, RuntimeError("CUDA error"), OSError, AttributeError])
def test_it_never_raises_and_does_the_other_steps(monkeypatch: pytest.MonkeyPatch, error: Any) -> None:
    done = []

    class Device:
        is_available = staticmethod(lambda: True)

        @staticmethod
        def empty_cache() -> None:
            raise error

    class Library:
        cuda = Device

        @staticmethod
        def get_default_memory_pool() -> Any:
            done.append("cupy")
            raise error

    def fail() -> None:
        raise error

    monkeypatch.setitem(sys.modules, "torch", Library)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "cupy", Library)  # type: ignore[arg-type]
    collector = GarbageCollector()
    collector._trim = lambda: done.append("trim")
    monkeypatch.setattr(gc, "collect", fail)
    collector()
    assert done == ["cupy", "trim"]
    monkeypatch.setattr(collector, "collect", fail)
    collector()


def test_optuna_takes_it_as_a_callback() -> None:
    import optuna

    collector = GarbageCollector(every=2)
    optuna.create_study().optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4, callbacks=[collector])
    assert collector.n_collections == 2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (1, 1),
        ("1", 1),
        ("2G", 2 << 30),
        ("1.5 GiB", 3 << 29),
        ("500MB", 500 << 20),
        ("7 kib", 7 << 10),
        ("1t", 1 << 40),
        ("9B", 9),
    ],
)
def test_sizes(text: int | str, size: int) -> None:
    assert memory.size_bytes(text) == size


@pytest.mark.parametrize("text", [0, -1, True, "", "G", "x", "-1G", "nan", "inf", "1e999", "1 P", None])
def test_what_is_no_size(text: Any) -> None:
    with pytest.raises(UsageError):
        memory.size_bytes(text)


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "1"])
def test_every_is_a_whole_number(every: Any) -> None:
    with pytest.raises(UsageError):
        GarbageCollector(every=every)


def test_the_resident_size_grows_with_what_is_held() -> None:
    before = memory.resident_bytes()
    held = bytearray(b"x") * 50_000_000
    after = memory.resident_bytes()
    assert before is not None
    assert after is not None
    assert after > before + 40_000_000
    assert held


def test_what_the_kernel_killed_is_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    events = tmp_path / "memory.events"
    events.write_text("low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 0\n")
    monkeypatch.setattr(memory, "_cgroup_events", lambda: str(events))
    assert memory.oom_kills() == 2
    events.unlink()
    found = memory.oom_kills()
    assert found is None or found >= 0


def test_a_garbage_collector_can_be_sent() -> None:
    collector = pickle.loads(pickle.dumps(GarbageCollector(every=3, above="1G")))
    assert (collector.every, collector.above_bytes) == (3, 1 << 30)
