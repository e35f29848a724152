"""ask: the next trial to run, an enqueued one or a new one."""

from __future__ import annotations

from journaltune.base import RUNNING, WAITING, trainer_seed
from journaltune.base.errors import ExhaustedError, NotFoundError, WaitTimeoutError
from journaltune.journal import records
from journaltune.study import OpenStudy, environment, space_of, verb
from journaltune.suggest.choose import Choice, Suggestion, awaited, choose, sampler_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from typing import Any

    from journaltune.engine.wait import Waiting
    from journaltune.journal.state import LiveTrial, StudyState
    from journaltune.space import Space

DAY_S = 86400.0
_TRIES_WITHOUT_LOCK = 3


@verb
def ask(
    study: OpenStudy,
    *,
    owner_pid: int | None = None,
    owner: Mapping[str, Any] | None = None,
    ttl_s: float | None = None,
    max_trials: int | None = None,
    wait_s: float = DAY_S,
    on_wait: Callable[[int, int], None] | None = None,
    on_failed: Callable[[int], None] | None = None,
    mark: str | None = None,
    is_wanted: Callable[[], bool] | None = None,
) -> Suggestion:
    """The next trial to run: one whose owner is proven dead, else an enqueued one, else one that the sampler suggests.

    Asks of one study come one after the other, so each sees every earlier one; tells go on meanwhile. The trial is in the journal
    when this returns, but not safe from a power cut until it is told: a power cut ends its trainer too.

    ``owner_pid`` (or ``owner``, as ``owners.describe`` and ``owners.Worker`` give it) owns the trial: when that process dies, a
    later ask hands the trial out again, with the same number, parameters and seed, and ``attempt`` one higher. After ``ttl_s``
    seconds without a report it is handed out again, too. ``on_failed`` is called with the number of each trial that this ask
    fails as ``crash-loop``, because it killed as many owners as the study's ``attempts`` allow.

    In a study with a lag, trial k waits, at most ``wait_s``, until trials up to k - lag have finished; ``on_wait(k, j)`` is
    called once for each trial j that it waits for. ``mark`` stands in the record: a caller that is interrupted before this
    returns finds its trials by their mark. ``is_wanted`` is called before a trial is chosen, and several times a second while
    the ask waits: False ends it.

    Raises ExhaustedError when the study has ``max_trials`` trials already, SpaceError when it has no search space,
    WaitTimeoutError when the trial that it waits for did not finish, or nobody wants the suggestion any more.
    """
    if (wait_s, max_trials, ttl_s) != (DAY_S, None, None):
        wait_s, max_trials, ttl_s = _checked(wait_s, max_trials, ttl_s)
    metadata, failed = _metadata(owner_pid, owner, ttl_s, mark), list[int]()
    wait: Waiting | None = None
    while True:
        try:
            with study.turn.lock, study.turn:
                # The sampler's library is imported before others have to wait for this process.
                sampler_of(study)
                with study.journal.asks(study.study_id):
                    answer = _ask(study, metadata, max_trials, failed, is_wanted)
        finally:
            while failed and on_failed is not None:  # without the locks: a callback may use the study
                on_failed(failed.pop(0))
        if isinstance(answer, Suggestion):
            return answer
        if wait is None:
            from journaltune.engine.wait import Waiting

            wait = Waiting(study, wait_s, on_wait, is_wanted)
        wait.for_result(*answer)  # without the locks: another thread of this process may bring the result


def _checked(wait_s: float, max_trials: int | None, ttl_s: float | None) -> tuple[float, int | None, float | None]:
    from journaltune.base import checks  # most asks give none of these

    return (
        checks.not_negative(wait_s, "how long to wait"),
        None if max_trials is None else checks.at_least(0, max_trials, "max_trials", "None: no limit"),
        None if ttl_s is None else checks.positive(ttl_s, "a time to live"),
    )


def _metadata(owner_pid: int | None, owner: Mapping[str, Any] | None, ttl_s: float | None, mark: str | None) -> dict[str, Any]:
    """What the record says of the caller."""
    metadata: dict[str, Any] = {}
    if owner is not None:
        metadata["owner"] = dict(owner)
    elif owner_pid is not None:
        from journaltune.engine.owners import describe

        metadata["owner"] = describe(owner_pid)
    if ttl_s is not None:
        from journaltune.engine.resume import clock

        metadata |= {"ttl_s": ttl_s, "clock": clock()}
    if mark is not None:
        metadata["mark"] = mark
    return metadata


def _ask(
    study: OpenStudy,
    metadata: dict[str, Any],
    max_trials: int | None,
    failed: list[int],
    is_wanted: Callable[[], bool] | None,
) -> Suggestion | tuple[int, int, int]:
    """The next suggestion; or (number, awaited, offset) if trial ``awaited`` must finish first, as of that offset.

    Numbers of trials that fail as ``crash-loop`` are added to ``failed``.
    """
    tries = 0
    skipped: set[int] = set()  # enqueued trials that have to wait for one with the same parameters
    while True:
        study.journal.sync()
        state = study.state()
        if is_wanted is not None and not is_wanted():
            raise WaitTimeoutError(f"no trial of study {study.name!r} is wanted any more: the client is gone, or the server ends")
        if any(trial.state == RUNNING and trial.may_have_owner() for trial in state.live.values()):
            from journaltune.engine.resume import take_up

            again = take_up(study, metadata, failed)
            if again is not None:
                return again
        _check_budget(state, max_trials)
        space, waiting = space_of(study), _first_waiting(state, skipped)
        number = state.n_trials if waiting is None else waiting.number
        before = awaited(study, number)
        if before is not None:
            return number, before, study.journal.offset
        _check_stop_rules(study, number)
        if waiting is not None:
            made = _ask_waiting(study, metadata, space, waiting, skipped)
        elif tries < _TRIES_WITHOUT_LOCK:
            made = _ask_new(study, metadata, space, skipped)
        else:
            # Others create trials faster than the sampler suggests. With the lock they wait for this one.
            with study.journal.locked():
                made = _ask_new(study, metadata, space, skipped, insist=True)
        if made is not None and made[1].twin is None:
            number, choice = made
            return Suggestion(number, space.decode(choice.internal), trainer_seed(study.config, number))
        tries = tries + 1 if made is None else 0


def _first_waiting(state: StudyState, skipped: Container[int]) -> LiveTrial | None:
    waiting = (trial for trial in state.live.values() if trial.state == WAITING and trial.number not in skipped)
    return next(waiting, None)


def _check_budget(state: StudyState, max_trials: int | None) -> None:
    if max_trials is None or state.n_trials < max_trials:
        return
    from journaltune.study.trials import n_counted

    if n_counted(state) >= max_trials:
        raise ExhaustedError(f"study {state.name!r} has its {max_trials} trials; raise --trials to go on")


def _check_stop_rules(study: OpenStudy, number: int) -> None:
    if not study.cached(_has_stop_rules):
        return
    from journaltune.suggest.stopping import why_stopped

    why = why_stopped(study, number)
    if why:
        raise ExhaustedError(f"study {study.name!r} is done: {why}")


def _has_stop_rules(study: OpenStudy) -> bool:
    return study.setting("target") is not None or study.setting("patience") is not None or bool(study.setting("min_gain"))


def _ask_waiting(
    study: OpenStudy, metadata: dict[str, Any], space: Space, waiting: LiveTrial, skipped: set[int]
) -> tuple[int, Choice] | None:
    """Claim an enqueued trial; None when it can't run now."""
    from journaltune.engine.claim import claim, decide

    number, saw = waiting.number, study.journal.offset
    choice = decide(study, waiting)
    if choice is None:
        skipped.add(number)
        return None
    return (number, choice) if claim(study, number, choice, space, {"n": number, "saw": saw, **metadata}) else None


def _ask_new(
    study: OpenStudy, metadata: dict[str, Any], space: Space, skipped: Container[int], *, insist: bool = False
) -> tuple[int, Choice] | None:
    """Suggest and create; None when the number, the queue or the space changed meanwhile, so that the suggestion is for another.

    With ``insist`` a changed number is taken: stock writers don't wait for our lock. The record says which number was meant.
    """
    journal, number, saw = study.journal, study.state().n_trials, study.journal.offset
    choice = choose(study, number)
    with journal.locked():
        state = study.state()
        if study.space is not space or (not insist and (state.n_trials != number or _first_waiting(state, skipped) is not None)):
            return None
        if study.all_studies and _overtaken(study, choice):
            return None
        record = _new_record(study, choice)
        record["jt"] = {"n": number, "saw": saw, **metadata}
        *_, trial = journal.append([*environment.records_of_change(study), record])
    if not trial:
        raise NotFoundError(f"study {study.name!r} was deleted")
    return trial.number, choice


def _overtaken(study: OpenStudy, choice: Choice) -> bool:
    """Whether another study of the journal asked for the same parameters meanwhile, or the study of the twin was deleted."""
    if choice.twin is not None:
        return choice.twin.study_state(study) is None
    from journaltune.suggest.duplicates import Tried

    return Tried(study, study.state()).twin(choice.internal) is not None


def _new_record(study: OpenStudy, choice: Choice) -> dict[str, Any]:
    """A running trial; with a twin, a finished one that has the twin's result."""
    state, system_attrs = study.state(), choice.attrs
    record = records.create_trial(state.study_id, study.stored_distributions, choice.internal, RUNNING)
    if choice.twin is not None:
        from journaltune.base.constraints import as_attrs
        from journaltune.study.trials import result_of

        twins = choice.twin.study_state(study) or state
        record["state"], record["values"], constraints = result_of(twins, choice.twin.number)
        record["datetime_complete"] = record["datetime_start"]
        system_attrs = system_attrs | as_attrs(constraints)
    for name, attrs in (("user_attrs", choice.user_attrs), ("system_attrs", system_attrs)):
        if attrs:
            record[name] = attrs
    return record
