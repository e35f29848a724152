"""One study of an open journal."""

from __future__ import annotations

import os

from journaltune.base.errors import NotFoundError, SpaceError, UsageError
from journaltune.journal.journal import Journal
from journaltune.journal.turn import Turn
from journaltune.study.settings import NO_CONFIG, wrong_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from journaltune.journal.state import Finished, StudyState
    from journaltune.space import Distribution, Space

    T = TypeVar("T")


class OpenStudy:
    """One study of an open journal, with the caches that make the next ask cheap. For several threads; closes on exit."""

    __slots__ = (
        "__weakref__",
        "_cache",
        "_config",
        "_space",
        "_stored",
        "_varied",
        "_wrong",
        "journal",
        "n_tells",
        "name",
        "study_id",
        "turn",
    )

    def __init__(self, journal: Journal, state: StudyState) -> None:
        self.journal = journal
        self.name = state.name
        self.study_id = state.study_id
        self.turn = Turn(self)
        self.n_tells = 0  # by this process
        self._forget(None)

    def _forget(self, config: Mapping[str, Any] | None) -> None:
        """Drop whatever was worked out for another configuration than this one."""
        self._config = config
        self._wrong = wrong_settings(config or NO_CONFIG)
        self._space: Space | None = None
        self._stored: dict[str, str] | None = None
        self._varied: dict[str, Distribution] | None = None
        self._cache: dict[object, Any] = {}

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
        config = self.state().config or NO_CONFIG
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

    def cached(self, make: Callable[[OpenStudy], T]) -> T:
        """What ``make`` makes of the study, once for as long as its configuration stays."""
        self.config  # noqa: B018  (drops the cache of another configuration)
        if make not in self._cache:
            self._cache[make] = make(self)
        found: T = self._cache[make]
        return found

    def cached_for(self, finished: Finished, kind: Callable[[Finished], T]) -> T:
        """The one object of that kind for these finished trials: what it has worked out about them stays for the next call."""
        known = self._cache.get(kind)
        if known is None or known[0] is not finished:
            known = self._cache[kind] = finished, kind(finished)
        found: T = known[1]
        return found

    @property
    def sampler(self) -> str:
        return str(self.setting("sampler", "tpe"))

    def look(self, read: Callable[[StudyState], T]) -> T:
        """What ``read`` makes of the study as it is now; other threads of this process wait meanwhile."""
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


def space_of(study: OpenStudy) -> Space:
    """The study's search space. SpaceError when nobody gave it one."""
    if study.space is None:
        raise SpaceError(
            f"study {study.name!r} has no search space; give it one with "
            f"`journaltune create --exist-ok --study {study.name} --param 'NAME: SPEC'`"
        )
    return study.space
