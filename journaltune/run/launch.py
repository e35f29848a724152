"""Starting one attempt at a trial: its folder, its environment, its command."""

from __future__ import annotations

import errno
import os

from journaltune.base.errors import MachineError
from journaltune.run import environment, folders
from journaltune.run.outcome import Outcome, failure
from journaltune.run.placeholders import Filling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.run.children import Child, Children
    from journaltune.run.plan import Plan
    from journaltune.study.open_study import OpenStudy
    from journaltune.suggest.choice import Suggestion

_OF_THE_TRIAL = (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR)  # where its parameters name the program


class ProgramError(MachineError):
    """The command can't be started, whatever the trial."""


class Launcher:
    """Starts the attempts of one run."""

    __slots__ = ("_base", "_children", "_names", "_plan", "_study")

    def __init__(
        self, study: OpenStudy, plan: Plan, children: Children, names: Mapping[str, str], owner: Mapping[str, Any]
    ) -> None:
        self._study, self._plan, self._children, self._names = study, plan, children, names
        self._base = environment.owned(environment.base_of(os.environ, names), owner)

    def start(self, slot: int, suggestion: Suggestion, began_us: int) -> tuple[Child, Outcome | None]:
        """Start an attempt; its failure at once where its parameters make a command that can't be started.

        ProgramError where no trial's can be, MachineError when the machine refuses.
        """
        number, attempt, study = suggestion.number, suggestion.attempt, self._study
        folder = folders.prepare(study.path, study.study_id, number, suggestion.params, began_us, attempt == 1)
        filling = Filling(number, suggestion.seed, attempt, slot, folder.path, folder.params, suggestion.params)
        variables = environment.of_attempt(self._base, filling, folder, self._names, self._plan.devices[slot])
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
