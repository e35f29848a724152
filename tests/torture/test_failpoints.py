"""Every system call that changes a file, made to die, stop short or fail, in a script of all operations: only old or new.

The script runs in a forked child, once in one process for all its calls, once as if each call were a process of its own. The
Nth of its system calls is broken in each way that it can break. Afterwards the next command has to work, everything that was
acknowledged is there, and every reader agrees. What is acknowledged must have been made durable before: that is checked too,
by counting writes and fsyncs.
"""

from __future__ import annotations

import os
import signal
import traceback
from pathlib import Path

import pytest
from torture import script
from torture.checker import Finding, read_calls
from torture.children import Child
from torture.clients import PARAMS
from torture.rounds import LAST, finish, fresh, idle, tell
from torture.share import Clean, Run, Share, Tortured, evenly

import journaltune
from journaltune.base.errors import JournalDamagedError, MachineError
from journaltune.journal import file, stock_lock
from journaltune.journal.upkeep.repair import repair

_RUNS = 2_600
_LIMIT_S = 30.0
_LEAST = 2  # of the script's asks and tells, that one broken call leaves


@pytest.mark.torture(runs=_RUNS, few=15)
def test_every_broken_system_call_leaves_old_or_new(clean: Clean) -> None:
    clean(failpoints)


def failpoints(share: Share) -> None:
    stock_lock.GRACE_S = script.GRACE_S
    ways: list[_Way] = []
    for alone in (True, False):
        share.run(-1, lambda run, alone=alone: ways.extend(_ways(run, alone)), runs=0)  # type: ignore[misc]
    share.each(evenly(ways, share.n), _break)


_Way = tuple[bool, int, str]  # in one process or not, the place of a system call, and how it breaks


def _ways(run: Run, alone: bool) -> list[_Way]:
    run.what = f"nothing broken, alone {alone}"
    names, findings = _rehearse(run.folder, alone)
    tell(run, findings)
    return [(alone, at, way) for at, name in enumerate(names) for way in script.ways_of(name)]


def _rehearse(folder: Path, alone: bool) -> tuple[list[str], list[Finding]]:
    """The names of the script's system calls when no call is broken."""
    fresh(folder)
    child = Child(lambda: script.play(folder, alone, -1, ""), _LIMIT_S)
    ended = child.end()
    findings = _undurable(child) + finish(folder)
    refused = [call for call in read_calls(folder / "logs") if call.refused]
    findings += [Finding("wrong", f"with nothing broken: {call}") for call in refused]
    return list(ended.result or []), findings if ended.status == 0 else [Finding("wrong", ended.error), *findings]


def _undurable(child: Child) -> list[Finding]:
    return [Finding("lost", text) for (text,) in child.heard]


def _break(run: Run, chosen: _Way) -> None:
    alone, at, way = chosen
    run.what = f"system call {at} {way} {'in one process' if alone else 'process by process'}"
    fresh(run.folder)
    child = Child(lambda: script.play(run.folder, alone, at, way), _LIMIT_S)
    ended = child.end()
    tell(run, _undurable(child))
    if ended.late:
        run.find("wrong", f"hung for {_LIMIT_S:g} s")
    elif ended.status != (-signal.SIGKILL if way.startswith("die") else 0):
        run.find("wrong", f"ended with {ended.status}: {ended.error}")
    try:
        _recover(run.folder / "s.journal")
    except Exception:
        run.find("wrong", f"repair fails: {traceback.format_exc()}")
        return
    if not way.startswith("die"):
        tell(run, idle(run.folder, "the script", lambda index: index != LAST, _LEAST))
    tell(run, finish(run.folder, also=frozenset({7})))


def _recover(path: Path) -> None:
    """What a user would do: create what was not created, repair what is said to be damaged."""
    try:
        journaltune.create_study(path, study_name="study", params=PARAMS, sampler="random", seed=1, exist_ok=True).close()
    except JournalDamagedError:
        repair(str(path))


def test_each_way_to_break_each_system_call_is_among_them(tmp_path: Path) -> None:
    n_ways = 0
    for alone in (True, False):
        names, findings = _rehearse(tmp_path / "rehearsal", alone)
        assert findings == []
        assert set(names) == {"create", "write", "pwrite", "fsync", "fdatasync", "rename", "unlink", "symlink", "mkdir"}
        n_ways += sum(len(script.ways_of(name)) for name in names)
    assert 1000 < n_ways <= _RUNS


class TestAFaultIsFound:
    def test_a_short_write_that_is_left_as_it_is(self, tortured: Tortured, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(path: str, fd: int, start: int, end: int) -> None:
            raise MachineError("not blanked, and nobody says so")

        monkeypatch.setattr(file, "blank", refused)
        tally = tortured(failpoints, 8)
        assert not tally.clean
        assert tally.runs == 8

    @pytest.mark.parametrize("place", ["whole", "relative", "link"])
    def test_leaving_out_the_fsync(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        """By counting: no kill shows it."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to("there")
        folder = {"whole": tmp_path, "relative": Path(), "link": tmp_path / "link"}[place] / "rehearsal"
        assert _rehearse(folder, True)[1] == []
        monkeypatch.setattr(file, "flush", lambda fd, path: None)
        _, findings = _rehearse(folder, True)
        assert any("before an fsync" in finding.text for finding in findings)
        assert os.path.exists(folder / "s.journal")
