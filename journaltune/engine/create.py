"""create: a study, or other settings of one that exists. delete: a study."""

from __future__ import annotations

import os

from journaltune.base import checks
from journaltune.base.errors import ConflictError, JournaltuneError, MachineError, UsageError
from journaltune.engine.annotate import set_metric_names
from journaltune.journal import file as files
from journaltune.journal import records
from journaltune.journal.journal import Journal
from journaltune.study import environment, settings
from journaltune.study.open_study import OpenStudy, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import StudyState


def create(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    directions: str | Sequence[object] | None = None,
    exist_ok: bool = False,
    lock_timeout_s: float = 60.0,
    allow_network_fs: bool = False,
    **given: Any,
) -> OpenStudy:
    """Make a study, and its journal where there is none. ConflictError when the study exists, unless ``exist_ok``.

    ``given``: settings by their names in ``study.settings``; None is as good as left out. ``space`` is a Space.

    With ``exist_ok`` the given settings replace those of an existing study, also of one that another program made; its directions
    can't change, and nothing is written where nothing differs.
    """
    path = os.fspath(path)
    name = checks.text(os.path.basename(path).partition(".")[0] or "study" if name is None else name, "a study's name")
    config = settings.checked(given)
    codes = None if directions is None else checks.directions(directions)
    names = given.get("objectives")
    if names is not None and codes is not None and len(names) != len(codes):
        raise UsageError(f"{len(codes)} directions and {len(names)} names of objectives don't go together")
    if not exist_ok:  # the settings of an existing study may complete the given ones, so those are checked later
        _check_sampler(config, len(codes or [1]))
    existed = os.path.exists(path)
    journal = Journal(path, create=True, lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    with journal.locked():
        try:
            _create_or_change(journal, name, codes, config, exist_ok)
        except JournaltuneError:
            if not existed:
                _remove_empty(journal)
            raise
    journal.flush()
    if not existed:
        files.sync_folder(journal.path)
    study = OpenStudy(journal, resolve(journal, name))
    if names is not None and all(names) and study.metric_names != list(names):
        set_metric_names(study, names)
    return study


def _create_or_change(journal: Journal, name: str, codes: list[int] | None, config: dict[str, Any], exist_ok: bool) -> None:
    study = journal.state.study_named(name)
    if study is None:
        config = {**settings.initial(), **config, "environment": environment.describe(config.get("lock_file"))}
        _check_sampler(config, len(codes or [1]))
        journal.append([records.create_study(name, codes or [1], config)])
    elif not exist_ok:
        raise ConflictError(f"study {name!r} exists in {journal.path}; use it, name another with --study, or say --exist-ok")
    else:
        _change(journal, study, codes, config)


def _change(journal: Journal, study: StudyState, codes: list[int] | None, given: Mapping[str, Any]) -> None:
    """Replace the given settings of a study, and what a damaged record left in the place of others."""
    if codes is not None and codes != study.directions:
        raise ConflictError(f"study {study.name!r} has other directions; they can't change, so make a new study")
    if "objectives" in given and len(given["objectives"]) != len(study.directions):
        raise UsageError(f"study {study.name!r} has {len(study.directions)} objectives, not {len(given['objectives'])}")
    _check_compatible(study, given)
    before = study.config
    kept = settings.initial() if before is None else settings.sound(before)
    if "sampler" in given and given["sampler"] != kept.get("sampler"):
        given = {"sampler_options": {}, **given}
    after = {**kept, **given}
    if after != before:
        _check_sampler(after, len(study.directions))
        attr = {records.CONFIG_ATTR: after}
        journal.append([records.study_record(records.SET_STUDY_SYSTEM_ATTR, study.study_id, system_attr=attr)])


def _check_compatible(study: StudyState, given: Mapping[str, Any]) -> None:
    """Kind, scale and categories of a parameter can't change: Optuna refuses such trials, samplers can't learn from them."""
    from journaltune.space import Distribution, Space, compatible

    space = Space.from_config(given["space"]).distributions if "space" in given else {}
    for name, distribution in space.items():
        first = study.first_distributions.get(name)
        if first is not None and not compatible(Distribution.from_json(first[1]), distribution):
            raise ConflictError(
                f"parameter {name!r} of study {study.name!r} has another kind, scale or other categories in its trials; "
                "only bounds can change, so give it another name, or make a new study"
            )


def _check_sampler(config: Mapping[str, Any], n_objectives: int) -> None:
    """UsageError when the sampler can't be made, or can't search in this space."""
    from journaltune.space import Space
    from journaltune.suggest.samplers.registry import make

    values = settings.values(config)
    space = Space.from_config(values["space"]).distributions if values["space"] is not None else {}
    make(values["sampler"], values["sampler_options"]).check(space, n_objectives)


def _remove_empty(journal: Journal) -> None:
    """Take back the file that a failed ``create`` made, so that nothing of it is left."""
    try:
        if os.stat(journal.path).st_size == 0:
            files.remove(journal.path)
    except OSError:
        pass


def delete(path: str | os.PathLike[str], name: str, *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False) -> None:
    """Delete a study; its bytes stay in the journal. NotFoundError when no study has that name."""
    journal = Journal(os.fspath(path), lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    with journal.locked():
        state = resolve(journal, name)
        (deleted,) = journal.append([records.study_record(records.DELETE_STUDY, state.study_id)])
    journal.flush()
    if not deleted:
        raise MachineError(f"study {name!r} could not be deleted from {journal.path}: another program deleted it first")
