"""Studies of a journal: opening, listing, deleting."""

from __future__ import annotations

import _thread
import os
from _weakref import ref

from journaltune.errors import JournaltuneError, MachineError, NotFoundError, UsageError
from journaltune.journal import records
from journaltune.journal.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol, TypeVar

    from journaltune.history import History
    from journaltune.journal.state import Finished, StudyState
    from journaltune.lag import Lagged
    from journaltune.samplers import Sampler
    from journaltune.space import Distribution, Space

    T = TypeVar("T")

    class Breakable(Protocol):
        def break_off(self) -> None:
            """Forget whatever an exception may have left half done."""


_NO_CONFIG: Mapping[str, Any] = {}
KINDS: dict[str, type] = {
    "space": dict,
    "objectives": list,
    "sampler": str,
    "sampler_options": dict,
    "seed": int,
    "failures": str,
    "duplicates": str,
    "replicates": int,
    "lag": int,
    "lock_file": str,
}


def wrong_settings(config: Mapping[str, Any]) -> set[str]:
    """The settings of which a damaged record left something in the journal that can't be one."""
    return {name for name, kind in KINDS.items() if config.get(name) is not None and not isinstance(config[name], kind)}


class Turn:
    """One call at a time on an open journal that several threads share: ``with turn.lock, turn:``.

    An exception that is none of ours (Ctrl-C, out of memory) may come between any two instructions, so nothing is believed after
    it. The lock is one of the interpreter's own, because only those are taken and given back without an instruction between.
    """

    __slots__ = ("_inside", "_intruded", "_lock", "_owner", "_pid")

    def __init__(self, owner: Breakable) -> None:
        self._owner, self._lock, self._pid = ref(owner), _thread.RLock(), os.getpid()
        self._inside = self._intruded = False

    @property
    def lock(self) -> _thread.RLock:
        """What keeps other threads out. UsageError in a call of this thread: a signal handler interrupts it, or a finalizer."""
        if self._pid != os.getpid():  # a forked child: the thread that held it may not exist here
            self._lock, self._pid = _thread.RLock(), os.getpid()
        if self._lock._is_owned():  # type: ignore[attr-defined]
            self._intruded = True
            raise UsageError(
                "a signal handler or a finalizer can't use a study in the middle of another call on it; let it set a flag, or "
                "raise SystemExit and use the study where that is caught"
            )
        return self._lock

    def __enter__(self) -> None:
        if self._inside:  # whoever was here last never came to the end of his call
            self._break_off()
        self._inside, self._intruded = True, False

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and (self._intruded or not issubclass(kind, JournaltuneError)):
            self._break_off()
        self._inside = False

    def _break_off(self) -> None:
        owner = self._owner()  # a weak reference: a study that nobody holds gives its descriptor back at once
        if owner is not None:
            owner.break_off()


class OpenStudy:
    """One study of an open journal, with the caches that make the next ask cheap. For several threads; closes on exit."""

    __slots__ = (
        "__weakref__",
        "_config",
        "_environment",
        "_kept",
        "_lagged",
        "_sampler",
        "_space",
        "_stored",
        "_varied",
        "_wrong",
        "journal",
        "name",
        "study_id",
        "turn",
    )

    def __init__(self, journal: Journal, state: StudyState) -> None:
        self.journal = journal
        self.name = state.name
        self.study_id = state.study_id
        self.turn = Turn(self)
        self._forget(None)

    def _forget(self, config: Mapping[str, Any] | None) -> None:
        """Drop whatever was worked out for another configuration than this one."""
        self._config = config
        self._wrong = wrong_settings(config or _NO_CONFIG)
        self._space: Space | None = None
        self._stored: dict[str, str] | None = None
        self._varied: dict[str, Distribution] | None = None
        self._sampler: Sampler | None = None
        self._lagged: Lagged | None = None
        self._environment: dict[str, str] | None = None
        self._kept: dict[object, tuple[Finished, Any]] = {}

    @property
    def path(self) -> str:
        return self.journal.path

    def break_off(self) -> None:
        """Forget everything that an exception may have left half done: the next call reads the journal again."""
        self._forget(None)
        self.journal.break_off()

    def state(self) -> StudyState:
        """What the journal says of it. NotFoundError once it is deleted."""
        found = self.journal.state.studies.get(self.study_id)
        if found is None:
            raise NotFoundError(f"study {self.name!r} was deleted from {self.path}")
        return found

    @property
    def config(self) -> Mapping[str, Any]:
        """What ``create_study`` recorded; empty for a study that another program made."""
        config = self.state().config or _NO_CONFIG
        if config is not self._config:
            self._forget(config)
        return config

    def setting(self, name: str, default: Any = None) -> Any:
        """One of the configuration; UsageError where a damaged record left something else in its place."""
        found = self.config.get(name)
        if found is None:
            return default
        if name in self._wrong:
            raise UsageError(
                f"study {self.name!r} has {found!r} as its {name}, which can't be; replace it with "
                f"`journaltune create --exist-ok --study {self.name}` and the option for it"
            )
        return found

    @property
    def directions(self) -> tuple[str, ...]:
        return tuple("maximize" if direction == 2 else "minimize" for direction in self.state().directions)

    @property
    def objective_names(self) -> tuple[str | None, ...]:
        return tuple(self.setting("objectives") or [None] * len(self.directions))

    @property
    def space(self) -> Space | None:
        stored = self.setting("space")
        if self._space is None and stored is not None:
            from journaltune.space import Space

            self._space = Space.from_config(stored)
        return self._space

    @property
    def stored_distributions(self) -> dict[str, str]:
        """The space's distributions as records hold them."""
        space = self.space
        if self._stored is None and space is not None:
            self._stored = {name: distribution.to_json() for name, distribution in space.distributions.items()}
        return self._stored or {}

    @property
    def varied(self) -> dict[str, Distribution]:
        """What is searched in. What has one value only is not, and Rustuna's TPE panics at a range without width."""
        space = self.space
        if self._varied is None and space is not None:
            self._varied = {name: known for name, known in space.distributions.items() if not known.single}
        return self._varied or {}

    @property
    def seed(self) -> int:
        return int(self.setting("seed", 0))

    @property
    def failures(self) -> str:
        return str(self.setting("failures", "worst"))

    @property
    def duplicates(self) -> str:
        """What happens when the sampler suggests parameters again: allow, reuse or resample."""
        return str(self.setting("duplicates", "allow"))

    @property
    def replicates(self) -> int:
        """How many times each configuration is asked."""
        return int(self.setting("replicates", 1))

    @property
    def lag(self) -> int | None:
        """How many trials back the latest result lies that a trial sees; None: every result that is there."""
        lag: int | None = self.setting("lag")
        return lag

    def awaited(self, number: int) -> int | None:
        """The trial that has to finish before trial ``number`` can be asked for, where the study has a lag."""
        lag = self.lag
        if lag is None:
            return None
        from journaltune.lag import awaited

        return awaited(self.state(), number, lag)

    def seen(self, number: int) -> StudyState:
        """What trial ``number`` may know of the study."""
        state, lag = self.state(), self.lag
        if lag is None:
            return state
        if self._lagged is None:
            from journaltune.lag import Lagged

            self._lagged = Lagged()
        return self._lagged.view(state, number, lag)

    def history(self, number: int) -> History:
        """What the sampler may see for trial ``number``."""
        from journaltune.history import History

        return History(self.seen(number), self.failures)

    def kept(self, kind: Callable[[Finished], T], finished: Finished) -> T:
        """The one object of that kind for these finished trials: what it has worked out about them stays for the next call."""
        known = self._kept.get(kind)
        if known is None or known[0] is not finished:
            known = self._kept[kind] = finished, kind(finished)
        found: T = known[1]
        return found

    def environment_records(self) -> list[dict[str, Any]]:
        """What to write before an ask, where its environment is another one than the study has on record."""
        from journaltune import environment

        state = self.state()
        if self._environment is None:
            self._environment = environment.describe(self.setting("lock_file"))
        if environment.recorded(self.config, state.system_attrs) == self._environment:
            return []
        attr = {environment.ATTR: self._environment}
        return [records.study_record(records.SET_STUDY_SYSTEM_ATTR, self.study_id, system_attr=attr)]

    @property
    def sampler(self) -> str:
        return str(self.setting("sampler", "tpe"))

    def sampler_object(self) -> Sampler:
        name, options = self.sampler, self.setting("sampler_options", {})
        if self._sampler is None:
            from journaltune.samplers import make

            self._sampler = make(name, options)
        return self._sampler

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
    studies = list(journal.state.studies.values())
    names = ", ".join(repr(study.name) for study in studies)
    if name is not None:
        found = journal.state.study_named(name)
        if found is None:
            has = f"it has {names}" if names else "it has none"
            raise NotFoundError(f"there is no study {name!r} in {journal.path}; {has}")
        return found
    if not studies:
        raise NotFoundError(f"{journal.path} has no study; make one with `journaltune create --param 'NAME: SPEC'`")
    if len(studies) > 1:
        raise UsageError(f"{journal.path} has several studies: {names}; name one with --study")
    return studies[0]


class StudySummary:
    """One line about a study. ``best_value`` is None for several objectives, or before the first complete trial."""

    __slots__ = ("best_value", "counts", "directions", "name", "sampler")

    def __init__(self, study: OpenStudy) -> None:
        from journaltune.reading import best_trials, counts

        self.name = study.name
        self.directions = study.directions
        self.sampler = study.sampler
        self.counts = counts(study)
        self.best_value: float | None = None
        if len(self.directions) == 1:
            try:
                self.best_value = best_trials(study)[0].value
            except NotFoundError:
                pass


def open_studies(
    path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> list[OpenStudy]:
    """Every study of a journal, oldest first; they share the open journal, so not for several threads."""
    journal = Journal(os.fspath(path), lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    return [OpenStudy(journal, state) for state in journal.state.studies.values()]


def list_studies(
    path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> list[StudySummary]:
    """Every study of a journal, oldest first."""
    return list(map(StudySummary, open_studies(path, lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)))


def delete_study(
    path: str | os.PathLike[str], name: str, *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> None:
    """Delete a study; its bytes stay in the journal. NotFoundError when there is none of that name."""
    journal = Journal(os.fspath(path), lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    with journal.locked():
        state = resolve(journal, name)
        (deleted,) = journal.append([records.study_record(records.DELETE_STUDY, state.study_id)])
    journal.flush()
    if not deleted:
        raise MachineError(f"study {name!r} could not be deleted from {journal.path}: another program deleted it first")
