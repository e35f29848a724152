"""A compacted journal says what the original said, to Optuna as to us, whatever its history."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import readers
from exploring import examples
from histories import histories, lines_of
from hypothesis import event, given, settings

from journaltune.journal.journal import Journal
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.compact import compact

pytestmark = pytest.mark.filterwarnings("ignore")


@given(histories)
@settings(max_examples=examples(60))
def test_compacting_changes_nothing_that_a_reader_sees(history: list[Any]) -> None:
    lines = lines_of(history)
    with tempfile.TemporaryDirectory() as folder:
        path, shorter = Path(folder, "s.journal"), Path(folder, "shorter.journal")
        path.write_bytes(b"".join(lines))
        done = compact(path, shorter)
        event(f"at least {done.n_trials // 5 * 5} trials")
        before, after = Journal(str(path)).state, Journal(str(shorter)).state
        assert readers.of_state(after) == readers.of_state(before)
        assert readers.by_optuna(shorter) == readers.by_optuna(path)
        assert after.n_trials == before.n_trials
        assert after.n_studies == before.n_studies
        for study_id, study in before.studies.items():
            assert after.studies[study_id].id_runs == study.id_runs
            assert list(after.studies[study_id].finished.column("numbers")) == list(study.finished.column("numbers"))
        assert check(str(shorter)).findings == []
        again = Path(folder, "again.journal")
        assert compact(shorter, again).bytes_after == done.bytes_after
        assert again.read_bytes() == shorter.read_bytes()
        assert sorted(os.listdir(folder)) == ["again.journal", "s.journal", "shorter.journal"]
