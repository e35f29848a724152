"""The trial that an objective gets: parameters, also by Optuna's ``suggest_*`` calls, reports, attributes."""

from __future__ import annotations

import sys

from journaltune.base import checks
from journaltune.base.errors import JournaltuneError, SpaceError, one_line
from journaltune.base.model import optunas
from journaltune.engine.prune import should_prune
from journaltune.engine.report import report
from journaltune.engine.tell import tell
from journaltune.run.outcome import is_pruned, reason_of
from journaltune.space.distributions import Distribution, categorical_distribution, float_distribution, int_distribution
from journaltune.space.spelling import spec_text
from journaltune.study.trials import is_running, live_user_attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any, NoReturn, Protocol

    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage

    from journaltune.space import Space
    from journaltune.space.parameters import Parameter
    from journaltune.study import OpenStudy
    from journaltune.suggest.choose import Suggestion

    class Face(Protocol):
        """The part of the Python face of a study that a trial needs."""

        _study: OpenStudy

        def _reopener(self) -> Callable[[], Face]:
            """A function that opens the study in another process."""
            ...


class Suggests:
    """Optuna's ``suggest_*`` calls and attributes, for trials whose parameters are known already."""

    __slots__ = ("_constraints", "_user_attrs", "attempt", "number", "params", "seed", "slot")

    number: int
    params: dict[str, Any]
    seed: int
    attempt: int
    slot: int

    def __init__(self, number: int, params: dict[str, Any], seed: int, attempt: int = 1) -> None:
        self.number, self.params, self.seed, self.attempt, self.slot = number, params, seed, attempt, 0
        self._user_attrs: dict[str, Any] = {}
        self._constraints: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(number={self.number}, params={self.params!r}, seed={self.seed})"

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        """The parameter's value. SpaceError unless the call declares it as the study does."""
        return float(self._suggest(name, lambda: float_distribution(low, high, log, step)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """The parameter's value. SpaceError unless the call declares it as the study does."""
        return int(self._suggest(name, lambda: int_distribution(low, high, log, step)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The parameter's value, or its label where it has one. SpaceError unless the call declares the study's choices, in the
        same order."""
        return self._suggest(name, lambda: categorical_distribution(choices))

    def _suggest(self, name: str, wanted: Callable[[], Distribution]) -> Any:
        try:
            distribution = wanted()
        except (ValueError, TypeError, ArithmeticError) as error:
            raise SpaceError(f"{one_line(str(name))}: {error}") from None
        return self._checked(name, distribution)

    def _checked(self, name: str, wanted: Distribution) -> Any:
        """The value that Optuna would return for this call. SpaceError where there is none."""
        raise NotImplementedError

    def set_user_attr(self, key: str, value: Any) -> None:
        """Attach an attribute, which is written when the trial is told. UsageError for a value that JSON can't hold."""
        self._user_attrs.update(checks.attrs({key: value}))

    @property
    def user_attrs(self) -> dict[str, Any]:
        return dict(self._user_attrs)

    def set_constraint(self, key: str, value: float) -> None:
        """Attach a constraint's value, 0 or less if satisfied, which is written when the trial is told. The first one counts."""
        for name, number in checks.constraints({key: value}).items():
            self._constraints.setdefault(name, number)

    @property
    def constraints(self) -> dict[str, float]:
        return dict(self._constraints)


class AskedTrial(Suggests):
    """A trial to run: ``number``, ``params`` (external values), ``seed`` (31 bits, for the trainer's generators) and ``attempt``.

    ``attempt`` is 1, and one higher each time that a trial is taken up again because its owner died: then go on from a
    checkpoint, if there is one. ``slot`` is 0 to n_jobs - 1, another for each trial that ``optimize`` runs at the same time:
    for example which GPU to use.

    As a context it finishes the trial when the block raises before the trial was told: pruned for TrialPruned, else failed with
    reason ``oom``, ``interrupted`` or ``exit``. It can be pickled; in another process it opens the journal when it needs it.
    """

    __slots__ = ("_face", "_reopen", "_space")

    def __init__(self, face: Face, suggestion: Suggestion, space: Space | None) -> None:
        Suggests.__init__(self, suggestion.number, suggestion.params, suggestion.seed, suggestion.attempt)
        self._face: Face | None = face
        self._reopen: Callable[[], Face] | None = None
        self._space = space

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """The slots, with the means to open the study in place of the open study."""
        reopen = self._reopen if self._face is None else self._face._reopener()
        return None, {**{name: getattr(self, name) for name in self.slots()}, "_face": None, "_reopen": reopen}

    @classmethod
    def slots(cls) -> list[str]:
        return [name for each in cls.__mro__ for name in getattr(each, "__slots__", ())]

    def _is_of(self) -> type:
        """The class, which is told to Optuna first: its functions for artifacts ask whether they got an ``optuna.Trial``.

        Optuna may be imported after the trial was made, so it is told when somebody asks.
        """
        optunas_own = getattr(sys.modules.get("optuna.trial"), "Trial", None)
        if optunas_own is not None:
            optunas_own.register(AskedTrial)
        return type(self)

    __class__ = property(_is_of)

    @property
    def storage(self) -> BaseStorage:
        """Optuna's storage on the journal: what ``optuna.artifacts`` writes through. Imports Optuna."""
        from journaltune.optuna_bridge import storage

        self._opened.require_here("trial.storage")
        return storage(self._opened.path, **self._opened.access)

    @property
    def _trial_id(self) -> int:
        """The trial's id in that storage."""
        return self._opened.look(lambda state: state.id_of(self.number))

    @property
    def study(self) -> Any:
        """The ``journaltune.Study`` that the trial was asked from."""
        if self._face is None and self._reopen is not None:
            self._face = self._reopen()
        return self._face

    @property
    def _opened(self) -> OpenStudy:
        opened: OpenStudy = self.study._study
        return opened

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distribution of each parameter. Imports Optuna."""
        known = self._space.distributions if self._space is not None else {}
        return optunas({name: known[name].to_json() for name in self.params if name in known})

    @property
    def user_attrs(self) -> dict[str, Any]:
        """The attributes that the trial was enqueued with, and those set here."""
        return {**live_user_attrs(self._opened, self.number), **self._user_attrs}

    def report(self, value: float, step: int) -> bool:
        """Record an intermediate value; see ``engine.report``."""
        return report(self._opened, self.number, step, value)

    def should_prune(self) -> bool:
        """Whether to stop early, as the study's pruner decides; a study without a pruner stops no trial."""
        return should_prune(self._opened, self.number)

    def _told_by(
        self,
        study: OpenStudy,
        values: float | Sequence[float] | None = None,
        constraints: Mapping[str, float] | None = None,
        attrs: Mapping[str, Any] | None = None,
        **result: Any,
    ) -> int:
        """Tell the trial, with the attributes and constraints set on it; those given here take precedence."""
        constraints = {**self._constraints, **(constraints or {})}
        attrs = {**self._user_attrs, **(attrs or {})}
        return tell(study, self.number, values, constraints=constraints, attrs=attrs, **result)

    def _fail_if_running(self, reason: str) -> None:
        if is_running(self._opened, self.number):
            self._told_by(self._opened, state="fail", reason=reason)

    def _checked(self, name: str, wanted: Distribution) -> Any:
        parameters = self._space.parameters if self._space is not None else {}
        declared = None if self._space is None else self._space.distributions.get(name)
        if name not in self.params:
            self._refuse_absent(name, wanted)
        if declared is None:
            spec = f" is declared as {_spelled(parameters[name])}, for which Optuna has no call" if name in parameters else ""
            raise SpaceError(f"{one_line(name)}{spec or ' is not declared'}; take trial.params[{name!r}]")
        if not _alike(declared, wanted):
            raise SpaceError(
                f"{one_line(name)}: the study declares {_spelled(declared)}, and the objective asks for {_spelled(wanted)}; "
                "say the same in both"
            )
        return _one_of_columns(parameters[name], self.params[name])

    def _refuse_absent(self, name: str, wanted: Distribution) -> NoReturn:
        shown, parameters = one_line(str(name)), {} if self._space is None else self._space.parameters
        if name in parameters:
            raise SpaceError(f"{shown} is absent from trial {self.number}; ask for it where its condition holds only")
        for whole, parameter in parameters.items():
            if not isinstance(parameter, Distribution) and name in parameter.columns(whole):
                raise SpaceError(f"{shown} is how a part of {one_line(whole)} is stored; take trial.params[{whole!r}]")
        known = ", ".join(one_line(known) for known in list(parameters or self.params)[:10])
        raise SpaceError(
            f"{shown} is not a parameter of this study, which are {known}; "
            f"declare it: create_study(..., exist_ok=True, params={{{name!r}: {_spelled(wanted)!r}}})"
        )

    def __enter__(self) -> AskedTrial:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if error is None:
            return
        try:
            if not is_pruned(error):
                self._fail_if_running(reason_of(error))
            elif is_running(self._opened, self.number):
                self._told_by(self._opened, state="pruned")
        except JournaltuneError as failure:  # the block's own error goes on
            error.add_note(f"trial {self.number} could not be recorded as finished: {failure}")


def _alike(declared: Distribution, wanted: Distribution) -> bool:
    try:
        return declared == wanted
    except (TypeError, ValueError):  # choices that no journal can hold
        return False


def _one_of_columns(parameter: Distribution | Parameter, value: object) -> Any:
    """The external value of a parameter's one column: of a labelled choice the label."""
    if isinstance(parameter, Distribution):
        return value
    (known,) = parameter.columns("").values()
    return known.to_external(parameter.encode(value, False)[0])


def _spelled(distribution: Distribution | Parameter) -> str:
    try:
        return one_line(spec_text(distribution), 200)
    except ValueError:
        return "a choice of other things"


class FixedTrial(Suggests):
    """A trial without a study, to call an objective with given parameters, as Optuna's ``FixedTrial``.

    ``suggest_*`` returns the value in ``params``: SpaceError if it is missing or not one of the choices, a warning if it is out
    of range. ``should_prune`` is always False; ``intermediate_values`` holds the first value reported at each step.
    """

    __slots__ = ("intermediate_values",)

    def __init__(self, params: Mapping[str, Any], number: int = 0, seed: int = 0) -> None:
        super().__init__(number, dict(params), seed)
        self.intermediate_values: dict[int, float] = {}

    def report(self, value: float, step: int) -> bool:
        step, value = checks.whole(step, "a step"), checks.number(value, f"the value at step {step}")
        return repr(self.intermediate_values.setdefault(step, value)) == repr(value)

    def should_prune(self) -> bool:
        return False

    def _checked(self, name: str, wanted: Distribution) -> Any:
        if name not in self.params:
            raise SpaceError(f"{one_line(str(name))} is missing; FixedTrial takes every parameter that the objective asks for")
        try:
            wanted.to_internal(self.params[name])
        except SpaceError as error:
            if wanted.kind == "categorical":
                raise SpaceError(f"{one_line(name)}: {error}") from None
            from warnings import warn

            warn(f"{one_line(name)}: {error}", stacklevel=4)
        return self.params[name]
