"""What a trial is to try: the one function that decides, and a draw of the study's sampler as the trial sees it."""

from __future__ import annotations

from journaltune.base import CONSTANT, REDRAW, SAMPLING, derive_seed
from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen
from journaltune.study import space_of
from journaltune.suggest import Suggested
from journaltune.suggest.history import History
from journaltune.suggest.samplers import make

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.journal.state import StudyState
    from journaltune.space import Space
    from journaltune.study import OpenStudy
    from journaltune.suggest.samplers.protocol import Sampler

_BLIND = ("random", "qmc")  # samplers to which no result matters

# User attributes that hold the number of another trial: the one whose result this trial has, the first one of its configuration.
DUPLICATE_OF, REPLICATE_OF = "duplicate_of", "replicate_of"
DUPLICATE_IN = "duplicate_in"  # the name of the study whose trial DUPLICATE_OF means, where that is another one


class Suggestion(Frozen):
    """The trial's number, its parameters (external values), and a seed of 31 bits for the trainer.

    ``attempt`` is 1, and one higher each time that the trial is taken up again.
    """

    number: int
    params: dict[str, Any]
    seed: int
    attempt: int = 1


class Twin(Frozen):
    """A trial with the same parameters, and its state as the new trial may know it. ``sibling`` is the id and the name of its
    study, where that is another one of the journal."""

    number: int
    state: int
    sibling: tuple[int, str] | None = None

    def study_state(self, study: OpenStudy) -> StudyState | None:
        """The replayed study that the trial belongs to; None when it was deleted."""
        return study.state() if self.sibling is None else study.journal.state.studies.get(self.sibling[0])


class Choice(Frozen):
    """Internal values for a trial, and the sampler's notes for its record.

    ``twin`` is a trial with these parameters, where one is finished or running. ``replicate_of`` is the first trial of a
    configuration that is asked several times.
    """

    internal: dict[str, float]
    attrs: dict[str, Any]
    twin: Twin | None = None
    replicate_of: int | None = None

    @property
    def user_attrs(self) -> dict[str, Any]:
        """The attributes of the trial that everybody may read."""
        if self.twin is not None:
            where = {} if self.twin.sibling is None else {DUPLICATE_IN: self.twin.sibling[1]}
            return {DUPLICATE_OF: self.twin.number, **where}
        return {} if self.replicate_of is None else {REPLICATE_OF: self.replicate_of}


def choose(study: OpenStudy, number: int, fixed: Mapping[str, float] | None = None) -> Choice:
    """The parameters of trial ``number``: a pure function of the study's configuration and of what the trial can see.

    ``fixed``: the internal values that an enqueued trial waits with; None: a new trial. A configuration that needs another
    replicate comes before anything new. With the policy ``reuse`` the choice has a ``twin`` where its parameters have a result
    already; with ``resample`` parameters that were tried are drawn again. ``verify`` calls this function too.

    Raises SpaceError when the study has no search space, ExhaustedError when nothing is left to suggest.
    """
    space = space_of(study)
    choice = _choose(study, space, number, fixed)
    if not space.has_grids or not by_index(study):
        return choice
    return choice.but(internal=space.canonical(choice.internal))


def _choose(study: OpenStudy, space: Space, number: int, fixed: Mapping[str, float] | None) -> Choice:
    if fixed is None and study.replicates > 1:
        from journaltune.suggest.replicates import due

        replicate = due(study, space, number)
        if replicate is not None:
            return replicate
    if study.duplicates == "allow":
        suggested = draw(study, space, number, fixed)
        return Choice(suggested.internal, suggested.attrs)
    from journaltune.suggest import duplicates  # most studies do without its imports

    if fixed is None:
        return duplicates.choose_new(study, space, number)
    return duplicates.choose_rest(study, space, number, fixed)


def draw(study: OpenStudy, space: Space, number: int, fixed: Mapping[str, float] | None = None, redraw: int = 0) -> Suggested:
    """Internal values for every column that trial ``number`` has: of an enqueued one the ``fixed`` ones, and the sampler's for
    the rest.

    A pure function of the study's configuration, of what the trial can see, of its number, and of ``redraw``: how many draws
    before this one were duplicates. A sampler that numbers its trials is asked even where all parameters are fixed.

    InfeasibleError when the space's rules allow no configuration, ExhaustedError when the sampler has nothing left.
    """
    sampler, seed, varied = sampler_of(study), sampling_seed(study, number, redraw), study.varied
    given = fixed or {}
    asked = bool(varied or sampler.finite) and (sampler.marks_enqueued or not space.is_whole(given))
    counts = _first_counts(study, space) if fixed is not None else {}

    def suggest(attempt: int) -> Suggested:
        drawn: Mapping[str, float] = {}
        attrs: dict[str, Any] = {}
        if asked:
            seeds = derive_seed(seed, attempt, REDRAW) if attempt else seed, study.cached(_constant_seed)
            suggested = sampler.suggest(history(study, number), varied, number, *seeds)
            drawn, attrs = suggested.internal, suggested.attrs
        taken = {name: drawn[name] % count for name, count in counts.items() if name in drawn}
        return Suggested(with_constants({**drawn, **taken, **given}, space), attrs)

    rules = space.rules
    if rules is None or not rules.restricts:
        return suggest(0)
    from journaltune.suggest.feasible import Drawing, settled  # most spaces have no rules

    return settled(Drawing(space, rules, given, seed), suggest, lambda: _good(study, number))


def _first_counts(study: OpenStudy, space: Space) -> dict[str, int]:
    """Of choices that have grown, how many there were at first: readers refuse the others in the records that a claim writes."""
    from journaltune.study.queue import grown

    return grown(study.state(), space)


def _good(study: OpenStudy, number: int) -> list[dict[str, float]]:
    """The best tenth of the complete trials that a sampler which learns can see, at most 20; none for other samplers."""
    if study.sampler in _BLIND:
        return []
    from journaltune.study.best import signs_of  # for spaces with constraints

    seen, (sign, *_) = history(study, number), signs_of(study.state().directions)
    ranked = sorted((sign * values[0], number, shape, params) for number, shape, params, values, _ in seen.complete())
    n_good = min(20, len(ranked) // 10 + 1)
    return [{name: value for (name, _), value in zip(shape, params, strict=True)} for *_, shape, params in ranked[:n_good]]


def with_constants(varied: Mapping[str, float], space: Space) -> dict[str, float]:
    """``varied``, and for parameters that it lacks the only value that they have, all in declared order."""
    return {name: varied[name] if name in varied else float(known.low) for name, known in space.distributions.items()}


def sampling_seed(study: OpenStudy, number: int, draw: int = 0) -> int:
    """64 bits for the ``draw``-th suggestion for a trial."""
    seed = derive_seed(study.seed, number, SAMPLING)
    return seed if draw == 0 else derive_seed(seed, draw, REDRAW)


def _constant_seed(study: OpenStudy) -> int:
    return derive_seed(study.seed, 0, CONSTANT)


def awaited(study: OpenStudy, number: int) -> int | None:
    """The trial that must finish before trial ``number`` can be asked for; None when nothing has to."""
    if study.lag is None:
        return None
    from journaltune.suggest.lag import awaited

    return awaited(study.state(), number, study.lag)


def visible(study: OpenStudy, number: int) -> StudyState:
    """The study's state, as far as trial ``number`` may know it."""
    if study.lag is None:
        return study.state()
    from journaltune.suggest.lag import Lagged

    return study.cached(Lagged).view(study.state(), number, study.lag)


def history(study: OpenStudy, number: int) -> History:
    """The history that the sampler sees for trial ``number``."""
    is_bounded, sees_all = _marked(study, "tpe", "bounded"), _marked(study, "pruned", "learned")
    return History(visible(study, number), study.failures, is_bounded, sees_all)


def by_index(study: OpenStudy) -> bool:
    """Whether samplers get grids by index, and grid values have their canonical spelling.

    A study that does not record the setting ``grid`` was made before this was so. It keeps the old arithmetic, so that ``verify``
    gets the same values. UsageError for a word of a newer version.
    """
    return _marked(study, "grid", "index")


def _marked(study: OpenStudy, name: str, word: str) -> bool:
    """Whether a study computes in the new way: see ``settings.ARITHMETIC``. UsageError for a word of a newer version."""
    marked = study.config.get(name)
    if marked not in (None, word):
        raise UsageError(f"study {study.name!r} needs a newer journaltune: its setting {name} is {marked!r}")
    return marked == word


def sampler_of(study: OpenStudy) -> Sampler:
    """The study's sampler. UsageError for one that is unknown or not installed."""
    return study.cached(_made)


def _made(study: OpenStudy) -> Sampler:
    space = study.space
    words = (("nsgaii", "near", ("nsgaii",)), ("gp", "sums", ("gp", "auto")))
    before = [name for setting, word, names in words if not _marked(study, setting, word) for name in names]
    rules = None if space is None else space.rules
    return make(study.sampler, study.setting("sampler_options"), by_index(study), rules, before)
