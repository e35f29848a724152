"""Studies of a journal: opening, creating, listing, deleting."""

from __future__ import annotations

import _thread
import os
from _weakref import ref

from journaltune import checks
from journaltune.errors import ConflictError, JournaltuneError, MachineError, NotFoundError, UsageError
from journaltune.journal import file as files
from journaltune.journal import records
from journaltune.journal.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import StudyState
    from journaltune.samplers import Sampler
    from journaltune.space import Distribution, Space

_SAMPLER = "tpe"
_LIBRARIES = ("journaltune", "optuna", "rustuna")


class _StudyLock:
    """Serialises the threads of a process that share a study, and starts afresh where one of them was broken off.

    A forked child gets its own: the thread that held it may not exist there. An exception that is none of ours (Ctrl-C, out of
    memory) may have come between any two instructions, so nothing is believed after it.
    """

    __slots__ = ("_depth", "_lock", "_pid", "_study")

    def __init__(self, study: OpenStudy) -> None:
        self._study, self._lock, self._pid, self._depth = ref(study), _thread.RLock(), os.getpid(), 0

    def held(self) -> bool:
        """Whether some thread of this process is inside."""
        return self._pid == os.getpid() and self._depth > 0

    def __enter__(self) -> None:
        if self._pid != os.getpid():
            was_held = self._depth > 0
            self._lock, self._pid, self._depth = _thread.RLock(), os.getpid(), 0
            if was_held:
                self._break_off()
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._depth -= 1
        try:
            if self._depth == 0 and kind is not None and not issubclass(kind, JournaltuneError):
                self._break_off()
        finally:
            self._lock.release()

    def _break_off(self) -> None:
        study = self._study()  # a weak reference: a study that nobody holds gives its descriptor back at once
        if study is not None:
            study.break_off()


class OpenStudy:
    """One study of an open journal, with the caches that make the next ask cheap. For several threads; closes on exit."""

    __slots__ = ("__weakref__", "_config", "_sampler", "_space", "_stored", "_varied", "journal", "lock", "name", "study_id")

    def __init__(self, journal: Journal, state: StudyState) -> None:
        self.journal = journal
        self.name = state.name
        self.study_id = state.study_id
        self.lock = _StudyLock(self)
        self._config: Mapping[str, Any] | None = None
        self._space: Space | None = None
        self._stored: dict[str, str] | None = None
        self._varied: dict[str, Distribution] | None = None
        self._sampler: Sampler | None = None

    @property
    def path(self) -> str:
        return self.journal.path

    def break_off(self) -> None:
        """Forget everything that an exception may have left half done: the next call reads the journal again."""
        self._config = self._space = self._stored = self._varied = self._sampler = None
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
        config = self.state().config or {}
        if config is not self._config:
            self._config, self._space, self._stored, self._varied, self._sampler = config, None, None, None, None
        return config

    @property
    def directions(self) -> tuple[str, ...]:
        return tuple("maximize" if direction == 2 else "minimize" for direction in self.state().directions)

    @property
    def objective_names(self) -> tuple[str | None, ...]:
        return tuple(self.config.get("objectives") or [None] * len(self.directions))

    @property
    def space(self) -> Space | None:
        config = self.config
        if self._space is None and "space" in config:
            from journaltune.space import Space

            self._space = Space.from_config(config["space"])
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
        return int(self.config.get("seed", 0))

    @property
    def failures(self) -> str:
        return str(self.config.get("failures", "worst"))

    @property
    def sampler(self) -> str:
        return str(self.config.get("sampler", "tpe"))

    def sampler_object(self) -> Sampler:
        config = self.config
        if self._sampler is None:
            from journaltune.samplers import make

            self._sampler = make(self.sampler, config.get("sampler_options", {}))
        return self._sampler

    def close(self) -> None:
        """Leave a snapshot behind when one is due, and close the file."""
        with self.lock:
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
    return OpenStudy(journal, _resolve(journal, name))


def _resolve(journal: Journal, name: str | None) -> StudyState:
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


def create_study(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    space: Space | None = None,
    directions: str | Sequence[object] | None = None,
    objective_names: Sequence[str | None] | None = None,
    sampler: str | None = None,
    sampler_options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    failures: str | None = None,
    exist_ok: bool = False,
    lock_timeout_s: float = 60.0,
    allow_network_fs: bool = False,
) -> OpenStudy:
    """Make a study, and its journal where there is none. ConflictError when it exists, unless ``exist_ok``.

    With ``exist_ok`` what is given is laid over what an existing study has (also one that another program made), and nothing is
    written where nothing differs; its directions can't change. Options left out: minimize, ``tpe``, a drawn seed, "worst".
    """
    path = os.fspath(path)
    name = checks.text(os.path.basename(path).partition(".")[0] or "study" if name is None else name, "a study's name")
    given = _given(space, objective_names, sampler, sampler_options, seed, failures)
    codes = None if directions is None else checks.directions(directions)
    _check_counts(codes, objective_names)
    if not exist_ok:  # what an existing study has may complete what is given, so that is looked at later
        _check_sampler({"sampler": _SAMPLER, "sampler_options": {}, **given})
    existed = os.path.exists(path)
    journal = Journal(path, create=True, lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    with journal.locked():
        try:
            _create_or_lay_over(journal, name, codes, given, exist_ok)
        except JournaltuneError:
            if not existed:
                _remove_empty(journal)
            raise
    journal.flush()
    return OpenStudy(journal, _resolve(journal, name))


def _create_or_lay_over(journal: Journal, name: str, codes: list[int] | None, given: dict[str, Any], exist_ok: bool) -> None:
    found = journal.state.study_named(name)
    if found is None:
        config = {**_defaults(), **given}
        _check_sampler(config)
        journal.append([records.create_study(name, codes or [1], config)])
    elif not exist_ok:
        raise ConflictError(f"study {name!r} exists in {journal.path}; use it, name another with --study, or say --exist-ok")
    else:
        _lay_over(journal, found, codes, given)


def _given(
    space: Space | None,
    objective_names: Sequence[str | None] | None,
    sampler: str | None,
    sampler_options: Mapping[str, Any] | None,
    seed: int | None,
    failures: str | None,
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if space is not None:
        given["space"] = space.to_config()
    if objective_names is not None and any(name is not None for name in objective_names):
        given["objectives"] = [name if name is None else checks.text(name, "an objective's name") for name in objective_names]
    if sampler is not None:
        given["sampler"] = checks.text(sampler, "a sampler's name")
    if sampler_options:
        given["sampler_options"] = checks.storable(dict(sampler_options), "the sampler's options")
    if seed is not None:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise UsageError(f"a seed is an integer from 0 to {2**63 - 1}, not {seed!r}")
        given["seed"] = seed
    if failures is not None:
        given["failures"] = checks.one_of(failures, ("worst", "ignore"), "failures")
    return given


def _defaults() -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    drawn = int.from_bytes(os.urandom(4), "little")
    return {"sampler": _SAMPLER, "sampler_options": {}, "seed": drawn, "failures": "worst", "versions": versions}


def _lay_over(journal: Journal, found: StudyState, codes: list[int] | None, given: Mapping[str, Any]) -> None:
    if codes is not None and codes != found.directions:
        raise ConflictError(f"study {found.name!r} has other directions; they can't change, so make a new study")
    if "objectives" in given and len(given["objectives"]) != len(found.directions):
        raise UsageError(f"study {found.name!r} has {len(found.directions)} objectives, not {len(given['objectives'])}")
    _check_compatible(found, given)
    before = found.config
    if "sampler" in given and given["sampler"] != (before or {}).get("sampler"):
        given = {"sampler_options": {}, **given}
    after = {**(_defaults() if before is None else before), **given}
    if after != before:
        _check_sampler(after)
        attr = {records.CONFIG_ATTR: after}
        journal.append([records.study_record(records.SET_STUDY_SYSTEM_ATTR, found.study_id, system_attr=attr)])


def _check_compatible(found: StudyState, given: Mapping[str, Any]) -> None:
    """Kind, scale and categories of a parameter can't change: Optuna refuses such trials, samplers can't learn from them."""
    from journaltune.space import Distribution, Space, compatible

    space = Space.from_config(given["space"]).distributions if "space" in given else {}
    for name, distribution in space.items():
        first = found.first_distributions.get(name)
        if first is not None and not compatible(Distribution.from_json(first[1]), distribution):
            raise ConflictError(
                f"parameter {name!r} of study {found.name!r} has another kind, scale or other categories in its trials; "
                "only bounds can change, so give it another name, or make a new study"
            )


def _check_sampler(config: Mapping[str, Any]) -> None:
    from journaltune.samplers import make

    make(config["sampler"], config["sampler_options"])


def _check_counts(codes: list[int] | None, objective_names: Sequence[str | None] | None) -> None:
    if objective_names is not None and codes is not None and len(objective_names) != len(codes):
        raise UsageError(f"{len(codes)} directions and {len(objective_names)} names of objectives don't go together")


def _remove_empty(journal: Journal) -> None:
    """Take back the file that a failed ``create`` made, so that nothing of it is left."""
    try:
        if os.stat(journal.path).st_size == 0:
            files.remove(journal.path)
    except OSError:
        pass


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


def list_studies(
    path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> list[StudySummary]:
    """Every study of a journal, oldest first."""
    journal = Journal(os.fspath(path), lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    return [StudySummary(OpenStudy(journal, state)) for state in journal.state.studies.values()]


def delete_study(
    path: str | os.PathLike[str], name: str, *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> None:
    """Delete a study; its bytes stay in the journal. NotFoundError when there is none of that name."""
    journal = Journal(os.fspath(path), lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    with journal.locked():
        state = _resolve(journal, name)
        (deleted,) = journal.append([records.study_record(records.DELETE_STUDY, state.study_id)])
    journal.flush()
    if not deleted:
        raise MachineError(f"study {name!r} could not be deleted from {journal.path}: another program deleted it first")
