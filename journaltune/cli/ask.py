"""``journaltune ask``: the next suggestion, on stdout."""

from __future__ import annotations

import os

from journaltune.base.errors import ExhaustedError, JournaltuneError, MachineError, UsageError
from journaltune.cli import output
from journaltune.cli.options import Command, Option, opened
from journaltune.cli.values import duration, one_of, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from journaltune.cli.options import Opener, Options
    from journaltune.study import OpenStudy
    from journaltune.suggest.choose import Suggestion

COMMAND = Command(
    "ask",
    """Prints the next suggestion and records it as a running trial. Tell its result with `journaltune tell`.

Each line is one JSON object; NaN and infinities are the strings "nan", "inf", "-inf". With --format sh there is one
assignment a line, quoted for eval: JT_TRIAL, JT_SEED, JT_ATTEMPT, and JT_NAME for each parameter. Characters that a
shell name can't have become _. Booleans are true and false, null is empty, a parameter that does not apply is unset.
--format args prints --NAME VALUE for each parameter, quoted; the trial's number is said on stderr.

--owner names the process that works on the trial: $$ in a shell script. Once that process is proven dead, the next ask
hands out the same trial again (number, parameters, seed) with "attempt" one higher: a script that was killed is simply
started again. A suggestion that can't be printed, or that Ctrl-C cuts off, is asked again too.
Exits 11 when the space is exhausted or the study has its --trials.""",
    (
        Option("-n", "count", "K", "ask K times; each suggestion is printed as soon as it is recorded", whole(1), 1),
        Option("--format", "format", "json|sh|args", "how to print a suggestion (default json)", one_of("json", "sh", "args")),
        Option(
            "--template",
            "template",
            "FILE",
            "print FILE with {NAME}, {trial}, {seed}, {attempt} filled in; {{ and }} are braces",
        ),
        Option("--owner", "owner", "PID", "the process that has the trial: when it dies, the trial is asked again", whole(1)),
        Option("--ttl", "ttl_s", "DURATION", "the trial is asked again after this time without a report (90s, 5m, 1d)", duration),
        Option(
            "--wait",
            "wait_s",
            "DURATION",
            "how long to wait for the results that a study with a lag needs (default 1d)",
            duration,
            duration("1d"),
        ),
        Option("--trials", "max_trials", "N", "exit 11 instead when the study has N trials", whole()),
    ),
    examples="""journaltune ask
{"number": 0, "params": {"lr": 0.012}, "seed": 2814749, "attempt": 1}

# a script that ends after 30 trials, or with ask's error
set -eu
while suggestion=$(journaltune ask --format sh --owner $$ --trials 30)
    code=$?; [ $code -eq 0 ]
do
    eval "$suggestion"
    loss=$(./train --lr "$JT_lr" --opt "$JT_opt") || loss=nan
    journaltune tell "$JT_TRIAL" "$loss"
done
[ $code -eq 11 ] || exit $code

journaltune ask --template input.in > input.txt""",
)


def run(options: Options) -> int:
    from journaltune.suggest.samplers import WITH_MODEL, rust_without_its_package

    rust_without_its_package()
    template = _template_text(options)
    with opened(options) as study:
        if study.sampler in WITH_MODEL:
            # The process has one thread in any case, and to start the others takes a fifth of the time of this command.
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        render = _renderer(options, study, template)
        mark, printed = os.urandom(8).hex(), set[int]()
        try:
            for _ in range(options["count"]):
                suggestion = _ask(options, study, mark)
                _hand_out(study, suggestion, render(suggestion))
                printed.add(suggestion.number)
        except KeyboardInterrupt:
            _release_unprinted(study, mark, printed)
            raise
    return 0


def answer(options: Options, opener: Opener = opened) -> dict[str, Any] | list[dict[str, Any]]:
    """Suggestions for a caller that stays connected, and so owns the trials: a list where it wants several.

    The list is shorter where nothing is left to ask.
    """
    caller = options["caller"]
    suggestions: list[dict[str, Any]] = []
    if not caller.is_heard:
        raise UsageError("ask: a notification has no answer, so nobody would hear of the trial; give the request an id")
    with opener(options) as study:
        try:
            while len(suggestions) < options["count"]:
                suggestions.append(_facts(_ask_for(options, study, caller)))
        except ExhaustedError:
            if not suggestions:
                raise
    return suggestions if options["count"] > 1 else suggestions[0]


def _ask_for(options: Options, study: OpenStudy, caller: Any) -> Suggestion:
    from journaltune.engine.ask import ask

    return ask(
        study,
        owner_pid=options["owner"],
        owner=None if options["owner"] else caller.owner(study),
        ttl_s=options["ttl_s"],
        max_trials=options["max_trials"],
        wait_s=options["wait_s"],
        on_wait=lambda number, awaited: caller.waits(),
        is_wanted=caller.is_there,
    )


def _ask(options: Options, study: OpenStudy, mark: str) -> Suggestion:
    from journaltune.engine.ask import ask

    return ask(
        study,
        owner_pid=options["owner"],
        ttl_s=options["ttl_s"],
        max_trials=options["max_trials"],
        wait_s=options["wait_s"],
        on_wait=lambda number, awaited: _say_that_it_waits(study, number, awaited),
        mark=mark,
    )


def _say_that_it_waits(study: OpenStudy, number: int, awaited: int) -> None:
    from journaltune.engine.resume import in_words, pending

    whose = {trial: f" ({in_words(holder, found)})" for trial, holder, found in pending(study)}.get(awaited, "")
    output.note(f"trial {number} waits for the result of trial {awaited}{whose}")


def _template_text(options: Options) -> str | None:
    """The template's text, read before anything is asked; None without --template."""
    if options["format"] == "sh" and options["count"] > 1:
        raise UsageError("ask: --format sh with -n would let eval keep the last trial only; leave out -n, or use --format json")
    if options["template"] is None:
        return None
    if options["format"] is not None:
        raise UsageError("ask: --template and --format exclude each other; keep one")
    from journaltune.cli.template import read

    return read(options["template"])


def _renderer(options: Options, study: OpenStudy, template: str | None) -> Callable[[Suggestion], str]:
    """The function that makes a suggestion's text. Wrong options are found here, before anything is recorded."""
    output.require_open()
    if template is not None:
        return _template_renderer(options["template"], template, study)
    if options["format"] == "sh":
        from journaltune.cli.shell import assignments, variable_names

        names = variable_names(study.space)
        return lambda asked: assignments(
            {"JT_TRIAL": asked.number, "JT_SEED": asked.seed, "JT_ATTEMPT": asked.attempt}, asked.params, names
        )
    if options["format"] == "args":
        return _arguments
    return lambda asked: output.json_line(_facts(asked)) + "\n"


def _facts(asked: Suggestion) -> dict[str, Any]:
    return {"number": asked.number, "params": asked.params, "seed": asked.seed, "attempt": asked.attempt}


def _arguments(asked: Suggestion) -> str:
    from journaltune.base.words import arguments_of, quoted

    output.note(f"this is trial {asked.number}; --format sh says so on stdout, and --template FILE can")
    return quoted(arguments_of(asked.params)) + "\n"


def _template_renderer(path: str, text: str, study: OpenStudy) -> Callable[[Suggestion], str]:
    from journaltune.cli.shell import variable_names
    from journaltune.cli.template import Template

    template = Template(text, path, variable_names(study.space))

    def render(asked: Suggestion) -> str:
        if not template.names_trial:
            output.note(f"this is trial {asked.number}; the template does not say so, but {{trial}} in it would")
        return template.fill({"trial": asked.number, "seed": asked.seed, "attempt": asked.attempt}, asked.params)

    return render


def _hand_out(study: OpenStudy, asked: Suggestion, text: str) -> None:
    """Print, or give the trial back: one that nobody heard of would run for ever."""
    try:
        output.write(text)
    except (OSError, JournaltuneError) as error:
        if not _release(study, asked.number):
            raise MachineError(f"{error} (trial {asked.number} stays recorded as running)") from error
        raise


def _release_unprinted(study: OpenStudy, mark: str, printed: set[int]) -> None:
    """Give back the trials that are in the journal, but that Ctrl-C kept from being printed: nobody knows of them."""
    from journaltune.study.trials import running_with

    try:
        unprinted = [number for number in running_with(study, mark) if number not in printed]
    except (OSError, JournaltuneError):  # the journal can't be read any more
        return
    for number in unprinted:
        _release(study, number)


def _release(study: OpenStudy, number: int) -> bool:
    from journaltune.engine.reap import release

    try:
        release(study, number)
    except JournaltuneError:
        return False
    return True
