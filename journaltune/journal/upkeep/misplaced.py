"""Records of ours that are whole, but stand where they were not written: doubled, or out of their order."""

from __future__ import annotations

from itertools import islice

from journaltune.journal import file as files
from journaltune.journal import records
from journaltune.journal.fold import Fold
from journaltune.journal.records import is_as_written, written_at
from journaltune.journal.state import JournalState, LiveTrial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from journaltune.journal.state import StudyState

_MOST_MOVED = 1000  # records among which one is looked for that stands out of its order


class Counting(Fold):
    """Reads thoroughly, and remembers the trials, by study and number, of which nothing is known but that there was one."""

    __slots__ = ("noted",)

    def __init__(self, path: str, chain: records.Chain) -> None:
        super().__init__(path, records.RecordReader(), JournalState(), chain, thorough=True)
        self.noted: set[tuple[int, int]] = set()

    def _apply(self, text: bytes, start: int, *, sealed: bool) -> LiveTrial | bool:
        effect = super()._apply(text, start, sealed=sealed)
        if isinstance(effect, LiveTrial) and text.startswith(b'{"op_code":4,"worker_id":"",'):
            self.noted.add((effect.study.study_id, effect.number))
        return effect


def is_copy(fold: Counting, fd: int, text: bytes) -> bool:
    """Whether a record of ours is whole, but stands at its own place too, or another was noted in the place of its trial.

    It would make another trial, and each later result would go to the wrong one.
    """
    here = b'"jt":{"at":%d' % fold.offset
    if here + b"," in text or here + b"}" in text or not is_as_written(text):
        return False
    at = written_at(text)
    if at < fold.offset and files.pread(fd, len(text), at) == text:
        return True
    study, number = _asked(fold, text)
    return study is not None and (study.study_id, number) in fold.noted


def n_put_in(lines: Iterator[bytes], value: int | None) -> int:
    """How many of the next lines were put in: a later one says that it came right after what has the checksum ``value``."""
    put_in: list[bytes] = []
    if value is None:
        return 0
    for line in islice(lines, _MOST_MOVED):
        if line.endswith(b'%08x"}' % value) and is_as_written(line):
            return len(put_in) if all(map(is_as_written, put_in)) else 0
        put_in.append(line)
    return 0


def number_of_another(fold: Counting, text: bytes) -> str:
    """In words that a whole record of ours creates another trial than it was made for; empty where it does not."""
    study, number = _asked(fold, text)
    if study is None or number in (-1, study.n_trials):
        return ""
    return f"; it was made for trial {number} and is trial {study.n_trials} now, so later trials may have results of others"


def in_order(lines: Iterator[bytes], start: int) -> list[bytes]:
    """The lines up to where they fill the journal from ``start`` on again, as they were written; empty where they never do."""
    near, moved = list(islice(lines, _MOST_MOVED)), b'"jt":{"at":%d' % start
    own: dict[int, bytes] = {}
    end, size = start, 0
    for line in near if any(moved in line for line in near) else ():
        if not is_as_written(line):
            break
        own[written_at(line)] = line
        size += len(line) + 1
        while end in own:
            end += len(own[end]) + 1
        if end - start == size:
            return [own[at] for at in sorted(own)] if len(own) > 1 else []
    return []


def _asked(fold: Counting, text: bytes) -> tuple[StudyState | None, int]:
    """The study of which a whole record of ours creates a trial, and the number that it is for; -1 where it says none."""
    record = records.RecordReader().decode(text)
    study = fold.state.studies.get(record["study_id"]) if record["op_code"] == records.CREATE_TRIAL else None
    return study, record["jt"].get("n", -1)
