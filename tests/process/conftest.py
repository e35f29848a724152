"""What the process tests share: one journal as each library reads it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def readers() -> ModuleType:
    """``tests/readers.py``: one journal as each library reads it."""
    spec = importlib.util.spec_from_file_location("readers", Path(__file__).parent.parent / "readers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
