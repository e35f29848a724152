"""The trial that an objective gets: its parameters, also by Optuna's ``suggest_*`` calls, reports, attributes."""

from __future__ import annotations

from journaltune.base import checks
from journaltune.base.errors import JournaltuneError, SpaceError
from journaltune.engine.report import report
from journaltune.engine.tell import tell
from journaltune.run.outcome import is_pruned, reason_of
from journaltune.space import Space
from journaltune.space.distributions import categorical_distribution, float_distribution, int_distribution
from journaltune.space.grammar import shown, spec_text
from journaltune.study.trials import is_running, live_user_attrs
from journaltune.suggest.choice import Suggestion
from journaltune.suggest.pruners import should_prune

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any, Protocol

    from journaltune.space import Distribution
    from journaltune.study.open_study import OpenStudy

    class Face(Protocol):
        """What a trial needs of the Python face of its study."""

        _study: OpenStudy


class Suggests:
    """Optuna's ``suggest_*`` calls and attributes, for trials whose parameters are known already."""

    __slots__ = ("_constraints", "_user_attrs", "number", "params", "seed")

    number: int
    params: dict[str, Any]
    seed: int

    def __init__(self, number: int, params: dict[str, Any], seed: int) -> None:
        self.number, self.params, self.seed = number, params, seed
        self._user_attrs: dict[str, Any] = {}
        self._constraints: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(number={self.number}, params={self.params!r}, seed={self.seed})"

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        """The parameter's value. SpaceError unless the call says what was declared."""
        found: float = self._suggest(name, lambda: float_distribution(low, high, log, step))
        return found

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """The parameter's value. SpaceError unless the call says what was declared."""
        found: int = self._suggest(name, lambda: int_distribution(low, high, log, step))
        return found

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The parameter's value. SpaceError unless the call says what was declared, in the same order."""
        return self._suggest(name, lambda: categorical_distribution(choices))

    def _suggest(self, name: str, wanted: Callable[[], Distribution]) -> Any:
        try:
            distribution = wanted()
        except (ValueError, TypeError, ArithmeticError) as error:
            raise SpaceError(f"{shown(str(name))}: {error}") from None
        self._check(name, distribution)
        return self.params[name]

    def _check(self, name: str, wanted: Distribution) -> None:
        raise NotImplementedError

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep an attribute with the trial: it is written when the trial is told. UsageError for what JSON can't hold."""
        self._user_attrs.update(checks.attrs({key: value}))

    @property
    def user_attrs(self) -> dict[str, Any]:
        return dict(self._user_attrs)

    def set_constraint(self, key: str, value: float) -> None:
        """Keep a constraint's value, 0 or less where it is satisfied: it is written when the trial is told. The first counts."""
        for name, number in checks.constraints({key: value}).items():
            self._constraints.setdefault(name, number)

    @property
    def constraints(self) -> dict[str, float]:
        return dict(self._constraints)


class AskedTrial(Suggests):
    """A trial to run: ``number``, ``params`` (external values) and ``seed`` (32 bits, for the trainer's generators).

    As a context it is finished when the block raises before it was told: pruned for TrialPruned, else failed with reason
    ``oom``, ``interrupted`` or ``exit``. It can be pickled; in another process it opens the journal when it needs it.
    """

    __slots__ = ("_face", "_reopen", "_space")

    def __init__(self, face: Face | None, reopen: Callable[[], Face], suggestion: Suggestion, space: Space | None) -> None:
        """``reopen`` opens the study again in a process that the trial was sent to; it is pickled with the trial."""
        super().__init__(suggestion.number, suggestion.params, suggestion.seed)
        self._face, self._reopen, self._space = face, reopen, space

    def __reduce__(self) -> tuple[object, ...]:
        config = None if self._space is None else self._space.to_config()
        notes = self._user_attrs, self._constraints
        return _restored, (Suggestion(self.number, self.params, self.seed), config, self._reopen, notes)

    @property
    def study(self) -> Any:
        """The ``journaltune.Study`` that it was asked from."""
        if self._face is None:
            self._face = self._reopen()
        return self._face

    @property
    def _opened(self) -> OpenStudy:
        opened: OpenStudy = self.study._study
        return opened

    @property
    def user_attrs(self) -> dict[str, Any]:
        """Those it was enqueued with, and those set here."""
        return {**live_user_attrs(self._opened, self.number), **self._user_attrs}

    def report(self, value: float, step: int) -> bool:
        """Record an intermediate value; see ``engine.report``."""
        return report(self._opened, self.number, step, value)

    def should_prune(self) -> bool:
        """Whether to stop early, as the study's pruner says; a study without one never stops any."""
        return should_prune(self._opened, self.number)

    def _told_by(
        self,
        study: OpenStudy,
        values: float | Sequence[float] | None = None,
        constraints: Mapping[str, float] | None = None,
        attrs: Mapping[str, Any] | None = None,
        **result: Any,
    ) -> int:
        """Tell it, with what was set on it; what is given here goes before."""
        constraints = {**self._constraints, **(constraints or {})}
        attrs = {**self._user_attrs, **(attrs or {})}
        return tell(study, self.number, values, constraints=constraints, attrs=attrs, **result)

    def _fail_if_running(self, reason: str) -> None:
        if is_running(self._opened, self.number):
            self._told_by(self._opened, state="fail", reason=reason)

    def _check(self, name: str, wanted: Distribution) -> None:
        declared = None if self._space is None else self._space.distributions.get(name)
        if name not in self.params:
            if declared is not None:
                raise SpaceError(
                    f"{shown(str(name))} is absent from trial {self.number}; ask for it where its condition holds only"
                )
            known = ", ".join(shown(known) for known in list(self.params)[:10])
            raise SpaceError(f"{shown(str(name))} is not a parameter of this study; its parameters are {known}")
        if declared is not None and not _alike(declared, wanted):
            raise SpaceError(
                f"{shown(name)}: the study declares {_spelled(declared)}, and the objective asks for {_spelled(wanted)}; "
                "say the same in both"
            )
        if declared is None:
            raise SpaceError(f"{shown(name)} is no parameter of one number or choice; take trial.params[{name!r}]")

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
        except JournaltuneError as failure:  # the block's own error is the one to be seen
            error.add_note(f"trial {self.number} could not be recorded as finished: {failure}")


def _restored(
    suggestion: Suggestion,
    config: Mapping[str, Any] | None,
    reopen: Callable[[], Face],
    notes: tuple[dict[str, Any], dict[str, float]],
) -> AskedTrial:
    trial = AskedTrial(None, reopen, suggestion, None if config is None else Space.from_config(config))
    trial._user_attrs, trial._constraints = notes
    return trial


def _alike(declared: Distribution, wanted: Distribution) -> bool:
    try:
        return declared == wanted
    except (TypeError, ValueError):  # choices that no journal can hold
        return False


def _spelled(distribution: Distribution) -> str:
    try:
        return shown(spec_text(distribution), 200)
    except ValueError:
        return "a choice of other things"


class FixedTrial(Suggests):
    """A trial without a study, to call an objective with parameters of one's own, as Optuna's ``FixedTrial``.

    ``suggest_*`` returns what ``params`` holds: SpaceError where it is missing or is none of the choices, a warning where it is
    out of range. ``should_prune`` is always False; ``intermediate_values`` holds what was reported, the first value of a step.
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

    def _check(self, name: str, wanted: Distribution) -> None:
        if name not in self.params:
            raise SpaceError(f"{shown(str(name))} is missing; FixedTrial takes every parameter that the objective asks for")
        try:
            wanted.to_internal(self.params[name])
        except SpaceError as error:
            if wanted.kind == "categorical":
                raise SpaceError(f"{shown(name)}: {error}") from None
            from warnings import warn

            warn(f"{shown(name)}: {error}", stacklevel=4)
