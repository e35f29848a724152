"""``journaltune run``: a whole search in one line."""

from __future__ import annotations

import sys

from journaltune.cli import answered, create, output
from journaltune.cli.options import Argument, Command, Option, access, journal_path, study_name
from journaltune.cli.values import duration, mapping, plain, shown, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from journaltune.cli.options import Options
    from journaltune.run.pair import Link
    from journaltune.run.prepare import Call

_UNSET = object()
_SETTINGS = ("sampler", "sampler_options", "pruner", "pruner_options", "target", "patience", "min_gain", "seed")
_OF_CREATE = ("objectives", "space", "require", *_SETTINGS)


def _or_none(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """What the study keeps can be taken out again."""
    return lambda text: None if text == "none" else convert(text)


def _kept(names: str, dest: str, metavar: str, help: str, convert: Callable[[str], Any] = plain) -> Option:
    return Option(names, dest, metavar, help, _or_none(convert), _UNSET)


def _share(text: str) -> float:
    digits = text.removeprefix("fail=").removesuffix("%")
    if text == f"fail={digits}%" and digits.replace(".", "", 1).isdigit() and digits.isascii() and 0 < float(digits) <= 100:
        return float(digits)
    raise ValueError(f"must be fail=P% with P above 0, at most 100, such as fail=30%, not {shown(text)}")


def _size(text: str) -> int:
    from journaltune.base.errors import UsageError
    from journaltune.run.memory import size_bytes

    try:
        return size_bytes(text)
    except UsageError:
        raise ValueError(f"must be a number of bytes or a size such as 2G or 500M, not {shown(text)}") from None


def _some_time(text: str) -> float:
    seconds = duration(text)
    if seconds > 0:
        return seconds
    raise ValueError("must be more than 0: nothing would start")


COMMAND = Command(
    "run",
    """Runs a command for each suggestion, -j at a time, and records what comes of it. No study has to be there: in the
command, {lr: log(1e-5, 1)} declares a parameter and stands for its value, {lr} stands for it once more. {trial}, {seed},
{attempt}, {slot}, {dir}, {params_file} and {args} (all parameters as --name value) stand for the trial's own, {{ for a
brace. No shell is involved.

The command also gets JT_TRIAL, JT_SEED, JT_ATTEMPT, JT_SLOT, JT_DIR, JT_PARAMS (JSON), JT_PARAMS_FILE, JT_RESULT, and JT_NAME
for each parameter. JT_DIR is the trial's own folder, the same when the trial is made again.

Its result is, first found: the file $JT_RESULT, with a number or JSON ("value" or "values", "state", "constraints", "attrs"); the
last line `[journaltune] {...}` of that kind on stdout; the last line of stdout, if it holds numbers only; or what --result
says. A line `[journaltune] {"step": 3, "value": 0.5}` is a report. An exit status other than 0 is a failure.

-n is the study's total, however often and by however many runs at once it is reached. What is given once is kept: the
same call, or `journaltune run -n 200` alone, goes on; `none` takes a setting out. A trial whose run was killed or interrupted is
made again. Ctrl-C lets running trials finish, a second one ends them, a fourth one whatever does not answer; Ctrl-Z pauses them.

With -f ssh://HOST/PATH the journal is another machine's, and the command runs here: on ten machines that is one study. JT_DIR is
below ~/.local/state/journaltune then.

Exits 1 when --halt or --max-failures ended it. stdout gets the best trial, as `best` prints it, where it is not a terminal.""",
    (
        Option("-n", "n_trials", "N", "run until the study has N trials; those that were interrupted don't count", whole(1)),
        _kept("-j", "jobs", "J", "how many trials run at once (default 1, or as many as the GPUs hold)", whole(1)),
        *(option for option in create.COMMAND.options if option.dest in _OF_CREATE),
        Option("--timeout", "timeout_s", "DURATION", "start nothing more after this time (90s, 5m, 2h, 1d)", _some_time),
        _kept("--trial-timeout", "trial_timeout", "D|P%", "end a trial after this time, or share of the median trial's time"),
        _kept("--memory", "memory", "SIZE", "end a trial whose processes have more memory than this (such as 8G)", _size),
        _kept("--memory-free", "memory_free", "SIZE", "start nothing while less memory is free, but for one trial", _size),
        _kept("--retries", "retries", "K", "make a failed trial again, up to K times", whole()),
        _kept("--max-failures", "max_failures", "K", "start nothing more once more than K trials failed", whole()),
        _kept("--halt", "halt", "fail=P%", "start nothing more once P% of the trials failed, and at least three", _share),
        _kept("--result", "result", "SPEC", r"where the result is: regex:PATTERN, such as 'regex:loss=(\S+)', or json:PATH#KEY"),
        _kept("--gpus", "gpus", "LIST", "spread trials over GPUs by CUDA_VISIBLE_DEVICES: 0,1 or all (default: its list)"),
        _kept("--per-gpu", "per_gpu", "K", "how many trials share a GPU (default 1)", whole(1)),
        _kept("--gpus-per-trial", "gpus_per_trial", "K", "how many GPUs a trial gets (default 1)", whole(1)),
        Option("--deterministic", "deterministic", None, "the same trials whatever the timing: `create --lag` of -j"),
        Option("--no-progress", "quiet", None, "show failures and the end only"),
        Option("--dry-run", "dry_run", None, "print the commands, and run and record nothing"),
    ),
    (Argument("COMMAND", "command", lambda text: text, required=False, repeats=True),),
    examples="""journaltune run -n 100 -j 4 -- ./train --lr '{lr: log(1e-5, 1)}'
journaltune run -n 200          # goes on, to 200 in all

journaltune run -n 50 --maximize --result 'regex:acc=(\\S+)' -- ./train {args}
journaltune run --gpus 0,1 --per-gpu 2 --memory 8G --retries 1
journaltune run --trial-timeout 200% --halt fail=50% --timeout 8h
journaltune run --dry-run -n 3 -- ./train '{lr: log(1e-5, 1)}' '{opt: a | b}'""",
    usage="[-n N] [-j J] [OPTIONS] [-- COMMAND ARG...]",
)


def run(options: Options) -> int:
    if options["dry_run"]:
        from journaltune.cli.dry_run import dry_run

        return dry_run(_call(options))
    from journaltune.run.pair import in_pair

    # Nothing of the engine is imported before the two processes part: the one in the terminal stays small.
    return in_pair(lambda link: answered(lambda: _run(options, link)), _say_of_runner)


def _say_of_runner(text: str) -> None:
    """On a terminal below the line that the runner has left half drawn."""
    output.say("\n" * (sys.stderr is not None and sys.stderr.isatty()))
    output.note(text)


def _run(options: Options, link: Link) -> int:
    from journaltune.cli.progress import listener
    from journaltune.cli.summary import summary
    from journaltune.run.prepare import prepare
    from journaltune.run.trainers import Trainers
    from journaltune.suggest.samplers import rust_without_its_package

    rust_without_its_package()
    study, plan = prepare(_call(options).but(link=link), lambda text: output.note(f"run: {text}"))
    with study:
        shows = listener(len(study.directions), options["quiet"])
        try:
            exit_code = Trainers(study, plan, link, shows).run()
        finally:
            shows.close()
        output.say(summary(study, plan))
        if sys.stdout is not None and not sys.stdout.isatty():
            _print_best(study)
    return exit_code


def _print_best(study: Any) -> None:
    from journaltune.base.errors import NotFoundError
    from journaltune.cli.best import facts
    from journaltune.study.best import best_trials

    try:
        trials = best_trials(study)
    except NotFoundError:  # none is complete
        return
    several = len(study.directions) > 1
    output.write("".join(output.json_line(facts(trial, several)) + "\n" for trial in trials))


def _call(options: Options) -> Call:
    from journaltune.run.plan import KEPT
    from journaltune.run.prepare import Call
    from journaltune.space.files import with_path
    from journaltune.study.settings import SETTINGS
    from journaltune.study.study_file import merged

    kept = {name: options[name] for name in KEPT if options[name] is not _UNSET}
    creation = {
        **create.objectives(options["objectives"]),
        **{name: options[name] for name in _SETTINGS},
        "sampler_options": mapping("--sampler-option", options["sampler_options"]) or None,
        "pruner_options": mapping("--pruner-option", options["pruner_options"]) or None,
    }
    file = create.study_file(options)
    creation = merged(file, creation)
    command, n_trials = creation.pop("command", []), creation.pop("trials", None)
    for line in () if file is None else file.notes:
        output.note(f"run: {line}")
    return Call(
        journal_path(options),
        study_name(options),
        access(options),
        options["command"] or (SETTINGS["command"].check(command) if command else []),
        options["n_trials"] if options["n_trials"] is not None else n_trials,
        kept,
        None if file is None else with_path(options["space"], file.space),
        options["require"],
        creation,
        options["deterministic"],
        options["timeout_s"],
        () if file is None else file.start,
    )
