"""Starting one attempt at a trial: its folder, what it finds in its environment, its command."""

from __future__ import annotations

import errno
import os

from journaltune.base.errors import MachineError
from journaltune.base.jsontext import dumps, dumps_spaced
from journaltune.base.words import text_of
from journaltune.run import folders
from journaltune.run.outcome import Outcome, failure
from journaltune.run.placeholders import Filling
from journaltune.run.roster import OWNER
from journaltune.run.slots import VISIBLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.run.children import Child, Children
    from journaltune.run.folders import Folder
    from journaltune.run.plan import Plan
    from journaltune.study import OpenStudy
    from journaltune.suggest.choose import Suggestion

_OF_THE_TRIAL = (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR)  # where its parameters name the program


def base_of(environment: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """What all trials of a run have of ours. ``names`` are the variables of the study's parameters.

    None of those: a trial that does not have a parameter must not find one. Inside of another run nothing stays of its trial.
    """
    own, nested = set(names.values()), "JT_TRIAL" in environment
    base = {name: value for name, value in environment.items() if name not in own and not (nested and name.startswith("JT_"))}
    base.setdefault("PYTHONUNBUFFERED", "1")  # else a Python trainer's reports stay in its buffer, and die with it
    return base


def of_attempt(
    base: Mapping[str, str], filling: Filling, folder: Folder, names: Mapping[str, str], device: str | None = None
) -> dict[str, str]:
    """The environment for one attempt at a trial."""
    environment = dict(base)
    environment |= {
        "JT_TRIAL": str(filling.trial),
        "JT_SEED": str(filling.seed),
        "JT_ATTEMPT": str(filling.attempt),
        "JT_SLOT": str(filling.slot),
        "JT_DIR": filling.dir,
        "JT_PARAMS": dumps_spaced(dict(filling.params)),
        "JT_PARAMS_FILE": filling.params_file,
        "JT_RESULT": folder.result,
    }
    environment |= {names[name]: text_of(value) for name, value in filling.params.items() if name in names}
    if device is not None:
        environment[VISIBLE] = device
    return environment


def owned(environment: dict[str, str], owner: Mapping[str, Any]) -> dict[str, str]:
    """The same with the mark of the runner that answers for the trainer."""
    return {**environment, OWNER: dumps(dict(owner))}


class ProgramError(MachineError):
    """The command can't be started, whatever the trial."""


class Launcher:
    """Starts the attempts of one run."""

    __slots__ = ("_base", "_children", "_names", "_plan", "_study")

    def __init__(
        self, study: OpenStudy, plan: Plan, children: Children, names: Mapping[str, str], owner: Mapping[str, Any]
    ) -> None:
        self._study, self._plan, self._children, self._names = study, plan, children, names
        self._base = owned(base_of(os.environ, names), owner)

    def start(self, slot: int, suggestion: Suggestion, began_us: int) -> tuple[Child, Outcome | None]:
        """Start an attempt; its failure at once where its parameters make a command that can't be started.

        ProgramError where no trial's can be, MachineError when the machine refuses.
        """
        number, attempt, study = suggestion.number, suggestion.attempt, self._study
        folder = folders.prepare(study.local_path, study.study_id, number, suggestion.params, began_us, attempt == 1)
        filling = Filling(number, suggestion.seed, attempt, slot, folder.path, folder.params, suggestion.params)
        variables = of_attempt(self._base, filling, folder, self._names, self._plan.devices[slot])
        child, words = self._children.new(filling, folder), self._plan.command.fill(filling)
        try:
            self._children.start(child, self._plan.program or words[0], words, variables)
        except OSError as error:
            return child, self._not_started(words[0], error)
        return child, None

    def _not_started(self, program: str, error: OSError) -> Outcome:
        what = f"cannot start {program}: {error.strerror}"
        if error.errno == errno.ENOEXEC:
            what += "; a script needs a first line such as #!/bin/sh"
        if error.errno == errno.E2BIG or (self._plan.command.program is None and error.errno in _OF_THE_TRIAL):
            return failure("exit", what)
        if error.errno in _OF_THE_TRIAL:
            raise ProgramError(f"{what}; its trial is made again next time")
        raise MachineError(what)
