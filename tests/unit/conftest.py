"""A small study in a journal of its own, for tests that need no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from journaltune import create_study
from journaltune.api.study import Study


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.journal"


@pytest.fixture
def study(path: Path) -> Study:
    return create_study(path, study_name="s", params={"x": "float(0, 1)"}, sampler="random", seed=1)
