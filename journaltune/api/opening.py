"""How a program gets at a study: ``create_study`` and ``load_study``."""

from __future__ import annotations

import os
from functools import partial
from warnings import warn

from journaltune.api.hints import require_own_words
from journaltune.api.study import Study
from journaltune.base import checks
from journaltune.base.errors import UsageError
from journaltune.base.jsontext import loads
from journaltune.engine.start import check_start, enqueue_start
from journaltune.run.places import created, opened
from journaltune.space import Space, space_from_params
from journaltune.space.files import with_path
from journaltune.study import study_file
from journaltune.study.settings import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from journaltune.journal.place import Place
    from journaltune.study import OpenStudy


def create_study(
    path: str | os.PathLike[str] | None = None,
    *,
    params: Mapping[str, Any] | Space | None = None,
    require: str | Sequence[str] = (),
    space: str | os.PathLike[str] | Space | None = None,
    study_name: str | None = None,
    direction: object = None,
    directions: str | Sequence[object] | None = None,
    metric_names: Sequence[str] | None = None,
    sampler: str | None = None,
    sampler_options: Mapping[str, Any] | None = None,
    pruner: str | None = None,
    pruner_options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    failures: str | None = None,
    duplicates: str | None = None,
    all_studies: bool | None = None,
    replicates: int | None = None,
    lag: int | None = None,
    target: float | None = None,
    patience: int | None = None,
    min_gain: float | None = None,
    attempts: int | None = None,
    lock_file: str | os.PathLike[str] | None = None,
    record: str | Sequence[str] = (),
    record_file: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    exist_ok: bool = False,
    drop: str | Sequence[str] = (),
    lock_timeout_s: float = 60.0,
    allow_network_fs: bool = False,
    storage: object = None,
    load_if_exists: bool = False,
) -> Study:
    """Create a study in the journal at ``path``; a missing journal is made. ``ssh://HOST/PATH`` is one on another machine.

    ``params`` maps names to specs of the space grammar (``{"lr": "log(1e-5, 1e-1)"}``), lists of choices, or Optuna's
    distributions, or is a Space; ``require`` are constraints that suggestions keep (``"layers * width <= 4096"``). ``space`` is a
    study file instead, whose settings hold where none are given here. ``direction``: "minimize" (default) or "maximize";
    ``directions``: one for each objective, which ``metric_names`` names. ``sampler``: "auto" when left out, with its keyword
    arguments in ``sampler_options``; ``pruner``: "none", likewise. ``seed``: drawn and stored when left out.
    ``duplicates``, when parameters are suggested again: "allow" (default) asks for them again, "reuse" records them with the
    result that they have, "resample" draws others; ``all_studies``: those of the journal's studies with the same space count
    too. ``replicates``: each configuration is asked so often, with other seeds; the best mean is best. ``failures``: the sampler
    sees failed trials as bad ones ("worst", the default) or not at all ("ignore"). ``lag``: trial k sees the results up to trial
    k - lag only, so that a parallel search can be repeated. ``target``: no trial is asked once a result is as good; ``patience``:
    once so many finished trials brought nothing better; ``min_gain``: once the model of auto and gp expects less of ten more.
    The environment on record has the SHA-256 of ``lock_file`` and each ``record_file``, and the versions of the packages
    ``record``, by the names with which they were installed.

    With ``exist_ok`` an existing study is taken; without a name, the journal's only one. The given settings replace its own, the
    given parameters are added or changed, those in ``drop`` are searched no more, and the rest stays (see ``engine.change``).
    ``storage`` and ``load_if_exists`` are Optuna's, as are objects for a sampler or a pruner: the error shows the line to write.
    Raises ConflictError when the study exists, SpaceError, UsageError, MachineError.
    """
    study, notes = _created(locals())
    for note in notes:
        warn(note, stacklevel=2)
    return Study(study)


def _created(given: dict[str, Any]) -> tuple[OpenStudy, list[str]]:
    """The study of ``create_study`` with these arguments, and what is odd about it. A new setting needs its parameter there, and
    no line here."""
    path, params, space = given["path"], given["params"], given["space"]
    require_own_words("create_study", path, given["storage"], _to_show(given))
    file = None if space is None or isinstance(space, Space) else study_file.load(checks.path(space, "a space file"))
    start = file.start if file is not None else ()
    said = {name: given[name] for name in SETTINGS if name in given and name != "space"}
    notes: list[str] = []
    goals = {"directions": _directions(given["direction"], given["directions"]), "objectives": given["metric_names"]}
    wanted = space if file is None else with_path(checks.path(space), file.space)
    study = created(
        checks.path(path),
        name=given["study_name"],
        exist_ok=given["exist_ok"],
        drop=given["drop"],
        check_space=lambda known: check_start(known, start),
        lock_timeout_s=checks.not_negative(given["lock_timeout_s"], "lock_timeout_s"),
        allow_network_fs=given["allow_network_fs"],
        **study_file.merged(file, {**said, **goals}),
        space=_space(params, given["require"], wanted, given["exist_ok"]),
        on_note=notes.append,
    )
    enqueue_start(study, start)
    return study, notes


def _to_show(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that belong into the line to write."""
    left_out = {"path", "storage", "lock_timeout_s", "allow_network_fs"}
    return {name: value for name, value in given.items() if name not in left_out and value is not False and value != ()}


def _directions(direction: object, directions: str | Sequence[object] | None) -> str | Sequence[object] | None:
    if direction is not None and directions is not None:
        raise UsageError("direction= is for one objective, directions= for several; leave one out")
    return directions if direction is None else [direction]


def _space(
    params: Mapping[str, Any] | Space | None,
    require: str | Sequence[str],
    space: object,
    partial: bool,
) -> Space | None:
    if isinstance(params, Space):
        return space_from_params(params, require, partial)
    if params is not None or (require and partial and space is None):
        given = checks.mapping(params or {}, "params")
        return space_from_params({name: _spec(spec) for name, spec in given.items()}, require, partial)
    if space is None:
        if require:
            raise UsageError("require= says what the parameters keep to; give params= too")
        return None
    return space_from_params(space, require) if isinstance(space, Space) else None


def _spec(spec: Any) -> Any:
    """A spec as the space reads it: a list of choices, and a distribution of Optuna's, as their JSON."""
    if type(spec).__module__.startswith("optuna."):
        from optuna.distributions import distribution_to_json

        return loads(distribution_to_json(spec))
    if isinstance(spec, list | tuple):
        return {"name": "CategoricalDistribution", "attributes": {"choices": list(spec)}}
    return spec


def load_study(
    path: str | os.PathLike[str] | None = None,
    study_name: str | None = None,
    *,
    lock_timeout_s: float = 60.0,
    allow_network_fs: bool = False,
    storage: object = None,
    sampler: object = None,
    pruner: object = None,
) -> Study:
    """Open a study that exists; without a name, the only one. NotFoundError when it is missing, UsageError for several.

    For ``ssh://HOST/PATH`` one connection stays open, which owns the trials that are asked: when it ends, others ask them again.
    What lasted no longer than a broken connection is taken back by the next call. MachineError where that machine can't be
    reached. Objectives run here; what reads or writes the journal's file itself (``verify``, ``to_optuna``, ``add_trial``,
    ``import_trials``, ``trials_dataframe``) is a UsageError.

    ``storage``, ``sampler`` and ``pruner`` are Optuna's: the error for them shows the line to write.
    """
    words = {"study_name": study_name, "sampler": sampler, "pruner": pruner}
    require_own_words("load_study", path, storage, words)
    path, lock_timeout_s = checks.path(path), checks.not_negative(lock_timeout_s, "lock_timeout_s")
    return Study(opened(path, study_name, lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs))


def reopener(study: OpenStudy) -> Callable[[], Study]:
    """A function that opens a study in another process. NotFoundError, MachineError where that one can't reach the file."""
    from journaltune.journal.place import place_of

    place = place_of(study.journal) if study.elsewhere is None else None  # a URL says the same everywhere
    return partial(_reopened, study.path, place, study.name, **study.access)


def _reopened(path: str, place: Place | None, name: str, **access: Any) -> Study:
    from journaltune.journal.place import require_here

    if place is not None:
        require_here(place)
    return load_study(path, name, **access)
