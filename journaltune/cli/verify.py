"""``journaltune verify``: whether every suggestion follows from the study, its seed and its results."""

from __future__ import annotations

import sys

from journaltune.cli import output
from journaltune.cli.options import Command, Option, access, journal_path, study_name
from journaltune.cli.values import one_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Opener, Options
    from journaltune.engine.verify import Verdict

COMMAND = Command(
    "verify",
    """Recomputes every suggestion of a study from the part of the journal that its ask
saw, and compares bit for bit; parallel searches too. Exits 0 when all are the same,
1 when one differs. It names that one, the environment on record (Python, libraries,
platform, what --record and --record-file named), and what changed in it since.
Trials that other programs made are only counted.""",
    (Option("--format", "format", "text|json", "how to print it (default text)", one_of("text", "json"), "text"),),
    examples="""journaltune verify
journaltune verify -f study.journal --format json""",
)


def run(options: Options) -> int:
    from journaltune.engine.verify import verify

    output.require_open()
    verdict = verify(journal_path(options), study_name(options), **access(options), progress=_progress(options))
    output.write(output.json_line(_facts(verdict)) + "\n" if options["format"] == "json" else text(verdict))
    return 0 if verdict.difference is None else 1


def answer(options: Options, _: Opener | None = None) -> dict[str, Any]:
    from journaltune.engine.verify import verify

    return _facts(verify(journal_path(options), study_name(options), **access(options)))


def _progress(options: Options) -> Any:
    """A count on a terminal, for studies that take a while."""
    if options["format"] == "json" or sys.stderr is None or not sys.stderr.isatty():  # None: it is closed
        return None

    def show(n: int, total: int) -> None:
        if n % 100 == 0 or n == total:
            sys.stderr.write(f"\r\x1b[K{n} of {total}" if n < total else "\r\x1b[K")
            sys.stderr.flush()

    return show


def _facts(verdict: Verdict) -> dict[str, Any]:
    difference = verdict.difference
    return {
        "verified": verdict.n_verified,
        "foreign": verdict.n_foreign,
        "difference": None
        if difference is None
        else {
            "number": difference.number,
            "offset": difference.offset,
            "what": difference.what,
            "found": difference.found,
            "recomputed": difference.recomputed,
        },
        "running": {str(number): who for number, who in verdict.running.items()},
        "environment": verdict.environment,
        "environment_changes": {str(number): changes for number, changes in verdict.environment_changes.items()},
    }


def _verified(n_same: int, n_rounded: int) -> list[str]:
    if not n_same and not n_rounded:
        return ["verified  nothing: the study has no suggestion that could be recomputed"]
    rounded = [f"          {n_rounded} the same but for what another processor rounds otherwise"] if n_rounded else []
    return [f"verified  {n_same} suggestion{'' if n_same == 1 else 's'}, all the same bit for bit", *rounded]


def text(verdict: Verdict) -> str:
    lines, difference = [], verdict.difference
    if difference is None:
        lines += _verified(verdict.n_verified, verdict.n_rounded)
        if verdict.n_foreign:
            why = "made by other programs, enqueued and not asked for yet, compacted, or moved in the file and repaired"
            lines.append(f"          {verdict.n_foreign} can't be: {why}")
    else:
        lines.append(
            f"differs   trial {difference.number}, byte {difference.offset}: {difference.what} is {difference.found!r}, "
            f"recomputed {difference.recomputed!r}; {verdict.n_verified} suggestions before it are the same"
        )
    if verdict.running:
        first = ", ".join(f"{number} ({who})" for number, who in list(verdict.running.items())[:10])
        more = f" and {len(verdict.running) - 10} more" if len(verdict.running) > 10 else ""
        lines.append(f"running   {len(verdict.running)}, whose results can't be seen yet: {first}{more}")
    if verdict.environment:
        lines.append(f"with      {', '.join(f'{name} {version}' for name, version in verdict.environment.items())}")
    for number, changes in verdict.environment_changes.items():
        if changes:
            lines.append(f"since     trial {number} was asked for, this changed: {', '.join(changes)}")
    return "".join(output.visible(line) + "\n" for line in lines)
