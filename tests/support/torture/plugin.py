"""Pytest's side of the torture: how much of each part, in which shares, and what all of them found.

A test with ``@pytest.mark.torture(runs=N, few=M)`` and the fixture ``share`` is a part, named after its file: ``test_cuts.py`` is
``cuts``. It has M runs in the ordinary suite, and N times F with ``--scale F``, in shares that pytest-xdist deals out.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torture.share import Clean, Finds, Part, Share, Tally, Tortured, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MAX_SHARES = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("torture")
    group.addoption("--scale", type=scale_of, metavar="F", help="how much of each part of the torture (default: a few runs)")
    group.addoption("--seed", type=int, default=0, metavar="N", help="of everything that the torture draws (default 0)")
    group.addoption("--folder", metavar="DIR", help="where the torture's journals go, and what it finds stays")


def scale_of(text: str) -> float:
    scale = float(text)
    if not 0 < scale < 1e6:
        raise argparse.ArgumentTypeError("a number above 0 is needed")
    return scale


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "torture(runs, few): a part of the torture, and its runs as a whole and in the suite")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("torture")
    if marker is not None:
        n, of = shares(metafunc.config.getoption("scale"), **marker.kwargs)
        places = [(n, place, of) for place in range(of)]
        metafunc.parametrize("share", places, indirect=True, ids=[f"{place + 1}of{of}" for place in range(of)])


def shares(scale: float | None, runs: int, few: int) -> tuple[int, int]:
    """How many runs there are, and in how many shares. One share of ``few`` runs is worth its own set-up."""
    n = few if scale is None else max(1, round(runs * scale))
    return n, max(1, min(n // few, _MAX_SHARES))


def part_of(nodeid: str) -> str:
    return Path(nodeid.partition("::")[0]).stem.removeprefix("test_")


@pytest.fixture
def share(request: pytest.FixtureRequest, tmp_path: Path) -> Share:
    """The share of a part's runs that a test does."""
    n, place, of = request.param
    chosen, part = request.config.getoption("folder"), part_of(request.node.nodeid)
    # In full and without links: parts compare paths, and change into folders.
    top = Path(chosen or tmp_path).resolve()
    folder = top / part / f"{place + 1}of{of}"
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was broken off
    return Share(n, request.config.getoption("seed"), folder, place, of, top / "findings" / part)


@pytest.fixture
def clean(share: Share, record_property: Callable[[str, object], None]) -> Clean:
    """Do a share of a part that has to find nothing; all that it did find is in the message and in the summary."""

    def check(part: Part) -> Tally:
        tally = share.judge(part)
        record_property("torture", plain(tally))
        shutil.rmtree(share.folder, ignore_errors=True)
        again = f"kept in {share.findings}; the same --seed ({share.seed}) and --scale make it again"
        assert tally.clean, "\n".join([*tally.notes, again])
        assert tally.runs >= share.size
        return tally

    return check


@pytest.fixture
def tortured(tmp_path: Path) -> Tortured:
    """What a part finds within so many runs."""
    return lambda part, n: Share(n, 0, tmp_path).judge(part)


@pytest.fixture
def finds(tmp_path: Path) -> Finds:
    """Whether a part finds within so many runs something whose note contains a text."""

    def find(part: Part, n: int, text: str) -> bool:
        return any(text in note for note in Share(n, 0, tmp_path, until=text).judge(part).notes)

    return find


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = list(summary(report for reports in terminalreporter.stats.values() for report in reports))
    if lines:
        terminalreporter.section("torture")
        for line in lines:
            terminalreporter.write_line(line)


def summary(reports: Iterable[Any]) -> Iterable[str]:
    """A line for each part, then what was counted, and what could not be checked; findings stand where their test failed."""
    tallies, seconds = dict[str, Tally](), Counter[str]()
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == "torture" and report.when == "call":
                part = part_of(report.nodeid)
                tallies.setdefault(part, Tally()).add(Tally(**value))
                seconds[part] += report.duration
    for part, tally in tallies.items():
        findings = f"{tally.lost:,} lost, {tally.doubled:,} doubled, {tally.wrong:,} wrong"
        yield f"{part + ':':<12}{tally.runs:>8,} runs, {findings}, {seconds[part]:.1f} s"
    for part, tally in tallies.items():
        notes = tally.notes if tally.clean else []
        yield from (f"{part}: {text}" for text in [*(f"{n:,} {what}" for what, n in tally.counts.items()), *notes])
