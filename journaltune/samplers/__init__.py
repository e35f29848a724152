"""Samplers: (history, space, seed) to parameters. A sampler object is a cache and nothing else.

Every suggestion comes from a fresh sampler of the library that does the work, seeded from the study's seed and the trial's
number; what an object of ours keeps from one call to the next only saves time.
"""

from __future__ import annotations

from journaltune.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from journaltune.history import History
    from journaltune.space import Distribution

    class Sampler(Protocol):
        def suggest(
            self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int
        ) -> dict[str, float]:
            """Internal values for every distribution; the same for the same arguments, whatever was asked before."""


RUSTUNA = ("tpe", "random")


def make(name: str, options: Mapping[str, Any]) -> Sampler:
    """The sampler of that name. UsageError for an unknown name or option, and for a library that is not installed."""
    if name in RUSTUNA:
        from journaltune.samplers.from_rustuna import RustunaSampler

        return RustunaSampler(name, options)
    if name.startswith("optuna."):
        from journaltune.samplers.from_optuna import OptunaSampler

        return OptunaSampler(name.removeprefix("optuna."), options)
    raise UsageError(f"unknown sampler {name!r}; take one of {', '.join(RUSTUNA)}, or optuna.CLASSNAME such as optuna.TPESampler")
