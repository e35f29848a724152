"""What was probably meant by a wrong call: commands, options and arguments as other tools and people write them.

Loaded once something is wrong. Each function returns the end of an error's line, "" where nothing is near.
"""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.base.words import near, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

_SHOWN = 200

# Words for what one of our commands does.
_COMMANDS = {
    "trials": "export results list ls show table history dataframe csv",
    "create": "new init make setup create-study",
    "ask": "suggest next propose sample get",
    "tell": "complete finish result record done observe",
    "run": "optimize optimise tune search start launch sweep",
    "best": "best-trial best-trials top winner",
    "status": "info progress state stats",
    "enqueue": "add queue push enqueue-trial",
    "import": "load ingest add-trials",
    "space": "show-space search-space describe",
    "delete": "rm remove drop delete-study",
    "studies": "study list-studies study-names",
    "repair": "fix mend recover",
    "check": "validate fsck doctor",
    "lookup": "find",
    "logs": "log output stdout stderr",
    "retry": "rerun",
    "compact": "gc vacuum shrink",
    "tell NUMBER --state fail": "fail",
    "tell NUMBER --state pruned": "prune pruned",
    "--version": "version",
}

# Options of other tools, or of another command of ours, by command; "" is for every command.
_OPTIONS = {
    "": {
        "write -f FILE": "--storage --db --database --file --path --url",
        "write --study NAME": "--study-name --name",
        "write --format json": "--json",
        "write `journaltune trials --format csv`": "--csv",
        "results go to stdout: write > FILE behind the call": "--output --out -o",
    },
    "create": {
        "write --minimize NAME or --maximize NAME": "--direction --directions --goal --objective --metric --mode",
        "that is said to `journaltune ask --trials N` or `journaltune run -n N`": (
            "--n-trials --trials --max-trials --budget --total -n --iterations"
        ),
        "write --param 'lr: log(1e-5, 1)'": "--params --parameter --parameters --search-space -p",
        "write --exist-ok": "--load-if-exists --skip-if-exists --exists-ok --force",
        "write --sampler-option KEY=JSON": "--sampler-kwargs --sampler-args",
        "write --space FILE": "--config --space-file",
    },
    "ask": {
        "write --trials N for the study's total": "--n-trials --total --max-trials --budget --until",
        "write -n K": "--count --number --num --batch",
        "the study keeps that: give it to `journaltune create`": (
            "--param --params --space --search-space --sampler --seed --minimize --maximize --direction"
        ),
    },
    "tell": {
        "write journaltune tell NUMBER VALUE, such as journaltune tell 3 0.5": (
            "--trial --trial-number --trial-id --number --id -n --value --values --loss --result --score --objective --metric"
        ),
        "write --attr KEY=JSON": "--user-attr --note --meta",
    },
    "report": {
        "write journaltune report NUMBER STEP VALUE, such as journaltune report 3 10 0.5": (
            "--trial --trial-number --number --id -n --step --epoch --value --loss"
        ),
    },
    "enqueue": {
        """write --params '{"lr": 0.1}'""": "--param --parameters --values -p",
        "write --file FILE": "--csv --json --jsonl --from --input -i --rows",
    },
    "import": {
        "write --value COLUMN": "--objective --metric --target --column --result --score --loss",
        "write --from NAME": "--from-study --source-study --other-study",
        "name what to read behind the command, such as `journaltune import results.csv`": "--file --csv --url --input -i",
    },
    "space": {"name the file behind the command, such as `journaltune space sweep.yaml`": "--file --space --config"},
    "lookup": {"""write --params '{"lr": 0.1}'""": "--param --parameters -p"},
    "run": {
        "write -n N": "--n-trials --trials --max-trials --budget --total --count",
        "write -j J": "--jobs --n-jobs --parallel --workers --processes -p",
        "declare it in the command, such as --lr '{lr: log(1e-5, 1)}'": "--param --params --search-space",
    },
    "trials": {"write --top K": "--limit --head -n"},
}


def for_command(name: str, names: Sequence[str]) -> str:
    """For a command that there is not."""
    word = name.lower()
    for does, others in _COMMANDS.items():
        if word in others.split():
            return f"; `journaltune {does}` does that"
    close = near(name, names)
    return f"; did you mean {close}?" if close else ""


def for_option(command: str, name: str, known: Iterable[str], following: str | None) -> str:
    """For an option that a command does not have. ``following``: the next word of the call."""
    for hints in (_OPTIONS.get(command, {}), _OPTIONS[""]):
        for hint, others in hints.items():
            if name.lower() in others.split():
                return f"; {_with_value(hint, following)}"
    close = near(name, [option for option in known if option.startswith("--")])
    return f"; did you mean {close}?" if close else ""


def _with_value(hint: str, following: str | None) -> str:
    """The hint with what was given in the place of an example."""
    if following is not None and following.isdigit():
        return hint.replace(" N`", f" {following}`")
    if following is not None and following.lower() in ("minimize", "maximize", "min", "max"):
        return f"write --{following.lower()[:3]}imize"
    return hint


def for_argument(command: str, text: str, given: Sequence[str]) -> str:
    """For an argument that a command does not take, or takes as something else. ``given``: all of the call."""
    ending = text.lower().rpartition(".")[2]
    if ending == "journal":
        return f"; write -f {quote(text)}"
    if command in ("create", "run") and ending in ("yaml", "yml", "toml", "pcs") and "." in text:
        return f"; write --space {quote(text)}"
    if command == "create":
        return _as_param(text)
    if command == "enqueue" and ending in ("csv", "jsonl", "json") and "." in text:
        return f"; write --file {quote(text)}"
    if command in ("enqueue", "lookup"):
        made = as_json(text if len(given) == 1 else ",".join(given))
        return f"; write --params {quote(made)}" if made is not None else ""
    if command == "ask" and text.isdigit():
        return f"; write -n {text}"
    if text.lower() in ("json", "csv", "jsonl", "sh") and command not in ("tell", "report"):
        return f"; write --format {text.lower()}"
    return ""


def _as_param(text: str) -> str:
    """A parameter without its option, in whatever spelling."""
    from journaltune.base.errors import SpaceError, SpecError
    from journaltune.space import space_from_params

    try:
        space_from_params([text])
    except SpecError as error:
        text = f"{error.name}: {error.meant}"
    except SpaceError:
        return ""
    return f"; write --param {quote(text)}"


def refuse_space_file(path: str) -> None:
    """UsageError for a space file in the place of the journal: it would count as a damaged one, which `repair` mends."""
    try:
        with open(path, "rb") as file:
            start = file.read(65_536)
    except OSError:
        return
    if start.strip() and b'"op_code"' not in start:
        raise UsageError(f"{path} is no journal; if it is a space file, write `journaltune create --space {quote(path)}`")


def for_number(text: str) -> str:
    """For a text that is no number: a decimal comma, a percentage, a name before the number."""
    from journaltune.cli.values import number

    groups = text.lstrip("+-").split(",")
    if len(groups) > 1 and groups[0].strip("0") and all(len(group) == 3 for group in groups[1:]):
        return "; write it with a decimal point, and without separators"  # 1,000 may be one or a thousand
    for meant, what in (
        (text.replace(",", "."), "with a decimal point"),
        (text.rpartition("=")[2], "without a name"),
        (text.rstrip("%"), "without the sign"),
        (text.replace(",", "").replace("_", ""), "without separators"),
    ):
        try:
            if meant != text:
                number(meant)
                return f"; write {meant}, {what}"
        except ValueError:
            continue
    return ""


def for_json(text: str) -> str:
    """For a text that is no JSON."""
    made = as_json(text)
    words = [f"{ours} for {theirs}" for theirs, ours in _WORDS.items() if theirs in text]
    says = f"; JSON says {', '.join(words)}" if words else ""
    return f"{says}; write {quote(made)}" if made is not None else says


_WORDS = {"True": "true", "False": "false", "None": "null"}


def as_json(text: str) -> str | None:
    """The JSON that was probably meant: Python's literals, KEY=VALUE, or an object whose quotes a shell took away."""
    from journaltune.base.jsontext import dumps_spaced

    for read in (_literal, _pairs):
        try:
            made = dumps_spaced(read(text))
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            continue
        return made if len(made) <= _SHOWN else None
    return None


def _literal(text: str) -> Any:
    from ast import literal_eval

    value = literal_eval(text)
    if not isinstance(value, (dict, list, bool, type(None))):
        raise ValueError
    return value


def _pairs(text: str) -> dict[str, Any]:
    from journaltune.space.grammar import word_value

    inner = text.strip()
    bare = inner.startswith("{") and inner.endswith("}")
    pairs = [part.partition(":" if bare else "=") for part in (inner[1:-1] if bare else inner).split(",")]
    if not all(key.strip() and sign and value.strip() for key, sign, value in pairs):
        raise ValueError
    values = {key.strip().strip("\"'"): value.strip() for key, _, value in pairs}
    return {
        key: _WORDS_OF_PYTHON[value] if value in _WORDS_OF_PYTHON else word_value(value.strip("\"'"))
        for key, value in values.items()
    }


_WORDS_OF_PYTHON = {"True": True, "False": False, "None": None}
