"""The outcome of an objective's call: how a value or an exception becomes a result, and how that is pickled."""

from __future__ import annotations

import sys

from journaltune.base import checks
from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen
from journaltune.run.memory import forget_frames, is_out_of_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Packed = tuple[bytes | None, str, str, str]

FAIL_MESSAGE = "fail_message"
_MESSAGE_CHARS = 1000
_TRACE_CHARS = 20_000


class TrialPruned(Exception):
    """Raised by an objective whose trial was stopped early. Optuna's own ``TrialPruned`` means the same here.

    Optuna's ``optimize`` knows only its own: an objective for both raises that one.
    """


class ObjectiveError(RuntimeError):
    """Stands for an exception of an objective in another process, if that exception can't be pickled.

    ``type_name`` and ``text`` are those of the exception, ``trace`` is its traceback as Python prints it.
    """

    def __init__(self, type_name: str, text: str, trace: str) -> None:
        super().__init__(type_name, text, trace)
        self.type_name, self.text, self.trace = type_name, text, trace

    def __str__(self) -> str:
        return f"{self.type_name}: {self.text}\n\n{self.trace}"


class WorkerTraceback(Exception):
    """The traceback of an exception in another process, as text: frames can't be pickled."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


class Outcome(Frozen):
    """What to tell for a trial, and the exception that ends the search; None where the search goes on.

    In the state ``waiting`` there is nothing to tell: the trial is asked again.
    The exception is pickled as itself, without frames, or becomes an ObjectiveError.
    """

    state: str
    values: list[float] | None
    reason: str | None
    message: str | None
    error: BaseException | None
    user_attrs: dict[str, Any]
    constraints: dict[str, float]

    def __init__(
        self,
        state: str,
        values: list[float] | None = None,
        reason: str | None = None,
        message: str | None = None,
        error: BaseException | None = None,
        user_attrs: dict[str, Any] | None = None,
        constraints: dict[str, float] | None = None,
    ) -> None:
        self._set(state=state, values=values, reason=reason, message=message, error=error)
        self._set(user_attrs=user_attrs or {}, constraints=constraints or {})

    def __reduce__(self) -> tuple[object, ...]:
        packed = None if self.error is None else pack(self.error)
        return _unpacked, (self.state, self.values, self.reason, self.message, packed, self.user_attrs, self.constraints)

    @property
    def attrs(self) -> dict[str, Any]:
        """The user attributes to tell, with the message of a failure."""
        return self.user_attrs if self.message is None else {**self.user_attrs, FAIL_MESSAGE: self.message}

    def with_notes(self, user_attrs: dict[str, Any], constraints: dict[str, float]) -> Outcome:
        return self.but(user_attrs=user_attrs, constraints=constraints)


def of_value(value: Any, directions: Sequence[int], number: int) -> Outcome:
    """The outcome of an objective that returned ``value``: complete with floats, or failed (``nan``, ``result``)."""
    try:
        if value is None:
            raise UsageError("the objective returned None; return a number, or one for each objective")
        values = checks.values(value, len(directions), number)
    except (UsageError, TypeError, ValueError) as error:
        return failure("result", str(error))
    return as_told(Outcome("complete", values), directions)


def as_told(outcome: Outcome, directions: Sequence[int]) -> Outcome:
    """The outcome as ``tell`` takes it: values that can't be a result make it a failure."""
    if outcome.values is None or checks.are_results(outcome.values, directions):
        return outcome
    what = "nan" if any(value != value for value in outcome.values) else "infinitely good, as an overflow is"
    failed = failure("nan", f"the result is {what}: {' '.join(map(repr, outcome.values))}")
    return failed.with_notes(outcome.user_attrs, outcome.constraints)


def of_error(error: BaseException, catch: tuple[type[BaseException], ...] = ()) -> Outcome:
    """The outcome of an objective that raised ``error``: pruned, or failed; the error ends the search unless ``catch`` has it."""
    if is_pruned(error):
        forget_frames(error)
        return Outcome("pruned")
    reason, message = reason_of(error), _said(error)
    if not isinstance(error, catch):
        return failure(reason, message, error)
    forget_frames(error)
    return failure(reason, message)


def failure(reason: str, message: str, error: BaseException | None = None) -> Outcome:
    return Outcome("fail", None, reason, bounded(message), error)


def is_pruned(error: BaseException) -> bool:
    """Whether the error is TrialPruned, ours or Optuna's. Optuna's can't have been raised before Optuna is imported."""
    theirs = getattr(sys.modules.get("optuna.exceptions"), "TrialPruned", TrialPruned)
    return isinstance(error, (TrialPruned, theirs))


def reason_of(error: BaseException) -> str:
    """The reason with which a trial fails whose objective raised this error."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "oom" if is_out_of_memory(error) else "exit"


def bounded(message: str) -> str:
    """A message that any reader of the journal can hold."""
    text = message if len(message) <= _MESSAGE_CHARS else message[:_MESSAGE_CHARS] + "..."
    return text.encode("utf-8", "backslashreplace").decode()


def _said(error: BaseException) -> str:
    from traceback import format_exception_only

    return "".join(format_exception_only(error)).strip()


def pack(error: BaseException) -> Packed:
    """An exception in a form that can be pickled: itself, if it survives pickling, its class, its text, its traceback."""
    import pickle
    from traceback import format_exception

    trace = "".join(format_exception(error))[-_TRACE_CHARS:]
    name, _, text = _said(error).partition(": ")
    try:
        pickled = pickle.dumps(error)
        alike = type(pickle.loads(pickled)) is type(error)
    except Exception:
        return None, name, text, trace
    return pickled if alike else None, name, text, trace


def unpack(packed: Packed) -> BaseException:
    import pickle

    pickled, name, text, trace = packed
    if pickled is not None:
        try:
            error: BaseException = pickle.loads(pickled)
            error.__cause__ = WorkerTraceback(trace)
        except Exception:  # its class can't be imported here
            pass
        else:
            return error
    return ObjectiveError(name, text, trace)


def _unpacked(
    state: str,
    values: list[float] | None,
    reason: str | None,
    message: str | None,
    packed: Packed | None,
    *notes: Any,
) -> Outcome:
    return Outcome(state, values, reason, message, None if packed is None else unpack(packed), *notes)
