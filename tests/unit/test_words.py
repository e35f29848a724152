"""Which word was probably meant: a suggestion is made only where it is near."""

from __future__ import annotations

import pytest

from journaltune.base.words import near


@pytest.mark.parametrize(
    ("text", "known", "word"),
    [
        ("asc", ("ask", "tell"), "ask"),
        ("--stduy", ("--study", "--space"), "--study"),
        ("ASK", ("ask", "tell"), "ask"),
        ("tel", ("tell", "trials"), "tell"),
        ("lrr", ("lr", "l2"), "lr"),
        ("counts", ("count", "salt"), "count"),
        ("stat", ("status", "studies"), "status"),
        ("exist_ok", ("exist-ok",), "exist-ok"),
        ("--trial", ("--journal", "--lag"), None),
        ("list", ("best", "lookup"), None),
        ("st", ("status", "studies"), None),
        ("s", ("a", "b"), None),
        ("", ("a", "ask"), None),
        ("tells", (), None),
        ("x" * 100_000, ("ask",), None),
    ],
)
def test_a_word_is_meant_only_where_it_is_near(text: str, known: tuple[str, ...], word: str | None) -> None:
    assert near(text, known) == word
