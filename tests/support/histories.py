"""Histories: random records as several programs write them, in every order, with every state, attribute, number and time."""

from __future__ import annotations

import json
import random
from binascii import crc32
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from journaltune.journal import records

Record = dict[str, Any]
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
            at, tie = before_last if "overtaken" in style else (offset, link)
            body = records.seal(records.placed(record, at), tie)
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
