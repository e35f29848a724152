"""What clients logged of their calls, and what is found to be wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torture.checker.evidence import as_text

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """``kind`` is ``lost``, ``doubled`` or ``wrong``."""

    kind: str
    text: str


@dataclass(slots=True)
class Call:
    """One call of one client. ``end`` is None for a call that never answered; ``code`` is None for one that succeeded."""

    client: str
    id: int
    what: str
    asked: dict[str, Any]
    begin: int
    end: int | None = None
    answer: Any = None
    code: int | None = None
    error: str = ""

    @property
    def acknowledged(self) -> bool:
        return self.end is not None and self.code is None

    @property
    def in_doubt(self) -> bool:
        return self.end is None or (self.code == 7 and "in doubt" in self.error)

    @property
    def refused(self) -> bool:
        return self.code is not None and not self.in_doubt

    @property
    def ours(self) -> bool:
        return "by" not in self.asked

    def __str__(self) -> str:
        said = "acknowledged" if self.acknowledged else f"refused ({self.code}: {self.error})" if self.refused else "in doubt"
        return f"{self.what} {as_text(self.asked)} of client {self.client}, call {self.id}, {said} with {as_text(self.answer)}"


def read_calls(folder: Path, pattern: str = "*.log") -> list[Call]:
    """All calls in the logs of a folder. What a kill tore at a log's end was not done yet, or is in doubt."""
    calls: list[Call] = []
    for path in sorted(folder.glob(pattern)):
        own: dict[int, Call] = {}
        for line in path.read_bytes().split(b"\n")[:-1]:
            said = json.loads(line)
            if "what" in said:
                own[said["id"]] = Call(path.stem, said["id"], said["what"], said["asked"], said["begin"])
            else:
                call = own[said["id"]]
                call.end, call.answer, call.code = said["end"], said.get("answer"), said.get("code")
                call.error = said.get("error", "")
        calls += own.values()
    return calls
