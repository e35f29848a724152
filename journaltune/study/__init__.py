"""One study read and written as data, its journal opened for that; nothing here chooses parameters or finishes a trial.

Here itself: the open study, which everything above works on.
"""

from __future__ import annotations

import os

from journaltune.base import MAXIMIZE
from journaltune.base.errors import NotFoundError, SpaceError, UsageError
from journaltune.journal.journal import Journal
from journaltune.journal.lock import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol, TypeVar

    from journaltune.journal.state import Finished, StudyState
    from journaltune.space import Distribution, Space

    T = TypeVar("T")
    Verb = TypeVar("Verb", bound=Callable[..., Any])

    class Elsewhere(Protocol):
        """The machine that has the journal, where this one only has a mirror of it."""

        @property
        def owner(self) -> Mapping[str, Any]:
            """Who has the trials that were asked there, as records name it."""

        @property
        def local_path(self) -> str:
            """See ``OpenStudy.local_path``."""

        @property
        def is_own_journal(self) -> bool:
            """Whether the journal belongs to the user as whom this one works there."""

        def call(self, study: OpenStudy, verb: Callable[..., Any], given: dict[str, Any]) -> Any:
            """Call a verb there; its errors are raised here. MachineError where the connection breaks."""


METRIC_NAMES = "study:metric_names"  # Optuna's system attribute for the names of the objectives
_NO_CONFIG: Mapping[str, Any] = {}


def verb(function: Verb) -> Verb:
    """Mark what changes a study: where the journal is on another machine, it is called there. See ``serve.elsewhere``."""

    def call(study: OpenStudy, *values: Any, **named: Any) -> Any:
        if study.elsewhere is None:
            return function(study, *values, **named)
        code = function.__code__
        return study.elsewhere.call(
            study, call, {**dict(zip(code.co_varnames[1 : code.co_argcount], values, strict=False)), **named}
        )

    call.__name__, call.__qualname__, call.__module__ = function.__name__, function.__qualname__, function.__module__
    call.__doc__, call.__wrapped__ = function.__doc__, function  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


class OpenStudy:
    """One study of an open journal, with the caches that make the next ask cheap. For several threads; closes on exit."""

    __slots__ = (
        "__weakref__",
        "_cache",
        "_config",
        "_settings",
        "_space",
        "_stored",
        "_varied",
        "elsewhere",
        "journal",
        "n_tells",
        "name",
        "study_id",
        "turn",
    )

    def __init__(self, journal: Journal, state: StudyState, elsewhere: Elsewhere | None = None) -> None:
        self.journal = journal
        self.elsewhere = elsewhere
        self.name = state.name
        self.study_id = state.study_id
        self.turn = Turn(self)
        self.n_tells = 0  # by this process
        self._forget(None)

    def _forget(self, config: Mapping[str, Any] | None) -> None:
        """Drop everything that was worked out for the configuration before this one."""
        self._config = config
        self._settings: dict[str, Any] | None = None  # without those that can't be
        self._space: Space | None = None
        self._stored: dict[str, str] | None = None
        self._varied: dict[str, Distribution] | None = None
        self._cache: dict[object, Any] = {}

    @property
    def path(self) -> str:
        return self.journal.path

    @property
    def local_path(self) -> str:
        """The name beside which this machine keeps what belongs to the trials that run here: the journal's own, if it is here."""
        return self.path if self.elsewhere is None else self.elsewhere.local_path

    @property
    def access(self) -> dict[str, Any]:
        """How its journal is opened, for another handle on it."""
        return {"lock_timeout_s": self.journal.lock_timeout_s, "allow_network_fs": self.journal.allow_network_fs}

    def require_here(self, what: str) -> None:
        """UsageError for what only works on the machine that has the journal."""
        if self.elsewhere is not None:
            raise UsageError(f"{what} does not take a journal on another machine, {self.path}; call it there")

    def break_off(self) -> None:
        """Forget everything that an exception may have left half done. The next call reads the journal again."""
        self._forget(None)
        self.journal.break_off()

    def state(self) -> StudyState:
        """The replayed study. NotFoundError once it is deleted."""
        state = self.journal.state.studies.get(self.study_id)
        if state is None:
            raise NotFoundError(f"study {self.name!r} was deleted from {self.path}")
        return state

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings that ``create_study`` recorded; empty for a study that another program made."""
        config = self.state().config or _NO_CONFIG
        if config is not self._config:
            self._forget(config)
        return config

    def setting(self, name: str) -> Any:
        """One setting, the default when none is recorded; UsageError where a damaged record left something else in its place."""
        config, sound = self.config, self._settings
        if sound is None:
            from journaltune.study import settings  # a tell reads no setting

            wrong = settings.wrong(config)
            sound = self._settings = {each: value for each, value in settings.values(config).items() if each not in wrong}
        if name not in sound:
            from journaltune.study.settings import SETTINGS

            raise UsageError(
                f"study {self.name!r} has {config[name]!r} as its {name}, which can't be; replace it with "
                f"`journaltune create --exist-ok --study {self.name}` and {SETTINGS[name].option or 'the option for it'}"
            )
        return sound[name]

    @property
    def directions(self) -> tuple[str, ...]:
        return tuple("maximize" if direction == MAXIMIZE else "minimize" for direction in self.state().directions)

    @property
    def objective_names(self) -> tuple[str | None, ...]:
        """Each objective's name or None: as Optuna has them, where it has one for each, else as ``create`` was told."""
        return tuple(self.metric_names or self.setting("objectives") or [None] * len(self.directions))

    @property
    def metric_names(self) -> list[str] | None:
        """The objectives' names, as Optuna has them; None where it has none that fit."""
        names = self.state().system_attrs.get(METRIC_NAMES)
        fit = isinstance(names, list) and len(names) == len(self.directions) and all(isinstance(each, str) for each in names)
        return list(names) if fit and names else None

    @property
    def is_ours(self) -> bool:
        """Whether the study has settings: a study that another program made has none before ``create --exist-ok``."""
        return self.state().config is not None

    @property
    def space(self) -> Space | None:
        self.config  # noqa: B018  (drops the space of another configuration)
        if self._space is None:
            stored = self.setting("space")
            if stored is not None:
                from journaltune.space import Space

                self._space = Space.from_config(stored)
        return self._space

    @property
    def stored_distributions(self) -> dict[str, str]:
        """The space's distributions by name, as Optuna's JSON, which records hold."""
        space = self.space
        if self._stored is None and space is not None:
            self._stored = {name: distribution.to_json() for name, distribution in space.distributions.items()}
        return self._stored or {}

    @property
    def varied(self) -> dict[str, Distribution]:
        """The distributions that a sampler searches: those with several values. Rustuna's TPE panics at a range without width."""
        space = self.space
        if self._varied is None and space is not None:
            self._varied = {name: distribution for name, distribution in space.distributions.items() if not distribution.single}
        return self._varied or {}

    @property
    def seed(self) -> int:
        return int(self.setting("seed"))

    @property
    def failures(self) -> str:
        return str(self.setting("failures"))

    @property
    def duplicates(self) -> str:
        """What happens when the sampler suggests parameters again: allow, reuse or resample."""
        return str(self.setting("duplicates"))

    @property
    def all_studies(self) -> bool:
        """Whether parameters that other studies of the journal tried count as duplicates."""
        return bool(self.setting("all_studies"))

    @property
    def replicates(self) -> int:
        """How many times each configuration is asked."""
        return int(self.setting("replicates"))

    @property
    def lag(self) -> int | None:
        """Trial k sees the results of trials up to k - lag; with None, every result that is there."""
        lag: int | None = self.setting("lag")
        return lag

    @property
    def attempts(self) -> int:
        """How many owners a trial may lose by death before it fails."""
        return int(self.setting("attempts"))

    def cached(self, make: Callable[[OpenStudy], T]) -> T:
        """``make(self)``, called once for as long as the configuration stays."""
        self.config  # noqa: B018  (drops the cache of another configuration)
        if make not in self._cache:
            self._cache[make] = make(self)
        made: T = self._cache[make]
        return made

    def cached_for(self, finished: Finished, kind: Callable[[Finished], T]) -> T:
        """The one object of that kind for these finished trials. What it works out about them stays for the next call."""
        entry = self._cache.get(kind)
        if entry is None or entry[0] is not finished:
            entry = self._cache[kind] = finished, kind(finished)
        made: T = entry[1]
        return made

    @property
    def sampler(self) -> str:
        return str(self.setting("sampler"))

    def look(self, read: Callable[[StudyState], T]) -> T:
        """``read`` applied to the study as it is now. Other threads of this process wait meanwhile."""
        with self.turn.lock, self.turn:
            self.journal.sync()
            return read(self.state())

    def close(self) -> None:
        """Leave a snapshot behind when one is due, and close the file."""
        with self.turn.lock, self.turn:
            self.journal.save_snapshot_when_due()
            self.journal.close()

    def __enter__(self) -> OpenStudy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_study(
    path: str | os.PathLike[str], name: str | None = None, *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> OpenStudy:
    """Open a study that exists; without a name, the only one. NotFoundError, UsageError when there are several."""
    journal = Journal(os.fspath(path), lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    return OpenStudy(journal, resolve(journal, name))


def resolve(journal: Journal, name: str | None) -> StudyState:
    """The study of that name; without a name, the only one. NotFoundError, UsageError when there are several."""
    studies = list(journal.state.studies.values())
    names = ", ".join(repr(study.name) for study in studies)
    if name is not None:
        state = journal.state.study_named(name)
        if state is None:
            has = f"it has {names}" if names else "it has none"
            raise NotFoundError(f"there is no study {name!r} in {journal.path}; {has}")
        return state
    if not studies:
        raise NotFoundError(f"{journal.path} has no study; make one with `journaltune create --param 'NAME: SPEC'`")
    if len(studies) > 1:
        raise UsageError(f"{journal.path} has several studies: {names}; name one with --study")
    return studies[0]


def space_of(study: OpenStudy) -> Space:
    """The study's search space. SpaceError when nobody gave it one."""
    space = study.space
    if space is None:
        raise SpaceError(
            f"study {study.name!r} has no search space; give it one with "
            f"`journaltune create --exist-ok --study {study.name} --param 'NAME: SPEC'`"
        )
    return space
