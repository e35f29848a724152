"""The parameters that an objective asks for, found by calling it: for the message where a study has no search space."""

from __future__ import annotations

from journaltune.run.outcome import TrialPruned
from journaltune.run.trial import Suggests
from journaltune.space.spelling import spec_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from journaltune.space import Distribution


class _Probe(Suggests):
    """A trial that takes every parameter, with a value from the middle, and writes down its spec."""

    __slots__ = ("specs",)

    def __init__(self) -> None:
        super().__init__(0, {}, 0)
        self.specs: dict[str, str] = {}

    def _checked(self, name: str, wanted: Distribution) -> Any:
        self.specs[name] = spec_text(wanted)
        self.params[name] = _middle(wanted)
        return self.params[name]

    def report(self, value: float, step: int) -> bool:
        raise TrialPruned  # by now a training is under way, and its parameters are known

    def should_prune(self) -> bool:
        raise TrialPruned


def _middle(wanted: Distribution) -> Any:
    if wanted.cardinality is not None:
        return wanted.to_external(wanted.value_at((wanted.cardinality - 1) // 2))
    return (wanted.low * wanted.high) ** 0.5 if wanted.log else (wanted.low + wanted.high) / 2


def specs_of(objective: Callable[[Any], Any]) -> dict[str, str]:
    """The spec of each parameter that one call asks for. The call ends at its first report, or with whatever it raises."""
    probe = _Probe()
    try:
        objective(probe)
    except Exception:
        pass
    return probe.specs
