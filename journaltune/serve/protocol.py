"""JSON-RPC 2.0: one line in, at most one line out. https://www.jsonrpc.org/specification"""

from __future__ import annotations

from journaltune.base.jsontext import dumps_spaced, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Call = Callable[[str, Any, bool], Any]

MOST_BYTES = 10 * 2**20  # of a line; what is longer is refused, and never held in memory
PREFIX = "journaltune."  # of methods that are no commands: a name of a command has no dot
PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603


class Refused(Exception):
    """A call that brings an error: one of the standard's codes, or an exit code of the command line, and one line of text.

    ``data``: more about it, for a program of the same version.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.data = data


def answer(line: bytes, call: Call) -> bytes | None:
    """The line that answers a message; None for notifications. ``call(method, params, is_heard)`` does what it asks for.

    An answer is ASCII: some readers take U+2028 for the end of a line.
    """
    try:
        message = loads(line.decode())
    except UnicodeDecodeError as error:
        return _line(_error(None, PARSE_ERROR, f"the message is not UTF-8: byte {error.start} can't be decoded"))
    except RecursionError:
        return _line(_error(None, PARSE_ERROR, "the message is nested too deeply"))
    except ValueError as error:
        return _line(_error(None, PARSE_ERROR, f"the message must be one line of JSON: {error}"))
    if not isinstance(message, list):
        response = _response(message, call)
        return None if response is None else _line(response)
    if not message:
        return _line(_error(None, INVALID_REQUEST, "a batch must hold at least one request"))
    lines = [_text(response) for response in (_response(each, call) for each in message) if response is not None]
    return f"[{', '.join(lines)}]\n".encode("ascii") if lines else None


def too_long() -> bytes:
    return _line(_error(None, INVALID_REQUEST, f"a message may have at most {MOST_BYTES} bytes; split it into several"))


def _response(request: Any, call: Call) -> dict[str, Any] | None:
    """The response object; None for a notification."""
    wrong = _what_is_wrong(request)
    if wrong:
        return _error(_id_of(request), INVALID_REQUEST, wrong)
    is_heard = "id" in request
    try:
        result = call(request["method"], request.get("params", {}), is_heard)
    except Refused as refused:
        return _error(request["id"], refused.code, refused.message, refused.data) if is_heard else None
    return {"jsonrpc": "2.0", "result": result, "id": request["id"]} if is_heard else None


def _what_is_wrong(request: Any) -> str:
    if not isinstance(request, dict):
        return 'a request must be an object such as {"jsonrpc": "2.0", "id": 1, "method": "ask"}'
    if request.get("jsonrpc") != "2.0":
        return 'a request must have "jsonrpc": "2.0"'
    if not isinstance(request.get("method"), str):
        return "a request's method must be text"
    if not isinstance(request.get("params", {}), dict | list):
        return "a request's params must be an object or an array"
    if "id" in request and not _is_id(request["id"]):
        return "a request's id must be text, a number or null"
    return ""


def _id_of(request: Any) -> Any:
    known = request.get("id") if isinstance(request, dict) else None
    return known if _is_id(known) else None


def _is_id(value: object) -> bool:
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))


def _error(request_id: Any, code: int, message: str, data: object = None) -> dict[str, Any]:
    more = {} if data is None else {"data": data}
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message, **more}, "id": request_id}


def _line(response: dict[str, Any]) -> bytes:
    return f"{_text(response)}\n".encode("ascii")


def _text(response: dict[str, Any]) -> str:
    """The response's JSON; an error in its place where an attribute of other people's nests too deeply to be written."""
    try:
        return dumps_spaced(response)
    except RecursionError:
        return dumps_spaced(_error(response["id"], INTERNAL_ERROR, "the answer is nested too deeply"))
