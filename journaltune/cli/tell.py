"""``journaltune tell``: the result of a trial."""

from __future__ import annotations

from journaltune.base import FAIL, STATE_NAMES
from journaltune.base.errors import UsageError
from journaltune.cli.options import REQUEST_ID, Argument, Command, Option, opened
from journaltune.cli.values import key_json, mapping, name_number, number, one_of, shown, whole, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Opener, Options
    from journaltune.study import OpenStudy


def _value(text: str) -> float:
    try:
        return number(text)
    except ValueError:
        from journaltune.cli.hints import for_number

        hint = for_number(text) or "; a trial without a result is told with --state fail"
        raise ValueError(f"must be a number, not {shown(text)}{hint}") from None


def _state(text: str) -> str:
    if text.lower() in ("complete", "completed", "done", "ok", "success", "finished"):
        raise ValueError("is for a trial without a value; leave --state out, and give the value")
    return one_of("fail", "pruned")(text)


COMMAND = Command(
    "tell",
    """Records the result of a trial: a number for each objective, in the study's order, or that there is none. The
result is on disk when the command returns.

`nan` records a failure with reason `nan`, and so does an infinity that would be best for ever.
The same tell again changes nothing and exits 0; a different one exits 4.
Reasons are oom, timeout, signal, exit, nan, result, owner-died, crash-loop, interrupted, infeasible or a word of
your own. The first result counts, whoever tells it: if the trial was taken up again meanwhile, the other tell exits 4.""",
    (
        Option(
            "--state",
            "state",
            "fail|pruned",
            "there is no result: the trial failed, or was stopped early",
            _state,
        ),
        Option("--reason", "reason", "WORD", "why it failed", word),
        Option(
            "--constraint",
            "constraints",
            "NAME=NUMBER",
            "a constraint's value; 0 or less is satisfied",
            name_number,
            repeats=True,
        ),
        Option("--attr", "attrs", "KEY=JSON", "a user attribute of the trial", key_json, repeats=True),
        Option("--print", "print", None, 'print {"number", "state", "best"}: whether it is better than every result before it'),
        Option("--renew", "renew", None, "no result yet: let the trial's time to live (ask --ttl) count anew"),
        REQUEST_ID,
    ),
    (
        Argument("NUMBER", "number", whole()),
        Argument("VALUE", "values", _value, required=False, repeats=True),
    ),
    examples="""journaltune tell 3 0.127
journaltune tell 3 0.127 --print | jq -e .best && cp model.pt best.pt
journaltune tell 3 -0.5 12e3                # two objectives
journaltune tell 4 --state fail --reason oom
journaltune tell 5 0.13 --attr 'host="gpu1"' --attr epochs=30
journaltune tell 6 0.12 --constraint memory=-1.5""",
    usage="NUMBER VALUE... | NUMBER --state fail|pruned | NUMBER --renew"
    " [--print] [--reason WORD] [--constraint NAME=NUMBER]... [--attr KEY=JSON]... [--request-id ID]",
)


def run(options: Options) -> int:
    if options["print"]:
        from journaltune.cli.output import require_open

        require_open()
    told, is_nan = _told(options, opened)
    if told is not None:
        from journaltune.cli.output import write_json

        write_json(told, f"trial {told['number']} is told")
    if is_nan:
        from journaltune.cli.output import note

        values = options["values"]
        what = "a value is not a number" if any(value != value for value in values) else "no result is infinitely good"
        note(f"trial {options['number']} is recorded as failed: {what}")
    return 0


def answer(options: Options, opener: Opener = opened) -> dict[str, Any] | None:
    """What ``--print`` prints."""
    return _told(options, opener)[0]


def _told(options: Options, opener: Opener) -> tuple[dict[str, Any] | None, bool]:
    """Record the result: what ``--print`` prints, and whether its values make the trial a failed one."""
    from journaltune.engine.tell import tell

    trial, values, state = options["number"], options["values"], options["state"]
    if options["renew"]:
        _renew(options, opener)
        return None, False
    if not values and state is None:
        raise UsageError(f"tell: VALUE is missing for trial {trial}; give its value, or --state fail when there is none")
    if values and state is not None:
        raise UsageError(f"tell: trial {trial} has either values or --state {state}; leave one out")
    constraints = mapping("--constraint", options["constraints"])
    attrs = mapping("--attr", options["attrs"])
    with opener(options) as study:
        recorded = tell(
            study,
            trial,
            values or None,
            state=state,
            reason=options["reason"],
            constraints=constraints or None,
            attrs=attrs or None,
            request_id=options["request_id"],
        )
        told = _facts(study, trial, recorded) if options["print"] else None
    return told, recorded == FAIL and state is None


def _facts(study: OpenStudy, number: int, code: int) -> dict[str, Any]:
    from journaltune.study.best import was_best

    return {"number": number, "state": STATE_NAMES[code], "best": was_best(study, number)}


def _renew(options: Options, opener: Opener) -> None:
    from journaltune.engine.tell import renew

    if options["values"] or options["state"] is not None:
        raise UsageError("tell: --renew is for a trial that still runs; leave out the result, or --renew")
    with opener(options) as study:
        renew(study, options["number"])
