"""The search space of a study: its parameters, in declared order, and their values inside and outside the journal."""

from __future__ import annotations

from journaltune.base.errors import SpaceError, SpecError
from journaltune.space.distributions import Distribution
from journaltune.space.grammar import check_name, is_spec, one_line, parse_spec, parse_stored, spec_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# A trainer's environment holds these besides its parameters.
_OWN_SHELL_NAMES = frozenset(
    f"JT_{name}" for name in ("TRIAL", "SEED", "ATTEMPT", "SLOT", "DIR", "PARAMS", "PARAMS_FILE", "RESULT", "STUDY", "VALUE")
)
_SHELL_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Space:
    """Parameters and their distributions. ``distributions`` is by column: samplers and the journal see columns.

    A column is a parameter of the same name, as long as no kind of parameter spans several columns.
    """

    __slots__ = ("_decoders", "_grids", "distributions")

    def __init__(self, distributions: dict[str, Distribution]) -> None:
        self.distributions = distributions
        self._decoders = {name: known.decoder for name, known in distributions.items()}
        self._grids = [name for name, known in distributions.items() if known.kind == "float" and known.step is not None]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and list(self.distributions.items()) == list(other.distributions.items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Space.from_config({self.to_config()!r})"

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> Space:
        """The space that `to_config` wrote. SpaceError for anything that it never writes."""
        if not isinstance(config, dict) or config.keys() != {"params"} or not isinstance(config["params"], dict):
            raise SpaceError(
                "the stored space is not one that this version knows; read the study with a newer journaltune, or give it one "
                "with `journaltune create --exist-ok --param 'NAME: SPEC'`"
            )
        return Space({name: parse_stored(name, text) for name, text in config["params"].items()})

    def to_config(self) -> dict[str, Any]:
        """The space as JSON can hold it, every float with all its digits."""
        return {"params": {name: spec_text(distribution) for name, distribution in self.distributions.items()}}

    @property
    def has_grids(self) -> bool:
        """Whether a parameter has values with a canonical spelling."""
        return bool(self._grids)

    def decode(self, internal: Mapping[str, float]) -> dict[str, Any]:
        """Columns to parameters, in declared order; columns that are missing or not of this space are left out."""
        return {name: decode(internal[name]) for name, decode in self._decoders.items() if name in internal}

    def canonical(self, internal: Mapping[str, float]) -> dict[str, float]:
        """The same columns, each value on a grid in its one spelling; columns that are not of this space stay as they are."""
        grids = {name: self.distributions[name].canonical(internal[name]) for name in self._grids if name in internal}
        return {**internal, **grids}

    def encode(self, params: Mapping[str, Any], partial: bool = False, bounded: bool = True) -> dict[str, float]:
        """Parameters to columns, in declared order. SpaceError for a value that the space does not have (without ``bounded`` it
        has any number), for an unknown parameter, and (unless ``partial``) for a missing one."""
        for name in params:
            if name not in self.distributions:
                names = ", ".join(one_line(known) for known in list(self.distributions)[:10])
                raise SpaceError(f"{one_line(str(name))} is not a parameter of this study; its parameters are {names}")
        missing = [name for name in self.distributions if name not in params]
        if missing and not partial:
            raise SpaceError(f"{one_line(missing[0])} is missing; give {self.distributions[missing[0]].allowed()}")
        return {name: self._internal(name, params[name], bounded) for name in self.distributions if name in params}

    def _internal(self, name: str, value: object, bounded: bool) -> float:
        try:
            return self.distributions[name].to_internal(value, bounded)
        except SpaceError as error:
            raise SpaceError(f"{one_line(name)}: {error}") from None

    def shell_names(self) -> dict[str, str]:
        """The environment variable of each parameter; SpaceError when two share one, or one is journaltune's own."""
        names: dict[str, str] = {}
        owners: dict[str, str] = {}
        for name in self.distributions:
            shell_name = "JT_" + "".join(char if char in _SHELL_CHARS else "_" for char in name)
            seen = f"{one_line(name)}: a shell would see it as {shell_name}"
            if shell_name in _OWN_SHELL_NAMES:
                raise SpaceError(f"{seen}, which journaltune sets itself; rename it")
            if shell_name in owners:
                raise SpaceError(f"{seen}, like {one_line(owners[shell_name])}; rename one")
            owners[shell_name] = name
            names[name] = shell_name
        return names


def space_from_params(items: Sequence[str] | Mapping[str, Any]) -> Space:
    """The space that 'NAME: SPEC' items declare, or a mapping of names to specs, lists of choices, or mappings (``mappings``).

    SpaceError for anything that is not a spec, for a name declared twice, and when nothing is declared.
    """
    pairs = items.items() if hasattr(items, "items") else map(_split, [items] if isinstance(items, str) else items)
    distributions: dict[str, Distribution] = {}
    for name, spec in pairs:
        if name in distributions:
            raise SpaceError(f"{one_line(name)} is declared twice; leave one out")
        distributions[name] = _distribution(name, spec)
    if not distributions:
        raise SpaceError("the space has no parameters; declare one such as lr: log(1e-5, 1e-1)")
    return Space(distributions)


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


def _distribution(name: str, given: object) -> Distribution:
    """All ways to declare lead through the grammar, so that everything that it refuses is refused everywhere."""
    if isinstance(given, str):
        return parse_spec(name, given)
    check_name(name)
    from journaltune.space.mappings import spec_of

    return parse_spec(name, spec_of(name, given))
