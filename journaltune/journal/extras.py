"""What finished trials have beside their columns, packed: ten thousand dicts of dicts would be most of a process' memory.

Those of a snapshot stay as its bytes, and one is unpacked when somebody asks for it.
"""

from __future__ import annotations

from marshal import dumps, loads

from journaltune.base import array, bisect_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Fields = dict[str, Any]

_PLACE_BYTES = 8


class Saved:
    """The fields of many trials as a snapshot has them: how many, their numbers in order, where each ends, and their msgpack."""

    __slots__ = ("_data", "_ends", "numbers")

    def __init__(self, section: memoryview) -> None:
        count = int.from_bytes(section[:_PLACE_BYTES], "little")
        first, second, third = (_PLACE_BYTES * (1 + part * count) for part in range(3))
        self.numbers, self._ends = array("q"), array("q")
        self.numbers.frombytes(section[first:second])
        self._ends.frombytes(section[second:third])
        self._data = bytes(section[third:])

    def place(self, number: int) -> int | None:
        at = bisect_left(self.numbers, number)
        return at if at < len(self.numbers) and self.numbers[at] == number else None

    def get(self, number: int) -> Fields | None:
        at = self.place(number)
        if at is None:
            return None
        import msgpack  # type: ignore[import-untyped]  # a millisecond, which a study without attributes is spared

        packed = self._data[self._ends[at - 1] if at else 0 : self._ends[at]]
        fields: Fields = msgpack.unpackb(packed, unicode_errors="surrogatepass", strict_map_key=False)
        return fields if "json" not in fields else _from_json(fields["json"])


def section_of(extras: Extras) -> bytes:
    """The section of a snapshot that `Saved` reads."""
    import msgpack

    numbers, ends, packed = array("q", sorted(extras)), array("q"), bytearray()
    for number in numbers:
        fields = extras[number]
        try:
            packed += msgpack.packb(fields, unicode_errors="surrogatepass")
        except (OverflowError, ValueError):  # integers beyond 64 bits, or nested too deeply for it
            packed += msgpack.packb({"json": _to_json(fields)}, unicode_errors="surrogatepass")
        ends.append(len(packed))
    return b"".join([len(numbers).to_bytes(_PLACE_BYTES, "little"), numbers.tobytes(), ends.tobytes(), packed])


def _to_json(fields: Fields) -> str:
    from journaltune.base.jsontext import dumps

    return dumps(fields)


def _from_json(text: str) -> Fields:
    from journaltune.base.jsontext import loads

    fields: Fields = loads(text)
    if "intermediate" in fields:
        fields["intermediate"] = {step_of(step): value for step, value in fields["intermediate"].items()}
    return fields


def step_of(text: str) -> float:
    """A step as JSON's keys hold it: an int, or whatever number another program's record had."""
    try:
        return int(text)
    except ValueError:
        return float(text)


class Extras:
    """Fields by trial number, as a mapping. What it hands out is unpacked anew each time, so nobody changes it by accident."""

    __slots__ = ("_packed", "_saved")

    def __init__(self, saved: Saved | None = None) -> None:
        self._saved = saved
        self._packed: dict[int, bytes | Fields] = {}

    def __setitem__(self, number: int, fields: Fields) -> None:
        try:
            self._packed[number] = dumps(fields)
        except ValueError:  # nested too deeply for it
            self._packed[number] = fields

    def __getitem__(self, number: int) -> Fields:
        fields: Fields | None = self.get(number)
        if fields is None:
            raise KeyError(number)
        return fields

    def get(self, number: int, default: Any = None) -> Any:
        packed = self._packed.get(number)
        if packed is not None:
            return _unpacked(packed)
        fields = None if self._saved is None else self._saved.get(number)
        return default if fields is None else fields

    def __contains__(self, number: int) -> bool:
        return number in self._packed or (self._saved is not None and self._saved.place(number) is not None)

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[int]:
        return iter(self.keys())

    def keys(self) -> Mapping[int, None]:
        """Those of the snapshot first, in order."""
        return dict.fromkeys([*(() if self._saved is None else self._saved.numbers), *self._packed])

    def values(self) -> Iterator[Fields]:
        return map(self.__getitem__, self.keys())

    def items(self) -> Iterator[tuple[int, Fields]]:
        return ((number, self[number]) for number in self.keys())

    def over(self, earlier: Saved | Extras) -> Extras:
        """These and earlier ones, which come first."""
        both = Extras(earlier if isinstance(earlier, Saved) else earlier._saved)
        both._packed = {**({} if isinstance(earlier, Saved) else earlier._packed), **self._packed}
        return both


def _unpacked(packed: bytes | Fields) -> Fields:
    fields: Fields = loads(packed) if isinstance(packed, bytes) else packed
    return fields
