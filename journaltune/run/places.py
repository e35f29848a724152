"""Opening a study wherever its journal is: a file here, or ``ssh://HOST/PATH``."""

from __future__ import annotations

import os

from journaltune.base import SSH
from journaltune.base.errors import UsageError
from journaltune.study import OpenStudy, open_study

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from journaltune.serve.ssh import Link


def is_elsewhere(path: str | os.PathLike[str]) -> bool:
    return isinstance(path, str) and path.startswith(SSH)


def opened(path: str | os.PathLike[str], name: str | None, *, link: Link | None = None, **access: Any) -> OpenStudy:
    """A study that exists. Errors as ``open_study``; MachineError where the other machine can't be reached."""
    if not is_elsewhere(path):
        return open_study(path, name, **access)
    from journaltune.serve.elsewhere import Elsewhere

    return Elsewhere(str(path), name, access, link).open()


def created(
    path: str | os.PathLike[str],
    *,
    before: OpenStudy | None = None,
    link: Link | None = None,
    lock_timeout_s: float = 60.0,
    allow_network_fs: bool = False,
    check_space: Callable[[Any], object] | None = None,
    on_note: Callable[[str], object] | None = None,
    **given: Any,
) -> OpenStudy:
    """A study that is made, or changed; see ``engine.create``. ``before``: the same study, open, which is closed or taken."""
    access: dict[str, Any] = {"lock_timeout_s": lock_timeout_s, "allow_network_fs": allow_network_fs}
    if not is_elsewhere(path):
        from journaltune.engine.create import create

        if before is not None:
            before.close()
        return create(path, check_space=check_space, on_note=on_note, **given, **access)
    from journaltune.serve.elsewhere import Elsewhere

    for name in ("lock_file", "record_file"):
        if given.get(name):
            raise UsageError(f"{name} would be looked for on the other machine; create the study there")
    space, ways, name = given.get("space"), given.get("directions"), given.pop("name", None)
    there = before.elsewhere if before is not None else Elsewhere(str(path), name, access, link)
    assert isinstance(there, Elsewhere)
    if space is not None:
        if check_space is not None:
            check_space(space)
        given["space"] = space.to_config()
    if ways is not None and not isinstance(ways, str):
        given["directions"] = [str(getattr(way, "name", way)).lower() for way in ways]
    for note in there.create({name: value for name, value in given.items() if value is not None}):
        if on_note is not None:
            on_note(note)
    return there.open()
