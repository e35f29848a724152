"""Rustuna's compiled core, with or without its Python package around it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CORE = "rustuna._rustuna"


def core() -> Any:
    """The module ``rustuna._rustuna``."""
    if _CORE not in sys.modules:
        import rustuna._rustuna  # noqa: F401
    return sys.modules[_CORE]


def load_alone() -> None:
    """Load the core without running ``rustuna/__init__.py``, for a process that needs nothing else of Rustuna.

    The package imports ``typing``, and with it ``re`` and ``enum``: half of the time of an ``ask`` from the shell. Only for our
    own command: a program that imports Rustuna itself later would miss the core as an attribute of the package.
    """
    if "rustuna" in sys.modules:
        return
    from importlib.machinery import PathFinder

    found = PathFinder.find_spec("rustuna")
    if found is None or found.submodule_search_locations is None:
        return
    package = type(sys)("rustuna")
    package.__path__ = found.submodule_search_locations
    sys.modules["rustuna"] = package
    try:
        core()
    except ImportError:
        sys.modules.pop(_CORE, None)
    finally:
        del sys.modules["rustuna"]
