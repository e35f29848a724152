"""Ask and enqueue: lock, sync, decide, append, read back. And all that the command line and the Python face both call."""

from __future__ import annotations

from os import stat, urandom

from journaltune import checks, claims
from journaltune.creation import create_study
from journaltune.errors import ConflictError, ExhaustedError, InDoubtError, NotFoundError, WaitTimeoutError
from journaltune.frozen import Suggestion
from journaltune.journal import records
from journaltune.journal.state import FAIL, HIDDEN, RUNNING, STATE_MASK, WAITING
from journaltune.jsontext import dumps
from journaltune.studies import OpenStudy, delete_study, list_studies, open_study
from journaltune.suggesting import Choice, space_of, suggested, trainer_seed
from journaltune.telling import earlier_request, report, should_prune, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from typing import Any

    from journaltune.journal.state import LiveTrial, StudyState
    from journaltune.space import Space

__all__ = [
    "FAIL",
    "OpenStudy",
    "ask",
    "create_study",
    "delete_study",
    "enqueue",
    "list_studies",
    "open_study",
    "report",
    "running_with",
    "should_prune",
    "tell",
    "trainer_seed",
]

DAY_S = 86400.0
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
        from journaltune.owners import describe

        claim["owner"] = describe(owner_pid)
    if ttl_s is not None:
        claim["ttl_s"] = checks.positive(ttl_s, "a time to live")
    if mark is not None:
        claim["mark"] = mark
    waiting = _Waiting(study, wait_s, on_wait)
    while True:
        with study.turn.lock, study.turn:
            # The sampler's library is imported before others have to wait for it.
            study.sampler_object()
            with study.journal.asks(study.study_id):
                found = _ask(study, claim, max_trials)
        if isinstance(found, Suggestion):
            return found
        waiting.for_result(*found)  # without the locks: the result may come from another thread of this process


def running_with(study: OpenStudy, mark: str) -> list[int]:
    """The running trials whose asks had this mark."""
    with study.turn.lock, study.turn:
        study.journal.sync()
        live = study.state().live.values()
        return [trial.number for trial in live if trial.state == RUNNING and trial.jt.get("mark") == mark]


class _Waiting:
    """Waits until the journal changes, for as long as one ask may wait in all."""

    __slots__ = ("_awaited", "_deadline", "_on_wait", "_pause_s", "_study", "_wait_s")

    def __init__(self, study: OpenStudy, wait_s: float, on_wait: Callable[[int, int], None] | None) -> None:
        self._study, self._wait_s, self._on_wait = study, wait_s, on_wait
        self._awaited, self._pause_s = -1, 0.0
        self._deadline: float | None = None

    def for_result(self, number: int, awaited: int, offset: int) -> None:
        """Until something stands behind ``offset``, or it is time to look whether the trial's state changed otherwise."""
        from time import monotonic, sleep

        if self._deadline is None:
            self._deadline = monotonic() + self._wait_s
        if awaited != self._awaited:
            self._awaited, self._pause_s = awaited, 0.002
            if self._on_wait is not None:
                self._on_wait(number, awaited)
        while True:
            if monotonic() >= self._deadline:
                raise WaitTimeoutError(
                    f"trial {number} of study {self._study.name!r} needs the result of trial {awaited}, which is still running "
                    f"after {self._wait_s:g} s; tell it, or `journaltune tell {awaited} --state fail` if its trainer is gone"
                )
            sleep(self._pause_s)
            self._pause_s = min(self._pause_s * 1.5, 0.25)
            if self._changed(offset):
                return

    def _changed(self, offset: int) -> bool:
        try:
            return stat(self._study.path).st_size != offset
        except OSError:
            return True  # the next ask says what is wrong


def _ask(study: OpenStudy, claim: dict[str, Any], max_trials: int | None) -> Suggestion | tuple[int, int, int]:
    """The next suggestion; or for which trial it would be, which one has to finish before, and at which offset that was so."""
    tries = 0
    skipped: set[int] = set()  # enqueued trials that have to wait for one with the same parameters
    while True:
        study.journal.sync()
        state = study.state()
        _check_budget(state, max_trials)
        space, waiting = space_of(study), _first_waiting(state, skipped)
        number = state.n_trials if waiting is None else waiting.number
        awaited = study.awaited(number)
        if awaited is not None:
            return number, awaited, study.journal.offset
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
    return next((trial for trial in claims.waiting(state) if trial.number not in skipped), None)


def _check_budget(state: StudyState, max_trials: int | None) -> None:
    if max_trials is not None and state.n_trials >= max_trials and n_counted(state) >= max_trials:
        raise ExhaustedError(f"study {state.name!r} has its {max_trials} trials; raise --trials to go on")


def n_counted(state: StudyState) -> int:
    """How many trials of a study count for a budget: not those that wait, nor failures that say nothing of their parameters."""
    codes = state.finished.column("codes").tobytes()
    hidden = sum(codes.count(code) for code in set(codes) if code & HIDDEN and code & STATE_MASK == FAIL)
    return state.n_trials - hidden - sum(trial.state == WAITING for trial in state.live.values())


def _ask_waiting(
    study: OpenStudy, claim: dict[str, Any], space: Space, waiting: LiveTrial, skipped: set[int]
) -> tuple[int, Choice] | None:
    """Claim an enqueued trial; None when it can't be now."""
    number, saw = waiting.number, study.journal.offset
    choice = claims.decide(study, waiting, space)
    if choice is None:
        skipped.add(number)
        return None
    return (number, choice) if claims.claim(study, number, choice, space, {"n": number, "saw": saw, **claim}) else None


def _ask_new(
    study: OpenStudy, claim: dict[str, Any], space: Space, skipped: Container[int], *, insist: bool = False
) -> tuple[int, Choice] | None:
    """Suggest and create; None when meanwhile the number, the queue or the space changed that the suggestion was made for.

    With ``insist`` another number will do: stock writers don't wait for our lock. The record says which one was meant.
    """
    journal, number, saw = study.journal, study.state().n_trials, study.journal.offset
    choice = _choice(study, space, number)
    with journal.locked():
        state = study.state()
        if study.space is not space or (not insist and (state.n_trials != number or _first_waiting(state, skipped) is not None)):
            return None
        record = _new_record(study, choice)
        record["jt"] = {"n": number, "saw": saw, **claim}
        *_, trial = journal.append([*study.environment_records(), record])
    if not trial:
        raise NotFoundError(f"study {study.name!r} was deleted")
    return trial.number, choice


def _choice(study: OpenStudy, space: Space, number: int) -> Choice:
    if study.duplicates == "allow" and study.replicates == 1:
        return suggested(study, space, number)
    from journaltune.duplicates import choose  # most studies do without its imports

    return choose(study, space, number)


def _new_record(study: OpenStudy, choice: Choice) -> dict[str, Any]:
    """A running trial; one that has its twin's result, where there is a twin."""
    state, system_attrs = study.state(), choice.attrs
    record = records.create_trial(state.study_id, study.stored_distributions, choice.internal, RUNNING)
    if choice.twin is not None:
        from journaltune.duplicates import result_of

        record["state"], record["values"], constraints = result_of(state, choice.twin)
        record["datetime_complete"] = record["datetime_start"]
        system_attrs = system_attrs | constraints
    for name, attrs in (("user_attrs", choice.user_attrs), ("system_attrs", system_attrs)):
        if attrs:
            record[name] = attrs
    return record


def enqueue(
    study: OpenStudy,
    params: Mapping[str, Any],
    *,
    skip_if_exists: bool = False,
    attrs: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> int | None:
    """Queue parameters for the next ask; those left out are suggested then. The new trial's number, None when skipped.

    The same ``request_id`` again queues nothing and answers the same number; ConflictError when it is used for something else.
    One is made up when none is given; an InDoubtError names it.
    """
    params, user_attrs = checks.mapping(params, "parameters"), checks.attrs(attrs)
    request_id = checks.request_id(request_id) or urandom(8).hex()
    with study.turn.lock, study.turn:
        study.journal.sync()
        space = space_of(study)
        internal = space.encode(params, partial=True)
        fixed = space.decode(internal)
        try:
            with study.journal.locked():
                begun, number = study.journal.offset, earlier_request(study, "enqueue", request_id)
                if number is not None:
                    _check_same(study, number, fixed, user_attrs, request_id)
                elif skip_if_exists and _exists(study, internal, fixed):
                    return None
                else:
                    number = _enqueue(study, fixed, user_attrs, request_id)
            study.journal.flush(again=study.journal.offset == begun)
        except InDoubtError as error:
            raise InDoubtError(f"{error}, or repeat it with --request-id {request_id}") from error
    return number


def _check_same(study: OpenStudy, number: int, fixed: dict[str, Any], user_attrs: dict[str, Any], request_id: str) -> None:
    """ConflictError when trial ``number`` was enqueued with something else, as far as the journal still says with what."""
    state = study.state()
    same, live = claims.same_params(claims.attrs_of(state, number), fixed), state.live.get(number)
    if live is not None and live.state == WAITING:  # later others may have been added to its attributes
        same = same and dumps(sorted(live.user_attrs.items())) == dumps(sorted(user_attrs.items()))
    if not same:
        raise ConflictError(
            f"request id {request_id!r} was used to enqueue trial {number} with other parameters or attributes; "
            "take a new one for each trial"
        )


def _enqueue(study: OpenStudy, fixed: dict[str, Any], user_attrs: dict[str, Any], request_id: str) -> int:
    record = records.create_trial(study.state().study_id, {}, {}, WAITING)
    record["system_attrs"] = {"fixed_params": fixed}
    record["user_attrs"] = user_attrs
    (trial,) = study.journal.append([records.requested(record, request_id)])
    if not trial:
        raise NotFoundError(f"study {study.name!r} was deleted")
    return int(trial.number)


def _exists(study: OpenStudy, internal: dict[str, float], fixed: dict[str, Any]) -> bool:
    """Whether some trial has these parameters, or was enqueued with them."""
    from journaltune.duplicates import Seen

    state = study.state()
    if internal.keys() == study.stored_distributions.keys() and Seen(study, state).twin(internal) is not None:
        return True
    return study.kept(claims.Queue, state.finished).holds(state, fixed)
