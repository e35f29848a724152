"""The snapshot: a replayed state, packed, with the offset and checksums of the prefix of the journal that it stands for.

Layout: magic, length and checksum of a header, the header in JSON, then sections of raw columns. A section is read only when
somebody asks, and some rows of a long one without the rest: each block of it has its own checksum. The snapshot is a cache: on
any doubt it is dropped and the journal is replayed. Nothing in it is trusted that was not checked, and nothing is ever executed.
"""

from __future__ import annotations

import os
import sys
from binascii import crc32

from journaltune.base import array
from journaltune.base.jsontext import dumps, loads
from journaltune.journal import file as files
from journaltune.journal import system
from journaltune.journal.records import Chain
from journaltune.journal.state import COLUMNS, KEYS, LIVE_FIELDS, Finished, JournalState, LiveTrial, StudyState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from journaltune.journal.extras import Extras, Saved
    from journaltune.journal.steps import Place

    Rebuild = Callable[[int], JournalState]

_MAGIC = b"JTSNAP8" + (b"<" if sys.byteorder == "little" else b">")
_CODES = dict((*COLUMNS, KEYS))
_STICKY = 0o1000
_TAIL_BYTES = 64 * 1024
_BLOCK_BYTES = 16 * 1024
_HEADER_SHARE, _HEADER_BYTES = 4, 1024 * 1024  # the longest header for a journal: its share of the journal's size, and more


def path_of(journal_path: str) -> str:
    return files.folder_of(journal_path) + "/snapshot"


def mended_at(journal_path: str) -> int:
    """When bytes of the journal were last set aside to be overwritten, in ns since 1970; 0 where that was never."""
    try:
        return os.stat(files.folder_of(journal_path) + "/quarantine").st_mtime_ns
    except OSError:
        return 0


def is_due(since: int, offset: int, *, lived: bool) -> bool:
    """Whether the bytes after the last snapshot are worth a new one: in a process that lives long they seldom are."""
    tail_bytes, share = (1024 * 1024, 2) if lived else (_TAIL_BYTES, 64)
    return offset - since >= max(tail_bytes, since // share)


def is_of_another_version(start: bytes) -> bool:
    """Whether a file that begins so is a snapshot that another version of this package, or another kind of machine, made."""
    return start.startswith(_MAGIC[:6]) and not start.startswith(_MAGIC)


def offset_of(journal_path: str) -> int:
    """The offset that the journal's present snapshot stands for, or -1; cheap, and unchecked against the journal's bytes."""
    try:
        journal = os.stat(journal_path)
        header = Source(journal_path, journal, None).header
        return int(header["offset"]) if header["inode"] == journal.st_ino else -1
    except Exception:
        return -1


def save(journal_path: str, journal_fd: int, state: JournalState, offset: int, chain: Chain) -> None:
    """Write a snapshot. OSError when the machine refuses; the one that was there stays then."""
    sections: list[bytes | memoryview] = []
    header = {
        "offset": offset,
        "chain": chain.value,
        "windows": files.fingerprint(journal_fd, offset),
        "inode": os.fstat(journal_fd).st_ino,
        "n_records": state.n_records,
        "n_studies": state.n_studies,
        "n_trials": state.n_trials,
        "studies": [_pack_study(study, sections) for study in state.studies.values()],
    }
    packed = dumps(header).encode()
    files.make_folder(journal_path)
    data = [_MAGIC, b"%012d%08x" % (len(packed), crc32(packed)), packed, *sections]
    files.replace(path_of(journal_path), data, files.mode_of(journal_path))


def load(journal_path: str, journal_fd: int, rebuild: Rebuild) -> tuple[JournalState, int, Chain, Source] | None:
    """The state of the snapshot, its offset and checksum chain; None when there is none or it is in any doubt.

    ``rebuild(offset)`` replays the journal up to an offset; it is called when a section turns out to be bad later.
    """
    try:
        journal = os.fstat(journal_fd)
        source = Source(journal_path, journal, rebuild)
        header = source.header
        offset = header["offset"]
        if journal.st_size < offset or journal.st_ino != header["inode"]:
            return None
        if files.fingerprint(journal_fd, offset) != header["windows"]:
            return None
        source.hide(journal.st_mode)
        state = JournalState()
        state.n_records, state.n_studies, state.n_trials = header["n_records"], header["n_studies"], header["n_trials"]
        for packed in header["studies"]:
            study = _unpack_study(packed, source)
            state.studies[study.study_id] = study
            state.live.update({trial.trial_id: trial for trial in study.live.values()})
        if len(state.studies) > 1:
            state.live = dict(sorted(state.live.items()))  # as a replay has it
        return state, offset, Chain(header["chain"], offset), source
    except FileNotFoundError:
        return None
    except Exception:
        # A torn, random, older or newer file fails in ways that can't be listed; none of them is worth more than a replay.
        return None


def _may_be_planted(journal_path: str, owner: int, journal_owner: int) -> bool:
    """In a folder such as /tmp others may put a snapshot beside a journal that they can't write, with right checksums."""
    if owner in (os.geteuid(), journal_owner, 0):
        return False
    return os.stat(os.path.dirname(files.folder_of(journal_path))).st_mode & _STICKY > 0


def _pack_study(study: StudyState, sections: list[bytes | memoryview]) -> dict[str, Any]:
    placed = {name: _place(memoryview(study.finished.column(name)).cast("B"), sections) for name, _ in COLUMNS}
    placed["keys"] = _place(memoryview(_keys(study.finished)).cast("B"), sections)
    placed["extras"] = _place(memoryview(_extras(study.finished)), sections)
    from journaltune.journal.steps import steps_of

    places, blocks = steps_of(study.finished).packed()
    placed["steps"] = _place(memoryview(dumps(places).encode()), sections)
    placed["blocks"] = _place(memoryview(blocks), sections)
    return {
        "study_id": study.study_id,
        "name": study.name,
        "directions": study.directions,
        "n_trials": study.n_trials,
        "id_runs": study.id_runs,
        "withdrawn": sorted(study.withdrawn),
        "n_finished": len(study.finished),
        "attrs": [study.user_attrs, study.system_attrs, study.config, study.first_distributions, study.requests],
        "live": [[getattr(trial, field) for field in LIVE_FIELDS] for trial in study.live.values()],
        "shapes": study.finished.shape_list,
        "sections": placed,
    }


def _keys(finished: Finished) -> array[Any]:
    """Of all rows where somebody looks trials up, and of none where nobody does."""
    if not finished.column("keys"):
        return finished.column("keys")
    from journaltune.journal.keys import KeyMaker, extended

    return extended(finished, KeyMaker())


def _place(data: memoryview, sections: list[bytes | memoryview]) -> tuple[int, int, int]:
    """Where a section begins, how long it is, and the checksum of the checksums of its blocks, which stand behind it."""
    start, sums = sum(map(len, sections)), array("I", _checksums(data)).tobytes()
    sections += [data, sums]
    return start, len(data), crc32(sums)


def _checksums(data: memoryview) -> list[int]:
    return [crc32(data[start : start + _BLOCK_BYTES]) for start in range(0, len(data), _BLOCK_BYTES)]


def _unpack_study(packed: dict[str, Any], source: Source) -> StudyState:
    study = StudyState(packed["study_id"], packed["name"], packed["directions"])
    study.n_trials = packed["n_trials"]
    study.id_runs = [(number, trial_id) for number, trial_id in packed["id_runs"]]
    study.user_attrs, study.system_attrs, study.config, first, study.requests = packed["attrs"]
    study.withdrawn = set(packed["withdrawn"])
    study.first_distributions = {name: (number, distribution) for name, (number, distribution) in first.items()}
    finished = Finished(len(study.directions), Sections(source, study.study_id, packed["sections"]), packed["n_finished"])
    finished.shape_list = [tuple([(name, distribution) for name, distribution in shape]) for shape in packed["shapes"]]
    finished.shape_ids = {shape: index for index, shape in enumerate(finished.shape_list)}
    study.finished = finished
    for fields in packed["live"]:
        trial = _unpack_live(study, dict(zip(LIVE_FIELDS, fields, strict=True)))
        study.live[trial.number] = trial
    return study


def _unpack_live(study: StudyState, fields: dict[str, Any]) -> LiveTrial:
    trial = LiveTrial(study, fields["trial_id"], fields["number"])
    if fields["intermediate"]:
        from journaltune.journal.extras import step_of

        fields["intermediate"] = {step_of(step): value for step, value in fields["intermediate"].items()}
    for name, value in fields.items():
        setattr(trial, name, value)
    return trial


class Source:
    """An open snapshot: its header, and its sections when they are asked for.

    It stays open, so that sections belong to the header although a newer snapshot may take its name. Once it was closed, or
    where a section fails its checksum, the section is taken from a replay of the journal instead.
    """

    __slots__ = ("_base", "_fd", "_identity", "_rebuild", "_rebuilt", "_size", "header", "is_bad")

    def __init__(self, journal_path: str, journal: os.stat_result, rebuild: Rebuild | None) -> None:
        self._fd, self._identity = -1, (-1, -1)  # before anything that may fail
        self._rebuild = rebuild
        self.is_bad = False  # whether a section could not be read
        self._rebuilt: JournalState | None = None
        self._fd = os.open(path_of(journal_path), os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
        there = os.fstat(self._fd)
        self._identity = there.st_dev, there.st_ino
        if _may_be_planted(journal_path, there.st_uid, journal.st_uid):
            raise ValueError("another user's, in a folder where everybody may make files")
        start = os.pread(self._fd, len(_MAGIC) + 20, 0)
        if not start.startswith(_MAGIC) or len(start) != len(_MAGIC) + 20:
            raise ValueError("no snapshot of this version")
        length, checksum = int(start[8:20]), int(start[20:28], 16)
        self._size = there.st_size
        if length > _HEADER_SHARE * journal.st_size + _HEADER_BYTES:  # a file with holes may claim gigabytes
            raise ValueError("a header longer than the journal can have")
        packed = self._read(len(start), length)
        if len(packed) != length or crc32(packed) != checksum:
            raise ValueError("torn snapshot")
        self._base = len(start) + length
        self.header: dict[str, Any] = loads(packed.decode())

    def hide(self, journal_mode: int) -> None:
        """Let nobody read the snapshot who may not read the journal any more. Only for one that is surely the journal's."""
        mode = os.fstat(self._fd).st_mode
        if mode & 0o666 & ~journal_mode:
            try:
                system.chmod(self._fd, mode & journal_mode & 0o666)
            except OSError:  # EPERM: another user's, who hides it when he uses the journal
                pass

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if files.is_still(fd, self._identity):
            os.close(fd)

    def __del__(self) -> None:
        self.close()

    def checksums(self, start: int, length: int, checksum: int) -> list[int]:
        """Those of a section's blocks; none when they can't be read, or are not what was written."""
        data = self._try_to_read(start + length, -(-length // _BLOCK_BYTES) * array("I").itemsize)
        return array("I", data).tolist() if crc32(data) == checksum else []

    def section(self, start: int, length: int, checksums: list[int], first: int, end: int) -> memoryview | None:
        """The bytes of a section, from ``first`` to ``end``; None when they can't be read, or are not what was written."""
        block, last = first // _BLOCK_BYTES, -(-end // _BLOCK_BYTES)
        at, upto = block * _BLOCK_BYTES, min(last * _BLOCK_BYTES, length)
        data = memoryview(self._try_to_read(start + at, upto - at))
        if len(data) == upto - at and len(checksums) >= last and _checksums(data) == checksums[block:last]:
            return data[first - at : end - at]
        self.is_bad = self.is_bad or self._fd >= 0
        return None

    def _try_to_read(self, start: int, length: int) -> bytes:
        if self._fd < 0:
            return b""
        try:
            return self._read(self._base + start, length)
        except OSError:  # EIO, a bad sector: the journal has all of it
            return b""

    def _read(self, start: int, length: int) -> bytes:
        """Some of the file; nothing where it ends before, or a wrong length would take all memory."""
        return os.pread(self._fd, length, start) if 0 <= length <= self._size - start else b""

    def replayed(self) -> JournalState:
        if self._rebuilt is None:
            assert self._rebuild is not None
            self._rebuilt = self._rebuild(self.header["offset"])
        return self._rebuilt


class Sections:
    """The columns of a study's finished trials. What can't be read in the snapshot is taken from a replay of the journal."""

    __slots__ = ("_checksums", "_places", "_recent", "_source", "_study_id")

    def __init__(self, source: Source, study_id: int, places: dict[str, tuple[int, int, int]]) -> None:
        self._source, self._study_id, self._places = source, study_id, places
        self._checksums: dict[str, list[int]] = {}
        self._recent: tuple[str, int, memoryview] = ("", 0, memoryview(b""))  # blocks: the next row is nearly always in them

    def load(self, name: str) -> Any:
        """A whole column, or the extras by number."""
        data = self._bytes(name, 0, self._places[name][1])
        if data is not None:
            return _saved(data) if name == "extras" else _unpack_column(name, data)
        finished = self._replayed()
        return finished.extras if name == "extras" else finished.column(name)[:]

    def check(self) -> None:
        """Read every section, for whoever wants to know of one that is bad: it is rebuilt."""
        if any(self._bytes(name, 0, length) is None for name, (_, length, _) in self._places.items()):
            self._replayed()

    def length(self, name: str) -> int:
        """How many items a column has."""
        return self._places[name][1] // array(_CODES[name]).itemsize

    def some(self, name: str, start: int, end: int) -> array[Any]:
        """These items of a column, without reading the rest."""
        size = array(_CODES[name]).itemsize
        first, last = start * size, end * size
        known, at, data = self._recent
        if known != name or not at <= first <= last <= at + len(data):
            at = first // _BLOCK_BYTES * _BLOCK_BYTES
            upto = min(-(-last // _BLOCK_BYTES) * _BLOCK_BYTES, self._places[name][1])
            blocks = self._bytes(name, at, upto)
            if blocks is None:
                return self._replayed().column(name)[start:end]
            self._recent = name, at, blocks
            data = blocks
        return _unpack_column(name, data[first - at : last - at])

    def steps(self) -> dict[str, Place]:
        """Where the block of each step is."""
        from journaltune.journal.steps import steps_of

        data = self._bytes("steps", 0, self._places["steps"][1])
        places: dict[str, Place] = steps_of(self._replayed()).packed()[0] if data is None else loads(str(data, "utf-8"))
        return places

    def block(self, key: str, place: Place) -> memoryview:
        """The bytes of one step's block."""
        from journaltune.journal.steps import steps_of

        data = self._bytes("blocks", *place)
        return memoryview(steps_of(self._replayed()).packed_block(key)) if data is None else data

    def _bytes(self, name: str, first: int, end: int) -> memoryview | None:
        start, length, checksum = self._places[name]
        if name not in self._checksums:
            self._checksums[name] = self._source.checksums(start, length, checksum)
        return self._source.section(start, length, self._checksums[name], first, end)

    def _replayed(self) -> Finished:
        return self._source.replayed().studies[self._study_id].finished


def _unpack_column(name: str, data: memoryview) -> array[Any]:
    column = array(_CODES[name])
    column.frombytes(data)
    return column


def _extras(finished: Finished) -> bytes:
    if not finished.has_extras():
        return b""
    from journaltune.journal.extras import section_of

    return section_of(finished.extras)


def _saved(data: memoryview) -> Saved | Extras:
    from journaltune.journal.extras import Extras, Saved

    return Saved(data) if data else Extras()
