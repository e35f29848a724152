"""``journaltune create``: make a study."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.cli import output
from journaltune.cli.opening import access, journal_path, opened, study_name
from journaltune.cli.options import Command, Option
from journaltune.cli.values import key_json, mapping, one_of, plain, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Options
    from journaltune.space import Space


def _minimize(name: str) -> tuple[str, str | None]:
    return "minimize", name or None


def _maximize(name: str) -> tuple[str, str | None]:
    return "maximize", name or None


COMMAND = Command(
    "create",
    """Makes a study, and the journal when there is none yet. Prints {"study": NAME, "journal": PATH}. Without --study
the study is called after the file.

A parameter is written 'NAME: SPEC', where SPEC is one of
  float(LOW, HIGH)   float(LOW, HIGH, step=S)   log(LOW, HIGH)
  int(LOW, HIGH)     int(LOW, HIGH, step=S)     int(LOW, HIGH, log)
  a | b | c          choice(a, b, c)            quotes force a string: "1" | "2"
A space file holds the same under `params:`, as YAML, TOML or JSON by its ending.""",
    (
        Option("--space", "space", "FILE", "the search space, from a file"),
        Option("--param", "params", "'NAME: SPEC'", "one parameter of the search space", plain, repeats=True),
        Option(
            "--require",
            "require",
            "EXPR",
            "a constraint that every suggestion satisfies (not supported yet)",
            plain,
            repeats=True,
        ),
        Option(
            "--minimize", "objectives", "NAME", "an objective; several make a multi-objective study", _minimize, None, True, True
        ),
        Option(
            "--maximize",
            "objectives",
            "NAME",
            "an objective to be maximized; none at all: one to minimize",
            _maximize,
            None,
            True,
            True,
        ),
        Option(
            "--sampler",
            "sampler",
            "NAME",
            "tpe (default), random, nsgaii, qmc, grid, cmaes, gp, nsgaiii, bruteforce, optuna.CLASSNAME, or module:Class",
            plain,
        ),
        Option("--sampler-option", "sampler_options", "KEY=JSON", "a keyword argument of the sampler", key_json, repeats=True),
        Option("--pruner", "pruner", "NAME", "which trials are stopped early (not supported yet)"),
        Option("--pruner-option", "pruner_options", "KEY=JSON", "a keyword argument of the pruner", key_json, repeats=True),
        Option("--seed", "seed", "N", "the study's seed; drawn and stored when left out", whole()),
        Option(
            "--duplicates",
            "duplicates",
            "allow|reuse|resample",
            "parameters that were tried before: ask for them again (default), take over their result, or draw others",
            one_of("allow", "reuse", "resample"),
        ),
        Option("--replicates", "replicates", "K", "ask each configuration K times; best goes by the mean", whole(1)),
        Option(
            "--failures",
            "failures",
            "worst|ignore",
            "how the sampler sees failed trials: as bad ones, or not at all (default worst)",
            one_of("worst", "ignore"),
        ),
        Option(
            "--lag",
            "lag",
            "W",
            "trial k sees the results of trials up to k - W only, so that W parallel workers search the same way each time",
            whole(1),
        ),
        Option("--lock-file", "lock_file", "FILE", "a lock file whose hash belongs to the environment that is recorded"),
        Option(
            "--exist-ok",
            "exist_ok",
            None,
            "lay what is given over a study that exists, even if Optuna made it; it keeps the rest",
        ),
    ),
    examples="""journaltune create --param 'lr: log(1e-5, 1e-1)' --param 'opt: adam | sgd'
journaltune create --space space.yaml --maximize accuracy --minimize seconds
journaltune create -f all.journal --study digits --space space.toml --seed 42""",
    usage="(--space FILE | --param 'NAME: SPEC' ...) [--minimize [NAME] | --maximize [NAME]]... [OPTIONS]",
)


def run(options: Options) -> int:
    from journaltune.engine.create import create_study

    output.require_open()
    _refuse_unsupported(options)
    space, name = _space(options), study_name(options)
    if space is None:
        with opened(options) as study:  # which has to exist
            name = study.name
    study = create_study(
        journal_path(options),
        name=name,
        space=space,
        **_objectives(options["objectives"]),
        sampler=options["sampler"],
        sampler_options=mapping("--sampler-option", options["sampler_options"]) or None,
        seed=options["seed"],
        failures=options["failures"],
        duplicates=options["duplicates"],
        replicates=options["replicates"],
        lag=options["lag"],
        lock_file=options["lock_file"],
        exist_ok=options["exist_ok"],
        **access(options),
    )
    with study:
        output.write_json({"study": study.name, "journal": study.path}, f"study {study.name!r} is in {study.path} now")
    return 0


def _refuse_unsupported(options: Options) -> None:
    """Options that stand in the contract, but whose rooms are not built yet: taking them silently would be a lie."""
    asked = {"--require": options["require"], "--pruner": options["pruner"], "--pruner-option": options["pruner_options"]}
    for name, given in asked.items():
        if given:
            raise UsageError(f"create: {name} is not supported yet; leave it out")


def _space(options: Options) -> Space | None:
    """None: only other settings of a study that exists are to change."""
    from journaltune.space import load_space_file, space_from_params

    if options["exist_ok"] and options["space"] is None and not options["params"]:
        return None
    if (options["space"] is None) == (not options["params"]):
        raise UsageError("create: give the search space by either --space FILE or --param, such as --param 'lr: log(1e-5, 1e-1)'")
    space = load_space_file(options["space"]) if options["space"] else space_from_params(options["params"])
    space.shell_names()  # refuses parameters that a shell loop could not tell apart
    return space


def _objectives(given: list[tuple[str, str | None]]) -> dict[str, Any]:
    """Directions and names in the order of the options; nothing is said where none was given."""
    if not given:
        return {}
    return {"directions": tuple(way for way, _ in given), "objective_names": tuple(name for _, name in given)}
