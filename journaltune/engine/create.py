"""Making a study, and laying new settings over one that exists."""

from __future__ import annotations

import os

from journaltune.base import checks
from journaltune.base.errors import ConflictError, JournaltuneError, MachineError, UsageError
from journaltune.journal import file as files
from journaltune.journal import records
from journaltune.journal.journal import Journal
from journaltune.study import environment
from journaltune.study.open_study import OpenStudy, resolve
from journaltune.study.settings import _SAMPLER, _defaults, _given, _sound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Unpack

    from journaltune.journal.state import StudyState
    from journaltune.study.settings import Settings


def create_study(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    directions: str | Sequence[object] | None = None,
    exist_ok: bool = False,
    lock_timeout_s: float = 60.0,
    allow_network_fs: bool = False,
    **settings: Unpack[Settings],
) -> OpenStudy:
    """Make a study, and its journal where there is none. ConflictError when it exists, unless ``exist_ok``.

    With ``exist_ok`` what is given is laid over what an existing study has (also one that another program made), and nothing is
    written where nothing differs; its directions can't change. Options left out: minimize, ``tpe``, a drawn seed, "worst".
    ``lag``: trial k sees the results of trials up to k - lag, and no others, so that a parallel search can be repeated.
    ``duplicates``: what happens when parameters are suggested again; ``replicates``: how often each configuration is asked.
    ``lock_file``: a file whose SHA-256 belongs to the environment that the study records.
    """
    path = os.fspath(path)
    name = checks.text(os.path.basename(path).partition(".")[0] or "study" if name is None else name, "a study's name")
    given = _given(settings)
    codes = None if directions is None else checks.directions(directions)
    names = settings.get("objective_names")
    if names is not None and codes is not None and len(names) != len(codes):
        raise UsageError(f"{len(codes)} directions and {len(names)} names of objectives don't go together")
    if not exist_ok:  # what an existing study has may complete what is given, so that is looked at later
        _check_sampler({"sampler": _SAMPLER, "sampler_options": {}, **given}, len(codes or [1]))
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
    if not existed:
        files.sync_folder(journal.path)
    return OpenStudy(journal, resolve(journal, name))


def _create_or_lay_over(journal: Journal, name: str, codes: list[int] | None, given: dict[str, Any], exist_ok: bool) -> None:
    found = journal.state.study_named(name)
    if found is None:
        config = {**_defaults(), **given, "environment": environment.describe(given.get("lock_file"))}
        _check_sampler(config, len(codes or [1]))
        journal.append([records.create_study(name, codes or [1], config)])
    elif not exist_ok:
        raise ConflictError(f"study {name!r} exists in {journal.path}; use it, name another with --study, or say --exist-ok")
    else:
        _lay_over(journal, found, codes, given)


def _lay_over(journal: Journal, found: StudyState, codes: list[int] | None, given: Mapping[str, Any]) -> None:
    if codes is not None and codes != found.directions:
        raise ConflictError(f"study {found.name!r} has other directions; they can't change, so make a new study")
    if "objectives" in given and len(given["objectives"]) != len(found.directions):
        raise UsageError(f"study {found.name!r} has {len(found.directions)} objectives, not {len(given['objectives'])}")
    _check_compatible(found, given)
    before = found.config
    sound = _defaults() if before is None else _sound(before)
    if "sampler" in given and given["sampler"] != sound.get("sampler"):
        given = {"sampler_options": {}, **given}
    after = {**sound, **given}
    if after != before:
        _check_sampler(after, len(found.directions))
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


def _check_sampler(config: Mapping[str, Any], n_objectives: int) -> None:
    from journaltune.space import Space
    from journaltune.suggest.samplers import make

    space = Space.from_config(config["space"]).distributions if "space" in config else {}
    make(config.get("sampler", _SAMPLER), config.get("sampler_options", {})).check(space, n_objectives)


def _remove_empty(journal: Journal) -> None:
    """Take back the file that a failed ``create`` made, so that nothing of it is left."""
    try:
        if os.stat(journal.path).st_size == 0:
            files.remove(journal.path)
    except OSError:
        pass


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
