"""ask: the next trial to run, an enqueued one or a new one."""

from __future__ import annotations

from journaltune.base import checks
from journaltune.base.errors import ExhaustedError, NotFoundError
from journaltune.engine.claim import decide, take
from journaltune.engine.wait import DAY_S, Waiting
from journaltune.journal import records
from journaltune.journal.state import RUNNING
from journaltune.study import environment, queue
from journaltune.study.open_study import OpenStudy, space_of
from journaltune.study.trials import n_counted
from journaltune.suggest.choice import Choice, Suggestion
from journaltune.suggest.choose import choose
from journaltune.suggest.seeds import trainer_seed
from journaltune.suggest.view import awaited, sampler_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from typing import Any

    from journaltune.journal.state import LiveTrial, StudyState
    from journaltune.space import Space

_TRIES_WITHOUT_LOCK = 3


def ask(
    study: OpenStudy,
    *,
    owner_pid: int | None = None,
    ttl_s: float | None = None,
    max_trials: int | None = None,
    wait_s: float = DAY_S,
    on_wait: Callable[[int, int], None] | None = None,
    mark: str | None = None,
) -> Suggestion:
    """The next trial to run: an enqueued one if there is any, else one that the sampler suggests.

    Asks of one study are serialised, so each sees every earlier one; tells go on meanwhile. The trial is in the journal when
    this returns, but only the ``tell`` makes it survive a power cut, which takes its trainer too.

    In a study with a lag, trial k waits, at most ``wait_s``, until trials up to k - lag have finished; ``on_wait(k, j)`` is
    called once for each trial j that it waits for. ``mark`` stands in the record: by it a caller finds trials that it never heard
    of, because it was interrupted before this returned.

    Raises ExhaustedError when the study has ``max_trials`` trials already, SpaceError when it has no search space,
    WaitTimeoutError when the trial that it waits for did not finish.
    """
    wait_s = checks.not_negative(wait_s, "how long to wait")
    if max_trials is not None:
        max_trials = checks.at_least(0, max_trials, "max_trials", "None: no limit")
    claim: dict[str, Any] = {}
    if owner_pid is not None:
        from journaltune.engine.owners import describe

        claim["owner"] = describe(owner_pid)
    if ttl_s is not None:
        claim["ttl_s"] = checks.positive(ttl_s, "a time to live")
    if mark is not None:
        claim["mark"] = mark
    waiting = Waiting(study, wait_s, on_wait)
    while True:
        with study.turn.lock, study.turn:
            # The sampler's library is imported before others have to wait for it.
            sampler_of(study)
            with study.journal.asks(study.study_id):
                found = _ask(study, claim, max_trials)
        if isinstance(found, Suggestion):
            return found
        waiting.for_result(*found)  # without the locks: the result may come from another thread of this process


def _ask(study: OpenStudy, claim: dict[str, Any], max_trials: int | None) -> Suggestion | tuple[int, int, int]:
    """The next suggestion; or (number, awaited, offset) if trial ``awaited`` must finish first, as of that offset."""
    tries = 0
    skipped: set[int] = set()  # enqueued trials that have to wait for one with the same parameters
    while True:
        study.journal.sync()
        state = study.state()
        _check_budget(state, max_trials)
        space, waiting = space_of(study), _first_waiting(state, skipped)
        number = state.n_trials if waiting is None else waiting.number
        before = awaited(study, number)
        if before is not None:
            return number, before, study.journal.offset
        if waiting is not None:
            found = _ask_waiting(study, claim, space, waiting, skipped)
        elif tries < _TRIES_WITHOUT_LOCK:
            found = _ask_new(study, claim, space, skipped)
        else:
            # Somebody creates trials faster than the sampler suggests; make them wait for once.
            with study.journal.locked():
                found = _ask_new(study, claim, space, skipped, insist=True)
        if found is not None and found[1].twin is None:
            number, choice = found
            return Suggestion(number, space.decode(choice.internal), trainer_seed(study, number))
        tries = tries + 1 if found is None else 0


def _first_waiting(state: StudyState, skipped: Container[int]) -> LiveTrial | None:
    return next((trial for trial in queue.waiting(state) if trial.number not in skipped), None)


def _check_budget(state: StudyState, max_trials: int | None) -> None:
    if max_trials is not None and state.n_trials >= max_trials and n_counted(state) >= max_trials:
        raise ExhaustedError(f"study {state.name!r} has its {max_trials} trials; raise --trials to go on")


def _ask_waiting(
    study: OpenStudy, claim: dict[str, Any], space: Space, waiting: LiveTrial, skipped: set[int]
) -> tuple[int, Choice] | None:
    """Claim an enqueued trial; None when it can't be now."""
    number, saw = waiting.number, study.journal.offset
    choice = decide(study, waiting)
    if choice is None:
        skipped.add(number)
        return None
    return (number, choice) if take(study, number, choice, space, {"n": number, "saw": saw, **claim}) else None


def _ask_new(
    study: OpenStudy, claim: dict[str, Any], space: Space, skipped: Container[int], *, insist: bool = False
) -> tuple[int, Choice] | None:
    """Suggest and create; None when meanwhile the number, the queue or the space changed that the suggestion was made for.

    With ``insist`` another number will do: stock writers don't wait for our lock. The record says which one was meant.
    """
    journal, number, saw = study.journal, study.state().n_trials, study.journal.offset
    choice = choose(study, number)
    with journal.locked():
        state = study.state()
        if study.space is not space or (not insist and (state.n_trials != number or _first_waiting(state, skipped) is not None)):
            return None
        record = _new_record(study, choice)
        record["jt"] = {"n": number, "saw": saw, **claim}
        *_, trial = journal.append([*environment.records_of_change(study), record])
    if not trial:
        raise NotFoundError(f"study {study.name!r} was deleted")
    return trial.number, choice


def _new_record(study: OpenStudy, choice: Choice) -> dict[str, Any]:
    """A running trial; one that has its twin's result, where there is a twin."""
    state, system_attrs = study.state(), choice.attrs
    record = records.create_trial(state.study_id, study.stored_distributions, choice.internal, RUNNING)
    if choice.twin is not None:
        from journaltune.study.trials import result_of

        record["state"], record["values"], constraints = result_of(state, choice.twin.number)
        record["datetime_complete"] = record["datetime_start"]
        system_attrs = system_attrs | constraints
    for name, attrs in (("user_attrs", choice.user_attrs), ("system_attrs", system_attrs)):
        if attrs:
            record[name] = attrs
    return record
