"""Sweeps of Weights & Biases (docs.wandb.ai/models/sweeps/sweep-config-keys)."""

from __future__ import annotations

from math import exp

from journaltune.base.errors import SpaceError
from journaltune.space import foreign
from journaltune.space.foreign import WANDB, called, check_keys, constant, listed, log_range, number, refuse, stepped, whole
from journaltune.space.study_file import StudyFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_SAYS_NOTHING = (
    *("program", "method", "command", "name", "description", "project", "entity", "early_terminate", "controller", "settings"),
    *("job", "image_uri", "queue", "launch", "scheduler", "template_variables", "version", "kind", "enable_artifact_sweeps"),
)
_KNOWN = ("parameters", "metric", "run_cap", *_SAYS_NOTHING)
_RANGE, _NORMAL = ("min", "max"), ("mu", "sigma")
# The keys of each distribution. Where log_uniform has exponents as its bounds, log_uniform_values has the values.
_KEYS = {
    "constant": ("value",),
    "categorical": ("values",),
    "categorical_w_probabilities": ("values", "probabilities"),
    "int_uniform": _RANGE,
    "uniform": _RANGE,
    "q_uniform": (*_RANGE, "q"),
    "log_uniform": _RANGE,
    "log_uniform_values": _RANGE,
    "inv_log_uniform": _RANGE,
    "inv_log_uniform_values": _RANGE,
    "q_log_uniform": (*_RANGE, "q"),
    "q_log_uniform_values": (*_RANGE, "q"),
    "normal": _NORMAL,
    "log_normal": _NORMAL,
}
_NOT_OURS = ("beta", "q_beta", "q_normal", "q_log_normal")


def read(data: Mapping[str, Any]) -> StudyFile:
    """A sweep. Parameters inside of parameters are called by both names, with a dot between, as in a run's configuration."""
    data = foreign.yaml_11(data)
    reading = foreign.Reading(data["parameters"])
    check_keys("", data, _KNOWN, WANDB)
    _read_parameters(reading, "", data["parameters"])
    settings = _metric(reading, data.get("metric"))
    if data.get("run_cap") is not None:
        settings["trials"] = whole("run_cap", "it", data["run_cap"])
    reading.leave([key for key in data if key in _SAYS_NOTHING])
    return StudyFile(reading.params, (), settings, (), {}, tuple(reading.notes), tuple(reading.refused))


def _metric(reading: foreign.Reading, metric: object) -> dict[str, Any]:
    """W&B minimizes unless it is told otherwise."""
    if metric is None:
        return {}
    if not isinstance(metric, dict):
        raise SpaceError("metric is no mapping; write {name: loss, goal: minimize}")
    check_keys("metric.", metric, ("name", "goal", "target", "impute", "impute_while_running"), WANDB)
    reading.leave(f"metric.{key}" for key in metric if key not in ("name", "goal"))
    goal, name = metric.get("goal", "minimize"), metric.get("name")
    if goal not in ("minimize", "maximize"):
        raise SpaceError(f"metric.goal is {goal!r}; write minimize or maximize")
    if name is not None and not isinstance(name, str):
        raise SpaceError(f"metric.name is {name!r}; write the name of what is minimized")
    return {"directions": (goal,), "objectives": (name,)}


def _read_parameters(reading: foreign.Reading, prefix: str, parameters: Mapping[str, Any]) -> None:
    for key, given in parameters.items():
        name = f"{prefix}{key}"
        if isinstance(given, dict) and isinstance(given.get("parameters"), dict):
            if len(given) > 1:
                other = next(each for each in given if each != "parameters")
                reading.refused.append(f"{name}: {other} stands beside its parameters; a group has nothing else")
            _read_parameters(reading, f"{name}.", given["parameters"])
        else:
            reading.add(name, spec_of, name, given)


def spec_of(name: str, given: object) -> str:
    """The spec of one parameter. SpaceError for what our grammar has no word for."""
    if not isinstance(given, dict):
        refuse(name, "it is no mapping; write {values: [a, b]} or {min: 0, max: 1}")
    kind = given.get("distribution") or _kind(name, given)
    if kind in _NOT_OURS:
        refuse(name, f"the distribution {kind} can't be kept; take uniform, log_uniform_values, normal or log_normal")
    if kind not in _KEYS:
        refuse(name, f"{kind!r} is not a distribution of {WANDB}; there are {', '.join(_KEYS)}")
    check_keys(f"{name}: ", [key for key in given if key != "distribution"], _KEYS[kind], WANDB)
    if kind == "constant":
        return constant(name, _required(name, given, "value"))
    if kind.startswith("categorical"):
        _check_even(name, given.get("probabilities"))
        return listed(name, _required(name, given, "values"))
    if kind in ("normal", "log_normal"):
        mu, sigma = number(name, "mu", given.get("mu", 0)), number(name, "sigma", given.get("sigma", 1))
        return called(kind.replace("_", ""), mu, sigma)
    return _range(name, kind, given)


def _kind(name: str, given: Mapping[str, Any]) -> str:
    """The distribution that W&B takes where none is named."""
    if "value" in given:
        return "constant"
    if "values" in given:
        return "categorical_w_probabilities" if "probabilities" in given else "categorical"
    if given.keys() & {"mu", "sigma"}:
        return "normal"
    low, high = _required(name, given, "min"), _required(name, given, "max")
    return "int_uniform" if isinstance(low, int) and isinstance(high, int) else "uniform"


def _required(name: str, given: Mapping[str, Any], key: str) -> Any:
    return given[key] if key in given else refuse(name, f"{key} is missing; a range has min and max, a list has values")


def _check_even(name: str, probabilities: object) -> None:
    if probabilities is not None and not (isinstance(probabilities, list) and len(set(map(repr, probabilities))) == 1):
        refuse(name, "probabilities that differ can't be kept; leave them out, and each value is as likely as any other")


def _range(name: str, kind: str, given: Mapping[str, Any]) -> str:
    low, high = (number(name, key, _required(name, given, key)) for key in ("min", "max"))
    step = number(name, "q", given.get("q", 1))
    if kind == "int_uniform":
        return called("int", whole(name, "min", low), whole(name, "max", high))
    makes: dict[str, Callable[[], str]] = {
        "uniform": lambda: called("float", low, high),
        "q_uniform": lambda: stepped(name, low, high, step, is_clipped=False),
        "log_uniform": lambda: log_range(name, *_powers(name, low, high)),
        "log_uniform_values": lambda: log_range(name, low, high),
        # The logarithm of 1/x is as uniform as that of x.
        "inv_log_uniform": lambda: log_range(name, *_powers(name, -high, -low)),
        "inv_log_uniform_values": lambda: log_range(name, low, high),
        "q_log_uniform": lambda: log_range(name, *_powers(name, low, high), step),
        "q_log_uniform_values": lambda: log_range(name, low, high, step),
    }
    return makes[kind]()


def _powers(name: str, low: float, high: float) -> tuple[float, float]:
    """The values of exponents: those of e, as here, or a mistake for the values themselves, which is what an overflow tells."""
    try:
        return _rounded(exp(low)), _rounded(exp(high))
    except OverflowError:
        return refuse(name, "its bounds are exponents of e, and too large; log_uniform_values takes the values themselves")


def _rounded(value: float) -> float:
    """32.00000000000001, which is exp(log(32)), is 32."""
    return round(value) if abs(value - round(value)) < 1e-9 * abs(value) else value
