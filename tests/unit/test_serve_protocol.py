"""JSON-RPC 2.0: the examples of the standard, and lines that are no messages."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journaltune.serve.lines import Lines
from journaltune.serve.protocol import MOST_BYTES, Refused, answer, too_long


def call(method: str, params: Any, is_heard: bool) -> Any:
    if method == "subtract":
        return params[0] - params[1] if isinstance(params, list) else params["minuend"] - params["subtrahend"]
    if method == "echo":
        return params
    raise Refused(-32601, "there is no such method")


def answered(text: str | bytes) -> Any:
    line = answer(text if isinstance(text, bytes) else text.encode(), call)
    if line is None:
        return None
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line)


def request(**parts: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", **parts})


def code_of(text: str | bytes) -> tuple[int, Any]:
    response = answered(text)
    assert response.keys() == {"jsonrpc", "error", "id"}
    assert response["error"]["message"]
    return response["error"]["code"], response["id"]


@pytest.mark.parametrize("params", [[42, 23], {"minuend": 42, "subtrahend": 23}], ids=["by place", "by name"])
@pytest.mark.parametrize("key", [1, "one", 1.5, None], ids=repr)
def test_a_request_gets_its_result_with_its_id(params: Any, key: Any) -> None:
    assert answered(request(method="subtract", params=params, id=key)) == {"jsonrpc": "2.0", "result": 19, "id": key}


def test_a_notification_gets_no_answer_even_where_it_fails() -> None:
    assert answered(request(method="subtract", params=[42, 23])) is None
    assert answered(request(method="foobar")) is None


@pytest.mark.parametrize(
    ("text", "code", "key"),
    [
        (request(method="foobar", id="1"), -32601, "1"),
        ('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', -32700, None),
        ('{"jsonrpc": "2.0", "id": 1, "method"', -32700, None),
        ("[" * 100_000, -32700, None),
        (f'{{"id": {"9" * 5000}}}', -32700, None),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "\xff"}', -32700, None),
        ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', -32600, None),
        (request(method="echo", params="bar", id=7), -32600, 7),
        (request(method="echo", params=None, id=7), -32600, 7),
        ('{"method": "echo", "id": 3}', -32600, 3),
        ('{"jsonrpc": "1.0", "method": "echo", "id": 3}', -32600, 3),
        (request(method="echo", id=[1]), -32600, None),
        (request(method="echo", id=True), -32600, None),
        ("[]", -32600, None),
        ("7", -32600, None),
        ("null", -32600, None),
    ],
)
def test_what_is_no_request_is_answered_as_the_standard_says(text: str | bytes, code: int, key: Any) -> None:
    assert code_of(text) == (code, key)


def test_a_batch_is_answered_in_one_line_without_its_notifications() -> None:
    batch = [
        {"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": "2"},
        {"jsonrpc": "2.0", "method": "echo", "params": [7]},
        {"foo": "boo"},
        1,
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
    ]
    found = answered(json.dumps(batch))
    assert [response["id"] for response in found] == ["2", None, None, "5"]
    assert [response.get("error", {}).get("code") for response in found] == [None, -32600, -32600, -32601]
    assert answered(json.dumps([batch[1]])) is None


def test_an_answer_is_ascii_and_json_for_every_reader() -> None:
    line = answer(request(method="echo", params=["\u2028ü\ud800", float("inf"), float("nan")], id=1).encode(), call)
    assert line is not None
    assert line.isascii()
    assert json.loads(line)["result"] == ["\u2028ü\ud800", "inf", "nan"]


def test_a_message_that_is_too_long_says_the_limit() -> None:
    assert str(MOST_BYTES) in json.loads(too_long())["error"]["message"]


@given(st.lists(st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")), max_size=8), st.integers(1, 40), st.booleans())
def test_lines_arrive_as_they_were_sent_however_they_are_cut(sent: list[bytes], n_bytes: int, has_end: bool) -> None:
    stream = io.BytesIO(b"\n".join(sent) + b"\n" * (has_end or not sent))
    lines = Lines(lambda n: stream.read(min(n, n_bytes)), 20)
    expected: list[bytes | None] = [line if len(line) <= 20 else None for line in sent or [b""]]
    if not has_end and sent and not sent[-1]:
        expected.pop()  # nothing behind the last end is no line
    assert [taken(lines) for _ in expected] == expected
    assert lines.next() is None


def taken(lines: Lines) -> bytes | None:
    """A line; None for one that is too long."""
    try:
        line = lines.next()
    except ValueError:
        return None
    assert line is not None
    return line
