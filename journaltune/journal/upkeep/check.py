"""Reading a whole journal and its snapshot, and naming everything that is wrong with them."""

from __future__ import annotations

import gc
import os

from journaltune.base import STATE_NAMES
from journaltune.base.errors import JournalDamagedError, NotFoundError
from journaltune.base.frozen import Frozen
from journaltune.journal import file as files
from journaltune.journal import lock, records, snapshot, tail
from journaltune.journal.fold import Fold
from journaltune.journal.records import is_as_written, written_at
from journaltune.journal.state import STATE_MASK, JournalState
from journaltune.journal.upkeep import compare, leftovers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.journal.state import StudyState

_MOST_SHOWN = 100
_MOST_PASSES = 4


class Finding(Frozen):
    """One thing that is wrong: at which byte (None: with the snapshot), what, and what mends it."""

    offset: int | None
    what: str
    mend: str


class Checked(Frozen):
    """A checked journal: how much there is of it, the first hundred findings, and how many there are.

    ``n_foreign`` records have no checksum of ours, ``n_mended`` lines hold blanks that mending left. ``studies`` counts trials by
    state for each study by name. ``snapshot`` and ``leftovers`` are for people to read.
    """

    path: str
    size_bytes: int
    n_records: int
    n_foreign: int
    n_mended: int
    studies: dict[str, dict[str, int]]
    snapshot: str
    leftovers: list[str]
    findings: list[Finding]
    n_findings: int


def check(path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False) -> Checked:
    """Verify each record, the checksums and their chain, the replay, the snapshot, and the journal's end.

    Writers go on meanwhile, and their new records are left out. Lines that look wrong are looked at again under the journal's
    lock, so neither a write in flight nor a mending at work is taken for damage. Nothing is changed.

    Raises NotFoundError, MachineError, LockTimeoutError; damage is a finding.
    """
    path = os.path.abspath(os.fspath(path))
    fd = files.open_journal(path, readable=True, allow_network_fs=allow_network_fs)
    lock.open_fds.add(fd)
    collecting = gc.isenabled()
    try:
        if not is_journal(fd):
            raise NotFoundError(f"{path} is no journal: there is no record in it; name one with -f")
        gc.disable()  # as in ``Fold.feed``
        for _ in range(_MOST_PASSES):
            reading = _Reading(fd, path)
            reading.run()
            if not reading.bad or not reading.changed_meanwhile(lock_timeout_s):
                break
        reading.look_at_tail(lock_timeout_s)
        return reading.result()
    except OSError as error:  # EIO, ENOLCK
        files.refuse(error, path, "read")
    finally:
        if collecting:
            gc.enable()
        lock.abandon(fd)


class _Reading:
    """One reading of the journal, which goes on behind a line that it can't read."""

    def __init__(self, fd: int, path: str) -> None:
        self._fd, self._path = fd, path
        self._snapshot = SnapshotCheck(fd, path)
        self._size = os.fstat(fd).st_size
        self._chain = records.Chain()
        self._fold = Fold(path, records.RecordReader(), JournalState(), self._chain, thorough=True)
        self._shift: int | None = None
        self.bad: list[tuple[int, bytes]] = []  # damaged lines and where they begin, to be looked at again
        self._findings: list[Finding] = []
        self._n_findings = self._n_foreign = self._n_mended = 0

    def run(self) -> None:
        fold = self._fold
        self._snapshot.compare_at(fold, self._chain)
        for data in files.chunks(self._fd, self._size):
            for line in data.split(b"\n")[:-1]:
                try:
                    fold.line(line)
                    self._n_foreign += not records.is_sealed(line)
                    if line[:1] == b" " or line[-1:] == b" ":
                        self._count_mended(line)
                except JournalDamagedError as damage:
                    self._note(line, damage)
                if fold.offset == self._snapshot.offset:
                    self._snapshot.compare_at(fold, self._chain, damaged=self._n_findings > 0)

    def _count_mended(self, line: bytes) -> None:
        self._n_mended += 1
        if line[-1:] == b" ":
            self._n_foreign -= 1  # one of ours that lost its checksum

    def _note(self, line: bytes, damage: JournalDamagedError) -> None:
        """Note a damaged line. A record that is whole itself is applied, so that the records after it are not damaged too."""
        start, shift, text = self._fold.offset, None, line.lstrip(b" ")
        trailed = records.is_trailed(text)
        if trailed:
            text = text.rstrip(records.BLANKS)
        whole = is_as_written(text)
        if whole and not trailed:
            shift = start - written_at(text)
            self._fold.pass_own(written_at(text), text)
        if whole or records.is_misspelt(text):
            try:
                self._fold.line(records.unsealed(text).rjust(len(line)))
            except JournalDamagedError:
                pass
        if self._fold.offset == start:
            self._fold.offset = start + len(line) + 1
            self._chain.pass_blanks(start, self._fold.offset)
        if shift and shift == self._shift:
            return  # the finding before this one names the bytes that are missing, or too many
        self._shift = shift
        self._n_findings += 1
        if len(self._findings) < _MOST_SHOWN:
            self._findings.append(Finding(damage.offset, damage.what, damage.way_out))
            self.bad.append((start, line))

    def changed_meanwhile(self, lock_timeout_s: float) -> bool:
        """Whether a damaged line has other bytes now; looked at under the lock, so that no mending is half done."""
        lock.acquire(self._fd, self._path, lock_timeout_s)
        try:
            return any(files.pread(self._fd, len(line), start) != line for start, line in self.bad)
        finally:
            lock.release(self._fd)

    def look_at_tail(self, lock_timeout_s: float) -> None:
        """A line without its end may be an append in flight. It is a finding if it is still there when no writer has a lock."""
        from time import monotonic, sleep

        start, torn = tail.torn_tail(self._fd)
        deadline = monotonic() + leftovers.STOCK_PATIENCE_S
        while torn.strip(b" "):
            lock.acquire(self._fd, self._path, lock_timeout_s)
            try:
                stock_writes = any(os.path.lexists(f"{name}.lock") for name in files.names_of(self._path))
                now, torn = tail.torn_tail(self._fd)
            finally:
                lock.release(self._fd)
            if now != start:
                start = now
                deadline = monotonic() + leftovers.STOCK_PATIENCE_S
            elif not stock_writes or monotonic() > deadline:
                break
            sleep(0.005)
        if torn.strip(b" "):
            self._n_findings += 1
            what = f"a line without its end ({len(torn)} bytes), which a writer that died left behind"
            mend = f"`journaltune repair -f {self._path}` mends it, and so does the next write"
            self._findings.append(Finding(start, what, mend))

    def result(self) -> Checked:
        state, checked = self._fold.state, self._snapshot
        if checked.problem is not None:
            self._n_findings += 1
            mend = f"readers replay the journal instead; `journaltune repair -f {self._path}` deletes it"
            self._findings.append(Finding(None, f"the snapshot {snapshot.path_of(self._path)}: {checked.problem}", mend))
        return Checked(
            self._path,
            self._size,
            state.n_records,
            self._n_foreign,
            self._n_mended,
            {study.name: _counts(study) for study in state.studies.values()},
            checked.description,
            leftovers.describe(self._path),
            self._findings,
            self._n_findings,
        )


def is_journal(fd: int) -> bool:
    """Whether a file may have held a record; an empty one may, and one of nothing but NULs."""
    at, blank = 0, True
    while data := files.pread(fd, files.CHUNK_BYTES, at):
        if b'"op_code"' in data:
            return True
        blank = blank and not data.strip(b"\0 \n")
        at += len(data) if len(data) < files.CHUNK_BYTES else len(data) - 16
    return blank


def _counts(study: StudyState) -> dict[str, int]:
    codes = study.finished.column("codes").tobytes().translate(bytes(code & STATE_MASK for code in range(256)))
    counts = {name: codes.count(code) for code, name in STATE_NAMES.items()}
    for trial in study.live.values():
        counts[STATE_NAMES[trial.state]] += 1
    return counts


class SnapshotCheck:
    """The snapshot as it was when the check began: ``problem`` in words, or None when it is right, missing, or not used."""

    __slots__ = ("_chain", "_state", "description", "offset", "problem")

    def __init__(self, fd: int, path: str) -> None:
        self.problem: str | None = None
        self.offset, self._chain = -1, records.Chain()
        self._state: JournalState | None = None
        if not os.path.lexists(snapshot.path_of(path)):
            self.description = "none"
            return
        loaded = snapshot.load(path, fd, _refuse_to_rebuild)
        if loaded is None:
            self._explain(fd, path)
        else:
            self._state, self.offset, self._chain, _ = loaded
            self.problem = self.description = f"it ends in the middle of a record, at byte {self.offset}"

    def _explain(self, fd: int, path: str) -> None:
        """Say why readers ignore it. A snapshot of another version, or copied along with its journal, is no sign of damage."""
        self.description = "is not used: it is of another version, or was made for another file"
        try:
            start = files.first_bytes(snapshot.path_of(path), 8)
        except FileNotFoundError:
            self.description = "none"
            return
        except OSError as error:
            self.problem = f"it can't be read ({error.strerror})"
            return
        if snapshot.is_of_another_version(start):
            return
        try:
            journal = os.fstat(fd)
            header = snapshot.Source(path, journal, None).header
            if header["inode"] != journal.st_ino:
                return
            offset, size = header["offset"], journal.st_size
            other = "the journal's bytes are not those that it was made from"
            self.problem = other if offset <= size else f"it stands for {offset} bytes, but the journal has only {size}"
        except Exception as error:
            self.problem = f"it is torn, or no snapshot at all ({error})"

    def compare_at(self, fold: Fold, chain: records.Chain, *, damaged: bool = False) -> None:
        """Compare the snapshot with a replay, once that has come as far."""
        if self._state is None or fold.offset != self.offset:
            return
        self.problem, self.description = None, f"says what the journal says up to byte {self.offset}"
        try:
            for study in self._state.studies.values():
                if study.finished.sections is not None:
                    study.finished.sections.check()
            difference = compare.difference(self._state, fold.state)
        except Exception as error:
            difference = str(error)
        if damaged:
            self.description = f"was made before the journal was damaged, and holds what it said up to byte {self.offset}"
        elif difference is not None:
            self.problem = f"it is not what a replay gives: {difference}"
        elif self._chain.value != chain.value:
            self.problem = "its checksum of the journal is wrong"
        self._state = None


def _refuse_to_rebuild(_: int) -> JournalState:
    raise ValueError("a section's checksum is wrong")
