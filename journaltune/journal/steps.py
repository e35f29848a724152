"""Intermediate values of complete trials by step, and the values with which trials left a rung of successive halving.

A pruner compares one step of all trials: from their extras it would have to unpack every value that ten thousand trials ever
reported. What a snapshot holds of a step is read when a pruner asks for that step.
"""

from __future__ import annotations

from journaltune.base import COMPLETE, array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.journal.snapshot import Sections
    from journaltune.journal.state import Finished, LiveTrial

    Place = tuple[int, int]  # where a block begins and ends, in bytes
    Block = tuple[array[int], array[float]]  # rows of finished trials, ascending, and their values

RUNG = "completed_rung_"  # Optuna's system attributes: the value with which a trial left a rung
_ROW_BYTES = array("I").itemsize
_ENTRY_BYTES = _ROW_BYTES + array("d").itemsize


def key_of(step: float) -> str:
    """The name of a step's block; "" for what no step of ours can be."""
    if type(step) is float:
        return str(int(step)) if step.is_integer() else ""
    return str(int(step)) if isinstance(step, int) else ""


def steps_of(finished: Finished) -> Steps:
    """The index of all finished trials."""
    finished.column("codes")  # packs those that wait
    return _own(finished)


def note(finished: Finished, trial: LiveTrial) -> None:
    """What the trial of the next row has reported."""
    _own(finished).add(finished.n_packed, trial)


def _own(finished: Finished) -> Steps:
    if finished.steps is None:
        finished.steps = Steps(finished.sections)
    return finished.steps


class Steps:
    """Blocks by step, and by the name of a rung. ``sections`` hold those of the snapshot."""

    __slots__ = ("_blocks", "_sections", "_stored")

    def __init__(self, sections: Sections | None = None) -> None:
        self._blocks: dict[str, Block] = {}
        self._sections = sections
        self._stored: dict[str, Place] | None = None if sections else {}  # what nobody has asked for yet

    def add(self, row: int, trial: LiveTrial) -> None:
        """Note what the trial of a row reported."""
        if trial.state == COMPLETE:
            for step, value in trial.intermediate.items():
                self._append(key_of(step), row, value)
        for name, value in trial.system_attrs.items():
            if name.startswith(RUNG):
                self._append(name, row, value)

    def _append(self, key: str, row: int, value: Any) -> None:
        if not key:
            return
        rows, values = self._blocks.setdefault(key, (array("I"), array("d")))
        try:
            values.append(value)
        except (TypeError, OverflowError):  # another program's attribute of that name
            return
        rows.append(row)

    def _in_snapshot(self) -> dict[str, Place]:
        if self._stored is None and self._sections is not None:
            self._stored = self._sections.steps()
        return self._stored or {}

    def block(self, key: str) -> Block:
        """The rows and values of one step or rung."""
        place = self._in_snapshot().pop(key, None)
        if place is not None and self._sections is not None:
            packed = self._sections.block(key, place)
            n_bytes = len(packed) // _ENTRY_BYTES * _ROW_BYTES
            rows, values = array("I", bytes(packed[:n_bytes])), array("d", bytes(packed[n_bytes:]))
            later = self._blocks.get(key)
            self._blocks[key] = (rows, values) if later is None else (rows + later[0], values + later[1])
        return self._blocks.get(key) or (array("I"), array("d"))

    def names(self) -> set[str]:
        """The names of all blocks."""
        return {*self._blocks, *self._in_snapshot()}

    def packed_block(self, key: str) -> bytes:
        """A block as the snapshot has it: its rows, then its values."""
        rows, values = self.block(key)
        return rows.tobytes() + values.tobytes()

    def packed(self) -> tuple[dict[str, Place], bytes]:
        """All blocks one after the other, and where each of them is."""
        places: dict[str, Place] = {}
        data, start = [], 0
        for key in sorted(self.names()):
            data.append(self.packed_block(key))
            places[key] = start, start + len(data[-1])
            start += len(data[-1])
        return places, b"".join(data)
