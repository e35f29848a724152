"""What a picture has for axes: the parameters of a space as they are handed out, not the columns that a sampler searches."""

from __future__ import annotations

from math import isfinite

from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps_unicode
from journaltune.space import Distribution
from journaltune.space.parameters import Conditional, Derived, Labelled, Normal, Permutation, Simplex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from optuna.distributions import BaseDistribution

    from journaltune.base.model import Trial
    from journaltune.space import Space
    from journaltune.space.parameters import Parameter

    Read = Callable[[Any], Any]  # from a parameter's value to what the axis shows

_MOST_LETTERS = 60


class Axis(Frozen):
    """One axis: ``read`` gives its value for a trial's value of the parameter ``source``. ``known`` is what the space allows,
    None where only the values themselves tell. ``is_searched``: a sampler chose it, so it may be important."""

    name: str
    source: str
    read: Read
    known: Distribution | None = None
    is_log: bool = False
    is_searched: bool = True


def axes(space: Space | None, trials: Sequence[Trial]) -> list[Axis]:
    """The axes of a study, in declared order, and behind them those of parameters that only its trials have."""
    made = [axis for name, known in (space.parameters if space else {}).items() for axis in _of(name, known)]
    declared = set(space.parameters) | set(space.distributions) if space else set()
    texts = {name: text for trial in trials for name, text in trial._spaces.items() if name not in declared}
    return made + [Axis(name, name, _as_it_is, Distribution.from_json(text)) for name, text in texts.items()]


def _as_it_is(value: Any) -> Any:
    return value


def _of(name: str, parameter: Distribution | Parameter) -> list[Axis]:
    if isinstance(parameter, Distribution):
        return [Axis(name, name, _as_it_is, parameter)]
    if isinstance(parameter, Conditional):
        return [Axis(name, name, _as_it_is, parameter.distribution)]
    if isinstance(parameter, Labelled):
        return [Axis(name, name, _label(parameter), parameter.distribution)]
    if isinstance(parameter, Permutation):
        return [Axis(f"{name}: place of {_text(item)}", name, _place(item)) for item in parameter.items]
    if isinstance(parameter, Simplex):
        return [Axis(f"{name}.{part}", name, _part(part)) for part in parameter.names or range(parameter.n_parts)]
    return [
        Axis(
            name,
            name,
            _as_it_is,
            None,
            isinstance(parameter, Normal) and parameter.is_log,
            not isinstance(parameter, Derived),
        )
    ]


def _label(parameter: Labelled) -> Read:
    labels = dict(zip(map(dumps_unicode, parameter.values), parameter.distribution.choices, strict=True))
    return lambda value: labels.get(dumps_unicode(value), value)


def _place(item: Any) -> Read:
    wanted = dumps_unicode(item)
    return lambda order: [dumps_unicode(each) for each in order].index(wanted) + 1


def _part(part: str | int) -> Read:
    return lambda parts: parts[part]


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else dumps_unicode(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"


def columns(axes: Sequence[Axis], trials: Sequence[Trial]) -> dict[str, tuple[BaseDistribution, dict[int, Any]]]:
    """For each axis on which something differs, its distribution and its values by the trial's number."""
    found = {}
    for axis in axes:
        values = {t.number: _shown(axis.read(t.fixed_params[axis.source])) for t in trials if axis.source in t.fixed_params}
        if values and (axis.is_searched or len(set(map(repr, values.values()))) > 1):
            found[axis.name] = _fitted(axis, values)
    return found


def _shown(value: Any) -> Any:
    """As it is, or as text where Optuna's plots take no such value."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float) else _text(value)


def _fitted(axis: Axis, values: Mapping[int, Any]) -> tuple[BaseDistribution, dict[int, Any]]:
    """Optuna's distribution that has all of these values. What the space allows may have changed since."""
    from optuna.distributions import CategoricalDistribution

    known, given = axis.known, list(values.values())
    if (known is None or not known.choices) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in given):
        low, high = min(given), max(given)
        if known is not None:
            low, high = min(low, known.low), max(high, known.high)
        is_log = (axis.is_log if known is None else known.log) and low > 0
        return _numeric(all(isinstance(v, int) for v in given), low, high, is_log), dict(values)
    choices = [_shown(choice) for choice in known.choices] if known is not None else []
    choices += [value for value in given if value not in choices]
    return CategoricalDistribution(_distinct(choices)), dict(values)


def _numeric(is_whole: bool, low: float, high: float, is_log: bool) -> BaseDistribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    return IntDistribution(int(low), int(high), log=is_log) if is_whole else FloatDistribution(low, high, log=is_log)


def _distinct(choices: Sequence[Any]) -> list[Any]:
    return list({repr(choice): choice for choice in choices}.values())
