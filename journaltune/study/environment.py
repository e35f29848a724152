"""The environment of a search: Python, the libraries that suggest, the platform, and a lock file where the study names one.

Versions come from the names of the installed packages' ``.dist-info`` folders: ``importlib.metadata`` imports the ``email``
package, which takes longer than a whole ``tell``.
"""

from __future__ import annotations

import os
import sys

from journaltune.base import VERSION
from journaltune.journal import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from journaltune.study import OpenStudy

ATTR = "journaltune:environment"
_LIBRARIES = ("cmaes", "numpy", "optuna", "rustuna", "scipy", "torch")
_SUFFIX = ".dist-info"


def describe(lock_file: str | None = None, packages: Iterable[str] = (), files: Iterable[str] = ()) -> dict[str, str]:
    """The present environment: versions by name, the platform, the SHA-256 of ``lock_file``, the versions of more ``packages``
    of this Python, and the SHA-256 of more ``files`` under their paths.

    A library that is not installed is left out. A package that is not, and a file that can't be read, are ``"missing"``.
    """
    present = {"python": f"{sys.implementation.name} {'.'.join(map(str, sys.version_info[:3]))}", "journaltune": VERSION}
    present |= _library_versions()
    present["platform"] = _platform()
    if lock_file is not None:
        present["lock_file"] = _hash_of(lock_file)
    return present | additions(packages, files)


def additions(packages: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """The part of the environment that the study's user asked for: see ``describe``."""
    return {name: version_of(name) or "missing" for name in packages} | {path: _hash_of(path) for path in files}


def of_config(config: Mapping[str, Any]) -> dict[str, str]:
    """The present environment, as a study with this configuration records it."""
    return describe(config.get("lock_file"), config.get("record") or (), config.get("record_file") or ())


def version_of(package: str) -> str | None:
    """The version of an installed package, by the name with which it was installed: ``scikit-learn``, not ``sklearn``."""
    return _installed().get(_as_in_folders(package))


def _as_in_folders(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


_looked: tuple[list[str], dict[str, str]] = ([], {})  # ``sys.path``, and what was found there: it is read once in a process


def _library_versions() -> dict[str, str]:
    installed = _installed()
    return {library: installed[library] for library in _LIBRARIES if library in installed}


def _installed() -> dict[str, str]:
    """The versions of all packages, by name as in the names of their folders, in lower case."""
    global _looked
    path, versions = _looked
    if path != sys.path:
        path, versions = list(sys.path), {}
        for folder in reversed(path):  # the first one that has it counts, as for an import
            try:
                names = [name for name in os.listdir(folder or ".") if name.endswith(_SUFFIX)]
            except OSError:  # a zip archive, or not there
                continue
            for name in names:
                library, _, version = name[: -len(_SUFFIX)].partition("-")
                versions[_as_in_folders(library)] = version
        _looked = path, versions
    return versions


def _platform() -> str:
    machine = os.uname()
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")  # the C library's math functions affect results
    except (ValueError, OSError):
        libc = None
    return " ".join(part for part in (machine.sysname, machine.machine, libc) if part)


def _hash_of(path: str) -> str:
    from hashlib import sha256

    try:
        with open(path, "rb") as file:
            return f"sha256:{sha256(file.read()).hexdigest()}"
    except OSError:
        return "missing"


def recorded(config: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> dict[str, str]:
    """The environment that a study has on record; empty for a study that another program made."""
    environment = system_attrs.get(ATTR) or config.get("environment")
    return environment if isinstance(environment, dict) else {}


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Each change in words: ``optuna 5.0.0 -> 5.1.0``."""
    names = [*then, *(name for name in now if name not in then)]
    return [
        f"{name} {then.get(name, 'absent')} -> {now.get(name, 'absent')}" for name in names if then.get(name) != now.get(name)
    ]


def records_of_change(study: OpenStudy) -> list[dict[str, Any]]:
    """The record to write before an ask, if the environment is not the recorded one."""
    now = study.cached(_present)
    if recorded(study.config, study.state().system_attrs) == now:
        return []
    return [records.study_record(records.SET_STUDY_SYSTEM_ATTR, study.study_id, system_attr={ATTR: now})]


def _present(study: OpenStudy) -> dict[str, str]:
    return describe(study.setting("lock_file"), study.setting("record"), study.setting("record_file"))
