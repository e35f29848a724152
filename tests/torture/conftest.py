"""The parts of ``scripts/torture``, at a small share: that they find nothing, and that they would."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from journaltune.journal import stock_lock


@pytest.fixture(autouse=True)
def _the_grace_that_parts_shorten_is_as_it_was() -> Iterator[None]:
    """The parts are programs that end; here other tests follow in the same process."""
    before = stock_lock.GRACE_S
    yield
    stock_lock.GRACE_S = before


@pytest.fixture
def torture() -> Callable[[str], ModuleType]:
    """A module of ``scripts/tortures`` by name."""

    return lambda name: importlib.import_module(f"tortures.{name}")


@pytest.fixture
def tortured(torture: Callable[[str], ModuleType], tmp_path: Path) -> Callable[..., Any]:
    """What a part finds within so many runs."""
    return lambda name, n, seed=0: torture(name).run(n, seed, tmp_path, lambda text: None)


@pytest.fixture
def clean(tortured: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a part that has to find nothing; all that it did find is in the message."""

    def check(name: str, n: int) -> Any:
        tally = tortured(name, n)
        assert tally.clean, "\n".join(tally.notes)
        assert tally.runs >= n
        return tally

    return check
