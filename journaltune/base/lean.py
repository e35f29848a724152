"""Parts of the standard library that every call needs, without the Python modules around them: three milliseconds of a ``tell``.

These modules are CPython's C parts, and the very objects that the public modules hand on. Another Python takes those.
"""

from __future__ import annotations

import sys
from _thread import _count

__all__ = ["UTC", "array", "bisect_left", "bisect_right", "datetime", "deque", "index", "itemgetter", "le", "pack", "timedelta"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from bisect import bisect_left, bisect_right
    from collections import deque
    from datetime import UTC, datetime, timedelta
    from operator import index, itemgetter, le
    from struct import pack
else:
    try:
        from _bisect import bisect_left, bisect_right
        from _collections import deque
        from _datetime import UTC, datetime, timedelta
        from _operator import index, itemgetter, le
        from _struct import pack
    except ImportError:
        from bisect import bisect_left, bisect_right
        from collections import deque
        from datetime import UTC, datetime, timedelta
        from operator import index, itemgetter, le
        from struct import pack


def _load_array() -> None:
    """Import the module ``array``, which takes ``collections.abc`` to register its class there, and so all of ``collections``.

    It needs only what ``collections.abc`` hands on, and that module is loaded before any program begins. So it stands in for
    both, where no other thread can see it, and nobody has imported ``collections`` yet.
    """
    modules = sys.modules
    abstract = modules.get("_collections_abc")
    if abstract is None or "collections" in modules or _count() > 0:
        return
    modules["collections"] = modules["collections.abc"] = abstract
    try:
        import array  # noqa: F401
    finally:
        del modules["collections"], modules["collections.abc"]


if not TYPE_CHECKING:
    _load_array()
    from array import array
