"""A journal that was cut anywhere loses nothing that was whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from journaltune.base.errors import JournalDamagedError
from journaltune.journal import file, fold, tail


def test_a_cut_loses_nothing_that_was_whole(clean: Callable[..., Any]) -> None:
    clean("cuts", 150)


def test_an_append_behind_a_torn_line_that_was_not_mended_is_found(
    tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "mend_tail", lambda fd, path, **_: False)
    tally = tortured("cuts", 20)
    assert tally.wrong
    assert "writes next" in tally.notes[0]


def test_mending_that_takes_too_much_is_found(tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    blank = file.blank
    monkeypatch.setattr(file, "blank", lambda path, fd, start, end: blank(path, fd, max(0, start - 200), end))
    assert not tortured("cuts", 20).clean


def test_damage_that_is_named_elsewhere_is_found(tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def misled(path: str, offset: int, what: str) -> JournalDamagedError:
        return JournalDamagedError(path, offset + 10_000, what)

    monkeypatch.setattr(fold, "JournalDamagedError", misled)
    assert tortured("cuts", 40).wrong
