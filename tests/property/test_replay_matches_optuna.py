"""Optuna's replay is the reference for ours: random histories of raw records by several writers, read by both."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
import readers
from exploring import examples
from histories import KINDS, Record, histories, lines_of
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from journaltune.base.errors import JournalDamagedError
from journaltune.journal.journal import Journal
from journaltune.study.trials import trials_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def _far_from_utc() -> Iterator[None]:
    """A local time with summer time, so that a time without a zone is not UTC by luck."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


# What a history is made of: records from a fixed pool, so that drawing one is cheap, with few names and ids, so that they meet.


@given(histories, st.data())
@settings(max_examples=examples(100))
def test_every_way_of_reading_gives_optunas_trials(history: list[tuple[Record, str]], data: st.DataObject) -> None:
    lines = lines_of(history)
    cut = data.draw(st.integers(0, len(lines)), label="lines before the snapshot")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s.journal")
        path.write_bytes(b"".join(lines[:cut]))
        running, packed = Journal(str(path)), Journal(str(path))
        readers.of_state(packed.state)  # whoever has read the columns packs new rows into them
        running.save_snapshot()
        with path.open("ab") as file:
            file.writelines(lines[cut:])
        expected = readers.by_optuna(path)
        running.sync()
        packed.sync()
        resumed = Journal(str(path))
        assert resumed.opened_at == sum(map(len, lines[:cut])), "the snapshot was not taken"
        os.unlink(f"{path}.d/snapshot")
        event(f"at least {sum(len(study['trials']) for study in expected) // 5 * 5} trials")
        assert readers.by_us(path) == expected
        assert readers.of_state(running.state) == expected
        assert readers.of_state(packed.state) == expected
        assert readers.of_state(resumed.state) == expected
        assert resumed.state.n_records == running.state.n_records == len(lines)
        assert resumed.state.n_trials == running.state.n_trials


any_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
any_time = st.datetimes(datetime(1900, 1, 2), datetime(2100, 1, 1), timezones=st.timezones() | st.none())


@given(st.text(max_size=9), any_json, st.floats(), any_time, st.booleans())
def test_any_name_attribute_number_and_time_is_read_alike(
    name: str, data: object, number: float, moment: datetime, escaped: bool
) -> None:
    template = {"op_code": 4, "study_id": 0, "datetime_start": moment.isoformat(), "distributions": {name: KINDS[1][0]}}
    finish = {"op_code": 6, "trial_id": 0, "state": 1, "values": [number], "datetime_complete": moment.isoformat()}
    history: list[Record] = [
        {"op_code": 0, "study_name": name, "directions": [2]},
        {"op_code": 2, "study_id": 0, "user_attr": {name: data}},
        {**template, "params": {name: number}, "user_attrs": {name: data}},
        {"op_code": 7, "trial_id": 0, "step": 3, "intermediate_value": number},
        finish,
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s.journal")
        lines = [json.dumps({"worker_id": "w", **record}, ensure_ascii=escaped) for record in history]
        path.write_bytes("".join(line + "\n" for line in lines).encode())
        expected = readers.by_optuna(path)
        assert readers.by_us(path) == expected
        Journal(str(path)).save_snapshot()
        assert readers.by_us(path) == expected


# Records as no writer writes them: Optuna's reader is the judge again, but we may refuse more than it does.

FINISHED = {"state": 1, "values": [0.5], "datetime_complete": "2024-01-01T00:00:00+00:00"}
FLOAT, CATEGORICAL = KINDS[0][0], KINDS[8][0]
SOUND: list[Record] = [
    {"op_code": 0, "study_name": "n", "directions": [1]},
    {"op_code": 1, "study_id": 1},
    {"op_code": 2, "study_id": 0, "user_attr": {"a": 1}},
    {"op_code": 3, "study_id": 0, "system_attr": {"a": 1}},
    {
        "op_code": 4,
        "study_id": 0,
        "datetime_start": None,
        "user_attrs": {},
        "system_attrs": {},
        "intermediate_values": {"1": 0.5},
        "distributions": {"x": FLOAT, "c": CATEGORICAL},
        "params": {"x": 0.5, "c": 1.0},
        **FINISHED,
    },
    {"op_code": 5, "trial_id": 0, "param_name": "x", "param_value_internal": 0.5, "distribution": FLOAT},
    {"op_code": 5, "trial_id": 0, "param_name": "x", "param_value_internal": 1, "distribution": CATEGORICAL},
    {"op_code": 6, "trial_id": 0, **FINISHED},
    {"op_code": 6, "trial_id": 2, "state": 0, "values": None, "datetime_start": "2024-01-01T00:00:00+00:00"},
    {"op_code": 7, "trial_id": 0, "step": 1, "intermediate_value": 0.5},
    {"op_code": 8, "trial_id": 0, "user_attr": {"a": 1}},
    {"op_code": 9, "trial_id": 0, "system_attr": {"a": 1}},
]
BEFORE: list[Record] = [
    {"op_code": 0, "study_name": "first", "directions": [1]},
    {"op_code": 0, "study_name": "second", "directions": [1]},
    {"op_code": 4, "study_id": 0, "datetime_start": None},
    {"op_code": 4, "study_id": 1, "datetime_start": None, **FINISHED},
    {"op_code": 4, "study_id": 0, "datetime_start": None, "state": 4},
]
AFTER: Record = {"op_code": 2, "study_id": 0, "user_attr": {"after": 1}}
ABSENT = "absent"
wrong = st.sampled_from(
    [
        *(ABSENT, None, True, 0, 1, -1, 7, 0.5, 1e300, 10**400, "", "x", "1", "2024-13-01", "0001-01-01", FLOAT, "{}", "[]"),
        *([], [1], ["x"], [None], [[]], {}, {"x": None}, {"x": "y"}, {"y": 1}, {"1": "x"}, {"x": 1, "y": 2}, {"c": 2}),
        *({"x": [], "c": 0}, '{"name": "FloatDistribution", "attributes": {"low": 1, "high": 0}}'),
    ]
)
# What Optuna aborts on and we read. Nothing is lost by that: a time that is null is no time, and null params are none.
LENIENT = {
    (4, "datetime_complete", "null"),
    (6, "datetime_complete", "null"),
    (6, "datetime_start", "null"),
    *((4, field, value) for field in ("distributions", "params") for value in ("null", "[]", "false", "0", '""')),
}


@st.composite
def unsound_records(draw: st.DrawFn) -> tuple[Record, str]:
    """A sound record with one field changed, and which."""
    record = dict(draw(st.sampled_from(SOUND)))
    field = draw(st.sampled_from(sorted(record)))
    value = draw(wrong)
    if value is ABSENT:
        del record[field]
    else:
        record[field] = value
    return record, field


@given(unsound_records())
@example(({"op_code": 4, "study_id": 0, "datetime_start": "garbage"}, "datetime_start"))
@example(({"op_code": 6, "trial_id": 0, **FINISHED, "values": 1.0}, "values"))
@example(({"op_code": 5, "trial_id": 0, "param_name": "x", "param_value_internal": 2, "distribution": CATEGORICAL}, ""))
@example(
    ({"op_code": 5, "trial_id": 0, "param_name": "x", "param_value_internal": float("nan"), "distribution": CATEGORICAL}, "")
)
@example(({"op_code": 11, "trial_id": 0}, "op_code"))
@settings(max_examples=examples(150))
def test_what_optuna_aborts_on_is_damage(unsound: tuple[Record, str]) -> None:
    record, field = unsound
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s.journal")
        before = b"".join(json.dumps({"worker_id": "w", **one}).encode() + b"\n" for one in BEFORE)
        path.write_bytes(before + b"".join(json.dumps({"worker_id": "w", **one}).encode() + b"\n" for one in (record, AFTER)))
        expected = attempt(lambda: readers.by_optuna(path), Exception)
        ours = attempt(lambda: readers.by_us(path), JournalDamagedError)
        if isinstance(ours, JournalDamagedError):
            assert ours.offset == len(before)
            event("refused by both" if isinstance(expected, Exception) else "refused by us only")
        elif isinstance(expected, Exception):
            assert (record.get("op_code"), field, json.dumps(record.get(field))) in LENIENT
        else:
            assert ours == expected


def attempt(read: Callable[[], Any], error: type[Exception]) -> Any:
    try:
        return read()
    except error as caught:
        return caught


def test_local_times_are_those_of_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    record = {"worker_id": "w", "op_code": 4, "study_id": 0, "datetime_start": "2024-06-01T12:00:00"}
    path.write_text(json.dumps({"worker_id": "w", **BEFORE[0]}) + "\n" + json.dumps(record) + "\n")
    (trial,) = trials_of(Journal(str(path)).state.studies[0], {0})
    assert trial.datetime_start is not None
    assert trial.datetime_start.isoformat() == "2024-06-01T16:00:00+00:00"
    study = optuna.load_study(
        study_name="first", storage=optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    )
    assert str(study.trials[0].datetime_start) == "2024-06-01 12:00:00"
