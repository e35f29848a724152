"""What ``run`` and ``load_study`` on another machine call here, beside the commands: the engine's own verbs, by their modules.

Both ends have the same version, so values go as Python has them, in the JSON of records: ``engine.tell.tell`` takes what the
function takes. Trials are asked for the connection, whoever names itself.
"""

from __future__ import annotations

import os
from importlib import import_module

from journaltune.base import errors
from journaltune.base.errors import ExhaustedError, JournaltuneError, WaitTimeoutError
from journaltune.journal.mirror import since
from journaltune.serve.protocol import INVALID_PARAMS, NO_METHOD, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from journaltune.serve.connection import Caller
    from journaltune.serve.studies import Studies
    from journaltune.study import OpenStudy

ASK, SETTLE, CREATE, OPEN, SINCE = "engine.ask.ask", "engine.own_trials.settle", "create", "open", "since"
_PACKAGE = "journaltune."


def name_of(verb: Callable[..., Any]) -> str:
    """The method for a verb of the engine."""
    return f"{verb.__module__.removeprefix(_PACKAGE)}.{verb.__name__}"


def answer(studies: Studies, path: str, access: dict[str, Any], caller: Caller, method: str, params: dict[str, Any]) -> Any:
    """The result of one call. Refused, with the error's class, for an error of the verb."""
    try:
        given = dict(params)
        if method == CREATE:
            return _create(path, given, access)
        with studies.opened(path, given.pop("study", None), for_asks=method == ASK, is_brief=True) as study:
            return _call(study, caller, method, given)
    except JournaltuneError as error:
        raise Refused(error.exit_code, " ".join(str(error).splitlines()), described(error)) from error


def described(error: JournaltuneError) -> dict[str, Any]:
    """An error as plain data: it is made again at the other end."""
    return {"class": type(error).__name__, "args": list(error.args)}


def raised(data: dict[str, Any]) -> JournaltuneError:
    """The error that was described."""
    kind, args = getattr(errors, str(data["class"]), None), data["args"]
    if not (isinstance(kind, type) and issubclass(kind, JournaltuneError)):
        kind = JournaltuneError
    return kind(*(tuple(each) if isinstance(each, list) else each for each in args))


def _call(study: OpenStudy, caller: Caller, method: str, given: dict[str, Any]) -> Any:
    if method == SINCE:
        with study.turn.lock, study.turn:
            start, data, has_more = since(study.journal, given["offset"], given.get("checksum"))
        return [start, data.decode("latin-1"), has_more]
    if method == OPEN:
        is_own = os.stat(study.path).st_uid == os.geteuid()
        return {"study": study.name, "path": study.path, "is_own": is_own}
    if method == ASK:
        return _ask(study, caller, given)
    function = _verb(method)
    code = function.__code__
    if "owner" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        given["owner"] = caller.owner(study)
    if method == SETTLE:
        from journaltune.engine.own_trials import Settled

        given["result"] = Settled(**given["result"])
    try:
        result = function(study, **given)
    except TypeError as error:
        raise Refused(INVALID_PARAMS, f"{method}: {error}") from error
    return {"owner": caller.owner(study), "taken": result} if method.endswith(".adopt") else result


def _verb(method: str) -> Any:
    """The function behind a method: what the engine marks as a verb, and nothing else."""
    module, _, name = method.rpartition(".")
    try:
        if not module.startswith("engine."):
            raise ImportError
        return getattr(import_module(f"{_PACKAGE}{module}"), name).__wrapped__
    except (ImportError, AttributeError, ValueError):
        raise Refused(NO_METHOD, f"there is no method {method!r}") from None


def _ask(study: OpenStudy, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
    """Number and attempt of a trial; or the error that there is none, with which trial it waits for. It does not wait here."""
    from journaltune.engine.ask import ask

    failed, awaited, owner = list[int](), list[tuple[int, int]](), caller.owner(study)
    answer: dict[str, Any] = {"owner": owner, "failed": failed}
    try:
        asked = ask(
            study, owner=owner, wait_s=0.0, on_failed=failed.append, on_wait=lambda *which: awaited.append(which), **given
        )
    except (ExhaustedError, WaitTimeoutError) as error:
        return {**answer, "error": described(error), "awaited": awaited}
    return {**answer, "number": asked.number, "attempt": asked.attempt}


def _create(path: str, given: dict[str, Any], access: dict[str, Any]) -> dict[str, Any]:
    from journaltune.engine.create import create
    from journaltune.space import Space

    notes: list[str] = []
    if given.get("space") is not None:
        given["space"] = Space.from_config(given["space"])
    with create(path, on_note=notes.append, **given, **access) as study:
        return {"study": study.name, "notes": notes}
