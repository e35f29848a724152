"""The search space: distributions, the grammar that writes them down, and space files."""

from journaltune.space.distributions import Distribution, compatible
from journaltune.space.grammar import parse_spec, spec_text
from journaltune.space.space import Space, space_from_params

__all__ = ["Distribution", "Space", "compatible", "load_space_file", "parse_spec", "space_from_params", "spec_text"]


def load_space_file(path: str) -> Space:
    """The space that a YAML, TOML or JSON file declares; which of the three, its ending says.

    Raises SpaceError for whatever is wrong with the file, one line.
    """
    from journaltune.space.files import load  # only `create` reads such files

    return load(path)
