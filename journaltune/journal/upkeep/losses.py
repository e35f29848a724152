"""What was lost in a gap: the places of trials and studies that the lines after it show to have stood there."""

from __future__ import annotations

import re
from bisect import bisect_left

from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps
from journaltune.journal import records
from journaltune.journal.upkeep import salvage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import JournalState
    from journaltune.journal.upkeep.salvage import Piece

_LOOK_AHEAD = 10_000  # records; more than any number of processes writes between two asks of a study
_MOST_STUDIES, _MOST_TRIALS = 100, 100_000  # that one gap is believed to have held; an id beyond that is another's mistake
_NOTHING = -(2**63)
_DIRECTIONS = rb'"directions":(\[[012](?:, ?[012])*\])'
_STUDY = re.compile(rb'"study_name":("(?:[^"\\]|\\.)*")(?:,' + _DIRECTIONS + rb")?|" + _DIRECTIONS)


class Lost:
    """What has to stand in a gap for the ids and numbers after it to be right: study names, and study ids of trials."""

    __slots__ = ("studies", "trials")

    def __init__(self) -> None:
        self.studies: list[bytes] = []
        self.trials: list[int] = []

    def records(self, room: int) -> list[bytes]:
        """Records for what was lost, in at most ``room`` bytes with a newline between each two; without reasons if need be."""
        for reason in (b',"user_attrs":{"fail_reason":"damaged"}', b""):
            made = [
                *self.studies,
                *(
                    b'{"op_code":4,"worker_id":"","study_id":%d,"datetime_start":null,"state":3%s}' % (i, reason)
                    for i in self.trials
                ),
            ]
            if sum(map(len, made)) + len(made) - 1 <= room:
                return made
        return []


class Evidence(Frozen):
    """What lines say of the place before them: how many trials there are at least, and the next number of each study.

    ``n_new_studies`` are created in these lines; ``asking`` are the studies of which trials are, in the order of their first.
    """

    n_trials: int
    numbers: dict[int, int]
    n_new_studies: int
    asking: list[int]


class Ahead:
    """What each of many lines says of how many studies and trials there are before it; read once, for all gaps among them.

    Our asks say which number they are for, and no record is written for a trial or study that is not there.
    """

    __slots__ = (
        "_created",
        "_lines",
        "_n_studies",
        "_n_trials",
        "_said",
        "_studies_needed",
        "_trials_needed",
        "_unreadable",
    )

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines
        self._n_studies, self._n_trials = [0], [0]  # created before each line
        self._studies_needed: list[int] = []  # at the first line, for what each line says
        self._trials_needed: list[int] = []
        self._unreadable: list[int] = []
        self._created: dict[int, list[int]] = {}  # by study: each line that creates a trial
        self._said: dict[int, list[tuple[int, int]]] = {}  # by study: a line that says its number, and what it was at the first

    def n_studies(self, begin: int) -> int:
        """How many studies there are before line ``begin``, at least."""
        return max(self._studies_needed[begin : self._end(begin)], default=_NOTHING) + self._n_studies[begin]

    def count(self, known: Collection[int], begin: int) -> Evidence:
        """What the lines from ``begin`` on tell of trials, until they have told the number of each study that is known."""
        end = self._end(begin)
        said = {study_id: found for study_id in self._said if (found := self._number(study_id, begin, end)) is not None}
        stop = max(said[study_id][0] for study_id in known) + 1 if known and said.keys() >= set(known) else end
        return Evidence(
            max(self._trials_needed[begin:stop], default=_NOTHING) + self._n_trials[begin],
            {study_id: number for study_id, (place, number) in said.items() if place < stop},
            self._n_studies[stop] - self._n_studies[begin],
            [study_id for place, study_id in sorted((self._next_trial(i, begin), i) for i in self._created) if place < stop],
        )

    def _end(self, begin: int) -> int:
        """The first line from ``begin`` on that can't be read, or is too far away."""
        if not self._unreadable:
            for line in self._lines:
                self._add(line.strip(records.BLANKS))
            self._unreadable.append(len(self._lines))
        return min(self._unreadable[bisect_left(self._unreadable, begin)], begin + _LOOK_AHEAD)

    def _next_trial(self, study_id: int, begin: int) -> int:
        """The line from ``begin`` on that creates the study's next trial; behind the last one when none does."""
        created = self._created[study_id]
        place = bisect_left(created, begin)
        return created[place] if place < len(created) else len(self._lines)

    def _number(self, study_id: int, begin: int, end: int) -> tuple[int, int] | None:
        """The next line that says a number of that study, and which number the next trial at ``begin`` has by that."""
        said = self._said[study_id]
        place = bisect_left(said, (begin, -1))
        if place == len(said) or said[place][0] >= end:
            return None
        return said[place][0], said[place][1] + bisect_left(self._created[study_id], begin)

    def _add(self, text: bytes) -> None:
        place, n_studies, n_trials = len(self._trials_needed), self._n_studies[-1], self._n_trials[-1]
        record = salvage.decoded(text)
        self._studies_needed.append(_NOTHING)
        self._trials_needed.append(_NOTHING)
        if record is None:
            self._unreadable.append(place)
            record = {}
        op_code, study_id, trial_id = record.get("op_code"), record.get("study_id"), record.get("trial_id")
        if op_code == records.CREATE_STUDY:
            n_studies += 1
        elif type(study_id) is int:
            self._studies_needed[-1] = study_id + 1 - n_studies
            if op_code == records.CREATE_TRIAL:
                self._add_trial(place, study_id, text, record)
                n_trials += 1
        elif type(trial_id) is int and op_code != records.DISCARD_TRIALS:
            self._trials_needed[-1] = trial_id + 1 - n_trials
        self._n_studies.append(n_studies)
        self._n_trials.append(n_trials)

    def _add_trial(self, place: int, study_id: int, text: bytes, record: Mapping[str, Any]) -> None:
        created = self._created.setdefault(study_id, [])
        meant = (record.get("jt") or {}).get("n")
        if type(meant) is int and salvage.is_unchanged(text):
            self._said.setdefault(study_id, []).append((place, meant - len(created)))
        created.append(place)


def lost(state: JournalState, gap: bytes, pieces: Iterable[Piece], ahead: Ahead, begin: int) -> Lost:
    """What the lines from ``begin`` on show to have stood in a gap before them. Where nothing there tells, its own bytes do."""
    count = _Count(state)
    for piece in pieces:
        count.add(salvage.decoded(piece.text) or {})
    count.look(ahead, begin)
    return count.lost(gap)


class _Count:
    """Counts trials and studies on from a state, and by how many the records say that there were more."""

    __slots__ = ("_home", "_missing", "_missing_studies", "_missing_trials", "_n_studies", "_n_trials", "_numbers", "_sure")

    def __init__(self, state: JournalState) -> None:
        self._n_studies, self._n_trials = state.n_studies, state.n_trials
        self._numbers = {study_id: study.n_trials for study_id, study in state.studies.items()}
        self._missing: dict[int, int] = {}
        self._missing_trials = self._missing_studies = 0
        self._sure: set[int] = set()
        self._home = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """A record that was saved from the gap."""
        op_code, study_id, trial_id = record.get("op_code"), record.get("study_id"), record.get("trial_id")
        if op_code == records.CREATE_STUDY:
            self._numbers[self._n_studies] = 0
            self._n_studies += 1
        elif type(study_id) is int:
            self._missing_studies = max(self._missing_studies, study_id + 1 - self._n_studies)
            if op_code == records.CREATE_TRIAL:
                self._numbers[study_id] = self._numbers.get(study_id, 0) + 1
                self._n_trials += 1
        elif type(trial_id) is int and op_code != records.DISCARD_TRIALS:
            self._missing_trials = max(self._missing_trials, trial_id + 1 - self._n_trials)

    def look(self, ahead: Ahead, begin: int) -> None:
        """What comes after the gap."""
        self._missing_studies = min(max(self._missing_studies, ahead.n_studies(begin) - self._n_studies), _MOST_STUDIES)
        first_new = self._n_studies + self._missing_studies
        for study_id in range(self._n_studies, first_new):
            self._numbers.setdefault(study_id, 0)
        found = ahead.count(self._numbers, begin)
        self._missing_trials = min(max(self._missing_trials, found.n_trials - self._n_trials), _MOST_TRIALS)
        for study_id, number in found.numbers.items():
            if number > self._numbers.get(study_id, 0):
                self._missing[study_id] = number - self._numbers.get(study_id, 0)
        self._sure.update(found.numbers)
        for study_id in (*range(first_new, first_new + found.n_new_studies), *found.asking):
            self._numbers.setdefault(study_id, 0)
        unsure = [study_id for study_id in self._numbers if study_id not in self._sure]
        if found.asking and (found.asking[0] in unsure or not unsure):
            self._home = found.asking[0]
        else:
            self._home = max(unsure or self._numbers, default=0)

    def lost(self, gap: bytes) -> Lost:
        found = Lost()
        head = salvage.HEAD.search(gap)
        op_code = int(head[1]) if head and len(head[1]) < 3 else -1
        n_studies = self._missing_studies
        if op_code == records.CREATE_STUDY and not self._numbers:
            n_studies = max(n_studies, 1)
        found.studies = _study_records(gap, self._n_studies, n_studies)
        for study_id, missing in self._missing.items():
            found.trials += [study_id] * missing
        home = self._home  # of a trial of which only the id is known to be missing: not a study whose numbers are right
        if op_code == records.CREATE_TRIAL and head and head[3] and int(head[3]) not in self._sure:
            home = int(head[3])
            if not found.trials and gap.rstrip(b"\r\n\t ").endswith(b"}"):
                self._missing_trials = max(self._missing_trials, 1)
        found.trials += [home] * (self._missing_trials - len(found.trials))
        return found


def _study_records(gap: bytes, first_id: int, n_studies: int) -> list[bytes]:
    """Records for studies that were lost, with what can still be read of them in the gap; no two of one name."""
    read = [(one[1], one[2] or one[3]) for one in _STUDY.finditer(gap)]
    names, made = set(), []
    for place in range(n_studies):
        name, directions = read[place] if place < len(read) else (None, None)
        if name is None or name in names:
            name = dumps(f"recovered-{first_id + place}").encode()
        names.add(name)
        made.append(b'{"op_code":0,"worker_id":"","study_name":%s,"directions":%s}' % (name, directions or b"[1]"))
    return made
