"""``study.optimize`` and ``study.trials_iter``: one process asks, tells and calls back, whoever calls the objective."""

from __future__ import annotations

import sys
from contextlib import contextmanager

from journaltune.base import checks
from journaltune.base.errors import UsageError
from journaltune.engine.reap import release
from journaltune.run.call import Call
from journaltune.run.limits import Limits
from journaltune.run.loop import Loop
from journaltune.run.runners import InProcess, Submitted
from journaltune.study.trials import is_running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from typing import Any

    from journaltune.journal.state import StudyState
    from journaltune.run.limits import Search
    from journaltune.run.loop import Runner
    from journaltune.run.memory import GarbageCollector
    from journaltune.run.trial import AskedTrial


def optimize(
    search: Search,
    searches: list[Search],
    objective: Callable[[Any], Any],
    limits: tuple[int | None, int | None, float | None],
    n_jobs: int,
    catch: Iterable[type[Exception]] | type[Exception],
    callbacks: Iterable[Callable[[Any, Any], object]] | None,
    gc_after_trial: bool,
    show_progress_bar: bool,
    isolate: bool,
    executor: Executor | None,
) -> None:
    """See ``Study.optimize``. ``searches``: those under way on the same face; this one is added meanwhile."""
    if not callable(objective):
        raise UsageError(f"an objective is a function of a trial, not {objective!r}")
    from journaltune.run.memory import GarbageCollector

    called_back = list(callbacks or ())
    collect = GarbageCollector() if gc_after_trial else None
    call = Call(objective, search.study.look(_directions), _classes(catch), collect)
    collectors = [each for each in [*called_back, collect] if isinstance(each, GarbageCollector)]
    size, bounds = n_of(n_jobs, executor), Limits(*limits)
    with _among(searches, search), search:
        runner = _runner(search, call, size, isolate, executor, collectors)
        Loop(search, runner, bounds, called_back, progress=show_progress_bar).run()


def _directions(state: StudyState) -> list[int]:
    return list(state.directions)


@contextmanager
def _among(searches: list[Search], search: Search) -> Iterator[None]:
    if any(other.thread == search.thread for other in searches):
        raise RuntimeError("study.optimize() can't be called inside of itself; ask and tell in the objective instead")
    searches.append(search)
    try:
        yield
    finally:
        searches.remove(search)


def _runner(
    search: Search,
    call: Call,
    size: int,
    isolate: bool,
    executor: Executor | None,
    collectors: list[GarbageCollector],
) -> Runner:
    if executor is not None:
        if isolate:
            raise UsageError("an executor runs objectives where it likes; leave out isolate or executor")
        return _submitted(search, call, size, executor)
    if size == 1 and not isolate:
        return InProcess(call)
    from journaltune.run.forked import Forked

    return Forked(search, call.without_collecting(), size, isolate, collectors)


def _submitted(search: Search, call: Call, size: int, executor: Executor) -> Runner:
    if not _is_dasks(executor):
        return Submitted(executor, call, size)
    from journaltune.run.cluster import OnDask

    return OnDask(executor, call, size, search)


def _is_dasks(executor: Executor) -> bool:
    dasks = sys.modules.get("distributed.cfexecutor")
    return dasks is not None and isinstance(executor, dasks.ClientExecutor)


def n_of(n_jobs: int, executor: Executor | None = None) -> int:
    """How many objectives run at once; -1 means one for each worker of the executor, or each core that this process may use."""
    n_jobs = checks.whole(n_jobs, "n_jobs")
    if n_jobs == -1:
        return _n_workers(executor) or _n_cores()
    if n_jobs < 1:
        raise UsageError(f"n_jobs is a number of processes from 1 on, or -1 for one a core, not {n_jobs}")
    return n_jobs


def _n_workers(executor: Any) -> int:
    """0 where the executor does not say: ``num_workers`` is mpi4py's, ``_max_workers`` the standard library's."""
    if _is_dasks(executor):
        from journaltune.run.cluster import n_threads

        return n_threads(executor)
    return int(getattr(executor, "num_workers", 0) or getattr(executor, "_max_workers", 0))


def _n_cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _classes(catch: Iterable[type[Exception]] | type[Exception]) -> tuple[type[Exception], ...]:
    classes = tuple(catch) if hasattr(catch, "__iter__") else (catch,)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise UsageError(f"catch takes classes of exceptions, not {each!r}")
    return classes


def trials_iter(search: Search, limits: tuple[int | None, int | None, float | None]) -> Iterator[AskedTrial]:
    """See ``Study.trials_iter``. A wrong limit is refused here, before the first trial is drawn."""
    return _drawn(search, Limits(*limits))


def _drawn(search: Search, limits: Limits) -> Iterator[AskedTrial]:
    with search:
        yield from _trials(search, limits)


def _trials(search: Search, limits: Limits) -> Iterator[AskedTrial]:
    while limits.may_start():
        trial = limits.ask(search)
        if trial is None:
            return
        try:
            yield trial
        except GeneratorExit:
            if is_running(search.study, trial.number):
                release(search.study, trial.number)
            raise
        if is_running(search.study, trial.number):
            raise UsageError(
                f"trial {trial.number} was not told before the next one was drawn; it is still running: call "
                'study.tell(trial, value) in the loop, or study.tell(trial, state="fail")'
            )
