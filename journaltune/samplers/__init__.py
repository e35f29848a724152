"""Samplers: (history, space, seed) to parameters. A sampler object is a cache and nothing else.

Every suggestion comes from a fresh sampler of the library that does the work, seeded from the study's seed and the trial's
number; what an object of ours keeps from one call to the next only saves time. What the library's sampler keeps in attributes
goes into the record of the ask, from which ``history`` shows it to later ones.
"""

from __future__ import annotations

from journaltune.errors import UsageError
from journaltune.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from journaltune.history import History
    from journaltune.space import Distribution

    class Sampler(Protocol):
        marks_enqueued: bool
        """Whether trials that were enqueued with all their parameters need the sampler's attributes too."""
        finite: bool
        """Whether it comes to an end, and must be asked even where nothing varies."""

        def check(self, distributions: Mapping[str, Distribution], n_objectives: int) -> None:
            """UsageError when it can't search in this space, or for so many objectives."""

        def suggest(
            self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int, constant_seed: int
        ) -> Suggested:
            """Internal values for every distribution; the same for the same arguments, whatever was asked before.

            ``seed`` is this trial's own, ``constant_seed`` the same for all trials of the study. ExhaustedError when there is
            nothing left to suggest.
            """


class Suggested(Frozen):
    """Internal values by column, and what belongs into the trial's system attributes."""

    __slots__ = ("attrs", "internal")

    internal: dict[str, float]
    attrs: dict[str, Any]

    def __init__(self, internal: dict[str, float], attrs: dict[str, Any]) -> None:
        self._set(internal=internal, attrs=attrs)


RUSTUNA = ("tpe", "random", "nsgaii")
OPTUNA = {
    "qmc": "QMCSampler",
    "grid": "GridSampler",
    "cmaes": "CmaEsSampler",
    "gp": "GPSampler",
    "nsgaiii": "NSGAIIISampler",
    "bruteforce": "BruteForceSampler",
}


def make(name: str, options: Mapping[str, Any]) -> Sampler:
    """The sampler of that name. UsageError for an unknown name or option, and for a library that is not installed."""
    if name in ("tpe", "random"):
        from journaltune.samplers.from_rustuna import RustunaSampler

        return RustunaSampler(name, options)
    if name == "nsgaii":
        from journaltune.samplers.nsgaii import NsgaiiSampler

        return NsgaiiSampler(options)
    if name in OPTUNA or name.startswith("optuna.") or ":" in name:
        from journaltune.samplers.from_optuna import OptunaSampler

        return OptunaSampler(name, options)
    raise UsageError(
        f"unknown sampler {name!r}; take one of {', '.join((*RUSTUNA, *OPTUNA))}, optuna.CLASSNAME such as optuna.TPESampler, or "
        "package.module:Class"
    )
