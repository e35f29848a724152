"""Parameters that a space file declares by a mapping or a list, read strictly: as the spec that says the same.

opt: [adam, sgd]                                                     a list is a choice
lr: {type: float, low: 1e-5, high: 1, log: true}                     so are int (with a step), and categorical with choices
n: {min: 1, max: 8}                                                  ints if both bounds are, as in Weights & Biases
lr: {name: FloatDistribution, attributes: {low: 1e-5, high: 1}}      Optuna's JSON
"""

from __future__ import annotations

from journaltune.base.errors import SpaceError, SpecError, one_line
from journaltune.base.jsontext import dumps_unicode
from journaltune.base.words import near
from journaltune.space.distributions import shown_value
from journaltune.space.spelling import literal_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

_RANGE = ("low", "high", "step", "log")
_KEYS = {"float": _RANGE, "int": _RANGE, "categorical": ("choices",)}
# Optuna's classes: our type, the attributes, and those that the class itself says.
_CLASSES: dict[str, tuple[str, tuple[str, ...], dict[str, object]]] = {
    "FloatDistribution": ("float", _RANGE, {}),
    "IntDistribution": ("int", _RANGE, {}),
    "CategoricalDistribution": ("categorical", ("choices",), {}),
    "UniformDistribution": ("float", ("low", "high"), {}),
    "LogUniformDistribution": ("float", ("low", "high"), {"log": True}),
    "DiscreteUniformDistribution": ("float", ("low", "high", "q"), {}),
    "IntUniformDistribution": ("int", ("low", "high", "step"), {}),
    "IntLogUniformDistribution": ("int", ("low", "high", "step"), {"log": True}),
}
_OTHER_NAMES = {
    **dict.fromkeys(("q", "step_size", "stepsize", "quantization"), "step"),
    **dict.fromkeys(("min", "lower", "minimum", "start", "from"), "low"),
    **dict.fromkeys(("max", "upper", "maximum", "stop", "end", "to"), "high"),
    **dict.fromkeys(("log_scale", "logscale", "scale", "prior", "is_log"), "log"),
    **dict.fromkeys(("values", "options", "categories", "items"), "choices"),
}
_STARTS = ("default", "init", "initial", "start_value")
# As YAML writes booleans. Elsewhere in a space file these are words, as in a spec.
YAML_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class BareWord(str):
    """A word of a YAML file that stands there without quotes."""

    __slots__ = ()


def spec_of(name: str, given: object) -> str:
    """The spec of parameter ``name`` that a value in a space file stands for. SpaceError, with the key or the value named."""
    if isinstance(given, (list, tuple)):
        return _choices(name, given)
    if not isinstance(given, dict):
        return _literal(name, given)
    if given.keys() == {"name", "attributes"}:
        return _of_optuna(name, given["name"], given["attributes"])
    if "type" in given and "_type" not in given:
        return _of_type(name, given)
    if given.keys() <= {"min", "max"} and given:
        return _between(name, given)
    return _refuse_foreign(name, given)


def _of_optuna(name: str, class_name: object, attributes: object) -> str:
    if not isinstance(class_name, str) or class_name not in _CLASSES:
        hint = near(class_name, _CLASSES) if isinstance(class_name, str) else None
        known = hint or "FloatDistribution, IntDistribution or CategoricalDistribution"
        _refuse(name, f"{shown_value(class_name)} is not a distribution of Optuna's; write {known}")
    if not isinstance(attributes, dict):
        _refuse(name, f"attributes is {shown_value(attributes)}; write a mapping such as {{low: 0, high: 1}}")
    kind, keys, implied = _CLASSES[class_name]
    _check_keys(name, attributes, keys)
    rest = {key: value for key, value in attributes.items() if key != "q"}
    return _spec(name, kind, rest | implied | ({"step": attributes["q"]} if "q" in attributes else {}))


def _of_type(name: str, given: Mapping[str, Any]) -> str:
    kind = given["type"]
    rest = {key: value for key, value in given.items() if key != "type"}
    if not isinstance(kind, str) or kind not in _KEYS:
        _refuse_foreign(name, given)
    _check_keys(name, rest, _KEYS[kind])
    return _spec(name, kind, rest)


def _between(name: str, given: Mapping[str, Any]) -> str:
    for key in ("min", "max"):
        if key not in given:
            _refuse(name, f"{key} is missing; give both min and max")
    low, high = _number(name, "min", given["min"]), _number(name, "max", given["max"])
    return f"{'int' if isinstance(low, int) and isinstance(high, int) else 'float'}({low!r}, {high!r})"


def _spec(name: str, kind: str, given: Mapping[str, Any]) -> str:
    """The spec of one of our types, whose keys are known to be right."""
    if kind == "categorical":
        if "choices" not in given:
            _refuse(name, "choices is missing; write choices: [a, b]")
        return _choices(name, given["choices"])
    for key in ("low", "high"):
        if key not in given:
            _refuse(name, f"{key} is missing; a range needs low and high")
    bounds = ", ".join(repr(_number(name, key, given[key])) for key in ("low", "high"))
    step = None if given.get("step") is None else _number(name, "step", given["step"])
    if not _boolean(name, "log", given.get("log", False)):
        return f"{kind}({bounds})" if step is None else f"{kind}({bounds}, step={step!r})"
    if step is not None and not (kind == "int" and step == 1):
        _refuse(name, "a log has no step; leave it out")
    return f"int({bounds}, log)" if kind == "int" else f"log({bounds})"


def _check_keys(name: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key in known:
            continue
        if key in _STARTS:
            _refuse(name, f"{key} is not a part of a parameter; leave it out, and enqueue the values to start with")
        other = _OTHER_NAMES.get(str(key).lower())
        word = other if other in known else near(str(key), known)
        hint = f"did you mean {word}?" if word else f"it may have {', '.join(known)}"
        _refuse(name, f"{one_line(str(key))} is not a part of it; {hint}")


def _number(name: str, key: str, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        what = f"the text {shown_value(value)}" if isinstance(value, str) else shown_value(value)
        _refuse(name, f"{key} is {what}; write a number without quotes, such as 0.5 or 1e-5")
    return value


def _boolean(name: str, key: str, value: object) -> bool:
    if isinstance(value, BareWord):
        value = YAML_BOOLEANS.get(value.lower(), value)
    if isinstance(value, bool):
        return value
    what = f"the text {shown_value(str(value))}" if isinstance(value, str) else shown_value(value)
    return _refuse(name, f"{key} is {what}; write true or false, without quotes")


def _choices(name: str, given: object) -> str:
    if not isinstance(given, (list, tuple)):
        _refuse(name, f"choices is {shown_value(given)}; write a list, such as [a, b]")
    if not given:
        _refuse(name, "there are no choices; write some, such as [a, b]")
    if any(isinstance(value, list | tuple | dict) for value in given):
        return labelled(name, given)
    return f"choice({', '.join(_literal(name, value) for value in given)})"


def labelled(name: str, values: Sequence[object]) -> str:
    """A choice of JSON values, each with itself as its label: text as it is, anything else as JSON."""
    return f"choice({', '.join(f'{_label(name, value)}={dumps_unicode(_plain(value))}' for value in values)})"


def _label(name: str, value: object) -> str:
    return _literal(name, value if isinstance(value, str) else dumps_unicode(_plain(value)))


def _plain(value: Any) -> Any:
    """Bare words of YAML as text, also inside of lists and mappings."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    return str(value) if isinstance(value, str) else value


def _literal(name: str, value: object) -> str:
    try:
        return literal_text(str(value) if isinstance(value, BareWord) else value)
    except ValueError as error:
        _refuse(name, str(error))


def _refuse_foreign(name: str, given: Mapping[str, Any]) -> NoReturn:
    """A mapping of another tool's, or of nobody's."""
    from journaltune.space.foreign import tool_of_parameter, translated

    tool, spec = tool_of_parameter(given), translated(name, given)
    if tool is None:
        what = "a mapping needs type: float, int or categorical"
    else:
        what = f"that is how {tool} writes it in files of its own"
    if spec is not None:
        raise SpecError(f"{one_line(name)}: {what}", one_line(name), spec)
    _refuse(name, f"{what}; write a spec such as log(1e-5, 1), or {{type: float, low: 0, high: 1}}")


def _refuse(name: str, what: str) -> NoReturn:
    raise SpaceError(f"{one_line(name)}: {what}")
