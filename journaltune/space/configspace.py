"""ConfigSpace's JSON, through the package ConfigSpace, which knows its versions."""

from __future__ import annotations

from copy import deepcopy

from journaltune.base.errors import SpaceError, one_line
from journaltune.space import foreign
from journaltune.space.clauses import Every, Some, Term, compared, one_of, written
from journaltune.space.foreign import called, constant, refuse
from journaltune.space.spelling import literal_text
from journaltune.space.study_file import StudyFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_SAYS_NOTHING = ("name", "format_version", "python_module_version", "json_format_version", "meta")
# Before 1.0 the package wrote these words.
_SIGNS = {"EqualsCondition": "==", "NotEqualsCondition": "!=", "LessThanCondition": "<", "GreaterThanCondition": ">"}
_FORBIDDEN_SIGNS = {
    "ForbiddenEquals": "==",
    "ForbiddenLessThan": "<",
    "ForbiddenLessThanEquals": "<=",
    "ForbiddenGreaterThan": ">",
    "ForbiddenGreaterThanEquals": ">=",
}


def read_json(data: Mapping[str, Any]) -> StudyFile:
    """A configuration space. Its defaults are the first configuration to ask."""
    space = _opened(data)
    declared = [str(each["name"]) for each in data["hyperparameters"]]
    reading = foreign.Reading(declared)
    for each in data["hyperparameters"]:
        if each.get("q") is not None:  # the package passes over it with a warning
            reading.refused.append(f"{each['name']}: q, a step, can't be kept; write float(LOW, HIGH, step=S) or int(...)")
    conditions = _conditions(space)
    for name in declared:
        condition = f" if {written(conditions[name], declared)}" if name in conditions else ""
        reading.add(name, spec_of, space[name], bool(condition), condition=condition)
    require = tuple(f"not ({written(_forbidden(space, clause), declared)})" for clause in space.forbidden_clauses)
    reading.leave(key for key in data if key in _SAYS_NOTHING)
    start = ({name: _plain(value) for name, value in dict(space.get_default_configuration()).items()},)
    return StudyFile(reading.params, require, {}, start, {}, tuple(reading.notes), tuple(reading.refused))


def _opened(data: Mapping[str, Any]) -> Any:
    try:
        from ConfigSpace import ConfigurationSpace
    except ImportError:
        raise SpaceError("ConfigSpace's JSON needs the package ConfigSpace; install journaltune[configspace]") from None
    from warnings import catch_warnings, simplefilter

    known = ("hyperparameters", "conditions", "forbiddens", *_SAYS_NOTHING)
    foreign.check_keys("", data, known, foreign.CONFIGSPACE)
    try:
        with catch_warnings():
            simplefilter("ignore")
            return ConfigurationSpace.from_serialized_dict(deepcopy(dict(data)))
    except Exception as error:  # it raises whatever comes up
        raise SpaceError(f"ConfigSpace can't read it: {one_line(' '.join(str(error).split()), 200)}") from None


def spec_of(known: Any, is_conditional: bool) -> str:
    """The spec of one of ConfigSpace's hyperparameters. SpaceError for what our grammar has no word for."""
    name, kind = known.name, type(known).__name__
    if kind == "Constant":
        value = _plain(known.value)
        return f"choice({literal_text(value)})" if is_conditional else constant(name, value)
    if kind in ("CategoricalHyperparameter", "OrdinalHyperparameter"):
        if len({round(float(share), 12) for share in getattr(known, "probabilities", [1])}) > 1:
            refuse(name, "weights that differ can't be kept; leave them out, and each choice is as likely as any other")
        values = [_plain(value) for value in (known.choices if kind[0] == "C" else known.sequence)]
        function = "ordered" if kind[0] == "O" and len(values) > 1 else "choice"
        return f"{function}({', '.join(map(literal_text, values))})"
    if kind == "UniformIntegerHyperparameter":
        return called("int", int(known.lower), int(known.upper), rest=", log" if known.log else "")
    if kind == "UniformFloatHyperparameter":
        return called("log" if known.log else "float", float(known.lower), float(known.upper))
    if kind == "NormalFloatHyperparameter" and not known.log:
        return called("normal", float(known.mu), float(known.sigma), float(known.lower), float(known.upper))
    return refuse(name, f"{kind} can't be kept; take a uniform one, or a normal one of floats without log")


def _conditions(space: Any) -> dict[str, Every]:
    """All conditions of a parameter have to hold."""
    found: dict[str, Every] = {}
    for condition in space.conditions:
        name = condition.child.name
        found[name] = Every((*(found[name].parts if name in found else ()), _condition(condition)))
    return found


def _condition(given: Any) -> Any:
    kind = type(given).__name__
    if kind in ("AndConjunction", "OrConjunction"):
        return (Every if kind[0] == "A" else Some)(tuple(map(_condition, given.components)))
    if kind == "InCondition":
        return one_of(given.parent.name, list(map(_plain, given.values)))
    return compared(given.parent.name, _SIGNS[kind], _plain(given.value), _order(given.parent))


def _forbidden(space: Any, given: Any) -> Any:
    kind = type(given).__name__
    if kind in ("ForbiddenAndConjunction", "ForbiddenOrConjunction"):
        return (Every if "And" in kind else Some)(tuple(_forbidden(space, part) for part in given.components))
    if kind == "ForbiddenInClause":
        return one_of(given.hyperparameter.name, sorted(map(_plain, given.values), key=repr))
    if kind.endswith("Relation"):
        return Term(given.left.name, _FORBIDDEN_SIGNS[kind.removesuffix("Relation")], given.right.name, True)
    known = given.hyperparameter
    return compared(known.name, _FORBIDDEN_SIGNS[kind.removesuffix("Clause")], _plain(given.value), _order(known))


def _order(known: Any) -> list[Any] | None:
    return list(map(_plain, known.sequence)) if hasattr(known, "sequence") else None


def _plain(value: Any) -> Any:
    """Python's own for a scalar of NumPy's."""
    return value.item() if hasattr(value, "item") else value
