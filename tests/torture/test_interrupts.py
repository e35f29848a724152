"""Ctrl-C, and a signal handler that uses the study, at every line that a call executes: the study object goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from interrupting import Moment, moments, no_line_depends_on_the_time
from torture.share import Clean, Run, Share, Tortured, evenly

from journaltune.study import OpenStudy

_RUNS = 2_800


@pytest.fixture(autouse=True)
def same_lines_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    no_line_depends_on_the_time(monkeypatch)


@pytest.mark.torture(runs=_RUNS, few=25)
def test_an_interrupted_study_goes_on(clean: Clean) -> None:
    clean(interrupts)


def interrupts(share: Share) -> None:
    share.each(evenly(_ways(share.folder), share.n), _interrupt)


def _ways(folder: Path) -> list[tuple[Moment, bool]]:
    return [(moment, handled) for moment in moments(folder) for handled in (False, True)]


def _interrupt(run: Run, way: tuple[Moment, bool]) -> None:
    moment, handled = way
    run.what = f"{'a handler in' if handled else 'Ctrl-C in'} {moment}"
    path = run.fresh() / "study.journal"
    if handled:
        run.count(f"handlers that were {'answered' if moment.handled(path) else 'refused'}")
    else:
        moment.interrupted(path)


def test_every_line_is_among_them(tmp_path: Path) -> None:
    assert 2_000 < len(_ways(tmp_path)) <= _RUNS


def test_a_call_that_is_broken_off_and_leaves_its_half_is_found(tortured: Tortured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenStudy, "break_off", lambda study: None)
    tally = tortured(interrupts, 25)
    assert not tally.clean
    assert tally.runs == 25
