"""The search space: its distributions, the grammar that writes them down, and space files, the only files opened here.

Names are loaded when they are first used: replay needs distributions alone, and a ``tell`` would pay for the grammar.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.space.distributions import Distribution, agrees, compatible
    from journaltune.space.grammar import parse_spec
    from journaltune.space.space import Space, space_from_params
    from journaltune.space.spelling import spec_text

__all__ = ["Distribution", "Space", "agrees", "compatible", "load_space_file", "parse_spec", "space_from_params", "spec_text"]

_HOMES = {
    "Distribution": "distributions",
    "Space": "space",
    "agrees": "distributions",
    "compatible": "distributions",
    "parse_spec": "grammar",
    "space_from_params": "space",
    "spec_text": "spelling",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(__import__(f"{__name__}.{_HOMES[name]}", fromlist=(name,)), name)
    globals()[name] = value
    return value


def load_space_file(path: str) -> Space:
    """The space that a file declares. The file's ending tells whether it is YAML, TOML or JSON.

    Raises SpaceError, one line, for anything that is wrong with the file.
    """
    from journaltune.space.files import load  # only `create` reads such files

    return load(path)
