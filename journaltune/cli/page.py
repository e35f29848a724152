"""``journaltune page``: the whole study as one file that opens offline."""

from __future__ import annotations

import os

from journaltune.cli import output
from journaltune.cli.options import Command, Option, access, journal_path, opened, study_name
from journaltune.cli.plot import SPELLINGS, Slow, require_extra, write_file
from journaltune.cli.values import duration, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.base.model import Trial
    from journaltune.cli.options import Options
    from journaltune.study import OpenStudy

DEFAULT_PAGE = "study.html"

COMMAND = Command(
    "page",
    """Writes one HTML file that opens offline: the space, the best configurations with the command that runs each again,
history, importance, parallel coordinates, slices, timeline, failures by reason, a table of trials to sort and filter, and the
environment. What a journal says is shown as text, never as markup or script.

Needs the extra `plot`: pip install 'journaltune[plot]'.""",
    (
        Option(
            "-o --output",
            "output",
            "FILE",
            f"the file to write, replaced as a whole (default {DEFAULT_PAGE})",
            plain,
            DEFAULT_PAGE,
        ),
        Option("--watch", "watch", None, "write it again while the study goes on, until its last trial or Ctrl-C"),
        Option("--every", "every_s", "DURATION", "with --watch, how often at most (default 10s)", duration, 10.0),
        Option("--verify", "verify", None, "recompute every suggestion, and say on the page whether all are the same"),
    ),
    examples="""journaltune page
journaltune page -o report.html --verify
journaltune page --watch --every 30s""",
)


def run(options: Options) -> int:
    path = options["output"]
    with Slow("loading Optuna and plotly, and reading trials"):
        require_extra("plot", "optuna", "plotly")
        goes_on = _written(options, path, options["watch"])
    if options["watch"]:
        _watch(options, path, goes_on)
    output.note(f"wrote {path}")
    return 0


def _written(options: Options, path: str, is_watched: bool) -> bool:
    """Write the page; whether another one is to follow."""
    from journaltune.plots.page import Facts, page
    from journaltune.plots.picture import picture
    from journaltune.study.trials import is_over

    verified = _verified(options) if options["verify"] else None
    with opened(options) as study:
        goes_on = is_watched and not is_over(study)
        refresh_s = max(round(options["every_s"]), 1) if goes_on else None
        facts = Facts(lambda trial: _rerun(study, trial), _now(), verified, refresh_s)
        write_file(path, page(study, picture(study, SPELLINGS["html"]()), facts).encode("utf-8", "replace"))
    return goes_on


def _watch(options: Options, path: str, goes_on: bool) -> None:
    """Write the page whenever the journal has changed. The last page loads itself no more."""
    from time import sleep

    journal, seen = journal_path(options), (-1, -1)
    try:
        while goes_on:
            sleep(max(options["every_s"], 0.1))
            found = os.stat(journal)
            if (found.st_size, found.st_mtime_ns) != seen:
                seen = (found.st_size, found.st_mtime_ns)
                goes_on = _written(options, path, True)
    except KeyboardInterrupt:
        _written(options, path, False)
        raise


def _now() -> str:
    from datetime import datetime

    return f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}"


def _rerun(study: OpenStudy, trial: Trial) -> str:
    """The command that runs a trial's configuration again: with the study's own command, or with one to be filled in."""
    from journaltune.base.words import quoted

    words: list[Any] = ["journaltune", "exec", str(trial.number), "-f", study.path, "--study", study.name]
    command = "" if study.is_ours and study.setting("command") else " -- COMMAND"
    return f"{quoted(words)}{command}"


def _verified(options: Options) -> str:
    from journaltune.cli.verify import text
    from journaltune.engine.verify import verify

    return text(verify(journal_path(options), study_name(options), **access(options)))
