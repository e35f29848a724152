"""What a pruner sees of the other trials: those of the journal, without those that were withdrawn."""

from __future__ import annotations

from journaltune.base import COMPLETE, MAXIMIZE
from journaltune.journal.state import HIDDEN, STATE_MASK
from journaltune.journal.steps import key_of, steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from journaltune.journal.state import StudyState

_COUNTS = bytes(code & STATE_MASK == COMPLETE and not code & HIDDEN for code in range(256))


class Others:
    """The other trials of a study with one objective, for trial ``number``."""

    __slots__ = ("number", "state")

    def __init__(self, state: StudyState, number: int) -> None:
        self.state, self.number = state, number

    @property
    def maximize(self) -> bool:
        return self.state.directions[0] == MAXIMIZE

    def n_complete(self) -> int:
        return self.state.finished.column("codes").tobytes().translate(_COUNTS).count(1)

    def values_at(self, step: float) -> list[float]:
        """The values of the complete trials that reported this step."""
        return [value for _, value in self._entries(key_of(step))]

    def last_step(self) -> int | None:
        """The last step that any complete trial reported; None where not one reported."""
        keys = sorted((int(key) for key in steps_of(self.state.finished).names() if key.lstrip("-").isdigit()), reverse=True)
        return next((step for step in keys if next(self._entries(str(step)), None) is not None), None)

    def on_rung(self, name: str) -> Iterator[tuple[int, float]]:
        """Number and value of each trial that left this rung, finished or not."""
        numbers = self.state.finished.column("numbers")
        for row, value in self._entries(name):
            yield numbers[row], value
        for number, live in self.state.live.items():
            noted = live.system_attrs.get(name)
            if number != self.number and isinstance(noted, int | float):
                yield number, noted

    def _entries(self, key: str) -> Iterator[tuple[int, float]]:
        finished = self.state.finished
        codes = finished.column("codes")
        rows, values = steps_of(finished).block(key)
        if not self.state.withdrawn:
            return zip(rows, values, strict=True)
        return (entry for entry in zip(rows, values, strict=True) if not codes[entry[0]] & HIDDEN)
