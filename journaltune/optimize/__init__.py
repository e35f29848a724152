"""``study.optimize``: one process asks, hands out, tells, calls back; objectives run in it, in forked children, or elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from threading import get_ident

from journaltune import checks
from journaltune.errors import UsageError
from journaltune.optimize.call import Call
from journaltune.optimize.loop import Limits, Loop, Stop
from journaltune.optimize.runners import InProcess, Submitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from typing import Any

    from journaltune.memory import GarbageCollector
    from journaltune.optimize.loop import Runner
    from journaltune.study import Study
    from journaltune.trial import AskedTrial


def optimize(
    study: Study,
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
    """See ``Study.optimize``."""
    if not callable(objective):
        raise UsageError(f"an objective is a function of a trial, not {objective!r}")
    from journaltune.memory import GarbageCollector

    called_back = list(callbacks or ())
    collect = GarbageCollector() if gc_after_trial else None
    call = Call(objective, len(study.directions), _classes(catch), collect)
    collectors = [each for each in [*called_back, collect] if isinstance(each, GarbageCollector)]
    with _searching(study) as stop:
        runner = _runner(study, stop, call, n_of(n_jobs), isolate, executor, collectors)
        Loop(study, runner, stop, Limits(*limits), called_back, progress=show_progress_bar).run()


@contextmanager
def _searching(study: Study) -> Iterator[Stop]:
    stop = Stop(get_ident())
    if any(search.thread == stop.thread for search in study._searches):
        raise RuntimeError("study.optimize() can't be called inside of itself; ask and tell in the objective instead")
    study._searches.append(stop)
    try:
        yield stop
    finally:
        study._searches.remove(stop)


def _runner(
    study: Study,
    stop: Stop,
    call: Call,
    size: int,
    isolate: bool,
    executor: Executor | None,
    collectors: list[GarbageCollector],
) -> Runner:
    if executor is not None:
        if isolate:
            raise UsageError("an executor runs objectives where it likes; leave out isolate or executor")
        return Submitted(executor, call, size)
    if size == 1 and not isolate:
        return InProcess(call)
    from journaltune.optimize.forked import Forked

    return Forked(study, stop, call.without_collecting(), size, isolate, collectors)


def n_of(n_jobs: int) -> int:
    """How many objectives run at once; -1 means one for each core that this process may use."""
    n_jobs = checks.whole(n_jobs, "n_jobs")
    if n_jobs == -1:
        import os

        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if n_jobs < 1:
        raise UsageError(f"n_jobs is a number of processes from 1 on, or -1 for one a core, not {n_jobs}")
    return n_jobs


def _classes(catch: Iterable[type[Exception]] | type[Exception]) -> tuple[type[Exception], ...]:
    classes = tuple(catch) if hasattr(catch, "__iter__") else (catch,)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise UsageError(f"catch takes classes of exceptions, not {each!r}")
    return classes


def trials_iter(study: Study, limits: tuple[int | None, int | None, float | None]) -> Iterator[AskedTrial]:
    """See ``Study.trials_iter``; a wrong limit is refused before the first trial is drawn."""
    return _drawn(study, Limits(*limits))


def _drawn(study: Study, limits: Limits) -> Iterator[AskedTrial]:
    while limits.may_start():
        trial = limits.ask(study)
        if trial is None:
            return
        try:
            yield trial
        except GeneratorExit:
            if study._is_running(trial.number):
                study.tell(trial, state="fail", reason="exit")
            raise
        if study._is_running(trial.number):
            raise UsageError(
                f"trial {trial.number} was not told before the next one was drawn; it is still running: call "
                'study.tell(trial, value) in the loop, or study.tell(trial, state="fail")'
            )
