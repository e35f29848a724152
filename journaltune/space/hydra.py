"""Hydra's Optuna sweeper (hydra.cc/docs/plugins/optuna_sweeper): ``hydra.sweeper`` of an application's configuration."""

from __future__ import annotations

from fractions import Fraction

from journaltune.base.errors import SpaceError, one_line
from journaltune.space import foreign
from journaltune.space.foreign import HYDRA, called, check_keys, constant, listed, number, refuse, whole
from journaltune.space.grammar import word_value
from journaltune.space.mappings import spec_of as spec_of_mapping
from journaltune.space.spelling import literal_text
from journaltune.space.study_file import StudyFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_SAYS_NOTHING = ("_target_", "study_name", "storage", "n_jobs", "max_failure_rate", "defaults", "max_batch_size", "subdir")
_KNOWN = ("params", "search_space", "custom_search_space", "direction", "n_trials", "sampler", *_SAYS_NOTHING)
_SWEEPS = ("choice", "range", "interval", "tag", "shuffle", "sort", "int", "float", "str", "bool", "glob", "extend_list")
_QUOTES = "\"'"


def read(data: Mapping[str, Any]) -> StudyFile:
    """What the sweeper is told. The rest of the configuration is the application's."""
    sweeper = data["hydra.sweeper"] if "hydra.sweeper" in data else data["hydra"]["sweeper"]
    if not isinstance(sweeper, dict):
        raise SpaceError("hydra.sweeper is no mapping; write below it params, and below that lr: interval(0, 1)")
    check_keys("hydra.sweeper.", sweeper, _KNOWN, HYDRA)
    params, mappings = _named(sweeper, "params"), _named(sweeper, "search_space")
    reading = foreign.Reading([*params, *mappings])
    if foreign.yaml_11(sweeper.get("custom_search_space")) is not None:
        reading.refused.append("custom_search_space: it is code, which is not run; write its parameters below params")
    for name, given in mappings.items():
        reading.add(name, spec_of_mapping, name, given)
    for name, given in params.items():
        reading.add(name, spec_of, name, foreign.yaml_11(given))
    settings = _settings(reading, foreign.yaml_11(sweeper))
    reading.leave(f"hydra.sweeper.{key}" for key in sweeper if key in _SAYS_NOTHING)
    rest = [key for key in data if key not in ("hydra", "hydra.sweeper")]
    hydra = data.get("hydra")
    rest += [f"hydra.{key}" for key in hydra if key != "sweeper"] if isinstance(hydra, dict) else []
    reading.leave(rest)
    return StudyFile(reading.params, (), settings, (), {}, tuple(reading.notes), tuple(reading.refused))


def _named(sweeper: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = foreign.yaml_11(sweeper.get(key))
    if found is not None and not isinstance(found, dict):
        raise SpaceError(f"hydra.sweeper.{key} is no mapping; write lr: interval(0, 1) below it")
    return sweeper[key] if found else {}


def _settings(reading: foreign.Reading, sweeper: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    direction = sweeper.get("direction")
    if direction is not None:
        ways = direction if isinstance(direction, list) else [direction]
        if not ways or any(way not in ("minimize", "maximize") for way in ways):
            raise SpaceError(f"hydra.sweeper.direction is {direction!r}; write minimize or maximize, or a list of them")
        settings["directions"] = tuple(ways)
    if sweeper.get("n_trials") is not None:
        settings["trials"] = whole("hydra.sweeper.n_trials", "it", sweeper["n_trials"])
    sampler = sweeper.get("sampler")
    if isinstance(sampler, dict):
        if sampler.get("seed") is not None:
            settings["seed"] = whole("hydra.sweeper.sampler.seed", "it", sampler["seed"])
        others = [f"hydra.sweeper.sampler.{key}" for key in sampler if key != "seed"]
        reading.leave(others, "chosen by --sampler and --sampler-option")
    return settings


def spec_of(name: str, given: object) -> str:
    """The spec of one parameter, as Hydra's override grammar has it: a sweep, or one value."""
    if not isinstance(given, str):
        return constant(name, given)
    function, arguments = _call(name, given)
    if function is None:
        words = _split(name, given)
        return listed(name, [_value(name, word) for word in words]) if len(words) > 1 else constant(name, _value(name, given))
    return _sweep(name, given, function, arguments, frozenset())


def _sweep(name: str, text: str, function: str, arguments: list[str], casts: frozenset[str]) -> str:
    """A sweep below its tags and casts: ``tag(log, int(interval(1, 512)))``."""
    if function in ("tag", "int", "float", "sort", "shuffle") and arguments:
        inner, inner_arguments = _call(name, arguments[-1])
        if inner is None and function in ("sort", "shuffle"):
            return listed(name, [_value(name, word) for word in arguments])  # in an order that only a grid has
        if inner is not None:
            tags = arguments[:-1] if function == "tag" else [function]
            return _sweep(name, text, inner, inner_arguments, casts | {tag.strip() for tag in tags})
    unknown = casts - {"log", "int", "float", "sort", "shuffle"}
    if unknown:
        refuse(name, f"{one_line(text)}: the tag {one_line(min(unknown))} has no meaning for the sweeper; leave it out")
    if function == "choice":
        return listed(name, [_cast(name, _value(name, word), casts) for word in arguments])
    if function == "range" and "log" not in casts:
        return _range(name, text, arguments, casts)
    if function == "interval":
        return _interval(name, text, arguments, casts)
    return refuse(name, f"{one_line(text)} can't be kept; write interval(LOW, HIGH), range(START, STOP) or choice(a, b)")


def _range(name: str, text: str, arguments: list[str], casts: frozenset[str]) -> str:
    """Its stop is not included, as Hydra's own sweeper and Python's range have it."""
    values = _numbers(name, text, arguments, ("start", "stop", "step"))
    if len(arguments) == 1 and "stop" not in values:
        values = {"start": 0, "stop": values["start"]}
    if not {"stop"} <= values.keys():
        refuse(name, f"{one_line(text)} is no range; write range(START, STOP) or range(START, STOP, STEP)")
    low, high, step = values.get("start", 0), values["stop"], values.get("step", 1)
    if step <= 0 or low >= high:
        refuse(name, f"{one_line(text)} is empty, or counts down; write range(START, STOP, STEP) with a step above 0")
    exact_low, exact_high, unit = (Fraction(str(each)) for each in (low, high, step))
    last = exact_low + (-(-(exact_high - exact_low) // unit) - 1) * unit
    is_whole = all(isinstance(each, int) for each in (low, high, step))
    kind = "float" if "float" in casts or not is_whole else "int"
    if kind == "float" and "int" in casts:
        refuse(name, f"{one_line(text)} rounds a range of floats; write range(START, STOP, STEP) with whole numbers")
    rest = "" if kind == "int" and step == 1 else f", step={foreign.text_of_number(step)}"
    if last == exact_low:
        return f"choice({literal_text(low)})"
    return called(kind, low, int(last) if is_whole else float(last), rest=rest)


def _interval(name: str, text: str, arguments: list[str], casts: frozenset[str]) -> str:
    """Of floats, unless it is cast to int: also interval(1, 8)."""
    values = _numbers(name, text, arguments, ("start", "end"))
    if values.keys() != {"start", "end"}:
        refuse(name, f"{one_line(text)} is no interval; write interval(LOW, HIGH)")
    low, high = values["start"], values["end"]
    if "int" in casts:
        low, high = whole(name, "the lower bound", low), whole(name, "the upper bound", high)
        return called("int", low, high, rest=", log" if "log" in casts else "")
    return called("log" if "log" in casts else "float", low, high)


def _numbers(name: str, text: str, arguments: list[str], keys: tuple[str, ...]) -> dict[str, float]:
    """Arguments by their names, given by place or as NAME=NUMBER."""
    values: dict[str, float] = {}
    for place, argument in enumerate(arguments):
        key, equals, word = argument.partition("=")
        key, word = (key.strip(), word) if equals else (keys[place] if place < len(keys) else "", argument)
        if key not in keys or key in values:
            refuse(name, f"{one_line(text)}: {one_line(argument)} is not expected there; write {', '.join(keys)}")
        values[key] = number(name, key, _value(name, word))
    return values


def _cast(name: str, value: Any, casts: frozenset[str]) -> Any:
    if "int" in casts:
        return whole(name, "a choice", value)
    return float(number(name, "a choice", value)) if "float" in casts else value


def _call(name: str, text: str) -> tuple[str | None, list[str]]:
    """The function of a sweep and its arguments as they are written; None for a text that is no sweep."""
    function, bracket, rest = text.strip().partition("(")
    if not bracket or not rest.endswith(")") or function.strip() not in _SWEEPS:
        return None, []
    return function.strip(), _split(name, rest[:-1])


def _split(name: str, text: str) -> list[str]:
    """The parts between commas that stand in no quotes and no brackets."""
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in _QUOTES:
            quote = char
        elif char == "," and depth == 0:
            parts.append("")
            continue
        else:
            depth += (char in "([{") - (char in ")]}")
        parts[-1] += char
    if quote or depth:
        refuse(name, f"{one_line(text)}: a quote or a bracket is not closed")
    return [part.strip() for part in parts]


def _value(name: str, text: str) -> Any:
    """A value of Hydra's: quoted text, a list, a number, a boolean, null or a word."""
    text = text.strip()
    if "${" in text:
        refuse(name, f"{one_line(text)} refers to the rest of the configuration; write the value")
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        return text[1:-1].replace(f"\\{text[0]}", text[0])
    if text[:1] == "[" and text[-1:] == "]":
        return [_value(name, part) for part in _split(name, text[1:-1])] if text[1:-1].strip() else []
    if not text or text[0] == "{" or "(" in text:
        refuse(name, f"{one_line(text) or 'nothing'} is no value; write a number or a word, or quote it")
    if text.lower() in ("true", "false", "null"):  # Hydra's grammar has no other words for them
        return {"true": True, "false": False, "null": None}[text.lower()]
    try:
        return word_value(text)
    except ValueError as error:
        return refuse(name, str(error))
