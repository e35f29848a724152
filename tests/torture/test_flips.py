"""A flipped bit is found, or changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from journaltune.journal import snapshot
from journaltune.journal.fold import Fold


def test_a_flipped_bit_is_found_or_has_no_effect(clean: Callable[..., Any]) -> None:
    tally = clean("flips", 1500)
    assert sum(tally.counts.values()) == tally.runs
    assert tally.counts["named in its line"] > tally.runs / 2


def test_the_whole_is_every_bit(torture: Callable[[str], ModuleType]) -> None:
    flips = torture("flips")
    data = b"ab\n"
    seen = {flips.flipped(data, bit) for bit in range(8 * len(data))}
    assert len(seen) == 24
    assert all(sum((a ^ b).bit_count() for a, b in zip(data, other, strict=True)) == 1 for other in seen)


def test_a_journal_whose_checksums_nobody_compares_is_found(
    tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fold, "_check", lambda *_: None)
    tally = tortured("flips", 400)
    assert tally.wrong
    assert "of the journal" in tally.notes[0]


def test_a_snapshot_whose_checksums_nobody_compares_is_found(
    tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "crc32", lambda data, value=0: 0)
    tally = tortured("flips", 400)
    assert any("of the snapshot" in note for note in tally.notes)
