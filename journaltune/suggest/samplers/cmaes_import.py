"""The library ``cmaes``, imported without SciPy's statistics: these take a second, and only CMA-ES with margin uses them.

``cmaes`` binds two functions of ``scipy.stats`` when it is imported. Here it gets stand-ins for them, which import SciPy's own
when they are called, so it calculates bit for bit what it would.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


class _Later:
    """Any object below ``scipy.stats``, by the names that lead to it; looked up when it is called."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __getattr__(self, name: str) -> _Later:
        return _Later(*self._names, name)

    def __call__(self, *given: Any, **named: Any) -> Any:
        from importlib import import_module

        found: Any = import_module("scipy.stats")
        for name in self._names:
            found = getattr(found, name)
        return found(*given, **named)


def load() -> ModuleType:
    """The module ``cmaes``."""
    if "cmaes" not in sys.modules and "scipy.stats" not in sys.modules:
        _load_without_statistics()
    import cmaes

    return cmaes  # type: ignore[no-any-return]


def _load_without_statistics() -> None:
    """Import ``cmaes`` while ``scipy.stats`` is a stand-in. A version that wants more of it is imported as usual later."""
    try:
        import scipy
    except ImportError:  # then cmaes has functions of its own
        return
    scipy.stats = _Later()
    try:
        import cmaes  # noqa: F401
    except Exception:
        for name in [name for name in sys.modules if name.partition(".")[0] == "cmaes"]:
            del sys.modules[name]
    finally:
        del scipy.stats
