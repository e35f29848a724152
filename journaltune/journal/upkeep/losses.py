"""What was lost in a gap: how many studies and trials stood there, as the lines after it show."""

from __future__ import annotations

import re

from journaltune.base.jsontext import dumps
from journaltune.journal import records
from journaltune.journal.upkeep import salvage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from journaltune.journal.state import JournalState

    Said = tuple[int, int, int, int]

_LOOK_AHEAD = 10_000  # records; more than any number of processes writes between two asks of a study
_MOST_STUDIES, _MOST_TRIALS = 100, 100_000  # that one gap is believed to have held; an id beyond that is another's mistake
_DIRECTIONS = rb'"directions":(\[[012](?:, ?[012])*\])'
_STUDY = re.compile(rb'"study_name":("(?:[^"\\]|\\.)*")(?:,' + _DIRECTIONS + rb")?|" + _DIRECTIONS)
_TRIAL = b'{"op_code":4,"worker_id":"","study_id":%d,"datetime_start":null,"state":3%s}'
_REASON = b',"user_attrs":{"fail_reason":"damaged"}'


class Ahead:
    """What lines say of studies and trials: operation, study id, trial id, and the number that an ask was for; -1 for unsaid.

    Each line is decoded once, however many gaps are before it.
    """

    __slots__ = ("_lines", "_said")

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._said: list[Said | None] = []

    def after(self, place: int) -> Iterator[Said]:
        """The lines from ``place`` on, up to one that can't be read: more may be lost there."""
        for at in range(place, min(place + _LOOK_AHEAD, len(self._lines))):
            while len(self._said) <= at:
                self._said.append(_said(self._lines[len(self._said)].strip(records.BLANKS)))
            said = self._said[at]
            if said is None:
                return
            yield said


def _said(text: bytes) -> Said | None:
    record = salvage.decoded(text)
    if record is None:
        return None
    number = (record.get("jt") or {}).get("n") if salvage.is_unchanged(text) else None
    ids = [value if type(value) is int else -1 for value in (record.get("study_id"), record.get("trial_id"), number)]
    return record["op_code"], ids[0], ids[1], ids[2]


class Lost:
    """What has to stand in a gap for the ids and numbers after it to be right: studies, and the study ids of trials.

    Nobody writes a record for a study or a trial that isn't there, and our asks say their numbers. Where nothing after the gap
    tells, the bytes in the gap do. ``saved`` are the records that were saved from it.
    """

    __slots__ = ("_missing_studies", "_missing_trials", "_n_studies", "_n_trials", "_numbers", "studies", "trials")

    def __init__(self, state: JournalState, gap: bytes, saved: list[bytes], ahead: Ahead, place: int) -> None:
        self._n_studies, self._n_trials = state.n_studies, state.n_trials
        self._numbers = {study_id: study.n_trials for study_id, study in state.studies.items()}
        self._missing_studies = self._missing_trials = 0
        self._count(saved)
        self._look_for_studies(ahead, place)
        head = salvage.HEAD.search(gap)
        op_code = int(head[1]) if head and len(head[1]) < 3 else -1
        if op_code == records.CREATE_STUDY and not self._numbers:
            self._missing_studies = 1
        self.studies = _study_records(gap, self._n_studies, self._missing_studies)
        told, home = self._look_for_trials(ahead, place)
        missing = {study_id: number - self._numbers.get(study_id, 0) for study_id, number in told.items()}
        self.trials = [study_id for study_id, count in missing.items() for _ in range(count)]
        if op_code == records.CREATE_TRIAL and head and head[3] and int(head[3]) not in told:
            home = int(head[3])
            if not self.trials and gap.rstrip(b"\r\n\t ").endswith(b"}"):
                self._missing_trials = max(self._missing_trials, 1)
        self.trials += [home] * (self._missing_trials - len(self.trials))

    def _count(self, saved: list[bytes]) -> None:
        for op_code, study_id, trial_id, _ in filter(None, map(_said, saved)):
            self._missing_studies = max(self._missing_studies, study_id + 1 - self._n_studies)
            self._missing_trials = max(self._missing_trials, trial_id + 1 - self._n_trials)
            if op_code == records.CREATE_STUDY:
                self._numbers[self._n_studies] = 0
                self._n_studies += 1
            elif op_code == records.CREATE_TRIAL:
                self._numbers[study_id] = self._numbers.get(study_id, 0) + 1
                self._n_trials += 1

    def _look_for_studies(self, ahead: Ahead, place: int) -> None:
        n_studies = self._n_studies
        for op_code, study_id, _, _ in ahead.after(place):
            n_studies += op_code == records.CREATE_STUDY
            self._missing_studies = max(self._missing_studies, study_id + 1 - n_studies)
        self._missing_studies = min(self._missing_studies, _MOST_STUDIES)
        for study_id in range(self._n_studies, self._n_studies + self._missing_studies):
            self._numbers.setdefault(study_id, 0)

    def _look_for_trials(self, ahead: Ahead, place: int) -> tuple[dict[int, int], int]:
        """The next number of each study that tells one; and where a trial was of which only the id is known to be missing."""
        told: dict[int, int] = {}
        created: dict[int, int] = {}
        n_trials, n_new = self._n_trials, 0
        for op_code, study_id, trial_id, number in ahead.after(place):
            n_new += op_code == records.CREATE_STUDY
            self._missing_trials = max(self._missing_trials, trial_id + 1 - n_trials)
            if op_code == records.CREATE_TRIAL:
                if number >= 0:
                    told.setdefault(study_id, number - created.get(study_id, 0))
                created[study_id] = created.get(study_id, 0) + 1
                n_trials += 1
                if self._numbers and told.keys() >= self._numbers.keys():
                    break
        self._missing_trials = min(self._missing_trials, _MOST_TRIALS)
        first_new = self._n_studies + self._missing_studies
        known = {*self._numbers, *created, *range(first_new, first_new + n_new)}
        unsure = known - told.keys()
        asking = next(iter(created), None)
        home = asking if asking is not None and (asking in unsure or not unsure) else max(unsure or known, default=0)
        return told, home

    def lines(self, room: int) -> list[bytes]:
        """Records for what was lost, in at most ``room`` bytes with a newline between each two; without reasons if need be."""
        for reason in (_REASON, b""):
            made = [*self.studies, *(_TRIAL % (study_id, reason) for study_id in self.trials)]
            if sum(map(len, made)) + len(made) - 1 <= room:
                return made
        return []

    def __bool__(self) -> bool:
        return bool(self.studies or self.trials)

    def __str__(self) -> str:
        trials = f"{len(self.trials)} {'trial' if len(self.trials) == 1 else 'trials'}"
        n_studies = len(self.studies)
        return trials if not n_studies else f"{n_studies} {'study' if n_studies == 1 else 'studies'} and {trials}"


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
