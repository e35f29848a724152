"""create: a study, or other settings of one that exists. delete: a study."""

from __future__ import annotations

import os

from journaltune.base import checks
from journaltune.base.errors import ConflictError, JournaltuneError, MachineError, NotFoundError, UsageError
from journaltune.engine.annotate import set_metric_names
from journaltune.journal import file as files
from journaltune.journal import records
from journaltune.journal.journal import Journal
from journaltune.study import OpenStudy, environment, resolve, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import StudyState
    from journaltune.space import Space


def create(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    directions: str | Sequence[object] | None = None,
    exist_ok: bool = False,
    drop: str | Sequence[str] = (),
    check_space: Callable[[Space], object] | None = None,
    on_change: Callable[[list[str]], None] | None = None,
    on_note: Callable[[str], object] | None = None,
    lock_timeout_s: float = 60.0,
    allow_network_fs: bool = False,
    **given: Any,
) -> OpenStudy:
    """Make a study, and its journal where there is none. ConflictError when the study exists, unless ``exist_ok``.

    ``given``: settings by their names in ``study.settings``; None is as good as left out. ``space`` is a Space.

    With ``exist_ok`` the given settings replace those of an existing study, also of one that another program made; without a
    name it is the journal's only one. Of the space, parameters are added and changed, those named in ``drop`` are taken out, and
    the rest stays; ``engine.change`` says what earlier trials mean then. Directions can't change, and nothing is written where
    nothing differs.

    ``check_space`` is called with the space that the study is to have, before anything is written. ``on_change`` is called with
    what changed in an existing study, in words; ``on_note`` with what is odd about the space, in a line.
    """
    path = _journal_path(path)
    default = os.path.basename(path).partition(".")[0] or "study"
    name = name if name is None else checks.text(name, "a study's name")
    config, dropped = settings.checked(given), _names(drop)
    codes = None if directions is None else checks.directions(directions)
    _refuse_contradictions(codes, given.get("objectives"), dropped, exist_ok)
    if not exist_ok:  # the settings of an existing study may complete the given ones, so those are checked later
        check_methods(config, len(codes or [1]))
    notes: list[str] = []

    def checked_space(space: Space) -> None:
        if check_space is not None:
            check_space(space)
        notes.extend(_oddities(space))

    existed = os.path.exists(path)
    journal = Journal(path, create=True, lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    with journal.locked():
        try:
            study = _existing(journal, name, default, exist_ok)
            name = (name or default) if study is None else study.name
            changes = _written(journal, study, name, codes, config, dropped, checked_space)
            notes.extend(_siblings(journal, name) if study is None else ())
        except JournaltuneError:
            if not existed:
                _remove_empty(journal)
            raise
    journal.flush()
    if not existed:
        files.sync_folder(journal.path)
    _say(changes, on_change, notes, on_note)
    made = OpenStudy(journal, resolve(journal, name))
    _name_objectives(made, given.get("objectives"))
    return made


def _say(
    changes: list[str],
    on_change: Callable[[list[str]], None] | None,
    notes: list[str],
    on_note: Callable[[str], object] | None,
) -> None:
    if changes and on_change is not None:
        on_change(changes)
    if on_note is not None:
        for note in notes:
            on_note(note)


def _siblings(journal: Journal, name: str) -> list[str]:
    """What to say where a new study has the seed and the space of others in its journal: they suggest the same."""
    studies = journal.state.studies.values()
    made = next((study.config for study in studies if study.name == name and study.config), None)
    if made is None or "space" not in made or made.get("all_studies"):
        return []
    alike = [
        study.name
        for study in studies
        if study.name != name and study.config and all(study.config.get(key) == made[key] for key in ("seed", "space"))
    ]
    if not alike:
        return []
    names = ", ".join(map(repr, alike[:5])) + (f" and {len(alike) - 5} more" if len(alike) > 5 else "")
    return [
        f"study {name!r} has the seed {made['seed']} and the space of {names}, so it tries the same as long as results are the "
        "same; another seed, or duplicates of all studies (--duplicates reuse --all-studies), makes it try others"
    ]


def _oddities(space: Space) -> list[str]:
    """SpaceError for a space that allows no configuration."""
    if space.rules is None:
        return []
    from journaltune.suggest.feasible import check_feasible

    note = check_feasible(space)
    return [] if note is None else [note]


def _name_objectives(study: OpenStudy, names: Sequence[str] | None) -> None:
    if names is not None and all(names) and study.metric_names != list(names):
        set_metric_names(study, names)


def _refuse_contradictions(
    codes: Sequence[int] | None, names: Sequence[str | None] | None, dropped: Sequence[str], exist_ok: bool
) -> None:
    if names is not None and codes is not None and len(names) != len(codes):
        raise UsageError(f"{len(codes)} directions and {len(names)} names of objectives don't go together")
    if dropped and not exist_ok:
        raise UsageError("a parameter is dropped from a study that exists; say exist_ok (--exist-ok) too")


def _journal_path(path: str | os.PathLike[str]) -> str:
    """The path as text. UsageError for what other tools take for a database: a file of such a name would surprise everybody.
    NotFoundError when its folder is missing."""
    text = os.fspath(path)
    if text in (":memory:", ""):
        raise UsageError(
            f"{text!r} is no file, and a study is always one; name a file, in a temporary folder if it need not stay"
        )
    scheme, colon, _ = text.partition("://")
    if colon and scheme.replace("+", "").isalnum():
        raise UsageError(f"{text!r} is a URL, and a study is a file here; name one, such as study.journal")
    folder = os.path.dirname(os.path.realpath(text) if os.path.islink(text) else text)
    try:
        is_missing = folder != "" and not os.path.lexists(folder)
    except ValueError:  # a NUL, which opening refuses
        is_missing = False
    if is_missing:
        from journaltune.base.words import quote

        raise NotFoundError(f"there is no folder {folder} for the journal; make it with `mkdir -p {quote(folder)}`")
    return text


def _names(drop: str | Sequence[str]) -> list[str]:
    if not isinstance(drop, str) and not hasattr(drop, "__iter__"):
        raise UsageError(f"drop is a parameter's name, or a list of them, not {drop!r}")
    return [checks.text(name, "a dropped parameter's name") for name in ([drop] if isinstance(drop, str) else drop)]


def _existing(journal: Journal, name: str | None, default: str, exist_ok: bool) -> StudyState | None:
    """The study that exists already. ConflictError if it must not; UsageError where it could be one of several."""
    study = journal.state.study_named(name or default)
    if study is not None and not exist_ok:
        raise ConflictError(
            f"study {study.name!r} exists in {journal.path}; use it, name another with --study, or say --exist-ok"
        )
    if study is None and name is None and exist_ok and journal.state.studies:
        return resolve(journal, None)
    return study


def _written(
    journal: Journal,
    study: StudyState | None,
    name: str,
    codes: list[int] | None,
    config: dict[str, Any],
    dropped: Sequence[str],
    check_space: Callable[[Space], object],
) -> list[str]:
    """Append what makes the study, or changes the one that there is; what changed, in words."""
    if study is not None:
        from journaltune.engine.change import change

        return change(journal, study, codes, config, dropped, check_space)
    if dropped:
        raise UsageError(f"there is no study {name!r} yet that {dropped[0]!r} could be dropped from; leave --drop out")
    config = {**settings.initial(), **config, "environment": environment.of_config(config)}
    check_methods(config, len(codes or [1]))
    if "space" in config:
        from journaltune.space import Space

        check_space(Space.from_config(config["space"]))
    journal.append([records.create_study(name, codes or [1], config)])
    return []


def check_methods(config: Mapping[str, Any], n_objectives: int) -> None:
    """UsageError when the sampler can't be made, or can't search in this space, and for a pruner that can't decide."""
    from journaltune.space import Space
    from journaltune.suggest import pruners
    from journaltune.suggest.samplers import make

    values = settings.values(config)
    settings.refuse_contradictions(values)
    space = Space({}) if values["space"] is None else Space.from_config(values["space"])
    make(values["sampler"], values["sampler_options"], rules=space.rules).check(space.distributions, n_objectives)
    pruners.check(values["pruner"], values["pruner_options"], n_objectives)
    for name in ("target", "patience", "min_gain"):
        if values[name] is not None and n_objectives > 1:
            raise UsageError(f"{name} is for one objective, and the study has {n_objectives}; leave it out")
    if values["min_gain"]:
        from journaltune.suggest.stopping import refuse_without_model

        refuse_without_model(values["sampler"], space)


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
