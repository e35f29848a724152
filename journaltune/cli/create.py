"""``journaltune create``: make a study."""

from __future__ import annotations

from journaltune.base.errors import SpaceError, SpecError, UsageError
from journaltune.base.words import quote
from journaltune.cli import output
from journaltune.cli.options import Command, Option, access, journal_path, opened, study_name
from journaltune.cli.values import key_json, mapping, number, one_of, plain, whole
from journaltune.study.settings import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Opener, Options
    from journaltune.space import Space
    from journaltune.space.study_file import StudyFile
    from journaltune.study import OpenStudy
    from journaltune.study.settings import Setting


def _minimize(name: str) -> tuple[str, str | None]:
    return "minimize", name or None


def _maximize(name: str) -> tuple[str, str | None]:
    return "maximize", name or None


def _option(setting: Setting) -> Option:
    """The option for a setting. How its text is read follows from the kind of its value."""
    by_kind = {int: whole(setting.least), float: number, dict: key_json}
    convert = one_of(*setting.words) if setting.words else by_kind.get(setting.kind, plain)
    repeats = setting.kind in (dict, list)
    metavar = None if setting.kind is bool else setting.metavar
    return Option(setting.option, setting.name, metavar, setting.help, convert, repeats=repeats)


COMMAND = Command(
    "create",
    """Makes a study, and the journal when there is none yet. Prints {"study": NAME, "journal": PATH}. Without --study
the study is called after the file.

A parameter is written 'NAME: SPEC', where SPEC is one of
  float(LOW, HIGH)   float(LOW, HIGH, step=S)   log(LOW, HIGH)
  int(LOW, HIGH)     int(LOW, HIGH, step=S)     int(LOW, HIGH, log)
  a | b | c          choice(a, b, c)            quotes force a string: "1" | "2"
  ordered(16, 32, 64)          a choice whose order counts
  choice(a=[64], b=[64, 64])   labels are searched, any JSON is handed out
  permutation(a, b, c)         permutation(5)    an order of the items
  simplex(3)                   simplex(a, b, c)  proportions that sum to 1
  normal(MEAN, SD)             lognormal(MEAN, SD), and LOW, HIGH to cut off
  = 2 ** pow                   computed, or a constant: handed out only
and each but the last with a condition: float(0, 0.99) if opt == sgd
Conditions, `=` and --require know parameters, their choices, and or not in
== != < <= > >= + - * / // % ** min max abs round floor ceil log log2 exp sqrt.
A file holds the same under `params:`, as YAML, TOML or JSON by its ending, and may hold the rest of the study: minimize or
maximize, the settings below by their names, trials, command, and start, a list of configurations to ask first. What the call
says wins. Files of Weights & Biases, Hydra's Optuna sweeper, NNI, Optuna, ConfigSpace and SMAC (.pcs) are read as well;
`journaltune space FILE` shows how.""",
    (
        Option("--space", "space", "FILE", "the search space, and what else a study file says"),
        Option("--param", "params", "'NAME: SPEC'", "one parameter of the search space", plain, repeats=True),
        Option("--require", "require", "EXPR", "a constraint that every suggestion keeps", plain, repeats=True),
        Option("--drop", "drop", "NAME", "with --exist-ok: take this parameter, or constraint, out", plain, repeats=True),
        Option(
            "--minimize", "objectives", "NAME", "an objective; several make a multi-objective study", _minimize, None, True, True
        ),
        Option(
            "--maximize",
            "objectives",
            "NAME",
            "an objective to be maximized; without any, one is minimized",
            _maximize,
            None,
            True,
            True,
        ),
        *(_option(setting) for setting in SETTINGS.values() if setting.option),
        Option(
            "--exist-ok",
            "exist_ok",
            None,
            "change the given settings and parameters of a study that exists, even if Optuna made it; it keeps the rest, and "
            "what changed is said on stderr",
        ),
    ),
    examples="""journaltune create --param 'lr: log(1e-5, 1e-1)' --param 'opt: adam | sgd'
journaltune create --space space.yaml --maximize accuracy --minimize seconds
journaltune create -f all.journal --study digits --space space.toml --seed 42
journaltune create --exist-ok --param 'wd: log(1e-6, 1e-2)' --drop momentum""",
    usage="(--space FILE | --param 'NAME: SPEC' ...) [--minimize [NAME] | --maximize [NAME]]... [OPTIONS]",
)


def run(options: Options) -> int:
    output.require_open()
    created, notes = _created(options, opened)
    for line in notes:
        output.note(f"create: {line}")
    output.write_json(created, f"study {created['study']!r} is in {created['journal']} now")
    return 0


def answer(options: Options, opener: Opener = opened) -> dict[str, str]:
    return _created(options, opener)[0]


def _created(options: Options, opener: Opener) -> tuple[dict[str, str], list[str]]:
    """The study and its journal, and what to say of it."""
    from warnings import catch_warnings, simplefilter

    from journaltune.engine.create import create
    from journaltune.engine.start import check_start, enqueue_start
    from journaltune.study.study_file import merged

    with catch_warnings(record=True) as warnings:
        simplefilter("always")
        file = study_file(options)
        space, name = _space(options, file), study_name(options)
    if space is None:
        with opener(options) as study:  # which has to exist
            name = study.name
    notes = [*(file.notes if file is not None else ()), *(str(warning.message) for warning in warnings)]
    start = file.start if file is not None else ()

    def check(space: Space) -> None:
        space.shell_names()  # SpaceError for parameters that a shell loop could not tell apart
        check_start(space, start)

    study = create(
        journal_path(options),
        name=name,
        space=space,
        **merged(file, {**objectives(options["objectives"]), **_settings(options)}),
        exist_ok=options["exist_ok"],
        drop=options["drop"],
        check_space=check,
        on_change=notes.extend,
        on_note=notes.append,
        **access(options),
    )
    with study:
        n_queued = enqueue_start(study, start)
        notes += _kept(options, space, study)
        if n_queued:
            notes.append(f"configurations of the file that are asked first: {n_queued}")
        return {"study": study.name, "journal": study.path}, notes


def study_file(options: Options) -> StudyFile | None:
    """What the file of ``--space`` says, if one is given."""
    if not options["space"]:
        return None
    from journaltune.study.study_file import load

    return load(options["space"])


def _kept(options: Options, space: Space | None, study: OpenStudy) -> list[str]:
    """What to say of parameters that a space file no longer names: whoever took them out there may want them out here."""
    if space is None or options["space"] is None or study.space is None:
        return []
    kept = [name for name in study.space.parameters if name not in space.parameters]
    drops = " ".join(f"--drop {quote(name)}" for name in kept)
    return [f"{', '.join(kept)} stayed, although the space file does not name it; {drops} takes it out"] if kept else []


def _settings(options: Options) -> dict[str, Any]:
    """The settings that have an option each."""
    given = {setting.name: options[setting.name] for setting in SETTINGS.values() if setting.option}
    pairs = (setting for setting in SETTINGS.values() if setting.option and setting.kind is dict)
    given |= {setting.name: mapping(setting.option, given[setting.name]) for setting in pairs}
    return {name: None if value is False or value == [] else value for name, value in given.items()}  # None: left out


def _space(options: Options, file: StudyFile | None) -> Space | None:
    """The search space; None when only other settings of an existing study change."""
    from journaltune.space import space_from_params
    from journaltune.space.files import with_path

    if options["exist_ok"] and options["space"] is None and not options["params"] and not options["require"]:
        return None
    declared = options["params"] or (options["exist_ok"] and options["require"])
    if (options["space"] is None) == (not declared):
        raise UsageError("create: give the search space by either --space FILE or --param, such as --param 'lr: log(1e-5, 1e-1)'")
    try:
        if file is not None:
            return space_from_params(with_path(options["space"], file.space), options["require"])
        return space_from_params(options["params"], options["require"], partial=options["exist_ok"])
    except SpecError as error:
        raise SpaceError(f"create: {error.what}; write --param {quote(f'{error.name}: {error.meant}')}") from None


def objectives(given: list[tuple[str, str | None]]) -> dict[str, Any]:
    """Directions and names in the order of the options; neither when no option was given."""
    if not given:
        return {}
    return {"directions": tuple(way for way, _ in given), "objectives": tuple(name for _, name in given)}
