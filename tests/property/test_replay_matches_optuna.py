"""Optuna's replay is the reference for ours: random histories of raw records by several writers, read by both."""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from binascii import crc32
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from journaltune.errors import JournalDamagedError
from journaltune.journal import records
from journaltune.journal.journal import Journal
from journaltune.reading import trials_of

Record = dict[str, Any]
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

DICE = random.Random(20241103)
NUMBERS = [0.0, -0.0, 1, 0.1, 0.1, -3.75, 5e-324, 1e308, 2**53 + 1, 10**300, float("nan"), float("inf"), float("-inf")]
SPELLED = [*NUMBERS, "Infinity", "-Infinity", "NaN"]  # as Rustuna writes them
TIMES = [
    "2024-03-10T02:30:00",  # does not exist in New York
    "2024-11-03T01:30:00.000001",  # exists twice there
    "2024-11-03T06:30:00+00:00",
    "2024-06-01T12:00:00.123456+05:30",
    "1969-12-31T23:59:59.999999Z",
    "2024-06-01",
]
JSON = [
    None,
    True,
    0,
    1,
    1.0,
    -0.0,
    float("nan"),
    10**30,
    "",
    "ü🎉",
    "\ud800",
    [1, [2.5, {}]],
    {"k": {"ö": [None]}},
    "owner-died",
    [0.5],
]
ATTRS = ["k", "k", "fail_reason", "constraints", "fixed_params", "é\n", ""]


def _text(name: str, **attributes: Any) -> str:
    return json.dumps({"name": name, "attributes": attributes})


KINDS: list[tuple[str, list[float]]] = [
    (_text("FloatDistribution", step=None, low=0.0, high=1.0, log=False), [0.5, 0, -0.0]),
    (_text("FloatDistribution", step=None, low=0.0, high=2.0, log=False), [2.5, float("nan"), float("inf")]),
    (_text("FloatDistribution", low=0.1, high=2.0, log=True), [0.1]),
    (_text("FloatDistribution", step=0.25, low=0, high=1), [0.25]),
    (_text("IntDistribution", log=False, step=2, low=1, high=9), [3.0, 3, 4.7]),
    (_text("IntDistribution", log=True, step=1, low=1, high=9), [2**53]),
    (_text("CategoricalDistribution", choices=["a", 1, 1.0, True, None, float("nan"), "ü"]), [0, 1.0, 2, 3, 4, 5, 6, True]),
    (_text("CategoricalDistribution", choices=["a", True, 1, 1, None, float("nan"), "ü"]), [0.9, 1.0, 6]),
    (_text("CategoricalDistribution", choices=["a", "b"]), [0, 1]),
    (_text("UniformDistribution", low=0.0, high=1.0), [0.5]),
    (_text("LogUniformDistribution", low=0.1, high=1.0), [0.5]),
    (_text("DiscreteUniformDistribution", low=0.0, high=1.0, q=0.3), [0.3]),
    (_text("IntUniformDistribution", low=0, high=7, step=2), [4.0]),
    (_text("IntLogUniformDistribution", low=1, high=7, step=1), [4.0]),
    ('{"type": "float", "low": 0.0, "high": 1.0}', [0.5]),
    ('{"type": "int", "low": 0, "high": 10, "step": 2, "log": false}', [4]),
    ('{"type": "categorical", "choices": ["a", "b"]}', [1]),
    # Two of the above as Rustuna orders them.
    ('{"attributes":{"high":1.0,"log":false,"low":0.0,"step":null},"name":"FloatDistribution"}', [0.125]),
    ('{"attributes":{"choices":["a","b"]},"name":"CategoricalDistribution"}', [1.0]),
]


def _one_param() -> tuple[str, float]:
    # The first two are compatible, and most common, so that most parameters of a history are set.
    text, values = DICE.choice(KINDS[:2] if DICE.random() < 0.6 else KINDS)
    return text, DICE.choice(values)


def _values() -> list[Any] | None:
    return DICE.choice([None, [DICE.choice(SPELLED) for _ in range(DICE.choice([1, 1, 2, 2, 0, 3]))]])


def _an_attr() -> Record:
    return {DICE.choice(ATTRS): DICE.choice(JSON)}


def _template(state: int) -> Record:
    """A CREATE_TRIAL record with fields left out as the known writers do, and as none does."""
    params = {name: _one_param() for name in DICE.sample(["x", "y", "ö"], DICE.randint(0, 3))}
    values = _values()
    record: Record = {
        "distributions": {name: text for name, (text, _) in params.items()},
        "params": {name: value for name, (_, value) in params.items()},
        "state": state,
        "user_attrs": {**_an_attr(), **_an_attr()},
        "system_attrs": _an_attr(),
        "intermediate_values": {str(step): DICE.choice(SPELLED) for step in DICE.sample(range(-1, 5), 2)},
        "value": values[0] if values and len(values) == 1 else None,
        "values": None if values and len(values) == 1 else values,
        "datetime_complete": DICE.choice(TIMES),
    }
    for field in DICE.sample(sorted(record), DICE.choice([0, 0, 2, 5])):
        record.pop("params" if field == "distributions" else field, None)
    return {**record, "datetime_start": DICE.choice([None, *TIMES])}


def _state_change(state: int) -> Record:
    time_field = {0: "datetime_start", 4: "unused"}.get(state, "datetime_complete")
    return {"state": state, "values": _values(), time_field: DICE.choice(TIMES)}


def _param() -> Record:
    text, value = _one_param()
    return {"param_name": DICE.choice(["x", "x", "y", "ö"]), "param_value_internal": value, "distribution": text}


def _pool() -> Iterator[Record]:
    for _ in range(40):
        study = {"study_id": DICE.choice([0, 0, 0, 1, 1, 2, 3])}
        trial = {"trial_id": DICE.choice([0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 99])}
        for state in (0, 0, 1, 1, 2, 3, 4):
            yield {"op_code": 4, **study, **_template(state)}
        for state in (0, 1, 1, 2, 3, 4):
            yield {"op_code": 6, **trial, **_state_change(state)}
        for _ in range(6):
            yield {"op_code": 4, **study, "datetime_start": DICE.choice(TIMES)}
            yield {"op_code": 5, **trial, **_param()}
        for _ in range(2):
            yield {"op_code": 7, **trial, "step": DICE.randint(-1, 3), "intermediate_value": DICE.choice(SPELLED)}
            yield {"op_code": 8, **trial, "user_attr": _an_attr()}
            yield {"op_code": 9, **trial, "system_attr": _an_attr()}
        yield {"op_code": 2, **study, "user_attr": _an_attr()}
        yield {"op_code": 3, **study, "system_attr": _an_attr()}
        yield {"op_code": 10, "trial_ids": [trial["trial_id"]]}
    for name in ("a", "größe 🎉", "\ud800", "", "first"):
        yield {"op_code": 0, "study_name": name, "directions": DICE.choices([0, 1, 2], k=DICE.randint(1, 3))}
    for study_id in (0, 1, 2, 7):
        yield {"op_code": 1, "study_id": study_id}


POOL = [{"worker_id": DICE.choice(["w-1", "w-2", "journaltune"]), **record} for record in _pool()]
# How a line was written: by Optuna; by Rustuna (UTF-8, any order); by us; after mended bytes; where a stock record slipped in.
STYLES = ["optuna", "optuna", "rustuna", "ours", "ours", "mended", "mended, ours", "ours, overtaken"]
OPENING: list[tuple[Record, str]] = [
    ({"op_code": 0, "worker_id": "w-1", "study_name": "first", "directions": [1]}, "optuna"),
    ({"op_code": 0, "worker_id": "journaltune", "study_name": "second", "directions": [1, 2]}, "ours"),
    ({"op_code": 4, "worker_id": "w-1", "study_id": 0, "datetime_start": None}, "optuna"),
]
# A fixed length with gaps shrinks well, and histories are long.
histories = st.lists(st.none() | st.tuples(st.sampled_from(POOL), st.sampled_from(STYLES)), min_size=60, max_size=60).map(
    lambda drawn: OPENING + [entry for entry in drawn if entry is not None]
)


def lines_of(history: list[tuple[Record, str]]) -> list[bytes]:
    """The lines of a journal, with the checksums that our own records would have had.

    The link of a record of ours is the checksum of our last one, continued over stock records, and unknown after mended bytes.
    """
    lines, offset = [], 0
    link: int | None = 0
    before_last = (offset, link)
    for record, style in history:
        blanks = b" " * 7 if "mended" in style else b""
        if "ours" in style:
            body = records.seal(record, *(before_last if "overtaken" in style else (offset, link)))
        else:
            body = json.dumps(record, separators=(",", ":"), sort_keys=style == "rustuna").encode()
            if style == "rustuna" and b"\\ud" not in body:
                body = json.dumps(json.loads(body), ensure_ascii=False).encode()
        lines.append(blanks + body + b"\n")
        end = offset + len(lines[-1])
        before_last = (offset, link)
        if "ours" in style:
            link = crc32(body)
            before_last = (end, link)
        else:
            link = None if blanks or link is None else crc32(body, link)
        offset = end
    return lines


@given(histories, st.data())
@settings(max_examples=200)
def test_every_way_of_reading_gives_optunas_trials(readers: Any, history: list[tuple[Record, str]], data: st.DataObject) -> None:
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
    readers: Any, name: str, data: object, number: float, moment: datetime, escaped: bool
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
@settings(max_examples=300)
def test_what_optuna_aborts_on_is_damage(readers: Any, unsound: tuple[Record, str]) -> None:
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
