"""Hyperband: successive halving in several brackets, which begin to stop trials at different steps.

Li et al., Hyperband (JMLR 2018); Optuna's ``HyperbandPruner``, which assigns a trial to its bracket by a checksum of the study's
name and the trial's number. The sampler sees the trials of all brackets.
"""

from __future__ import annotations

from binascii import crc32
from math import ceil, floor, log

from journaltune.suggest.pruners import halving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.suggest.pruners import Decision
    from journaltune.suggest.pruners.others import Others


def prune(options: Mapping[str, Any], trial: LiveTrial, others: Others) -> Decision:
    most, factor = options["max_resource"], options["reduction_factor"]
    if most == "auto":
        longest = others.last_step()
        if longest is None:
            return False, {}
        most = longest + 1
    budgets = bracket_budgets(options["min_resource"], most, factor)
    if not budgets:
        return False, {}
    name = others.state.name
    own = bracket_of(name, trial.number, budgets)
    of_bracket = {**options, "min_early_stopping_rate": own}
    return halving.prune(of_bracket, trial, others, lambda number: bracket_of(name, number, budgets) == own)


def bracket_budgets(least: int, most: int, factor: int) -> list[int]:
    """How many trials of a round each bracket gets; none where the longest trial is shorter than the shortest may be."""
    n_brackets = floor(log(most / least, factor)) + 1
    return [ceil(n_brackets * factor**left / (left + 1)) for left in reversed(range(n_brackets))]


def bracket_of(study_name: str, number: int, budgets: list[int]) -> int:
    """The bracket of a trial."""
    place = crc32(f"{study_name}_{number}".encode("utf-8", "surrogatepass")) % sum(budgets)
    for bracket, budget in enumerate(budgets):
        place -= budget
        if place < 0:
            return bracket
    raise AssertionError("a place is below the sum of the budgets")
