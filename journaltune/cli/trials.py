"""``journaltune trials``: every trial, as a table, CSV or JSON."""

from __future__ import annotations

from itertools import islice

from journaltune.base import STATE_NAMES
from journaltune.cli import output
from journaltune.cli.options import Command, Option, opened
from journaltune.cli.shell import text_of
from journaltune.cli.values import list_of, one_of, plain, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from journaltune.base.model import Trial
    from journaltune.cli.options import Opener, Options
    from journaltune.study import OpenStudy

    Standings = dict[int, str]
    Again = Callable[[], Iterable[Trial]]  # goes anew through the trials, or through those that may have names of their own

STATES = tuple(STATE_NAMES.values())
FORMATS = ("table", "csv", "json", "jsonl")
_AT_ONCE = 500  # trials in one write
# Characters that could steer a terminal, but for tab and newline, which are text.
_STEERING = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}

COMMAND = Command(
    "trials",
    """Prints the study's trials, by number, or by a column of the table or of the CSV: the least first, of a value the best,
and trials without one last. The table fits the terminal: cells are shortened, and columns that still
don't fit are left out, which a line on stderr says. csv, json (one array) and jsonl (one object a line) hold all,
with floats as exact as they are; in JSON, NaN and infinities are the strings "nan", "inf", "-inf".""",
    (
        Option("--format", "format", "|".join(FORMATS), "how to print them (default table)", one_of(*FORMATS), "table"),
        Option("--states", "states", "STATE,...", f"only trials in these states: {', '.join(STATES)}", list_of(*STATES)),
        Option("--sort", "sort", "COLUMN", "sort by this column: value, number, duration, a parameter's name, ...", plain),
        Option("--top", "top", "K", "the first K only; without --sort those with the best values", whole(1)),
    ),
    examples="""journaltune trials
journaltune trials --states complete,pruned --format csv > trials.csv
journaltune trials --top 5
journaltune trials --sort lr
journaltune trials --format jsonl | jq 'select(.state == "fail").params'""",
)


def run(options: Options) -> int:
    output.require_open()
    with opened(options) as study:
        for part in _parts(study, options):
            output.write(part)
    return 0


def _parts(study: OpenStudy, options: Options) -> Iterable[str]:
    """The page in parts. Only what is sorted, or fitted to the terminal, needs all trials at once."""
    if options["format"] != "table" and not options["sort"] and not options["top"]:
        from journaltune.study.listing import listing

        each = listing(study, options["states"])
        return _FORMATTERS[options["format"]](study, each, each.various, _standings(study, each.are_running()))
    from journaltune.study.trials import trials

    listed = trials(study, options["states"])
    if options["sort"] or options["top"]:
        from journaltune.cli.sorting import ordered

        listed = ordered(study, listed, options["sort"])[: options["top"]]
    standings = _standings(study, _are_running(listed))
    if options["format"] == "table":
        return _as_table(study, listed, standings)
    return _FORMATTERS[options["format"]](study, listed, listed.__iter__, standings)


def answer(options: Options, opener: Opener = opened) -> list[dict[str, Any]]:
    from journaltune.study.trials import trials

    with opener(options) as study:
        listed = trials(study, options["states"])
        standings = _standings(study, _are_running(listed))
    return [facts(trial, standings) for trial in listed]


def _are_running(listed: Sequence[Trial]) -> bool:
    return any(trial.state.name == "RUNNING" for trial in listed)


def _standings(study: OpenStudy, are_running: bool) -> Standings:
    """For each running trial whether its owner is alive, dead or unknown; none: nobody said who owns it."""
    if not are_running:
        return {}
    from journaltune.engine.resume import pending

    return {number: standing for number, _, standing in pending(study)}


def facts(trial: Trial, standings: Standings) -> dict[str, Any]:
    """A trial as JSON tells it. Times are ISO 8601, durations seconds."""
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "values": trial.values,
        "params": trial.fixed_params,
        "seed": trial.seed,
        "attempt": trial.attempt,
        "owner": trial.owner,
        "standing": standings.get(trial.number),
        "user_attrs": trial.user_attrs,
        "constraints": trial.constraints,
        "intermediate_values": {str(step): value for step, value in trial.intermediate_values.items()},
        "datetime_start": trial.datetime_start and trial.datetime_start.isoformat(),
        "datetime_complete": trial.datetime_complete and trial.datetime_complete.isoformat(),
        "duration_s": duration_s(trial),
        "usage": trial.usage,
    }


def duration_s(trial: Trial) -> float | None:
    if trial.datetime_start is None or trial.datetime_complete is None:
        return None
    return (trial.datetime_complete - trial.datetime_start).total_seconds()


def _as_json(study: OpenStudy, each: Iterable[Trial], various: Again, standings: Standings) -> Iterator[str]:
    start = "["
    for line in _as_jsonl(study, each, various, standings):
        yield start + line[:-1].replace("\n", ",\n ")
        start = ",\n "
    yield "]\n" if start != "[" else "[]\n"


def _as_jsonl(study: OpenStudy, each: Iterable[Trial], various: Again, standings: Standings) -> Iterator[str]:
    for some in _batches(each):
        yield "".join([output.json_line(facts(trial, standings)) + "\n" for trial in some])


def _as_csv(study: OpenStudy, each: Iterable[Trial], various: Again, standings: Standings) -> Iterator[str]:
    """Column names as in Optuna's ``trials_dataframe``."""
    params, attrs = param_names(study, various()), _distinct(trial.user_attrs for trial in various())
    values = value_names(study)
    values_missing: list[Any] = [None] * len(values)
    constraints, usages = _distinct(trial.constraints for trial in various()), _distinct(trial.usage or {} for trial in various())
    rest = ("datetime_start", "datetime_complete", "duration_s", "seed", "attempt", "owner", "standing", "intermediate_values")
    names = [f"params_{name}" for name in params] + [f"user_attrs_{name}" for name in attrs]
    rest_names = [*rest, *(f"usage_{name}" for name in usages), *(f"constraints_{name}" for name in constraints)]

    def row(trial: Trial) -> list[str]:
        known = facts(trial, standings)
        cells: list[Any] = [known["number"], known["state"], *(trial.values or values_missing)]
        cells += [known["params"].get(name) for name in params] + [trial.user_attrs.get(name) for name in attrs]
        cells += [known[name] or None if name == "intermediate_values" else known[name] for name in rest]
        cells += [(trial.usage or {}).get(name) for name in usages] + [trial.constraints.get(name) for name in constraints]
        return list(map(_csv_cell, cells))

    yield _csv_text([["number", "state", *values, *names, *rest_names]])
    for some in _batches(each):
        yield _csv_text(map(row, some))


def _csv_text(rows: Iterable[list[str]]) -> str:
    import csv
    import io

    page = io.StringIO()
    csv.writer(page, lineterminator="\n").writerows(rows)
    return page.getvalue().translate(_STEERING)


def _batches(each: Iterable[Trial]) -> Iterator[list[Trial]]:
    """Some at a time: a write for each trial would take longer than its text."""
    remaining = iter(each)
    while some := list(islice(remaining, _AT_ONCE)):
        yield some


def _csv_cell(value: object) -> str:
    """A text that a spreadsheet would run as a formula gets an apostrophe: attributes come from other people's files."""
    text = text_of(value)
    runs = text[:1] in ("=", "@") or (text[:1] in ("+", "-") and any(mark in text for mark in "(|!"))
    return f"'{text}" if runs and isinstance(value, str) else text


def _as_table(study: OpenStudy, listed: Sequence[Trial], standings: Standings) -> list[str]:
    from journaltune.cli.table import fit, page_width

    if not listed:
        output.note("there are no such trials")
        return []
    text, dropped = fit(_columns(study, listed, standings), page_width())
    if dropped:
        output.note(f"no room for {', '.join(dropped)}; --format csv has them")
    return [text]


def _columns(study: OpenStudy, listed: Sequence[Trial], standings: Standings) -> list[Any]:
    from journaltune.cli.table import Column

    values, params = value_names(study), param_names(study, listed)
    columns = [
        Column("number", [str(trial.number) for trial in listed], right=True),
        Column("state", [_state(trial) for trial in listed], rank=1),
    ]
    for index, name in enumerate(values):
        cells = [text_of(trial.values[index]) if trial.values else "" for trial in listed]
        columns.append(Column(name, cells, rank=2 + index, right=True))
    first = 2 + len(values)
    for index, name in enumerate(params):
        cells = [_param_cell(trial, name) for trial in listed]
        columns.append(
            Column(name, cells, rank=first + 1 + index, right=_are_numbers(trial.fixed_params.get(name) for trial in listed))
        )
    columns.append(Column("duration", [duration_text(duration_s(trial)) for trial in listed], rank=first, right=True))
    columns += _usage_columns(listed, first + 1 + len(params))
    if standings:
        owners = [str(trial.owner["pid"]) if trial.owner and "pid" in trial.owner else "" for trial in listed]
        cells = [f"{owner} {standings.get(trial.number, '')}".strip() for owner, trial in zip(owners, listed, strict=True)]
        columns.append(Column("owner", cells, rank=first))
    return columns


def _usage_columns(listed: Sequence[Trial], rank: int) -> list[Any]:
    """What trials took, where `run` made some: the first that is left out where there is no room."""
    from journaltune.cli.table import Column
    from journaltune.run.memory import size_text

    usages = [trial.usage or {} for trial in listed]
    texts = {
        "cpu": [duration_text(usage.get("cpu_s")) for usage in usages],
        "memory": [size_text(usage["peak_bytes"]) if "peak_bytes" in usage else "" for usage in usages],
    }
    return [Column(name, cells, rank=rank, right=True) for name, cells in texts.items() if any(cells)]


def _param_cell(trial: Trial, name: str) -> str:
    """A parameter's text; null is shown, for a blank cell says that the trial doesn't have the parameter."""
    params = trial.fixed_params
    if name not in params:
        return ""
    return "null" if params[name] is None else text_of(params[name])


def _are_numbers(values: Any) -> bool:
    return all(value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values)


def _state(trial: Trial) -> str:
    reason = trial.user_attrs.get("fail_reason")
    name = trial.state.name.lower()
    return f"{name} ({reason})" if name == "fail" and reason else name


def duration_text(seconds: float | None) -> str:
    """A duration as people read it, e.g. 0.25s, 42s, 3m07s, 2h05m."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.3g}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def value_names(study: OpenStudy) -> list[str]:
    """``value``, or one name for each objective: its own, else its place."""
    if len(study.directions) == 1:
        return ["value"]
    return [f"values_{i if name is None else name}" for i, name in enumerate(study.objective_names)]


def param_names(study: OpenStudy, listed: Iterable[Trial]) -> list[str]:
    """The space's parameters in its order, then those that only trials have (stock Optuna's studies)."""
    declared = study.space.shell_names() if study.space else {}
    return _distinct([declared, *(trial.fixed_params for trial in listed)])


def _distinct(groups: Any) -> list[str]:
    return list({name: None for group in groups for name in group})


_FORMATTERS: dict[str, Callable[[OpenStudy, Iterable[Trial], Again, Standings], Iterator[str]]] = {
    "csv": _as_csv,
    "json": _as_json,
    "jsonl": _as_jsonl,
}
