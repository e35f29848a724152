"""The Python face: ``create_study``, ``load_study``, ``Study``, and the trial that ``ask`` hands out."""

from __future__ import annotations

import os
from functools import partial

from journaltune.base import checks
from journaltune.base.errors import UsageError
from journaltune.base.model import TrialState
from journaltune.engine.ask import DAY_S, ask
from journaltune.engine.create import create
from journaltune.engine.enqueue import enqueue
from journaltune.engine.tell import tell
from journaltune.run.trial import AskedTrial
from journaltune.space import Space, load_space_file, space_from_params
from journaltune.study import trials
from journaltune.study.best import best_trials
from journaltune.study.open_study import open_study
from journaltune.study.settings import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from typing import Any

    import optuna

    from journaltune.base.model import Trial
    from journaltune.engine.verify import Verdict
    from journaltune.journal.state import StudyState
    from journaltune.run.limits import Search
    from journaltune.study.open_study import OpenStudy
    from journaltune.suggest.choice import Suggestion


def create_study(
    path: str | os.PathLike[str],
    *,
    params: Mapping[str, Any] | None = None,
    space: str | os.PathLike[str] | Space | None = None,
    study_name: str | None = None,
    directions: str | Sequence[object] | None = None,
    sampler: str | None = None,
    sampler_options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    failures: str | None = None,
    duplicates: str | None = None,
    replicates: int | None = None,
    lag: int | None = None,
    attempts: int | None = None,
    lock_file: str | os.PathLike[str] | None = None,
    exist_ok: bool = False,
    lock_timeout_s: float = 60.0,
    allow_network_fs: bool = False,
) -> Study:
    """Create a study in the journal at ``path``; a missing journal is made.

    ``params`` maps names to specs of the space grammar (``{"lr": "log(1e-5, 1e-1)"}``); ``space`` is a space file instead.
    ``directions``: "minimize" (default), "maximize", or one of them for each objective. ``sampler``: "tpe" when left out, with
    its keyword arguments in ``sampler_options``. ``seed``: drawn when left out, and stored.

    ``duplicates``, when parameters are suggested again: "allow" (default) asks for them again, "reuse" records them with the
    result that they have, "resample" draws others. ``replicates``: each configuration is asked so often, with other seeds, and
    the one with the best mean is best. ``failures``: the sampler sees failed trials as bad ones ("worst", the default), or not at
    all ("ignore"). ``lag``: trial k sees the results of trials up to k - lag only, so that a parallel search can be repeated.
    ``lock_file``: its SHA-256 belongs to the environment that the study records.

    With ``exist_ok`` an existing study is taken, and the given settings replace those that it has.

    Raises ConflictError when the study exists, SpaceError, UsageError, MachineError.
    """
    given = locals()  # so that a new setting needs its parameter here, and no other line
    settings = {name: given[name] for name in SETTINGS if name in given} | {"space": _space(params, space)}
    study = create(
        checks.path(path),
        name=study_name,
        directions=directions,
        exist_ok=exist_ok,
        lock_timeout_s=checks.not_negative(lock_timeout_s, "lock_timeout_s"),
        allow_network_fs=allow_network_fs,
        **settings,
    )
    return Study(study)


def _space(params: Mapping[str, Any] | None, space: str | os.PathLike[str] | Space | None) -> Space | None:
    if params is not None:
        return space_from_params(params)
    if space is None or isinstance(space, Space):
        return space
    return load_space_file(checks.path(space, "a space file"))


def load_study(
    path: str | os.PathLike[str], study_name: str | None = None, *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> Study:
    """Open a study that exists; without a name, the only one. NotFoundError when it is missing, UsageError for several."""
    path, lock_timeout_s = checks.path(path), checks.not_negative(lock_timeout_s, "lock_timeout_s")
    return Study(open_study(path, study_name, lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs))


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
    def seed(self) -> int:
        return self._study.seed

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
        ``signal``, ``oom`` or ``exit``. ``isolate`` forks one for each call, whose memory ends with it. ``executor``: any of
        ``concurrent.futures``, which gets up to ``n_jobs`` calls at once; ``stop`` in another process has no effect here.

        A float (or a sequence of them) completes a trial, ``TrialPruned`` prunes it, None and NaN fail it. An exception fails it,
        with reason ``oom`` where memory ran out and its message in the user attribute ``fail_message``, and is raised here once
        the running trials have finished, unless it is in ``catch``. ``callbacks`` are called with the study and the finished
        trial, in this process; a GarbageCollector among them also runs in the children.

        This process owns the trials: after Ctrl-C, or when it is killed, the next ``optimize`` hands out again what was running,
        and goes on as if nothing had happened. Ctrl-C ends the children; so does the death of this process.

        Raises RuntimeError inside of another ``optimize``, UsageError for a wrong call, and what the objective, a callback or
        ``ask`` raises.
        """
        from journaltune.run.optimize import optimize  # not for a program that only asks and tells

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
        from journaltune.engine.verify import verify

        return verify(self._study.path, self.study_name)

    def _reopener(self) -> Callable[[], Study]:
        """A function that opens this study in another process."""
        journal = self._study.journal
        return partial(
            load_study,
            self._study.path,
            self.study_name,
            lock_timeout_s=journal.lock_timeout_s,
            allow_network_fs=journal.allow_network_fs,
        )

    def _search(self) -> Search:
        from journaltune.run.limits import Search

        return Search(self._study, self, self._trial)

    @property
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return trials.trials(self._study)

    def get_trials(self, states: Iterable[TrialState | str] | None = None, *, deepcopy: bool = True) -> list[Trial]:
        """The trials that are in one of ``states`` (names, or either library's TrialState), by number.

        They are always the caller's own copies; ``deepcopy`` is there because Optuna's callbacks pass it.
        """
        return trials.trials(self._study, states)

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
        if len(self.directions) != 1:
            raise UsageError(f"study {self.study_name!r} has {len(self.directions)} objectives; use best_trials")
        return self.best_trials[0]

    @property
    def recommended_trial(self) -> Trial:
        """The complete trial that a model of all results holds best: where they are noisy, the best observed one was lucky.

        Loads NumPy. UsageError for several objectives, NotFoundError before the first complete trial.
        """
        from journaltune.suggest.history import History
        from journaltune.suggest.samplers.gp.recommend import recommended

        def read(state: StudyState) -> Trial | None:
            number = recommended(History(state, self._study.failures), self._study.varied)
            return None if number is None else trials.finished_trial(state, number)

        best = self.best_trial
        return self._study.look(read) or best

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
