"""Optuna's own conformance suite on ``journaltune.storage``: as it is, and read back from a snapshot at every call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from optuna.testing.pytest_storages import StorageTestCase

import journaltune
from journaltune.journal.state import JournalState
from journaltune.optuna_bridge.backend import JournaltuneStorage


class Conformance(StorageTestCase):
    """Optuna's suite with names that stay: one of its parameters holds the time, which no two workers of pytest-xdist share."""

    @pytest.mark.parametrize("start_time", [datetime(2022, 9, 1), None], ids=["then", "now"])
    def test_create_new_trial_with_template_trial(  # type: ignore[override]
        self, storage: JournaltuneStorage, start_time: datetime | None
    ) -> None:
        start_time = start_time or datetime.now()
        super().test_create_new_trial_with_template_trial(storage, start_time, start_time + timedelta(days=1))


class TestStorage(Conformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> JournaltuneStorage:
        return journaltune.storage(tmp_path / "study.journal")


class FromSnapshot(JournaltuneStorage):
    """Remembers nothing from one call to the next but what a snapshot holds."""

    def _forget(self) -> None:
        self._journal.sync()
        self._journal.save_snapshot()
        self.break_off()
        self._journal.sync()
        assert self._journal.opened_at == self._journal.offset, "the snapshot was not used"

    @contextmanager
    def _reading(self) -> Iterator[JournalState]:
        self._forget()
        with super()._reading() as state:
            yield state

    @contextmanager
    def _writing(self, *, durable: bool) -> Iterator[JournalState]:
        self._forget()
        with super()._writing(durable=durable) as state:
            yield state


class TestStorageThatReadsASnapshotAtEveryCall(Conformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> JournaltuneStorage:
        return FromSnapshot(str(tmp_path / "study.journal"))
