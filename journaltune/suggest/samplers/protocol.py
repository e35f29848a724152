"""What a sampler is: (history, space, seed) to parameters. For type checkers: nothing imports this when it runs.

A sampler object is a cache and nothing else. Every suggestion comes from a fresh sampler of the library that does the work,
seeded from the study's seed and the trial's number. What our object keeps from one call to the next only saves time. Attributes
that the library's sampler writes go into the record of the ask, and the history shows them to later asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journaltune.space import Distribution
    from journaltune.space.rules import Rules
    from journaltune.suggest import Suggested
    from journaltune.suggest.history import History


class Sampler(Protocol):
    marks_enqueued: bool
    """Whether a trial that was enqueued with all its parameters needs the sampler's attributes too."""
    finite: bool
    """Whether the sampler comes to an end. Then it is asked even where nothing varies."""

    rules: Rules | None
    """Which columns a configuration has and which configurations are allowed; None: all of them. ``make`` sets it."""

    def check(self, distributions: Mapping[str, Distribution], n_objectives: int) -> None:
        """UsageError when the sampler can't search in this space, or for so many objectives."""

    def suggest(
        self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int, constant_seed: int
    ) -> Suggested:
        """Internal values for every distribution; the same for the same arguments, whatever was asked before.

        ``seed`` is this trial's own, ``constant_seed`` the same for all trials of the study. ExhaustedError when there is
        nothing left to suggest.
        """
