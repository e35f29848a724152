"""Records of a journal taken apart, changed, and put together as a build would that makes no mistake in their places."""

from __future__ import annotations

import json
from binascii import crc32
from pathlib import Path
from typing import Any

Records = list[dict[str, Any]]


def read(history: Path) -> Records:
    """The records, each with the offset that it had."""
    data = (history / "s.journal").read_bytes()
    found, offset = [], 0
    for line in data.splitlines(keepends=True):
        found.append({**json.loads(line), "was at": offset})
        offset += len(line)
    return found


def sealed(records: Records) -> bytes:
    """Records as a build would write them that makes no mistake in their places and checksums: those must not give it away."""
    data, places = b"", list[tuple[int, int]]()
    for record in records:
        places.append((record["was at"], len(data)))
        fields = {key: value for key, value in record.items() if key not in ("crc", "was at")}
        known = {**fields.get("jt", {}), "at": len(data)}
        if "saw" in known:
            known["saw"] = next(new for old, new in places if old >= min(known["saw"], record["was at"]))
        body = json.dumps({**fields, "jt": known})[:-1].encode()
        data += b'%s,"crc":"%08x00000000"}\n' % (body, crc32(body))
    return data
