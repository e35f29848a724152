"""The result of a trainer: from a file, from what it printed, or from where ``--result`` says.

The sources in their order: the file ``$JT_RESULT``; the last line ``[journaltune] {...}`` with a result; the last line of stdout
that is not blank, if it holds numbers only. Of 96 public training scripts not one ends in a bare number, and many print step
counts and speeds near their end: so no number is ever picked out of text, and no earlier line counts.
"""

from __future__ import annotations

import os
import re
from math import isinf

from journaltune.base import checks
from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import loads
from journaltune.run.outcome import Outcome, failure
from journaltune.run.placeholders import CommandLine, Filling, fill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.run.output import Output

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_WHOLE_NUMBER = re.compile(rf"(?:{_NUMBER}|[+-]?(?:inf|infinity|nan))", re.IGNORECASE | re.ASCII)
_LABELLED = re.compile(rf"((?:[A-Za-z][\w./-]* ){{0,2}}[A-Za-z][\w./-]*)( ?[:=] ?)(?={_NUMBER}(?:[\s,;)]|$))", re.ASCII)
_AROUND = " \t,;:()[]{}\"'"  # what a pattern such as loss=(\S+) catches of the text around a number
_KEYS = ("value", "values", "state", "reason", "constraints", "attrs")
_FILE_BYTES = 16 << 20
_SHOWN_LINES = 5
_SHOWN_PATTERNS = 4


def number_in(text: str) -> float | None:
    """A number as printf, awk and Python print it. ``float`` alone also takes 1_000, digits of other scripts, and 1e400."""
    if not _WHOLE_NUMBER.fullmatch(text):
        return None
    value = float(text)
    return None if isinf(value) and "inf" not in text.lower() else value


def numbers_in(text: str) -> list[float] | None:
    """The numbers of a text that holds nothing else."""
    found = [number_in(word) for word in text.split()]
    return [value for value in found if value is not None] if found and None not in found else None


class ResultSource(Frozen):
    """Where ``--result`` says that the result is: a pattern for a line of stdout, or keys of a JSON file."""

    text: str
    pattern: re.Pattern[str] | None = None
    path: str = ""
    keys: tuple[str, ...] = ()

    def check(self, n_objectives: int, jobs: int) -> None:
        """UsageError when it can't bring as many values, or when parallel trials would write the same file."""
        count = self.pattern.groups if self.pattern is not None else len(self.keys)
        if count != n_objectives:
            what = "groups" if self.pattern is not None else "keys"
            raise UsageError(f"--result {self.text}: it has {count} {what} for {n_objectives} objective(s); write as many")
        if self.path and jobs > 1 and not CommandLine([self.path]).names:
            raise UsageError(
                f"--result {self.text}: trials that run at once would write the same file; put it into {{dir}}, such as "
                "json:{dir}/metrics.json#loss"
            )


def result_source(text: str) -> ResultSource:
    """``regex:PATTERN`` or ``json:PATH#KEY``; several objectives take several groups, or keys with commas between."""
    kind, colon, rest = text.partition(":")
    if kind == "regex" and colon and rest:
        try:
            pattern = re.compile(rest)
        except (re.error, OverflowError, RecursionError) as error:
            raise UsageError(f"--result {text}: not a regular expression: {error}") from None
        if not pattern.groups:
            raise UsageError(f"--result {text}: the pattern has no group; put brackets around the number, such as loss=(\\S+)")
        return ResultSource(text, pattern)
    path, sharp, keys = rest.rpartition("#")
    if kind == "json" and sharp and path and keys:
        CommandLine([path])  # refuses braces that mean nothing
        return ResultSource(text, None, path, tuple(keys.split(",")))
    raise UsageError(f"--result {text}: write regex:PATTERN with a group, such as 'regex:loss=(\\S+)', or json:PATH#KEY")


class Reports:
    """What the marked lines of one attempt say: reports, as they come, and the last result."""

    __slots__ = ("malformed", "result")

    def __init__(self) -> None:
        self.result: dict[str, Any] | None = None
        self.malformed: str | None = None

    def read(self, output: Output, *, ended: bool = False) -> list[tuple[int, float]]:
        """New reports: (step, value)."""
        return [report for text in output.marked(ended=ended) if (report := self._take(text)) is not None]

    def _take(self, text: str) -> tuple[int, float] | None:
        data = _object(text)
        if data is None:
            self.malformed = text
        elif "step" not in data:
            self.result = data
        else:
            step, value = data["step"], _number(data.get("value"))
            if isinstance(step, int) and not isinstance(step, bool) and 0 <= step < 2**63 and value is not None:
                return step, value
            self.malformed = text
        return None


def _object(text: str) -> dict[str, Any] | None:
    try:
        data = loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _number(value: object) -> float | None:
    """A JSON number, or one that JSON has to spell as text: "nan", "inf"."""
    if isinstance(value, str):
        return number_in(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class Attempt(Frozen):
    """Where one attempt at a trial may have left its result. ``began_ns``: an older JSON file is another trial's."""

    output: Output
    reports: Reports
    path: str
    filling: Filling | None = None
    began_ns: int = 0


def read(attempt: Attempt, source: ResultSource | None, n_objectives: int) -> tuple[Outcome, str]:
    """What to tell of a trainer that exited with 0, and where that was found.

    Without a result it is a failure with reason ``result``, whose message shows what was looked for, and the last lines.
    """
    if source is None:
        return _by_default(attempt, n_objectives)
    where = f"--result {source.text}"
    texts = _matched(attempt.output, source.pattern) if source.pattern is not None else _from_json(attempt, source)
    if isinstance(texts, str):
        return _without(attempt, f"no result: {texts}"), where
    values = [_number(text.strip(_AROUND) if isinstance(text, str) else text) for text in texts]
    if None in values:
        return _without(attempt, f"{where} found {', '.join(map(repr, texts))}, which is not a number"), where
    return _of_values([value for value in values if value is not None], n_objectives), where


def _matched(output: Output, pattern: re.Pattern[str]) -> list[Any] | str:
    """The groups of the last match."""
    for line in output.lines_backwards():
        matches = list(pattern.finditer(line))
        if matches:
            return [group or "" for group in matches[-1].groups()]
    return f"no line of stdout matches {pattern.pattern}"


def _from_json(attempt: Attempt, source: ResultSource) -> list[Any] | str:
    path = fill(source.path, attempt.filling) if attempt.filling is not None else source.path
    text = _content(path)
    if text is None:
        return f"there is no file {path}"
    if os.stat(path).st_mtime_ns < attempt.began_ns:
        return f"{path} was written before the trial began"
    data = _object(text)
    if data is None:
        return f"{path} does not hold a JSON object"
    values = [_at(data, key) for key in source.keys]
    missing = [key for key, value in zip(source.keys, values, strict=True) if value is None]
    return f"{path} has no key {missing[0]}" if missing else values


def _at(data: dict[str, Any], key: str) -> Any:
    """The value of a key, else of a path of keys with points between."""
    if key in data:
        return data[key]
    value: Any = data
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _by_default(attempt: Attempt, n_objectives: int) -> tuple[Outcome, str]:
    text = _content(attempt.path)
    if text is not None:
        return _of_text(attempt, text, n_objectives), "the file $JT_RESULT"
    if attempt.reports.result is not None:
        return _of_object(attempt.reports.result, n_objectives), "the last line [journaltune] {...}"
    last = attempt.output.last_lines(1)
    values = numbers_in(last[0]) if last else None
    if values is not None:
        return _of_values(values, n_objectives), "the last line of stdout"
    looked = "no file $JT_RESULT, no line [journaltune] {...} with a result, and the last line of stdout is not a number"
    if attempt.reports.malformed is not None:
        looked += f"; [journaltune] {attempt.reports.malformed} is not a JSON object with a result or a report"
    return _without(attempt, f"no result: {looked}"), ""


def _content(path: str) -> str | None:
    """The text of a regular file; None if there is none. A FIFO in its place is not waited for."""
    from stat import S_ISREG

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return os.read(fd, _FILE_BYTES).decode("utf-8", "replace") if S_ISREG(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)


def _of_text(attempt: Attempt, text: str, n_objectives: int) -> Outcome:
    """The result that a file holds. One that is cut off says so: what the trainer printed does not stand in for it."""
    values = numbers_in(text)
    if values is not None:
        return _of_values(values, n_objectives)
    data = _object(text)
    if data is None:
        return _without(attempt, f"the file $JT_RESULT holds neither a number nor a JSON object: {text[:80]!r}")
    return _of_object(data, n_objectives)


def _of_object(data: dict[str, Any], n_objectives: int) -> Outcome:
    try:
        return _checked(data, n_objectives)
    except UsageError as error:
        return failure("result", f"the result can't be recorded: {error}")


def _checked(data: dict[str, Any], n_objectives: int) -> Outcome:
    unknown = [key for key in data if key not in _KEYS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is not one of its keys {', '.join(_KEYS)}; write what is your own into attrs")
    given = data.get("values", data.get("value"))
    values = None if given is None else [_number(value) for value in (given if isinstance(given, list) else [given])]
    if values is not None and None in values:
        raise UsageError(f"{given!r} is not a number")
    state = checks.one_of(data.get("state", "complete"), ("complete", "pruned", "fail"), "a state")
    attrs, constraints = checks.attrs(data.get("attrs")), checks.constraints(data.get("constraints"))
    if state == "fail":
        reason = None if "reason" not in data else checks.text(data["reason"], "a reason")
        return Outcome("fail", None, reason, "the trainer says that it failed").with_notes(attrs, constraints)
    if values is None and state == "pruned":
        return Outcome("pruned").with_notes(attrs, constraints)
    if values is None:
        raise UsageError("it has neither value nor values")
    outcome = _of_values([value for value in values if value is not None], n_objectives)
    return (outcome.but(state=state) if outcome.state == "complete" else outcome).with_notes(attrs, constraints)


def _of_values(values: list[float], n_objectives: int) -> Outcome:
    if len(values) != n_objectives:
        shown = " ".join(map(repr, values[:10]))
        return failure("result", f"the study has {n_objectives} objective(s), and the result has {len(values)} value(s): {shown}")
    if any(value != value for value in values):
        return failure("nan", f"the result is {' '.join(map(repr, values))}")
    return Outcome("complete", values)


def _without(attempt: Attempt, what: str) -> Outcome:
    """A failure that shows the last lines, and a ready ``--result`` for each labelled number in them."""
    lines = attempt.output.last_lines(200)
    shown = [f"  | {line[:200]}" for line in lines[-_SHOWN_LINES:]] or ["  (nothing was printed on stdout)"]
    patterns = [f"  --result 'regex:{pattern}'" for pattern in _patterns(lines)]
    return failure("result", "\n".join([what, *shown, *(["one of these may be meant:", *patterns] if patterns else [])]))


def _patterns(lines: list[str]) -> list[str]:
    """Patterns for the labelled numbers of these lines, those of the last lines first."""
    found = (match for line in reversed(lines) for match in _LABELLED.finditer(line))
    patterns = dict.fromkeys(f"{_literal(match[1])}{match[2]}(\\S+)" for match in found)
    return list(patterns)[:_SHOWN_PATTERNS]


def _literal(text: str) -> str:
    """The text as a pattern; ``re.escape`` would also escape blanks and colons, and nobody could read it."""
    return re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text)
