"""The search space of a study: its parameters, in declared order, and their values inside and outside the journal."""

from __future__ import annotations

import os
from math import prod

from journaltune.base.errors import SpaceError, SpecError, one_line
from journaltune.space.distributions import Distribution, categorical_distribution
from journaltune.space.grammar import check_name, is_spec, parse_spec, parse_stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.space.parameters import Parameter
    from journaltune.space.rules import Rules

# A trainer's environment holds these besides its parameters.
_OWN_SHELL_NAMES = frozenset(
    f"JT_{name}" for name in ("TRIAL", "SEED", "ATTEMPT", "SLOT", "DIR", "PARAMS", "PARAMS_FILE", "RESULT", "STUDY", "VALUE")
)
_SHELL_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Space:
    """Parameters, and the columns that samplers and the journal see: ``distributions`` is by column.

    A parameter is a column of the same name, or a `Parameter` that is more than that. ``rules`` say which parameters a
    configuration has and which configurations are allowed; None where each has every parameter, and all are allowed.
    """

    __slots__ = ("_decoders", "_grids", "_rules", "_special", "distributions", "parameters", "require")

    def __init__(self, parameters: Mapping[str, Distribution | Parameter], require: Sequence[str] = ()) -> None:
        self.parameters = dict(parameters)
        self.require = tuple(require)
        self._special = [name for name, known in self.parameters.items() if not isinstance(known, Distribution)]
        self.distributions = columns_of(self.parameters)
        self._decoders = {name: known.decoder for name, known in self.distributions.items()}
        self._grids = [name for name, known in self.distributions.items() if known.kind == "float" and known.step is not None]
        self._rules: Rules | None = None

    @property
    def rules(self) -> Rules | None:
        """SpaceError for conditions, expressions and constraints that can't be read in this space."""
        if self._rules is None and (self._special or self.require):
            from journaltune.space.rules import rules_of

            self._rules = rules_of(self.parameters, self.require)
        return self._rules

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.require == other.require and self._items() == other._items()

    __hash__ = None  # type: ignore[assignment]

    def _items(self) -> list[tuple[str, str]]:
        from journaltune.space.spelling import spec_text  # an ask only reads specs

        return [(name, spec_text(known)) for name, known in self.parameters.items()]

    def __repr__(self) -> str:
        return f"Space.from_config({self.to_config()!r})"

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> Space:
        """The space that `to_config` wrote. SpaceError for anything that it never writes."""
        is_known = isinstance(config, dict) and config.keys() - {"require"} == {"params"} and isinstance(config["params"], dict)
        if not is_known or not isinstance(config.get("require", []), list):
            raise SpaceError(
                "the stored space is not one that this version knows; read the study with a newer journaltune, or give it one "
                "with `journaltune create --exist-ok --param 'NAME: SPEC'`"
            )
        return Space({name: parse_stored(name, text) for name, text in config["params"].items()}, config.get("require", ()))

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Space:
        """The space that a file declares: a study file of ours, or another tool's. SpaceError for anything that can't be kept."""
        from journaltune.space.files import load

        return load(os.fspath(path))

    def to_config(self) -> dict[str, Any]:
        """The space as JSON can hold it, every float with all its digits. A space that is only columns has no ``require``."""
        params = {"params": dict(self._items())}
        return params if self.is_plain else {**params, "require": list(self.require)}

    @property
    def is_plain(self) -> bool:
        """Whether every parameter is a column of its name, and is always there."""
        return not self._special and not self.require

    @property
    def has_grids(self) -> bool:
        """Whether a parameter has values with a canonical spelling."""
        return bool(self._grids or self._special)

    def decode(self, internal: Mapping[str, float]) -> dict[str, Any]:
        """Columns to parameters, in declared order; columns that are missing or not of this space are left out."""
        columns = {name: decode(internal[name]) for name, decode in self._decoders.items() if name in internal}
        return self.shown(columns) if self._special else columns

    def columns_of(self, internal: Mapping[str, float]) -> dict[str, Any]:
        """The columns' external values, as other programs see them."""
        return {name: decode(internal[name]) for name, decode in self._decoders.items() if name in internal}

    def shown(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters from the external values of columns, in declared order, and behind them columns that are not of this space.

        A parameter that lacks a column is left out, and so is a derived value that lacks what it is computed from.
        """
        rules = self.rules if self._special else None
        if rules is None:
            return dict(columns)
        rest = {name: value for name, value in columns.items() if name not in self.distributions}
        return rules.values(columns) | rest

    def canonical(self, internal: Mapping[str, float]) -> dict[str, float]:
        """The same columns, each value on a grid in its one spelling, and those of a parameter that is made of numbers as
        `encode` gives them; columns that are not of this space stay as they are."""
        spelled = {name: self.distributions[name].canonical(internal[name]) for name in self._grids if name in internal}
        for name in self._special:
            parameter = self.parameters[name]
            if isinstance(parameter, Distribution):
                continue
            columns = parameter.rounded_columns(name)
            if columns and all(column in internal for column in columns):
                value = parameter.decode([internal[column] for column in columns])
                spelled |= zip(columns, parameter.encode(value, False), strict=True)
        return {**internal, **spelled}

    def encode(self, params: Mapping[str, Any], partial: bool = False, bounded: bool = True) -> dict[str, float]:
        """Parameters to columns, in declared order. SpaceError for a value that the space does not have (without ``bounded`` it
        has any number), for an unknown parameter, and (unless ``partial``) for a missing one.

        None stands for a parameter that is absent under its condition. SpaceError for one that is given where it is absent, for a
        derived value that is another one, and for a configuration that breaks a constraint, as far as the given ones say.
        """
        for name in params:
            if name not in self.parameters:
                names = ", ".join(one_line(known) for known in list(self.parameters)[:10])
                raise SpaceError(f"{one_line(str(name))} is not a parameter of this study; its parameters are {names}")
        rules = self.rules
        if rules is not None:
            return rules.encode(params, partial, bounded)
        missing = [name for name in self.distributions if name not in params]
        if missing and not partial:
            raise SpaceError(f"{one_line(missing[0])} is missing; give {self.distributions[missing[0]].allowed()}")
        return {name: self._internal(name, params[name], bounded) for name in self.distributions if name in params}

    def _internal(self, name: str, value: object, bounded: bool) -> float:
        try:
            return self.distributions[name].to_internal(value, bounded)
        except SpaceError as error:
            raise SpaceError(f"{one_line(name)}: {error}") from None

    def encode_columns(self, columns: Mapping[str, Any], bounded: bool = True) -> dict[str, float]:
        """Columns' external values to internal ones; columns that are not of this space are left out. SpaceError as `encode`."""
        return {name: self._internal(name, columns[name], bounded) for name in self.distributions if name in columns}

    def check_columns(self, columns: Mapping[str, Any]) -> None:
        """SpaceError unless these are external values, in or out of bounds, of just the columns that a configuration has."""
        rules = self.rules
        if rules is None:
            self.encode(columns, bounded=False)
            return
        for name in columns:
            if name not in self.distributions:
                names = ", ".join(map(one_line, list(self.distributions)[:10]))
                raise SpaceError(f"{one_line(str(name))} is not stored in trials of this study, which have {names}")
        rules.check_columns(self.encode_columns(columns, bounded=False))

    def settled(self, internal: Mapping[str, float]) -> dict[str, float] | None:
        """The columns that a configuration has: without those that are absent under a condition. None if it breaks a constraint.

        ``internal`` has every column of the space.
        """
        rules = self.rules
        return dict(internal) if rules is None else rules.settled(internal)

    def is_whole(self, internal: Mapping[str, float]) -> bool:
        """Whether these are all columns of an allowed configuration."""
        rules = self.rules
        return len(internal) == len(self.distributions) if rules is None else rules.is_whole(internal)

    def n_points(self) -> int | None:
        """How many configurations the space has; None where they are continuous, or too many to count."""
        rules = self.rules
        if rules is not None:
            return rules.n_points()
        counts = [known.cardinality or 0 for known in self.distributions.values()]
        return prod(counts) if all(counts) else None

    def shell_names(self) -> dict[str, str]:
        """The environment variable of each parameter; SpaceError when two share one, or one is journaltune's own."""
        names: dict[str, str] = {}
        owners: dict[str, str] = {}
        for name in self.parameters:
            shell_name = "JT_" + "".join(char if char in _SHELL_CHARS else "_" for char in name)
            seen = f"{one_line(name)}: a shell would see it as {shell_name}"
            if shell_name in _OWN_SHELL_NAMES:
                raise SpaceError(f"{seen}, which journaltune sets itself; rename it")
            if shell_name in owners:
                raise SpaceError(f"{seen}, like {one_line(owners[shell_name])}; rename one")
            owners[shell_name] = name
            names[name] = shell_name
        return names


def columns_of(parameters: Mapping[str, Distribution | Parameter]) -> dict[str, Distribution]:
    """The columns of parameters, in declared order. SpaceError when two parameters would share one."""
    columns: dict[str, Distribution] = {}
    for name, known in parameters.items():
        if isinstance(known, Distribution):
            columns[name] = known
            continue
        for column, distribution in known.columns(name).items():
            if column != name and column in parameters:
                raise SpaceError(f"{one_line(column)} is a parameter, and a part of {one_line(name)} too; rename one")
            columns[column] = distribution
    return columns


def with_choices(parameter: Distribution | Parameter, choices: Sequence[Any]) -> Distribution | Parameter:
    """The same choice with its choices, or labels, in this order."""
    if isinstance(parameter, Distribution):
        return categorical_distribution(choices)
    return parameter.with_choices(choices)


def space_from_params(
    items: Sequence[str] | Mapping[str, Any] | Space, require: str | Sequence[str] = (), partial: bool = False
) -> Space:
    """The space that 'NAME: SPEC' items declare, or a mapping of names to specs, lists of choices, or mappings (``mappings``).

    ``require``: constraints that each configuration has to keep. ``partial``: the rest is that of a study that exists, so that
    expressions can't be read yet. SpaceError for anything that is not a spec or an expression, for a name declared twice, and
    when nothing is declared.
    """
    require = [require] if isinstance(require, str) else list(require)
    if isinstance(items, Space):
        return _checked(Space(items.parameters, [*items.require, *require]), partial)
    pairs = items.items() if hasattr(items, "items") else map(_split, [items] if isinstance(items, str) else items)
    parameters: dict[str, Distribution | Parameter] = {}
    for name, spec in pairs:
        if name in parameters:
            raise SpaceError(f"{one_line(name)} is declared twice; leave one out")
        parameters[name] = _parameter(name, spec)
    if not parameters and not (partial and require):
        raise SpaceError("the space has no parameters; declare one such as lr: log(1e-5, 1e-1)")
    return _checked(Space(parameters, require), partial)


def _checked(space: Space, partial: bool) -> Space:
    if not partial:
        space.rules  # noqa: B018  (reads every expression)
    return space


def _split(item: object) -> tuple[str, str]:
    """The first colon that a blank follows separates, so that a name may have colons; else the only colon does."""
    if not isinstance(item, str) or ":" not in item:
        raise _without_colon(str(item))
    blanks = (place for place, char in enumerate(item) if char == ":" and item[place + 1 : place + 2].isspace())
    at = next(blanks, item.index(":"))
    name, spec = item[:at].strip(), item[at + 1 :]
    later, _, last = spec.rpartition(":")
    if later and not spec[:1].isspace() and is_spec(last):
        raise SpecError(f"{one_line(item)}: the colon before the spec needs a blank behind it", one_line(f"{name}:{later}"), last)
    return name, spec


def _without_colon(item: str) -> SpaceError:
    what = f"{one_line(item)}: the colon is missing"
    name, equals, text = item.partition("=")
    if equals and name.strip():
        from journaltune.space.meant import meant

        name, text = name.strip(), text.strip()
        spec = text if is_spec(text) else meant(text)
        if spec is not None:
            return SpecError(what, name, spec)
    return SpaceError(f"{what}; write NAME: SPEC, such as lr: log(1e-5, 1e-1)")


def _parameter(name: str, given: object) -> Distribution | Parameter:
    """All ways to declare lead through the grammar, so that everything that it refuses is refused everywhere."""
    if isinstance(given, str):
        return parse_spec(name, given)
    check_name(name)
    from journaltune.space.mappings import spec_of

    return parse_spec(name, spec_of(name, given))
