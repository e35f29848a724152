"""How a study's trials are to be run: what a call of ``run`` says, and what the study keeps of it for the next one."""

from __future__ import annotations

import os

from journaltune.base import checks
from journaltune.base.errors import MachineError, UsageError
from journaltune.base.frozen import Frozen
from journaltune.run.placeholders import CommandLine
from journaltune.run.results import ResultSource, result_source
from journaltune.run.slots import devices_of_slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from journaltune.space import Space
    from journaltune.study import OpenStudy

# What a study keeps, each with the check of its value: texts and numbers, as the journal holds them.
KEPT: dict[str, Callable[[Any], Any]] = {
    "jobs": lambda value: checks.at_least(1, value, "jobs", "one trial at a time"),
    "gpus": lambda value: checks.text(value, "gpus"),
    "per_gpu": lambda value: checks.at_least(1, value, "per_gpu", "one trial on each GPU"),
    "gpus_per_trial": lambda value: checks.at_least(1, value, "gpus_per_trial", "one GPU for each trial"),
    "trial_timeout": lambda value: time_limit(value).text,
    "memory": lambda value: checks.at_least(1, value, "memory", "a byte"),
    "memory_free": lambda value: checks.at_least(1, value, "memory_free", "a byte"),
    "retries": lambda value: checks.at_least(0, value, "retries", "a trial that failed stays so"),
    "max_failures": lambda value: checks.at_least(0, value, "max_failures", "the first failure ends the run"),
    "halt": lambda value: checks.positive(value, "a share of failures in percent"),
    "result": lambda value: result_source(checks.text(value, "result")).text,
}
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class TimeLimit(Frozen):
    """How long an attempt may take: seconds, or percent of the median of the complete trials. ``text`` is how it was given."""

    text: str
    seconds: float | None = None
    percent: float | None = None


def time_limit(text: object) -> TimeLimit:
    """``90``, ``90s``, ``5m``, ``2h``, ``1d``, ``250ms``, or ``200%``. UsageError otherwise."""
    digits = text.rstrip("dhms%") if isinstance(text, str) and text.isascii() else ""
    unit = text[len(digits) :] if isinstance(text, str) else ""
    if isinstance(text, str) and digits.replace(".", "", 1).isdigit() and unit in (*_UNITS_S, "%", "") and float(digits) > 0:
        if unit == "%":
            return TimeLimit(text, None, float(digits))
        return TimeLimit(text, float(digits) * _UNITS_S[unit or "s"])
    raise UsageError(f"a time limit is a duration such as 90s, 5m or 2h, or a share of the median such as 200%, not {text!r}")


class Plan(Frozen):
    """A run, checked. ``program``: the path of the command's program, None if it depends on the trial; ``devices``: for each slot
    its CUDA_VISIBLE_DEVICES; ``n_trials``: the study's total.
    """

    command: CommandLine
    program: str | None
    devices: list[str | None]
    n_trials: int | None = None
    trial_timeout: TimeLimit | None = None
    memory_bytes: int | None = None
    memory_free_bytes: int | None = None
    retries: int = 0
    max_failures: int | None = None
    halt_percent: float | None = None
    result: ResultSource | None = None
    timeout_s: float | None = None


def checked(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What a study is to keep. UsageError for what is not of the table, or can't be."""
    unknown = [name for name in kept if name not in KEPT]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is not a setting of run; there are {', '.join(KEPT)}")
    return {name: KEPT[name](value) for name, value in kept.items()}


def plan(
    command: CommandLine,
    n_trials: int | None,
    kept: Mapping[str, Any],
    space: Space,
    n_objectives: int,
    timeout_s: float | None = None,
) -> Plan:
    """The run that these settings make. UsageError for what can't be, before anything starts."""
    command.check(space.parameters)
    space.shell_names()
    program = _program(command)
    kept = checked(kept)
    devices = devices_of_slots(kept.get("jobs"), kept.get("gpus"), kept.get("per_gpu"), kept.get("gpus_per_trial"), os.environ)
    result = result_source(kept["result"]) if "result" in kept else None
    if result is not None:
        result.check(n_objectives, len(devices))
    return Plan(
        command,
        program,
        devices,
        n_trials,
        time_limit(kept["trial_timeout"]) if "trial_timeout" in kept else None,
        kept.get("memory"),
        kept.get("memory_free"),
        kept.get("retries", 0),
        kept.get("max_failures"),
        kept.get("halt"),
        result,
        timeout_s,
    )


def _program(command: CommandLine) -> str | None:
    from shutil import which

    program = command.program
    path = None if program is None else which(program)
    if program is None or path is not None:
        return path
    if os.path.isfile(program):
        here = program if "/" in program else f"./{program}"
        advice = f"`chmod +x {program}`" if not os.access(program, os.X_OK) else "a path"
        raise UsageError(f"{program} is not found on PATH; there is a file of that name here: take {advice}, and write {here}")
    raise UsageError(f"there is no program {program}; name one that is on PATH, or write its path, such as ./{program}")


def check_trusted(study: OpenStudy) -> None:
    """A command that a journal names runs only for whom the journal belongs to. UsageError otherwise."""
    try:
        is_own = os.stat(study.path).st_uid == os.geteuid() if study.elsewhere is None else study.elsewhere.is_own_journal
    except OSError as error:
        raise MachineError(f"cannot look at {study.path}: {error.strerror}") from error
    if not is_own:
        raise UsageError(
            f"study {study.name!r} names a command, and {study.path} is another user's, so it is not run; write the command "
            "behind -- yourself"
        )
