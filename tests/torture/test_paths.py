"""Journals moved, replaced, cut and deleted under an open study; read-only places; planted links, FIFOs and folders; odd clocks.

Each run is one situation and one call, in a child of little time. A call answers, or says what is wrong with an exit code of
the contract; what it acknowledged is there; and nothing outside the journal's folder is made, changed or waited for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from torture import journals
from torture.calls import digest
from torture.children import Child
from torture.plants import lay_out
from torture.share import Clean, Finds, Run, Share, Tortured, evenly
from torture.situations import planted, situations

from journaltune.journal import file, system
from journaltune.journal.lock import Handle

_LIMIT_S = 5.0


@pytest.mark.torture(runs=len(situations()), few=40)
def test_moved_planted_and_read_only_files_are_survived(clean: Clean) -> None:
    clean(paths)


def paths(share: Share) -> None:
    share.each(evenly(list(situations().items()), share.n), _situation)


def _situation(run: Run, situation: tuple[str, Callable[[Path], str]], limit_s: float = _LIMIT_S) -> None:
    run.what, act = situation
    path, outside = lay_out(run)
    before = digest(outside)
    journals.make(path, run.seed)
    shutil.rmtree(f"{path}.d", ignore_errors=True)
    ended = Child(lambda: act(path), limit_s).end()
    problem = f"took longer than {limit_s:g} s" if ended.late else ended.error or ended.result
    if not problem and digest(outside) != before:
        problem = f"outside the folder there is now {digest(outside)}"
    if problem:
        run.find("wrong", problem)


class TestAFaultIsFound:
    def test_a_journal_that_is_used_although_it_was_replaced(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Handle, "size_bytes", lambda handle, _: os.fstat(handle.fd).st_size)
        assert finds(paths, 60, "the call went through")

    def test_writing_through_a_planted_link(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(file, "_is_folder", os.path.isdir)
        links = [item for item in planted().items() if "a link to another folder" in item[0]]
        assert finds(lambda share: share.each(links, _situation), len(links), "outside the folder")

    def test_waiting_for_a_planted_fifo(self, tortured: Tortured, monkeypatch: pytest.MonkeyPatch) -> None:
        create = system.create
        monkeypatch.setattr(system, "create", lambda path, flags, *mode: create(path, flags & ~os.O_EXCL, *mode))
        monkeypatch.setattr(file, "remove", lambda path: None)
        name = "save a snapshot, a FIFO in the place of the new snapshot"
        tally = tortured(lambda share: share.run(0, lambda run: _situation(run, (name, planted()[name]), 0.5)), 1)
        assert tally.notes[0].endswith("took longer than 0.5 s")
