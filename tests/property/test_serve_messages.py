"""Whatever a client sends is answered: by a result, an error of the standard's, or an exit code; never by a bug."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import commands

import journaltune
from journaltune.cli.commands import NAMES, load
from journaltune.cli.options import long_name
from journaltune.serve.connection import Connection
from journaltune.serve.protocol import INTERNAL_ERROR, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

# These write where they are told to, or take long.
METHODS = [name for name in NAMES if hasattr(load(name), "answer") and name not in ("copy", "verify", "create", "import")]
NAMES_OF = {
    name: [long_name(option) for option in load(name).COMMAND.options]
    + [argument.dest for argument in load(name).COMMAND.arguments]
    + ["study", "nonsense"]
    for name in METHODS
}
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["fail", "nan", "1", "-"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


class Nowhere:
    """A channel that nobody is at."""

    def read(self, n: int) -> bytes:
        return b""

    def write(self, line: bytes) -> None: ...

    def interrupt(self) -> None: ...


@pytest.fixture(scope="module")
def call() -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.journal"
        study = journaltune.create_study(path, params={"x": "float(0, 1)", "o": "a | b"}, sampler="random", seed=1)
        study.tell(study.ask(), 0.5)
        connection = Connection(commands(path), Nowhere())
        yield partial(connection._call, connection._enter())


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    method = draw(st.sampled_from(METHODS))
    params = st.dictionaries(st.sampled_from(NAMES_OF[method]), values, max_size=4) | st.lists(values, max_size=4)
    return {"jsonrpc": "2.0", "id": draw(st.integers(0, 9)), "method": method, "params": draw(params)}


@settings(max_examples=300)
@given(request=requests())
def test_a_request_with_any_params_is_answered(call: Any, request: dict[str, Any]) -> None:
    if request["method"] == "ask":  # so many as somebody says take so long as they take
        request["params"] = [] if isinstance(request["params"], list) else {**request["params"], "n": 2}
    line = answer(json.dumps(request).encode(), call)
    assert line is not None
    response = json.loads(line)
    assert response["id"] == request["id"]
    if "error" in response:
        assert response["error"]["code"] != INTERNAL_ERROR, response["error"]["message"]
        assert "\n" not in response["error"]["message"]


@given(message=values)
def test_any_json_is_answered_or_is_a_notification(call: Any, message: Any) -> None:
    line = answer(json.dumps(message).encode(), call)
    assert line is not None
    answers = json.loads(line)
    for each in answers if isinstance(answers, list) else [answers]:
        assert each["error"]["code"] == -32600


@given(data=st.binary(max_size=60))
def test_any_bytes_are_answered(call: Any, data: bytes) -> None:
    line = answer(data, call)
    assert line is not None
    assert json.loads(line)
