"""Trials with given parameters: by an index, in one study or in all whose search spaces agree."""

from __future__ import annotations

from journaltune.base import FINISHED, RUNNING, WAITING, checks
from journaltune.base.errors import JournaltuneError, NotFoundError
from journaltune.base.frozen import Frozen
from journaltune.journal.keys import Index, parameters_of
from journaltune.journal.state import STATE_MASK
from journaltune.space import Distribution, Space, compatible
from journaltune.study import OpenStudy
from journaltune.study.queue import fixed_internal
from journaltune.study.studies import open_studies
from journaltune.study.trials import trials_at, wanted_states

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from journaltune.base.model import Trial, TrialState
    from journaltune.journal.state import LiveTrial

_SNAPSHOT_FROM = 4096  # so many keys made for one lookup are saved in a snapshot, or the next lookup makes them again


class Match(Frozen):
    """A trial with the parameters, and the study and the journal that it stands in."""

    path: str
    study_name: str
    trial: Trial


def lookup(
    study: OpenStudy,
    params: Mapping[str, Any] | None = None,
    *,
    number: int | None = None,
    states: Iterable[TrialState | str] | None = None,
    all_studies: bool = False,
    also: Iterable[str | os.PathLike[str]] = (),
) -> list[Match]:
    """The trials with just these parameters, newest first: of this study, then of others of its journal (``all_studies``), and of
    all in the journals ``also``. With ``number``, those with the parameters of that trial, except itself.

    Parameters are equal when the search space takes them for equal: True, 1 and "1" are three values of a choice, a float with
    a step is its place on the grid, whatever the last bit says, and a trial that lacks a parameter is equal only to one that
    lacks it too. Studies whose parameters have other names, kinds, scales or categories are passed over. ``states``: complete,
    pruned and fail when left out.

    In a journal that stays open a look costs what finished since the last one, not what there is.

    Raises NotFoundError for an unknown number, SpaceError for parameters that the study does not have.
    """
    params = {} if params is None else checks.mapping(params, "parameters")
    if all_studies:
        study.require_here("a look-up in all studies")
    wanted = set(FINISHED) if states is None else wanted_states(states)
    with study.turn.lock, study.turn:
        study.journal.sync()
        if number is None:
            searched = _searched(study)
            # A study that others define as it runs may have any part of its parameters in a trial.
            space = study.space
            internal = (space or Space(searched)).encode(params, partial=space is None, bounded=False)
        else:
            internal, texts = _columns_of(study, number)
            searched = {name: Distribution.from_json(text) for name, text in texts.items()}
        matches = [match for match in _matches(study, internal, searched, wanted) if match.trial.number != number]
    for other in _others(study, all_studies, also):
        with other:
            others_space = _searched(other)
            if _agree(others_space, searched):
                matches += _matches(other, internal, others_space, wanted)
    return matches


def _others(study: OpenStudy, all_studies: bool, also: Iterable[str | os.PathLike[str]]) -> Iterator[OpenStudy]:
    for path in ([study.path] if all_studies else []) + list(map(str, also)):
        opened = open_studies(path, **study.access)
        yield from (other for other in opened if (other.path, other.study_id) != (study.path, study.study_id))


def _searched(study: OpenStudy) -> dict[str, Distribution]:
    """The study's distributions: of its space, or where it has no space, those that its parameters first had."""
    if study.space is not None:
        return dict(study.space.distributions)
    return {name: Distribution.from_json(text) for name, (_, text) in study.state().first_distributions.items()}


def _agree(one: Mapping[str, Distribution], other: Mapping[str, Distribution]) -> bool:
    return one.keys() == other.keys() and all(compatible(one[name], other[name]) for name in one)


def _columns_of(study: OpenStudy, number: int) -> tuple[dict[str, float], dict[str, str]]:
    """A trial's own parameters and distributions; those that it was enqueued with, while it waits."""
    state = study.state()
    if not 0 <= number < state.n_trials:
        raise NotFoundError(f"study {study.name!r} has no trial {number}")
    live = state.live.get(number)
    if live is not None and live.state == WAITING and study.space is not None:
        fixed = fixed_internal(live, study.space)
        return fixed, {name: study.stored_distributions[name] for name in fixed}
    return parameters_of(state, number)


def _matches(
    study: OpenStudy, internal: Mapping[str, float], searched: Mapping[str, Distribution], wanted: set[int]
) -> list[Match]:
    state = study.state()
    index = study.cached_for(state.finished, Index)
    n_keys = len(state.finished.column("keys"))
    texts = {name: searched[name].to_json() for name in internal}
    codes = state.finished.column("codes")
    rows = [row for row in index.equal_rows(internal, texts) if codes[row] & STATE_MASK in wanted]
    if state.withdrawn:
        numbers = state.finished.column("numbers")
        rows = [row for row in rows if numbers[row] not in state.withdrawn]
    if len(state.finished) - n_keys > _SNAPSHOT_FROM:
        study.journal.save_snapshot()
    live = [trial for trial in state.live.values() if trial.state in wanted and _has(study, index, trial, internal, texts)]
    trials = sorted(trials_at(state, rows, live), key=lambda trial: -trial.number)
    return [Match(study.path, study.name, trial) for trial in trials]


def _has(study: OpenStudy, index: Index, trial: LiveTrial, internal: Mapping[str, float], texts: Mapping[str, str]) -> bool:
    """Whether a live trial has these parameters."""
    try:
        params, its_texts = (trial.params, trial.distributions) if trial.state == RUNNING else _columns_of(study, trial.number)
    except JournaltuneError:  # another program enqueued something else than parameters
        return False
    return index.maker.key_of(internal, texts) == index.maker.key_of(params, its_texts)
