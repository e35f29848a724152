"""The options of the pruners: Optuna's keyword arguments, with their defaults and bounds. One row for each pruner."""

from __future__ import annotations

from math import inf, isfinite

from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

REQUIRED = "required"


class Option(Frozen):
    """A number from ``least`` to ``most``, whole unless ``real``; or one of ``words``. ``default`` may be REQUIRED."""

    default: Any = None
    least: float = -inf
    most: float = inf
    real: bool = False
    words: tuple[str, ...] = ()

    def takes(self, value: Any) -> bool:
        if value == self.default and type(value) is type(self.default):
            return self.default is not REQUIRED
        if isinstance(value, str):
            return value in self.words
        is_number = isinstance(value, int) or (self.real and isinstance(value, float) and isfinite(value))
        return not self.words[1:] and is_number and not isinstance(value, bool) and self.least <= value <= self.most

    def __str__(self) -> str:
        if self.words[1:]:
            return f"one of {', '.join(self.words)}"
        bounds = f"{'' if self.least == -inf else f' from {self.least:g}'}{'' if self.most == inf else f' to {self.most:g}'}"
        return f"{'a number' if self.real else 'a whole number'}{bounds}{' or auto' if self.words else ''}"


def _count(default: Any, least: int, *words: str) -> Option:
    return Option(default, least, words=words)


_WHEN = {"n_warmup_steps": _count(0, 0), "interval_steps": _count(1, 1)}
_MEDIAN = {"n_startup_trials": _count(5, 0), **_WHEN, "n_min_trials": _count(1, 1)}
_ROWS: dict[str, dict[str, Option]] = {
    "none": {},
    "median": _MEDIAN,
    "percentile": {"percentile": Option(REQUIRED, 0, 100, real=True), **_MEDIAN},
    "halving": {
        "min_resource": _count("auto", 1, "auto"),
        "reduction_factor": _count(4, 2),
        "min_early_stopping_rate": _count(0, 0),
        "bootstrap_count": _count(0, 0),
    },
    "hyperband": {
        "min_resource": _count(1, 1),
        "max_resource": _count("auto", 1, "auto"),
        "reduction_factor": _count(3, 2),
        "bootstrap_count": _count(0, 0),
    },
    "threshold": {"lower": Option(None, real=True), "upper": Option(None, real=True), **_WHEN},
    "patient": {"patience": _count(REQUIRED, 0), "min_delta": Option(0.0, 0, real=True)},
    "wilcoxon": {"p_threshold": Option(0.1, 0, 1, real=True), "n_startup_steps": _count(2, 0)},
}
_WRAPPED = ("none", *[name for name in _ROWS if name not in ("none", "patient")])


def settled(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of a pruner, with the default of those that are not given. UsageError for what the pruner does not take."""
    rows = _ROWS.get(name)
    if rows is None:
        raise UsageError(f"there is no pruner {name!r}; take one of {', '.join(_ROWS)}")
    held: dict[str, Any] = {}
    if name == "patient":
        options, held = _parted(options)
    unknown = [key for key in options if key not in rows]
    if unknown:
        takes = f"its options are {', '.join(rows)}" if rows else "it has no options"
        raise UsageError(f"the pruner {name} has no option {unknown[0]!r}; {takes}")
    values = {key: options.get(key, option.default) for key, option in rows.items()}
    for key, value in values.items():
        if not rows[key].takes(value):
            what = "is missing" if value == REQUIRED else f"can't be {value!r}"
            raise UsageError(f"the option {key} of the pruner {name} {what}; it is {rows[key]}")
    _refuse_contradictions(name, values)
    return values | held


def _parted(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of ``patient`` alone, and the pruner that it holds back with its options, which are checked here."""
    rest = dict(options)
    inner, its = rest.pop("wrapped_pruner", None), rest.pop("wrapped_options", None)
    if inner is not None and inner not in _WRAPPED:
        raise UsageError(f"the pruner patient can't hold back {inner!r}; wrapped_pruner is one of {', '.join(_WRAPPED)}")
    if its is not None and not isinstance(its, dict):
        raise UsageError(f"wrapped_options of the pruner patient are an object with options, not {its!r}")
    settled(inner or "none", its or {})
    return rest, {"wrapped_pruner": inner, "wrapped_options": its}


def _refuse_contradictions(name: str, values: Mapping[str, Any]) -> None:
    if name == "threshold":
        lower, upper = values["lower"], values["upper"]
        if lower is None and upper is None:
            raise UsageError("the pruner threshold needs a bound: lower, upper or both")
        if lower is not None and upper is not None and lower > upper:
            raise UsageError(f"the pruner threshold has lower={lower!r} above upper={upper!r}; exchange them")
    resource = {"halving": "min_resource", "hyperband": "max_resource"}.get(name)
    if resource is not None and values["bootstrap_count"] and values[resource] == "auto":
        raise UsageError(f"the pruner {name} with a bootstrap_count needs a number for {resource}, not auto")
