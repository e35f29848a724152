"""``journaltune compare``: studies side by side, after equally many trials."""

from __future__ import annotations

from journaltune.base.errors import NotFoundError
from journaltune.cli import output
from journaltune.cli.options import Argument, Command, Option, access, journal_path
from journaltune.cli.values import one_of, plain, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from journaltune.cli.options import Options
    from journaltune.study import OpenStudy
    from journaltune.study.compare import Comparison, Standing

    Opened = Callable[[str], list[OpenStudy]]


def _budgets(text: str) -> list[int]:
    try:
        budgets = [int(part) for part in text.split(",")]
    except ValueError:
        budgets = []
    if not budgets or min(budgets) < 1:
        raise ValueError("must be numbers of trials from 1 on, with commas between, such as 20,50,100")
    return budgets


COMMAND = Command(
    "compare",
    """Compares studies by their best result so far, each after equally many finished trials: 10, 30, 100 and so on, as
many as all of them have, and "all". A STUDY is the name of a study of the journal. With * or ? in it, it is a group:
all studies whose names match, such as the same search with several seeds, shown by mean and standard deviation.
FILE:STUDY is of another journal.

p is the two-sided p-value of the rank test of Mann and Whitney against the first group; it is exact for up to 60
studies. Two groups of four can't come below 0.029. Failed trials count, results that break a constraint don't.
With several objectives it is the hypervolume, up to the worst value of each objective in any of the studies.""",
    (
        Option("--at", "at", "N,N,...", "after these numbers of trials instead of 10, 30, 100, ...", _budgets, ()),
        Option("--format", "format", "table|json", "how to print it (default table)", one_of("table", "json"), "table"),
    ),
    arguments=(Argument("STUDY", "studies", plain, repeats=True),),
    examples="""journaltune compare first second
journaltune compare 'tpe-*' 'auto-*'
journaltune compare --at 20,50 'old.journal:*' 'new.journal:*' --format json""",
)


def run(options: Options) -> int:
    from journaltune.study.compare import compare

    output.require_open()
    names = options["studies"] + ([options["study"]] if options["study"] else [])
    comparison = compare(_groups(options, names), options["at"])
    if options["format"] == "json":
        output.write_json(_facts(comparison))
    else:
        output.write(_table(comparison))
    return 0


def _groups(options: Options, names: list[str]) -> dict[str, list[OpenStudy]]:
    from journaltune.study.studies import open_studies

    journals: dict[str, list[OpenStudy]] = {}

    def opened(path: str) -> list[OpenStudy]:
        if path not in journals:
            journals[path] = open_studies(path, **access(options))
        return journals[path]

    return {name: _members(name, journal_path(options), opened) for name in names}


def _members(name: str, path: str, opened: Opened) -> list[OpenStudy]:
    """The studies that a name or a pattern means: in the journal, or in the file before a colon."""
    from os.path import isfile

    file, colon, behind = name.rpartition(":")
    elsewhere = bool(colon) and isfile(file)
    if elsewhere and not (isfile(path) and _matching(name, opened(path))):
        path, name = file, behind
    found = _matching(name, opened(path))
    if not found:
        known = ", ".join(shown(study.name) for study in opened(path)[:10]) or "none"
        raise NotFoundError(f"{path} has no study {shown(name)}; it has {known}")
    return found


def _matching(name: str, studies: list[OpenStudy]) -> list[OpenStudy]:
    from fnmatch import fnmatchcase

    return [study for study in studies if study.name == name] or [study for study in studies if fnmatchcase(study.name, name)]


def _facts(comparison: Comparison) -> dict[str, Any]:
    return {
        "measure": comparison.measure,
        "direction": comparison.direction,
        "reference": comparison.reference,
        "groups": [
            {
                "group": group.label,
                "studies": group.studies,
                "finished": group.trials,
                "at": [
                    {"trials": at.trials, "values": at.values, "mean": at.mean, "spread": at.spread, "p_value": at.p_value}
                    for at in group.standings
                ],
            }
            for group in comparison.groups
        ],
    }


def _table(comparison: Comparison) -> str:
    from journaltune.cli.table import Column, fit, page_width

    groups = comparison.groups
    columns = [
        Column("study", [group.label for group in groups]),
        Column("studies", [str(len(group.studies)) for group in groups], rank=3, right=True),
        Column("trials", [_range(group.trials) for group in groups], rank=2, right=True),
    ]
    for place, at in enumerate(groups[0].standings):
        name = "all" if at.trials is None else f"at {at.trials}"
        cells = [group.standings[place] for group in groups]
        columns.append(Column(name, list(map(_result, cells)), rank=int(place < len(groups[0].standings) - 2), right=True))
        if any(cell.p_value is not None for cell in cells):
            columns.append(Column("p", ["" if cell.p_value is None else f"{cell.p_value:.2g}" for cell in cells], rank=1))
    text, dropped = fit(columns, page_width())
    if dropped:
        output.note(f"no room for {', '.join(dropped)}; --format json has them")
    if comparison.reference is not None:
        output.note(f"hypervolume up to {', '.join(f'{value:g}' for value in comparison.reference)}; more is better")
    return text


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}-{high}"


def _result(at: Standing) -> str:
    """The value of one study; of several their mean and spread, or how many have no result yet."""
    if at.mean is None:
        missing = at.values.count(None)
        return "none yet" if missing == len(at.values) else f"{missing} of {len(at.values)} none yet"
    return f"{at.mean:.4g}" if at.spread is None else f"{at.mean:.4g} ± {at.spread:.2g}"
