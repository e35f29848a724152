"""A study's settings. A new setting is a row here."""

from __future__ import annotations

import os

from journaltune.base import checks
from journaltune.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypedDict

    from journaltune.space import Space

    class Settings(TypedDict, total=False):
        """What a study is made of, but for its name and directions; None is as good as left out."""

        space: Space | None
        objective_names: Sequence[str | None] | None
        sampler: str | None
        sampler_options: Mapping[str, Any] | None
        seed: int | None
        failures: str | None
        duplicates: str | None
        replicates: int | None
        lag: int | None
        lock_file: str | os.PathLike[str] | None


_SAMPLER = "tpe"


def _given(settings: Settings) -> dict[str, Any]:
    """The part of a study's configuration that the settings make."""
    given: dict[str, Any] = {key: value for key, value in settings.items() if value is not None}
    names = given.pop("objective_names", ())
    if any(name is not None for name in names):
        given["objectives"] = names
    if not given.get("sampler_options", True):
        del given["sampler_options"]
    return {key: _CHECKS[key](value) for key, value in given.items()}


def _objectives(names: Sequence[str | None]) -> list[str | None]:
    return [name if name is None else checks.text(name, "an objective's name") for name in names]


def _seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise UsageError(f"a seed is an integer from 0 to {2**63 - 1}, not {seed!r}")
    return seed


def _lock_file(given: str | os.PathLike[str]) -> str:
    path = os.path.abspath(os.fspath(given))
    if not os.path.isfile(path):
        raise UsageError(f"there is no lock file {path}")
    return checks.text(path, "a lock file's path")


_CHECKS: dict[str, Callable[[Any], object]] = {
    "space": lambda space: space.to_config(),
    "objectives": _objectives,
    "sampler": lambda name: checks.text(name, "a sampler's name"),
    "sampler_options": lambda options: checks.storable(dict(options), "the sampler's options"),
    "seed": _seed,
    "failures": lambda word: checks.one_of(word, ("worst", "ignore"), "failures"),
    "duplicates": lambda word: checks.one_of(word, ("allow", "reuse", "resample"), "duplicates"),
    "replicates": lambda count: checks.at_least(1, count, "replicates", "how many times each configuration is asked"),
    "lag": lambda lag: checks.at_least(1, lag, "a lag", "each trial sees all before it"),
    "lock_file": _lock_file,
}


def _defaults() -> dict[str, Any]:
    drawn = int.from_bytes(os.urandom(4), "little")
    return {"sampler": _SAMPLER, "sampler_options": {}, "seed": drawn, "failures": "worst"}


def _sound(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what a damaged record left in the place of settings; some have a default to stand there."""
    wrong, defaults = wrong_settings(config), _defaults()
    return {
        name: defaults.get(name) if name in wrong else value
        for name, value in config.items()
        if name not in wrong or name in defaults
    }


NO_CONFIG: Mapping[str, Any] = {}


KINDS: dict[str, type] = {
    "space": dict,
    "objectives": list,
    "sampler": str,
    "sampler_options": dict,
    "seed": int,
    "failures": str,
    "duplicates": str,
    "replicates": int,
    "lag": int,
    "lock_file": str,
}


def wrong_settings(config: Mapping[str, Any]) -> set[str]:
    """The settings of which a damaged record left something in the journal that can't be one."""
    return {name for name, kind in KINDS.items() if config.get(name) is not None and not isinstance(config[name], kind)}
