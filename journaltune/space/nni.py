"""Search spaces of NNI (nni.readthedocs.io/en/stable/hpo/search_space.html), alone or in an experiment's configuration."""

from __future__ import annotations

from journaltune.base.errors import SpaceError
from journaltune.space import foreign
from journaltune.space.foreign import NNI, called, check_keys, equals, listed, log_range, number, refuse, stepped, whole
from journaltune.space.study_file import StudyFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_VALUES = {
    "choice": "[a, b]",
    "randint": "[LOWER, UPPER]",
    "uniform": "[LOW, HIGH]",
    "quniform": "[LOW, HIGH, STEP]",
    "loguniform": "[LOW, HIGH]",
    "qloguniform": "[LOW, HIGH, STEP]",
    "normal": "[MEAN, SD]",
    "lognormal": "[MEAN, SD]",
}
_NOT_OURS = ("qnormal", "qlognormal", "layer_choice", "input_choice", "mutable_layer")


def read(data: Mapping[str, Any]) -> StudyFile:
    """A search space, or an experiment with one under ``searchSpace``."""
    data = foreign.yaml_11(data)
    is_alone = all(map(foreign.is_nni, data.values()))
    space, settings = (data, {}) if is_alone else (data["searchSpace"], _settings(data))
    reading = foreign.Reading(space)
    if not is_alone:
        reading.leave(key for key in data if key not in ("searchSpace", "maxTrialNumber"))
    for name, given in space.items():
        _read(reading, str(name), given, "")
    return StudyFile(reading.params, (), settings, (), {}, tuple(reading.notes), tuple(reading.refused))


def _settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """The budget, and the direction that the tuner is told."""
    settings: dict[str, Any] = {}
    if data.get("maxTrialNumber") is not None:
        settings["trials"] = whole("maxTrialNumber", "it", data["maxTrialNumber"])
    tuner = data.get("tuner")
    arguments = tuner.get("classArgs") if isinstance(tuner, dict) else None
    mode = arguments.get("optimize_mode") if isinstance(arguments, dict) else None
    if mode is not None:
        if mode not in ("minimize", "maximize"):
            raise SpaceError(f"optimize_mode is {mode!r}; write minimize or maximize")
        settings["directions"] = (mode,)
    return settings


def _read(reading: foreign.Reading, path: str, given: object, condition: str) -> None:
    """A parameter, and those inside of its options, which are there only while their option is chosen."""
    nested = _nested(given)
    names = [option["_name"] if isinstance(option, dict) else option for option in nested or []]
    if nested is None:
        reading.add(path, spec_of, path, given, condition=condition)
        return
    reading.add(path, listed, path, names, condition=condition)
    homes = [{key for key in option if key != "_name"} for option in nested if isinstance(option, dict)]
    for option in nested:
        if not isinstance(option, dict):
            continue
        for key, inner in option.items():
            if key != "_name":
                twice = sum(key in home for home in homes) > 1  # two options may have parameters of one name
                middle = f".{option['_name']}" if twice else ""
                _read(reading, f"{path}{middle}.{key}", inner, f" if {equals(path, option['_name'], reading.names)}")


def _nested(given: object) -> list[Any] | None:
    """The options of a choice of which some have a name and parameters of their own; None for any other parameter."""
    values = given.get("_value") if isinstance(given, dict) and given.get("_type") == "choice" else None
    if not isinstance(values, list) or not any(isinstance(value, dict) and "_name" in value for value in values):
        return None
    return values if all(not isinstance(value, dict) or "_name" in value for value in values) else None


def spec_of(name: str, given: object) -> str:
    """The spec of one parameter. SpaceError for what our grammar has no word for."""
    if not isinstance(given, dict) or "_type" not in given:
        refuse(name, 'it is no parameter of NNI\'s; write {"_type": "choice", "_value": [a, b]}')
    check_keys(f"{name}: ", given, ("_type", "_value"), NNI)
    kind, values = given["_type"], given.get("_value")
    if kind in _NOT_OURS:
        refuse(name, f"the type {kind} can't be kept; take uniform, loguniform, normal or choice")
    if kind not in _VALUES:
        refuse(name, f"{kind!r} is not a type of NNI's; there are {', '.join(_VALUES)}")
    if kind == "choice":
        return listed(name, values)
    if kind == "randint" and isinstance(values, list) and len(values) == 1:
        values = [0, *values]
    n_values = _VALUES[kind].count(",") + 1
    if not isinstance(values, list) or len(values) != n_values:
        refuse(name, f"_value is not what {kind} takes; write {_VALUES[kind]}")
    return _range(name, kind, [number(name, f"_value[{place}]", value) for place, value in enumerate(values)])


def _range(name: str, kind: str, values: list[float]) -> str:
    if kind == "randint":  # its upper end is not included
        low, high = whole(name, "the lower bound", values[0]), whole(name, "the upper bound", values[1])
        if low >= high:
            refuse(name, f"no integer is from {low} to below {high}")
        return called("int", low, high - 1) if low < high - 1 else f"choice({low})"
    if kind == "quniform":
        return stepped(name, values[0], values[1], values[2], is_clipped=True)
    if kind.endswith("loguniform"):
        return log_range(name, *values)
    return called("float" if kind == "uniform" else kind, *values)
