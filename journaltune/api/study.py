"""The Python face of a study: asking and telling, searching, reading, annotating."""

from __future__ import annotations

import os
from functools import partial

from journaltune.base.errors import UsageError
from journaltune.base.model import TrialState
from journaltune.engine.ask import DAY_S, ask
from journaltune.engine.enqueue import enqueue
from journaltune.engine.tell import tell
from journaltune.run.trial import AskedTrial
from journaltune.study import trials
from journaltune.study.best import best_trials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from typing import Any

    import optuna
    import pandas

    from journaltune.base.model import Trial
    from journaltune.engine.import_trials import Imported
    from journaltune.engine.verify import Verdict
    from journaltune.run.limits import Search
    from journaltune.study import OpenStudy
    from journaltune.suggest.choose import Suggestion


class Study:
    """A study in a journal, shared with every other process that uses the file. Safe for several threads."""

    __slots__ = ("_searches", "_study")

    def __init__(self, study: OpenStudy) -> None:
        self._study = study
        self._searches: list[Search] = []

    def __reduce__(self) -> tuple[object, ...]:
        """A copy, here or in another process, opens the file itself."""
        return self._reopener(), ()

    def __repr__(self) -> str:
        return f"Study({self.study_name!r} in {self._study.path!r})"

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write a snapshot when one is due, and close the file; any later call opens it again."""
        self._study.close()

    @property
    def study_name(self) -> str:
        return self._study.name

    @property
    def directions(self) -> tuple[str, ...]:
        return self._study.directions

    @property
    def direction(self) -> str:
        """ "minimize" or "maximize". UsageError for several objectives."""
        self._require_one_objective("directions")
        return self.directions[0]

    def _require_one_objective(self, instead: str) -> None:
        if len(self.directions) != 1:
            raise UsageError(f"study {self.study_name!r} has {len(self.directions)} objectives; use {instead}")

    @property
    def seed(self) -> int:
        return self._study.seed

    @property
    def user_attrs(self) -> dict[str, Any]:
        """The attributes of the study, those that other programs set too."""
        return self._study.look(lambda state: dict(trials.copied(state.user_attrs)))

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set an attribute of the study; on disk when this returns. UsageError for a value that JSON can't hold."""
        from journaltune.engine.annotate import set_user_attrs

        set_user_attrs(self._study, {key: value})

    @property
    def metric_names(self) -> list[str] | None:
        """The objectives' names, whoever gave them, or None."""
        names = self._study.look(lambda _: self._study.objective_names)
        return None if None in names else [str(name) for name in names]

    def set_metric_names(self, metric_names: Sequence[str]) -> None:
        """Name the objectives, in their order; Optuna sees the names too. UsageError unless there is one for each."""
        from journaltune.engine.annotate import set_metric_names

        set_metric_names(self._study, metric_names)

    def ask(
        self,
        *,
        owner_pid: int | None = None,
        ttl_s: float | None = None,
        max_trials: int | None = None,
        wait_s: float = DAY_S,
    ) -> AskedTrial:
        """The next trial to run. See ``engine.ask``: ExhaustedError, SpaceError, and WaitTimeoutError with a lag.

        With ``owner_pid`` that process owns the trial: once it is proven dead, a later ask hands out the same trial again.
        """
        return self._trial(ask(self._study, owner_pid=owner_pid, ttl_s=ttl_s, max_trials=max_trials, wait_s=wait_s))

    def release(self, trial: AskedTrial | int) -> None:
        """Give a running trial back, whoever has it: the next ask hands it out again, as the same trial."""
        from journaltune.engine.reap import release

        release(self._study, trial.number if isinstance(trial, AskedTrial) else trial)

    def reap(self, callbacks: Iterable[Callable[[Any, Any], object]] = ()) -> list[int]:
        """Fail the running trials whose owner is proven dead, with reason ``owner-died``; their numbers.

        Samplers don't see such failures, and no budget counts them. Without it, the next ask hands such a trial out again.
        ``callbacks`` are called with the study and each failed trial, as ``optimize`` calls its own for trials that it fails as
        ``crash-loop`` (Optuna's ``failed_trial_callback``).
        """
        from journaltune.engine.reap import reap

        numbers = reap(self._study)
        for number in numbers:
            for callback in callbacks:
                callback(self, trials.finished(self._study, number))
        return numbers

    def withdraw(self, number: int | Iterable[int], *, reason: str) -> None:
        """Take results of finished trials out of the search and of ``best_trial``, not of ``trials``; see ``engine.withdraw``."""
        from journaltune.engine.withdraw import withdraw

        withdraw(self._study, [number] if isinstance(number, int) else number, reason)

    def retry(self, numbers: Iterable[int] | None = None, *, reason: str | None = None) -> list[tuple[int, int]]:
        """Queue the parameters of failed trials again, as new trials: pairs of the failed number and the new one."""
        from journaltune.engine.retry import retry

        return retry(self._study, numbers, reason=reason)

    def _trial(self, suggestion: Suggestion) -> AskedTrial:
        with self._study.turn.lock, self._study.turn:
            return AskedTrial(self, suggestion, self._study.space)

    def tell(
        self,
        trial: AskedTrial | int,
        values: float | Sequence[float] | None = None,
        *,
        state: TrialState | str | None = None,
        reason: str | None = None,
        constraints: Mapping[str, float] | None = None,
        attrs: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> TrialState:
        """Finish a trial, or the one of a number; the result is on disk when this returns. See ``engine.tell`` for the rest."""
        record = trial._told_by if isinstance(trial, AskedTrial) else partial(tell, number=trial)
        return TrialState(
            record(
                self._study,
                values=values,
                state=state,
                reason=reason,
                constraints=constraints,
                attrs=attrs,
                request_id=request_id,
            )
        )

    def optimize(
        self,
        objective: Callable[[AskedTrial], Any],
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: Iterable[type[Exception]] | type[Exception] = (),
        callbacks: Iterable[Callable[[Any, Any], object]] | None = None,
        gc_after_trial: bool = False,
        show_progress_bar: bool = False,
        *,
        total_trials: int | None = None,
        isolate: bool = False,
        executor: Executor | None = None,
    ) -> None:
        """Ask, call ``objective(trial)``, tell, until there are ``n_trials`` more, or ``total_trials`` in the study (of all
        processes), ``timeout`` seconds are over, the space is exhausted, or ``stop`` is called. Running trials are waited for.

        ``n_jobs`` processes are forked (-1: one a core), so that closures work; one that dies fails its trial only, with reason
        ``signal``, ``oom`` or ``exit``. ``isolate`` forks one for each call, whose memory ends with it. ``executor``, of
        ``concurrent.futures``, mpi4py or Dask (``client.get_executor()``), gets up to ``n_jobs`` calls at once (-1: as many as it
        has workers); ``stop`` has no effect there. On other machines ``report`` and ``should_prune`` work with Dask's alone.

        A float (or a sequence of them) completes a trial, ``TrialPruned`` prunes it, None and NaN fail it. An exception fails it,
        with reason ``oom`` where memory ran out and its message in the user attribute ``fail_message``, and is raised here once
        the running trials have finished, unless it is in ``catch``. ``callbacks`` are called with the study and the finished
        trial, in this process; a GarbageCollector among them also runs in the children.

        This process owns the trials: after Ctrl-C, or when it is killed, the next ``optimize`` hands out again what was running,
        and goes on as if nothing had happened. Ctrl-C ends the children; so does the death of this process.

        Raises RuntimeError inside of another ``optimize``, UsageError for a wrong call, and what the objective, a callback or
        ``ask`` raises.
        """
        from journaltune.api.hints import require_space
        from journaltune.run.optimize import optimize  # not for a program that only asks and tells

        require_space(self._study, objective)
        limits = n_trials, total_trials, timeout
        optimize(
            self._search(),
            self._searches,
            objective,
            limits,
            n_jobs,
            catch,
            callbacks,
            gc_after_trial,
            show_progress_bar,
            isolate,
            executor,
        )

    def trials_iter(
        self, n_trials: int | None = None, *, timeout: float | None = None, total_trials: int | None = None
    ) -> Iterator[AskedTrial]:
        """Asked trials for a loop of one's own, each told there: ``for trial in study.trials_iter(9): study.tell(trial, ...)``.

        The limits are those of ``optimize``. UsageError when the next trial is drawn before this one was told. This process owns
        the trials: where an exception, ``break``, Ctrl-C or a kill leaves the loop, the trial that it has not told is asked
        again next time. ``with trial:`` around the body of the loop fails it instead, and tells ``oom`` and ``exit`` apart.
        """
        from journaltune.run.optimize import trials_iter

        return trials_iter(self._search(), (n_trials, total_trials, timeout))

    def stop(self) -> None:
        """End ``optimize`` once the running trials have finished; from its objective or callbacks. RuntimeError elsewhere."""
        if not self._searches:
            raise RuntimeError("study.stop() works inside an objective or a callback of study.optimize() only; leave it out")
        for search in self._searches:
            search.stop_asked = True

    def enqueue(
        self,
        params: Mapping[str, Any],
        *,
        skip_if_exists: bool = False,
        attrs: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> int | None:
        """Queue parameters for the next ask, which suggests those that are left out. The number, or None when skipped."""
        return enqueue(self._study, params, skip_if_exists=skip_if_exists, attrs=attrs, request_id=request_id)

    def enqueue_trial(
        self, params: Mapping[str, Any], user_attrs: Mapping[str, Any] | None = None, skip_if_exists: bool = False
    ) -> None:
        """``enqueue``, as Optuna's Study has it."""
        self.enqueue(params, attrs=user_attrs, skip_if_exists=skip_if_exists)

    def add_trial(self, trial: Trial | optuna.trial.FrozenTrial) -> None:
        """Record a trial that was run elsewhere, with its result: one of another study of ours, or of Optuna's
        (``optuna.trial.create_trial``). Samplers learn from it. On disk when this returns.

        Its parameters are those of this study (else SpaceError), but may lie outside of the bounds. Imports Optuna.
        """
        from journaltune.optuna_bridge.added import add

        add(self._study, trial)

    def add_trials(self, trials: Iterable[Trial | optuna.trial.FrozenTrial]) -> None:
        """``add_trial`` for each."""
        for trial in trials:
            self.add_trial(trial)

    def import_trials(self, source: str, *, value: Any = None, source_study: str | None = None) -> Imported:
        """Finished trials of a CSV, JSON lines, another journal or an Optuna storage's URL; see ``engine.import_trials``."""
        from journaltune.engine.import_trials import import_trials

        return import_trials(self._study, source, value=value, source_study=source_study)

    def lookup(
        self,
        params: Mapping[str, Any],
        *,
        states: Iterable[TrialState | str] | None = None,
        all_studies: bool = False,
        also: Iterable[str | os.PathLike[str]] = (),
    ) -> list[Trial]:
        """The finished trials with just these parameters, newest first; see ``study.lookup`` for which parameters are equal.

        Those of other studies (``all_studies``) and other journals (``also``) come after this study's own.
        """
        from journaltune.study.lookup import lookup

        matches = lookup(self._study, params, states=states, all_studies=all_studies, also=also)
        return [match.trial for match in matches]

    def verify(self) -> Verdict:
        """Recompute every suggestion from the journal and compare; see ``engine.verify``."""
        self._study.require_here("verify")
        from journaltune.engine.verify import verify

        return verify(self._study.path, self.study_name)

    def _reopener(self) -> Callable[[], Study]:
        """A function that opens this study in another process."""
        from journaltune.api.opening import reopener

        return reopener(self._study)

    def _search(self) -> Search:
        from journaltune.run.limits import Search

        return Search(self._study, self, self._trial)

    @property
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return trials.trials(self._study)

    def get_trials(self, states: Iterable[TrialState | str] | None = None, *, deepcopy: bool = True) -> list[Trial]:
        """The trials in one of ``states`` (names, or a TrialState), by number; copies, with or without Optuna's ``deepcopy``."""
        return trials.trials(self._study, states)

    def trials_dataframe(self, attrs: tuple[str, ...] | None = None, multi_index: bool = False) -> pandas.DataFrame:
        """The trials as Optuna's ``trials_dataframe`` gives them: columns, types, local times. UsageError without pandas."""
        from journaltune.optuna_bridge.added import trials_dataframe

        return trials_dataframe(self._study, attrs, multi_index)

    def counts(self) -> dict[str, int]:
        """How many trials are running, waiting, complete, pruned and failed; cheap, whatever their number."""
        return trials.counts(self._study)

    @property
    def best_trials(self) -> list[Trial]:
        """The Pareto front, by number; the best trial alone for one objective. NotFoundError before the first complete one."""
        return best_trials(self._study)

    @property
    def best_trial(self) -> Trial:
        """The best complete trial, the earliest of equals. UsageError for several objectives, NotFoundError for none."""
        self._require_one_objective("best_trials")
        return self.best_trials[0]

    @property
    def recommended_trial(self) -> Trial:
        """The complete trial that a model of all results holds best: where they are noisy, the best observed one was lucky.

        Loads NumPy. UsageError for several objectives, NotFoundError before the first complete trial.
        """
        from journaltune.engine.recommend import recommended_trial

        return recommended_trial(self._study)

    @property
    def best_value(self) -> float:
        value = self.best_trial.value
        assert value is not None
        return value

    @property
    def best_params(self) -> dict[str, Any]:
        return self.best_trial.params

    def to_optuna(
        self,
        *,
        sampler: Callable[[int], optuna.samplers.BaseSampler] | None = None,
        pruner: optuna.pruners.BasePruner | None = None,
    ) -> optuna.Study:
        """A real ``optuna.Study`` on the same file, for ordinary Optuna objectives: ``study.to_optuna().optimize(objective)``.

        Its sampler is Optuna's class for the study's sampler, with the study's options; for ``tpe`` it is ``TPESampler``, which
        is another program than the one that ``ask`` uses. Or it is the sampler that ``sampler(seed)`` returns. Each trial gets a
        fresh one, seeded from the study's seed and the trial's number. ``pruner`` is Optuna's default when left out.

        Guaranteed, for objectives that depend on their parameters alone and samplers that keep their knowledge in the study (all
        of Optuna's do): one process at a time with ``n_jobs=1`` suggests the same parameters bit for bit, however often it ends,
        is killed, or goes on with a copy of the file between two trials. Not guaranteed: with ``n_jobs`` threads or several
        processes a suggestion depends on which trials had finished by then, and nothing records that. A trial that is killed half
        way stays running and keeps its number; those after it have the same seeds as ever, but miss its result. ``failures``,
        ``lag`` and ``verify`` don't concern these trials. Raises UsageError where Optuna has no such sampler.
        """
        from journaltune.optuna_bridge import to_optuna  # optuna takes 0.3 s to import

        return to_optuna(self._study, sampler=sampler, pruner=pruner)
