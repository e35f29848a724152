"""Samplers: (history, space, seed) to parameters. A new sampler is a file beside these, and a line in ``make``."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.suggest.samplers.protocol import OPTUNA, RUSTUNA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.suggest.samplers.protocol import Sampler


def make(name: str, options: Mapping[str, Any]) -> Sampler:
    """The sampler of that name. UsageError for an unknown name or option, and for a library that is not installed."""
    if name in ("tpe", "random"):
        from journaltune.suggest.samplers.from_rustuna import RustunaSampler

        return RustunaSampler(name, options)
    if name == "nsgaii":
        from journaltune.suggest.samplers.nsgaii import NsgaiiSampler

        return NsgaiiSampler(options)
    if name in OPTUNA or name.startswith("optuna.") or ":" in name:
        from journaltune.suggest.samplers.from_optuna import OptunaSampler

        return OptunaSampler(name, options)
    raise UsageError(
        f"unknown sampler {name!r}; take one of {', '.join((*RUSTUNA, *OPTUNA))}, optuna.CLASSNAME such as optuna.TPESampler, or "
        "package.module:Class"
    )
