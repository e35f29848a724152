"""Which journal and which study a command works on."""

from __future__ import annotations

import os

from journaltune.cli.values import require_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Options
    from journaltune.study.open_study import OpenStudy

DEFAULT_JOURNAL = "study.journal"


def journal_path(options: Options) -> str:
    path: str = options["journal"] or _environment("JOURNALTUNE_JOURNAL") or DEFAULT_JOURNAL
    return path


def study_name(options: Options) -> str | None:
    """The name that was given, or None: the only study of the journal, or for ``create`` the file's stem."""
    name: str | None = options["study"] or _environment("JOURNALTUNE_STUDY")
    return name


def access(options: Options) -> dict[str, Any]:
    """The engine's keyword arguments for the options that every command has."""
    return {"lock_timeout_s": options["lock_timeout_s"], "allow_network_fs": options["allow_network_fs"]}


def opened(options: Options) -> OpenStudy:
    from journaltune.study.open_study import open_study

    return open_study(journal_path(options), study_name(options), **access(options))


def _environment(name: str) -> str | None:
    """A variable's value; None when it is unset or empty."""
    value = os.environ.get(name)
    if value:
        require_text(f"${name}", value)
    return value or None
