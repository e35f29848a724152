"""The study that a call of ``run`` means: made from the command's own declarations, or one that is there and fits them."""

from __future__ import annotations

from journaltune.base.errors import ConflictError, NotFoundError, UsageError, one_line
from journaltune.base.frozen import Frozen
from journaltune.engine.start import check_start, enqueue_start
from journaltune.run.placeholders import CommandLine
from journaltune.run.places import created, opened
from journaltune.run.plan import Plan, check_trusted, checked, plan
from journaltune.space import Space, space_from_params
from journaltune.space.spelling import spec_text
from journaltune.study import settings, space_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from journaltune.serve.ssh import Link
    from journaltune.study import OpenStudy


class Call(Frozen):
    """What a call of ``run`` says. ``kept``: settings of the table in ``plan``, None where one is taken out.

    ``creation``: what only a new study takes, by the names of ``create``; an existing one has to have the same. ``start``:
    parameters that are to be asked first. ``link``: see ``serve.ssh.Link``.
    """

    path: str
    study_name: str | None
    access: Mapping[str, Any]
    command: Sequence[str] = ()
    n_trials: int | None = None
    kept: Mapping[str, Any] = {}
    space: Space | None = None
    require: Sequence[str] = ()
    creation: Mapping[str, Any] = {}
    is_deterministic: bool = False
    timeout_s: float | None = None
    start: Sequence[Mapping[str, Any]] = ()
    link: Link | None = None

    def opened(self) -> OpenStudy:
        return opened(self.path, self.study_name, link=self.link, **self.access)

    def created(self, **given: Any) -> OpenStudy:
        return created(self.path, link=self.link, **given, **self.access)


def prepare(call: Call, on_note: Callable[[str], object] | None = None) -> tuple[OpenStudy, Plan]:
    """The study, with what the call says of it recorded, and the run. UsageError before anything is written.

    ``on_note`` is called with what is odd about a new study's space, in a line.
    """
    study, made = _prepared(call, on_note)
    try:
        enqueue_start(study, call.start)
    except BaseException:
        study.close()
        raise
    return study, made


def _prepared(call: Call, on_note: Callable[[str], object] | None) -> tuple[OpenStudy, Plan]:
    line = CommandLine(call.command) if call.command else None
    space = _declared(line, call.space, call.require)
    try:
        study = call.opened()
    except NotFoundError:
        try:
            return _new(call, line, space, on_note)
        except ConflictError:  # another run made it just now
            study = call.opened()
    try:
        return _existing(call, study, line, space)
    except BaseException:
        study.close()
        raise


def _declared(line: CommandLine | None, file: Space | None, require: Sequence[str]) -> Space | None:
    """The space of the command's own declarations, of constraints, and of a space file. Its expressions may read what only the
    study has."""
    specs = line.specs if line is not None else {}
    declared = space_from_params(specs, require, partial=True) if specs or require else None
    if declared is None or file is None:
        return declared or file
    twice = [name for name in declared.parameters if name in file.parameters]
    if twice:
        raise UsageError(f"{one_line(twice[0])} is declared twice, in command and space file; write {{{twice[0]}}} here")
    return Space({**file.parameters, **declared.parameters}, [*file.require, *declared.require])


def _new(
    call: Call, line: CommandLine | None, space: Space | None, on_note: Callable[[str], object] | None
) -> tuple[OpenStudy, Plan]:
    if line is None:
        raise UsageError(
            f"there is no study in {call.path} yet, so the command is missing: journaltune run -n 100 -- ./train --lr "
            "'{lr: log(1e-5, 1)}'"
        )
    if space is None or not space.parameters:
        raise UsageError("the command declares no parameter; write what to search, such as --lr '{lr: log(1e-5, 1)}'")
    kept = _kept({}, call.kept)
    directions = call.creation.get("directions") or ("minimize",)
    made = plan(line, call.n_trials, kept, space, len(directions), call.timeout_s)
    study = call.created(
        name=call.study_name,
        space=space,
        command=line.undeclared(),
        trials=call.n_trials,
        run=kept,
        check_space=lambda space: check_start(space, call.start),
        on_note=on_note,
        **{**call.creation, **({"lag": len(made.devices)} if call.is_deterministic else {})},
    )
    return study, made


def _existing(call: Call, study: OpenStudy, line: CommandLine | None, space: Space | None) -> tuple[OpenStudy, Plan]:
    if line is None:
        line = stored_command(study)
    if space is not None and study.space is not None:
        _check_space(study, line, space)
    _check_creation(study, call.creation)
    kept = _kept(study.setting("run"), call.kept)
    n_trials = study.setting("trials") if call.n_trials is None else call.n_trials
    known = space if study.space is None and space is not None else space_of(study)
    made = plan(line, n_trials, kept, known, len(study.directions), call.timeout_s)
    study = call.created(
        before=study,
        name=study.name,
        space=None if study.space is not None else space,
        command=line.undeclared(),
        trials=n_trials,
        run=kept,
        lag=len(made.devices) if call.is_deterministic and study.lag is None else None,
        exist_ok=True,
    )
    return study, made


def _kept(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that hold from now on. One is always among them: a study takes no empty ones."""
    kept = {name: value for name, value in {**before, **given}.items() if value is not None}
    return checked({"retries": 0, **kept})


def stored_command(study: OpenStudy) -> CommandLine:
    """The command that a study keeps. UsageError where there is none, or where it is another user's."""
    words = study.setting("command")
    if words is None:
        raise UsageError(f"study {study.name!r} has no command yet; write it behind --, such as -- ./train {{args}}")
    check_trusted(study)
    return CommandLine([str(word) for word in words])


def _check_space(study: OpenStudy, line: CommandLine, declared: Space) -> None:
    """The study's space has to be what the command declares: a search over what no trainer reads is wasted."""
    known, change = space_of(study).parameters, f"`journaltune create --exist-ok --study {study.name}`"
    for name, distribution in declared.parameters.items():
        if name not in known:
            raise UsageError(
                f"the command declares {one_line(name)}, which study {study.name!r} does not have; add it with {change} --param, "
                "or take another journal with -f"
            )
        if spec_text(known[name]) != spec_text(distribution):
            raise UsageError(
                f"{one_line(name)} is {one_line(spec_text(known[name]))} in study {study.name!r}, and "
                f"{one_line(spec_text(distribution))} in the command; write {{{name}}} to go on with the study's, or change it "
                f"with {change} --param"
            )
    for constraint in declared.require:
        if constraint not in space_of(study).require:
            raise UsageError(
                f"study {study.name!r} does not have the constraint {one_line(constraint)}; add it with {change} --require, or "
                "leave it out"
            )
    hidden = [name for name in _hidden(line, space_of(study)) if name not in declared.parameters]
    if hidden:
        raise UsageError(
            f"study {study.name!r} has {', '.join(map(one_line, hidden))}, which the command does not name: write "
            f"{{{hidden[0]}}}, or {{args}} for all"
        )


def _hidden(line: CommandLine, space: Space) -> list[str]:
    """The searched parameters that no trainer sees: neither named, nor read by the expression of one that is."""
    hidden = line.hides(space.parameters)
    if space.rules is None or not hidden:
        return hidden
    seen = set(space.parameters) - set(hidden)
    for step in reversed(space.rules.steps):  # each stands behind those that it reads
        if step.name in seen:
            seen.update(step.reads)
    return [step.name for step in space.rules.steps if step.name not in seen and step.columns]


def _check_creation(study: OpenStudy, given: Mapping[str, Any]) -> None:
    """What a study was made with does not change under way."""
    names = {"directions": study.directions, "objectives": study.objective_names}
    asked = settings.checked({name: value for name, value in given.items() if name not in names})
    present = names | {name: study.setting(name) for name in asked}
    for name, value in {**{name: given[name] for name in names if given.get(name) is not None}, **asked}.items():
        if present[name] != value:
            raise UsageError(
                f"study {study.name!r} has {present[name]!r} as its {name.replace('_', ' ')}, not {value!r}; leave it out to go "
                "on, or take another journal with -f"
            )
