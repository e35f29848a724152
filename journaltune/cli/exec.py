"""``journaltune exec``: a command with a trial's parameters, seed and environment."""

from __future__ import annotations

import os
import sys

from journaltune.base.errors import ConflictError, MachineError, NotFoundError, UsageError
from journaltune.cli.options import Argument, Command, opened
from journaltune.cli.values import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from journaltune.base.model import Trial
    from journaltune.cli.options import Options
    from journaltune.study import OpenStudy

BEST = "best"


def _which(text: str) -> str | int:
    if text == BEST or (text.isascii() and text.isdigit()):
        return text if text == BEST else int(text)
    raise ValueError(f"must be a trial's number, or best, not {shown(text)}")


COMMAND = Command(
    "exec",
    """Runs a command with the parameters, the seed and the environment of a trial, as `run` would, and records nothing.
Without a command it is the study's. The exit status is the command's.""",
    (),
    (
        Argument("NUMBER|best", "which", _which),
        Argument("COMMAND", "command", lambda text: text, required=False, repeats=True),
    ),
    examples="""journaltune exec best
journaltune exec best -- ./train --lr {lr} --epochs 100 --save model.bin
journaltune exec 17 -- env""",
    usage="NUMBER|best [-- COMMAND ARG...]",
)


def run(options: Options) -> int:
    with opened(options) as study:
        trial = _trial(study, options["which"])
        words, environment = _call(study, trial, options["command"])
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return _become(words, environment)


def _trial(study: OpenStudy, which: str | int) -> Trial:
    from journaltune.study.best import best_trials
    from journaltune.study.trials import trials

    if which != BEST:
        found = [trial for trial in trials(study) if trial.number == which]
        if not found:
            raise NotFoundError(f"study {study.name!r} has no trial {which}; `journaltune trials` lists them")
        if found[0].state.name == "WAITING":
            raise ConflictError(f"trial {which} of study {study.name!r} still waits to be asked, so it has no parameters yet")
        return found[0]
    if len(study.directions) > 1:
        raise UsageError(f"study {study.name!r} has several objectives, so no single best; `journaltune best` lists the numbers")
    return best_trials(study)[0]


def _call(study: OpenStudy, trial: Trial, command: list[str]) -> tuple[list[str], dict[str, str]]:
    from journaltune.base import trainer_seed
    from journaltune.cli.shell import variable_names
    from journaltune.run.folders import at_hand
    from journaltune.run.launch import base_of, of_attempt
    from journaltune.run.placeholders import CommandLine, Filling
    from journaltune.run.prepare import stored_command

    line = CommandLine(command) if command else stored_command(study)
    space = study.space
    line.check({**(space.parameters if space is not None else {}), **trial.params})
    folder = at_hand(study.local_path, study.study_id, trial.number, trial.params)
    seed = trainer_seed(study.config, trial.number)
    filling = Filling(trial.number, seed, _attempt(trial), 0, folder.path, folder.params, trial.params)
    names = variable_names(space, trial.params)
    environment = of_attempt(base_of(os.environ, names), filling, folder, names)
    environment["JT_RESULT"] = f"{folder.path}/exec.result"  # what the trial came to stays as it is
    return line.fill(filling), environment


def _attempt(trial: Trial) -> int:
    from journaltune.journal.state import OWNER_ATTR

    noted = trial.system_attrs.get(OWNER_ATTR)
    attempt = noted.get("attempt") if isinstance(noted, dict) else None
    return attempt if isinstance(attempt, int) else 1


def _become(words: list[str], environment: dict[str, str]) -> NoReturn:
    try:
        os.execvpe(words[0], words, environment)
    except FileNotFoundError:
        raise UsageError(f"there is no program {words[0]}; name one that is on PATH, or write its path") from None
    except OSError as error:
        raise MachineError(f"cannot start {words[0]}: {error.strerror}") from error
