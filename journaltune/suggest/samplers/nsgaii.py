"""NSGA-II, Rustuna's: of studies from before ``genetic``, which shares its options and notes.

It notes two things: each trial's generation, and the parents that were chosen for a generation when its first trial was
suggested. Both stand in the record of the ask. A generation consists of complete trials, as it does in either library: imputed
trials would only fill it with parents that nobody wants.

A child depends on its parents, and their choice on the generation before and its own parents. So Rustuna sees those trials only,
counted as if they were the first generations: a suggestion takes as long in the last generation as in the second.

Source: Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002.
"""

from __future__ import annotations

from journaltune.base import GROUP, MINIMIZE, derive_seed
from journaltune.base.constraints import constraints_in, violation
from journaltune.base.errors import UsageError
from journaltune.base.jsontext import dumps, loads
from journaltune.suggest import Suggested
from journaltune.suggest.history import STUDY_ATTRS
from journaltune.suggest.samplers import refuse_seed, wrong_options
from journaltune.suggest.samplers.from_rustuna import RustStudy, rust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import Shape
    from journaltune.space import Distribution
    from journaltune.space.rules import Rules
    from journaltune.suggest.history import History

    Member = tuple[Shape, Sequence[float], Sequence[float], Mapping[str, Any]]

GENERATION = "generation"  # the names, and the text in them, are those that Rustuna writes into its own journals
PARENTS = "NSGAIISampler:parent:"
_POPULATION = 50
HUGE = 1e100


class NsgaiiSampler:
    """Options are the keyword arguments of ``rustuna.samplers.NSGAIISampler``, except its seed."""

    marks_enqueued = True
    finite = False
    rules: Rules | None = None
    always: Sequence[str] | None = None
    """The columns that every trial has; None: as the ``rules`` say. Others are drawn at random, as Optuna's NSGA-II does it."""

    def __init__(self, name: str, options: Mapping[str, Any], by_index: bool) -> None:
        refuse_seed(options)
        self._options, self._by_index = dict(options), by_index
        try:
            self._fresh(0)
        except (TypeError, ValueError, OverflowError) as error:
            raise wrong_options(name, options, error) from error
        self._size = int(self._options.get("population_size", _POPULATION))
        if self._size < 2:
            raise UsageError(f"sampler {name} does not take these options: population_size must be at least 2")
        self._members: _Members | None = None
        self._common: tuple[Mapping[str, Distribution], Mapping[str, Distribution]] | None = None

    def _fresh(self, seed: int) -> Any:
        return rust.NSGAIISampler(seed=seed, **self._options)

    def check(self, distributions: Mapping[str, Distribution], n_objectives: int) -> None:
        """See ``samplers.Sampler``: it takes every space, and any number of objectives."""

    def suggest(
        self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int, constant_seed: int
    ) -> Suggested:
        """See ``samplers.Sampler``."""
        always = self.always
        if always is None and self.rules is not None and self.rules.optional:
            always = [name for name in distributions if name not in self.rules.optional]
        if always is None:
            return self._suggest(history, distributions, seed)
        if self._common is None or self._common[0] is not distributions:
            self._common = distributions, {name: known for name, known in distributions.items() if name in always}
        common = self._common[1]
        rest = {name: known for name, known in distributions.items() if name not in common}
        suggested = self._suggest(history, common, seed) if common else Suggested({}, {})
        values = suggested.internal | self._study(history, rest).at_random(derive_seed(seed, 1, GROUP))
        return Suggested({name: values[name] for name in distributions}, suggested.attrs)

    def _study(self, history: History, distributions: Mapping[str, Distribution]) -> RustStudy:
        return RustStudy(history.directions, distributions, self._by_index, modelled=False)

    def _suggest(self, history: History, distributions: Mapping[str, Distribution], seed: int) -> Suggested:
        members = self._members
        if members is None or members.space is not distributions or members.n_read > history.n_finished():
            members = self._members = _Members(distributions, self._by_index)
        members.catch_up(history)
        generation = members.first_with_room(self._size)
        study, sampler = self._study(history, distributions), self._fresh(seed)
        attrs: dict[str, Any] = {GENERATION: str(generation)}
        if not generation:
            return Suggested(study.suggest(sampler), attrs)
        chosen = members.known(parents_in(history.study_attrs()), self._size)
        if generation in chosen:
            ids = _add(study, 0, [members.by_number[known] for known in chosen[generation]])
            _set_parents(study, 1, ids)
            return Suggested(study.suggest(sampler), attrs)
        earlier, latest = chosen.get(generation - 1, []), members.of(generation - 1)
        ids = _add(study, 0, [members.by_number[known] for known in earlier])
        if earlier:
            _set_parents(study, 1, ids)
        ids += _add(study, 1 if earlier else 0, [members.by_number[known] for known in latest])
        internal = study.suggest(sampler)
        numbers = dict(zip(ids, [*earlier, *latest], strict=True))
        picked = loads(study.storage.get_study(study.study_id).system_attrs[f"{PARENTS}{2 if earlier else 1}"])
        parents = {f"{PARENTS}{generation}": [numbers[trial_id] for trial_id in picked]}
        return Suggested(internal, attrs | {STUDY_ATTRS: {"place": history.n_writes(), "attrs": parents}})


def _add(study: RustStudy, generation: int, members: Sequence[Member]) -> list[int]:
    """Add complete trials as a generation; their ids."""
    note = {GENERATION: str(generation)}
    return [study.add(shape, params, values, {**attrs, **note})[0] for shape, params, values, attrs in members]


def _set_parents(study: RustStudy, generation: int, ids: list[int]) -> None:
    study.storage.set_study_system_attrs(study.study_id, {f"{PARENTS}{generation}": dumps(ids)})


def parents_in(study_attrs: Mapping[str, Any]) -> dict[int, list[int]]:
    """The trials that were chosen as parents, by generation."""
    return {
        int(key.removeprefix(PARENTS)): value
        for key, value in study_attrs.items()
        if key.startswith(PARENTS) and key.removeprefix(PARENTS).isdecimal() and isinstance(value, list)
    }


class _Members:
    """The complete trials that belong to a generation and fit into the space."""

    def __init__(self, distributions: Mapping[str, Distribution], by_index: bool) -> None:
        self.space = distributions
        self.n_read = 0
        self.by_number: dict[int, Member] = {}
        self._by_generation: dict[int, list[int]] = {}
        self._fits = RustStudy([MINIMIZE], distributions, by_index).fits

    def catch_up(self, history: History) -> None:
        for number, shape, params, values, attrs in history.complete(self.n_read):
            generation = str(attrs.get(GENERATION))
            if generation.isdecimal() and self._fits(shape, params):
                self._by_generation.setdefault(int(generation), []).append(number)
                # Crowding distances are ratios of differences, which the largest doubles don't have.
                clipped = [min(max(value, -HUGE), HUGE) for value in values]
                self.by_number[number] = shape, params, clipped, violation(constraints_in(attrs))
        self.n_read = history.n_finished()

    def first_with_room(self, size: int) -> int:
        """The first generation that is not full."""
        generation = 0
        while len(self._by_generation.get(generation, ())) >= size:
            generation += 1
        return generation

    def of(self, generation: int) -> list[int]:
        """The numbers of a generation's trials, in the order in which they finished."""
        return self._by_generation.get(generation, [])

    def known(self, chosen: Mapping[int, list[int]], size: int) -> dict[int, list[int]]:
        """The choices of a whole population whose trials all fit into the space. Other choices are made again."""
        return {
            generation: parents
            for generation, parents in chosen.items()
            if len(parents) >= size and all(known in self.by_number for known in parents)
        }
