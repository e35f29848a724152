"""Workers that are killed at any moment, and holders of the lock that are killed or stopped at each step."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any


def test_nothing_is_lost_or_doubled_by_kills(clean: Callable[..., Any]) -> None:
    tally = clean("kills", 120)
    assert tally.counts["calls acknowledged"] > 100
    assert tally.counts["calls in doubt"] > 20


def test_every_step_of_every_operation_is_among_them(torture: Callable[[str], ModuleType]) -> None:
    holders = torture("holders")
    assert {step for _, step, _ in holders.KILLED} >= {
        "before flock", "after flock", "before write", "half write", "after write", "before read back", "after read back",
        "before fdatasync", "after fdatasync", "before release", "after release", "after ask lock", "before ask release",
    }  # fmt: skip
    assert len(holders.KILLED) <= torture("kills").TARGET // torture("kills")._STEPS_SHARE
    assert len(holders.STOPPED) <= torture("kills").TARGET // torture("kills")._STOPPED_SHARE
