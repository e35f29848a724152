"""Libraries that a test file names at its top and imports when it uses them.

Each of pytest-xdist's workers collects all test files and runs a part of them: what it never uses it does not load. Besides its
time that is memory, which each fork of a worker pays for again.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

import pytest


class Library:
    """A module whose attributes are those of the one with this name; where that is not installed, the test file is skipped."""

    def __init__(self, name: str, reason: str = "") -> None:
        self._name = name
        if find_spec(name.partition(".")[0]) is None:
            pytest.skip(reason or f"no {name}", allow_module_level=True)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest asks everything in a test file whether it is a fixture or a mock
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)
