"""Parameter files of SMAC, ParamILS and AClib (.pcs), in the old form and the new one.

A parameter with its default is a line, a condition too, and a forbidden combination::

    algo {greedy, anneal} [greedy]              algo categorical {greedy, anneal} [greedy]
    steps [10, 1000] [100]il                    steps integer [10, 1000] [100] log
    temp | algo in {anneal}                     temp | algo == anneal && steps > 50
    {algo=anneal, steps=10}

ConfigSpace's reader of such files, which is no longer maintained, passes over what it doesn't know, such as the ``log`` in
``[100] i log``. Here each line is read to its end.
"""

from __future__ import annotations

import re

from journaltune.base.errors import SpaceError, one_line
from journaltune.base.frozen import Frozen
from journaltune.base.words import text_of
from journaltune.space.clauses import Every, Some, Term, compared, holds, one_of, written
from journaltune.space.foreign import called
from journaltune.space.grammar import word_value
from journaltune.space.spelling import literal_text
from journaltune.space.study_file import StudyFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, NoReturn

_NAME = r"[^\s{}\[\]|=,]+"
_PARAMETER = re.compile(
    rf"({_NAME})\s*(?:\s(categorical|ordinal|integer|real)\s*)?(?:\{{([^{{}}]*)\}}|\[([^\[\]]*)\])\s*\[([^\[\]]*)\]\s*(.*)"
)
_IN = re.compile(rf"({_NAME})\s+in\s*\{{([^{{}}]*)\}}")
_COMPARISON = re.compile(r"([^\s{}\[\]|=,<>!]+)\s*(==|!=|<|>)\s*([^\s{}\[\]|=,<>!]+)")
_EQUAL = re.compile(rf"({_NAME})\s*==?\s*([^\s{{}}\[\]|=,]+)")
_HEADINGS = ("conditionals:", "conditions:", "forbidden:", "parameters:")
_SCALES = {"": (False, False), "i": (True, False), "l": (False, True), "log": (False, True)}
_SCALES |= dict.fromkeys(("il", "li", "ilog", "logi"), (True, True))


class Parameter(Frozen):
    """One parameter: ``order`` holds the values of a list, None for a range."""

    spec: str
    default: Any
    order: tuple[Any, ...] | None
    is_whole: bool = False


def read_pcs(text: str) -> StudyFile:
    """Parameters, conditions, forbidden clauses; the defaults are the first configuration to ask. SpaceError names the line."""
    lines = list(_lines(text))
    parameters: dict[str, Parameter] = {}
    for number, line in lines:
        if "|" not in line and not line.startswith("{"):
            name, parameter = _parameter(number, line)
            if name in parameters:
                _refuse(number, f"{one_line(name)} is there twice; leave one out")
            parameters[name] = parameter
    conditions: dict[str, Every] = {}
    forbidden = []
    for number, line in lines:
        if line.startswith("{"):
            forbidden.append(_forbidden(number, line, parameters))
        elif "|" in line:
            child, condition = _condition(number, line, parameters)
            conditions[child] = Every((*conditions[child].parts, condition) if child in conditions else (condition,))
    params = {name: parameter.spec for name, parameter in parameters.items()}
    for child, every in conditions.items():
        params[child] += f" if {written(every, parameters)}"
    require = tuple(f"not ({written(clause, parameters)})" for clause in forbidden)
    defaults = _defaults(parameters, conditions)
    broken = next((text for text, clause in zip(require, forbidden, strict=True) if holds(clause, defaults)), None)
    if broken is None:
        return StudyFile(params, require, {}, (defaults,))
    return StudyFile(params, require, {}, (), {}, (f"the defaults: not taken, as they break {broken}",))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.partition("#")[0].replace('"', "").replace("'", "").strip()
        if stripped and stripped.lower() not in _HEADINGS:
            yield number, stripped


def _parameter(number: int, line: str) -> tuple[str, Parameter]:
    found = _PARAMETER.fullmatch(line)
    if found is None:
        _refuse(number, f"{one_line(line)} is not read; write NAME {{a, b}} [a], or NAME [LOW, HIGH] [DEFAULT]")
    name, kind, items, bounds, default, tail = found.groups()
    if items is not None:
        if tail or kind in ("integer", "real"):
            _refuse(number, f"{one_line(tail or kind)} is not expected beside a list of values; leave it out")
        values = [_value(number, word) for word in items.split(",")]
        function = "ordered" if kind == "ordinal" and len(values) > 1 else "choice"
        spec = f"{function}({', '.join(map(literal_text, values))})"
        parameter = Parameter(spec, _value(number, default), tuple(values))
        _check_member(number, name, parameter.default, parameter)
        return name, parameter
    if kind in ("categorical", "ordinal"):
        _refuse(number, f"{kind} needs a list of values; write {{a, b}}")
    return name, _range(number, kind, bounds, default, tail)


def _range(number: int, kind: str | None, bounds: str, default: str, tail: str) -> Parameter:
    scale = _SCALES.get("".join(tail.split()).lower())
    if scale is None or (kind is not None and scale[0]):
        _refuse(number, f"{one_line(tail)} is not expected behind the default; write i for integers, l or log for a log scale")
    is_whole, is_log = scale[0] or kind == "integer", scale[1]
    ends = [_number(number, word, is_whole) for word in bounds.split(",")]
    if len(ends) != 2:
        _refuse(number, f"[{one_line(bounds)}] is no range; write [LOW, HIGH]")
    start = _number(number, default, is_whole)
    if is_whole:
        return Parameter(called("int", *ends, rest=", log" if is_log else ""), start, None, True)
    return Parameter(called("log" if is_log else "float", *ends), float(start), None)


def _value(number: int, word: str) -> Any:
    """A value of a list: a number where it is spelled as we would print it, so that the trainer gets the same text."""
    word = word.strip()
    if not word:
        _refuse(number, "a value is empty; write it, or leave the comma out")
    try:
        value = word_value(word)
    except ValueError:
        return word
    return value if value is not None and text_of(value) == word else word


def _number(number: int, word: str, is_whole: bool) -> float:
    try:
        value = word_value(word.strip())
    except ValueError:
        value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(number, f"{one_line(word.strip())} is no number")
    if is_whole and value != int(value):
        _refuse(number, f"{value!r} is no whole number, but the parameter is one of integers")
    return int(value) if is_whole else value


def _of(number: int, name: str, word: str, parameters: Mapping[str, Parameter]) -> Any:
    """The value of parameter ``name`` that a word in a clause means."""
    if name not in parameters:
        _refuse(number, f"there is no parameter {one_line(name)}")
    parameter = parameters[name]
    if parameter.order is None:
        return _number(number, word, parameter.is_whole)
    value = _value(number, word)
    _check_member(number, name, value, parameter)
    return value


def _check_member(number: int, name: str, value: Any, parameter: Parameter) -> None:
    if parameter.order is not None and not any(type(value) is type(each) and value == each for each in parameter.order):
        _refuse(number, f"{one_line(text_of(value))} is no value of {one_line(name)}")


def _condition(number: int, line: str, parameters: Mapping[str, Parameter]) -> tuple[str, Some]:
    """Alternatives of comparisons that all have to hold."""
    child, _, rest = (part.strip() for part in line.partition("|"))
    if child not in parameters:
        _refuse(number, f"there is no parameter {one_line(child)}")
    ors = rest.split("||")
    return child, Some(tuple(Every(tuple(_term(number, part, parameters) for part in each.split("&&"))) for each in ors))


def _term(number: int, text: str, parameters: Mapping[str, Parameter]) -> Term:
    text = text.strip()
    found = _IN.fullmatch(text)
    if found is not None:
        name, items = found.groups()
        return one_of(name, [_of(number, name, word, parameters) for word in items.split(",")])
    found = _COMPARISON.fullmatch(text)
    if found is None:
        _refuse(number, f"{one_line(text)} is no condition; write NAME in {{a, b}}, or NAME == a")
    name, sign, word = found.groups()
    return compared(name, sign, _of(number, name, word, parameters), parameters[name].order)


def _forbidden(number: int, line: str, parameters: Mapping[str, Parameter]) -> Every:
    terms = []
    for part in line.removeprefix("{").removesuffix("}").replace("&&", ",").split(","):
        found = _EQUAL.fullmatch(part.strip())
        if found is None or not line.endswith("}"):
            _refuse(number, f"{one_line(line)} is no forbidden combination that is read; write {{NAME=a, NAME=b}}")
        name, word = found.groups()
        terms.append(Term(name, "==", _of(number, name, word, parameters)))
    return Every(tuple(terms))


def _defaults(parameters: Mapping[str, Parameter], conditions: Mapping[str, Every]) -> dict[str, Any]:
    """The defaults of the parameters that are there with them."""
    values = {name: parameter.default for name, parameter in parameters.items()}
    for _ in range(len(conditions)):  # a parameter that goes may take others with it
        gone = [name for name in values if name in conditions and not holds(conditions[name], values)]
        if not gone:
            break
        for name in gone:
            del values[name]
    return values


def _refuse(number: int, what: str) -> NoReturn:
    raise SpaceError(f"line {number}: {what}")
