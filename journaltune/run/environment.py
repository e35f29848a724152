"""What a trainer finds in its environment."""

from __future__ import annotations

from journaltune.base.jsontext import dumps, dumps_spaced
from journaltune.base.words import text_of
from journaltune.run.slots import VISIBLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.run.folders import Folder
    from journaltune.run.placeholders import Filling

OWNER = "JOURNALTUNE_OWNER"  # by it, and by JT_DIR, a later runner recognises what a dead one left


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
