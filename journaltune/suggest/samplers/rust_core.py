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
    """Load the core without running ``rustuna/__init__.py``, which imports ``typing``: half of the time of a shell's ``ask``.

    Only our own command may do that: a program that imports Rustuna later would miss the core as an attribute of the package.
    """
    if "rustuna" in sys.modules:
        return
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("rustuna")
    if spec is None or spec.submodule_search_locations is None:
        return
    package = type(sys)("rustuna")
    package.__path__ = spec.submodule_search_locations
    sys.modules["rustuna"] = package
    try:
        core()
    except ImportError:
        sys.modules.pop(_CORE, None)
    finally:
        del sys.modules["rustuna"]
