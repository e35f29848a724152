"""Ctrl-C at any line of a call: no lock stays, nothing is half done, and the study object goes on as a new process would.

Here it is every third line; `scripts/torture interrupts` has all of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from interrupting import Moment, moments, no_line_depends_on_the_time


@pytest.fixture
def each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Moment]:
    no_line_depends_on_the_time(monkeypatch)
    return list(moments(tmp_path))


def test_an_interrupt_at_every_third_line(each: list[Moment], tmp_path: Path) -> None:
    assert len(each) > 1_000
    for moment in each[::3]:
        moment.interrupted(tmp_path / "study.journal")


def test_a_signal_handler_that_uses_the_study_at_every_third_line(each: list[Moment], tmp_path: Path) -> None:
    """It is refused in the middle of a call, and between two calls it is one more; neither harms the call that it came into."""
    answers = [moment.handled(tmp_path / "study.journal") for moment in each[1::3]]
    assert 0 < answers.count(True) < answers.count(False)
