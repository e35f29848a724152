"""What finished trials have beside their columns, packed: ten thousand dicts of dicts would be most of a process' memory."""

from __future__ import annotations

from marshal import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Fields = dict[str, Any]


class Extras:
    """Fields by trial number, as a mapping. What it hands out is unpacked anew each time, so nobody changes it by accident."""

    __slots__ = ("_packed",)

    def __init__(self, given: Mapping[int, Fields] | Extras | None = None) -> None:
        self._packed: dict[int, bytes | Fields] = {}
        for number, fields in () if given is None else given.items():
            self[number] = fields

    def __setitem__(self, number: int, fields: Fields) -> None:
        try:
            self._packed[number] = dumps(fields)
        except ValueError:  # nested too deeply for it
            self._packed[number] = fields

    def __getitem__(self, number: int) -> Fields:
        return _unpacked(self._packed[number])

    def get(self, number: int, default: Any = None) -> Any:
        packed = self._packed.get(number)
        return default if packed is None else _unpacked(packed)

    def __contains__(self, number: object) -> bool:
        return number in self._packed

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[int]:
        return iter(self._packed)

    def keys(self) -> set[int]:
        return set(self._packed)

    def values(self) -> Iterator[Fields]:
        return map(_unpacked, self._packed.values())

    def items(self) -> Iterator[tuple[int, Fields]]:
        return ((number, _unpacked(packed)) for number, packed in self._packed.items())

    def over(self, earlier: Mapping[int, Fields] | Extras) -> Extras:
        """These and earlier ones, which come first."""
        both = Extras(earlier)
        both._packed.update(self._packed)
        return both


def _unpacked(packed: bytes | Fields) -> Fields:
    fields: Fields = loads(packed) if isinstance(packed, bytes) else packed
    return fields
