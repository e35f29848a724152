"""A study's trials, each made when somebody comes to it: a list of a million would take two gigabytes."""

from __future__ import annotations

from heapq import merge
from operator import attrgetter

from journaltune.base import RUNNING, array
from journaltune.journal.state import HAS_EXTRAS, STATE_MASK
from journaltune.study.trials import Maker, wanted_states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from journaltune.base.model import Trial, TrialState
    from journaltune.journal.state import StudyState
    from journaltune.study import OpenStudy

_BY_NUMBER = attrgetter("number")


def listing(study: OpenStudy, states: Iterable[TrialState | str] | None = None) -> Listing:
    """Every trial of the study by number, as of now; with ``states``, those in one of them."""
    wanted = wanted_states(states)
    return study.look(lambda state: Listing(state, wanted))


class Listing:
    """Trials in the wanted states, by number. To be gone through before the journal is read again."""

    __slots__ = ("_finished", "_live", "_make", "_rows")

    def __init__(self, state: StudyState, wanted: set[int]) -> None:
        self._make, self._finished = Maker(state), state.finished
        self._live = sorted((trial for trial in state.live.values() if trial.state in wanted), key=_BY_NUMBER)
        numbers, codes = self._finished.column("numbers"), self._finished.column("codes")
        rows = (row for row, code in enumerate(codes) if code & STATE_MASK in wanted)
        # One process finishes its trials in their order, and nothing has to be sorted then.
        self._rows = array("q", rows if _ascend(numbers) else sorted(rows, key=numbers.__getitem__))

    def __iter__(self) -> Iterator[Trial]:
        return self._made(self._rows)

    def _made(self, rows: Iterable[int]) -> Iterator[Trial]:
        return merge(map(self._make.finished, rows), map(self._make.live, self._live), key=_BY_NUMBER)

    def are_running(self) -> bool:
        """Whether one of them is running."""
        return any(trial.state == RUNNING for trial in self._live)

    def various(self) -> Iterator[Trial]:
        """Those of them that may have parameters, attributes or constraints which none before them has."""
        return self._made(self._various_rows())

    def _various_rows(self) -> Iterator[int]:
        codes, shapes = self._finished.column("codes"), self._finished.column("shapes")
        known: set[int] = set()
        for row in self._rows:
            if codes[row] & HAS_EXTRAS or shapes[row] not in known:
                known.add(shapes[row])
                yield row


def _ascend(numbers: array[int]) -> bool:
    return all(map(int.__lt__, numbers, memoryview(numbers)[1:]))
