"""What stands in the place of a snapshot: torn, random, changed, old, of another journal, or no file at all."""

from __future__ import annotations

import json
import os
import shutil
from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journaltune.base.errors import JournalDamagedError
from journaltune.journal import snapshot
from journaltune.journal.journal import Journal
from torture import journals, views
from torture.calls import call, complaint, timeless
from torture.plants import PLANTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    # Puts something into the place of the snapshot of a base's journal at a path, another base being at hand. It answers what
    # the commands answer now; None: the same as without a snapshot.
    Kind = Callable[["Base", "Base", Path, Random], "Answers | None"]

_NOBODY = 65534
_LENGTHS = (b"999999999999", b"000099999999", b"-00000000001", b"1_0000000000", b"            ")
_HEAD_BYTES = 28  # magic, length and checksum of the header
_CALLS = (
    ("status", "--format", "json"),
    ("best",),
    ("trials", "--format", "jsonl"),
    ("studies", "--format", "json"),
    ("ask",),
    ("tell", "5", "0.5", "--attr", "k=1"),
    ("enqueue", "--params", '{"x": 0.125}'),
    ("ask", "-n", "2"),
    ("trials", "--format", "csv"),
    ("best", "--format", "sh"),
)


class Answers:
    """What the commands answer on a journal, without times and the journal's place, and what the journal says afterwards."""

    def __init__(self, path: Path) -> None:
        self.calls = []
        for arguments in _CALLS:
            answer = call(*arguments, "-f", path)
            texts = [timeless(text.decode(errors="replace")).replace(str(path), "PATH") for text in (answer.out, answer.err)]
            self.calls.append([arguments[0], answer.code, *texts, complaint(answer)])
        self.left = left(path)

    def differs(self, other: Answers) -> str:
        """The first difference; empty when there is none."""
        pairs = [*zip(self.calls, other.calls, strict=True), (self.left, other.left)]
        return next((f"{mine} instead of {expected}" for mine, expected in pairs if mine != expected), "")


def left(path: Path) -> Any:
    """What is in the journal, as far as two runs of the calls have it alike; or where it is damaged."""
    try:
        return {name: len(trials) for name, trials in views.ours(path).items()}
    except JournalDamagedError as damage:
        return damage.offset


class Base:
    """A journal, its snapshot, an earlier size of the journal, and what the commands answer without any snapshot."""

    def __init__(self, folder: Path, seed: int, n_more: int) -> None:
        folder.mkdir()
        path = folder / "s.journal"
        journals.make(path, seed, n_more=n_more)
        journals.append(path, journals.stock_line(2, study_id=0, user_attr={"late": 0.5}))
        self.earlier_bytes = path.stat().st_size
        journals.make_tail(path)
        self.journal = path.read_bytes()
        journals.save_snapshot(path)
        self.snapshot = _place(path).read_bytes()
        assert Journal(str(path)).opened_at == len(self.journal), "the snapshot is taken as it is"
        shutil.rmtree(f"{path}.d")
        self.answers = Answers(path)
        self.header_bytes = int(self.snapshot[8:20])
        self.sections = self.snapshot[_HEAD_BYTES + self.header_bytes :]

    def header(self, path: Path) -> dict[str, Any]:
        """The header as if the snapshot had been made for the journal at ``path``, so that the file's identity fits."""
        packed = self.snapshot[_HEAD_BYTES : _HEAD_BYTES + self.header_bytes]
        return {**json.loads(packed), "inode": path.stat().st_ino}

    def sealed(self, header: object, sections: bytes = b"") -> bytes:
        """A snapshot with right checksums, whatever its header is."""
        packed = json.dumps(header).encode()
        return self.snapshot[:8] + b"%012d%08x" % (len(packed), crc32(packed)) + packed + sections

    def of(self, path: Path) -> bytes:
        return self.sealed(self.header(path), self.sections)

    def first_section(self, whole: bytes) -> int:
        return len(whole) - len(self.sections)


def _place(path: Path) -> Path:
    return Path(snapshot.path_of(str(path)))


def _made(make: Callable[[Base, bytes, Random], bytes]) -> Kind:
    """Bytes that are made of the whole snapshot."""

    def plant(base: Base, other: Base, path: Path, random: Random) -> None:
        _place(path).write_bytes(make(base, base.of(path), random))

    return plant


def _resealed(header: Callable[[Base, dict[str, Any], Random], object]) -> Kind:
    """Right checksums over another header, and no whole section behind it."""

    def plant(base: Base, other: Base, path: Path, random: Random) -> None:
        _place(path).write_bytes(base.sealed(header(base, base.header(path), random), b"short"))

    return plant


def _changed(data: bytes, at: int, random: Random) -> bytes:
    return data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]


def _zeroed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes(len(data[at : at + 512])) + data[at + 512 :]


def _another_shape(_: Base, header: dict[str, Any], random: Random) -> object:
    """What another version, or another program, may put under our magic."""
    values: tuple[object, ...] = (None, "x", [[]], {"a": 1}, 1e300)
    wrong = {**header, random.choice(("offset", "windows", "studies")): random.choice(values)}
    del header[random.choice(list(header))]
    return random.choice((header, wrong, [], 7, None, "text", {}, [[[[]]]]))


def _huge_section(_: Base, header: dict[str, Any], random: Random) -> object:
    for study in header["studies"]:
        study["sections"] = {name: [0, random.choice((2**62, 10**11, 10**9)), 1] for name in study["sections"]}
    return header


def _long_file(base: Base, _: Base, path: Path, __: Random) -> None:
    _place(path).write_bytes(base.snapshot[:3])
    os.truncate(_place(path), 1 << 40)


def _of_another_journal(_: Base, other: Base, path: Path, __: Random) -> None:
    _place(path).write_bytes(other.of(path))


def _journal_replaced(base: Base, other: Base, path: Path, _: Random) -> Answers:
    _as_it_is(base, other, path, _)
    path.write_bytes(other.journal)
    return other.answers


def _of_before(base: Base, _: Base, path: Path, __: Random) -> None:
    """One that is older than the journal is right: what came since is replayed on top."""
    path.write_bytes(base.journal[: base.earlier_bytes])
    journals.save_snapshot(path)
    with path.open("ab") as file:
        file.write(base.journal[base.earlier_bytes :])


def _as_it_is(base: Base, _: Base, path: Path, __: Random) -> None:
    _place(path).write_bytes(base.of(path))


def _journal_cut(base: Base, other: Base, path: Path, random: Random) -> Answers:
    _as_it_is(base, other, path, random)
    return _rewritten(path, base.journal[: base.earlier_bytes])


def _journal_rewritten(base: Base, other: Base, path: Path, random: Random) -> Answers:
    """By an editor: of the same length, in a new file. A record of others after our last one, or damage in the middle."""
    _as_it_is(base, other, path, random)
    old, new = random.choice(((b'"value":3.25', b'"value":-9.5'), (b'"middle":0.5', b'"middle":0.7')))
    return _rewritten(path, base.journal.replace(old, new))


def _rewritten(path: Path, data: bytes) -> Answers:
    aside = path.parent / "aside" / "s.journal"
    aside.parent.mkdir()
    aside.write_bytes(data)
    new = path.with_name("new")
    new.write_bytes(data)
    new.rename(path)
    return Answers(aside)


def _planted(name: str) -> Kind:
    def plant(base: Base, other: Base, path: Path, random: Random) -> None:
        PLANTS[name](_place(path))
        if name == "a folder" and random.random() < 0.5:
            (_place(path) / "full").mkdir()

    return plant


def _unreadable(base: Base, other: Base, path: Path, random: Random) -> None:
    """Of somebody else, in a folder that may be written or not."""
    _as_it_is(base, other, path, random)
    _place(path).chmod(0)
    path.chmod(0o666)
    path.parent.chmod(0o777)
    path.with_name("s.journal.d").chmod(random.choice((0o777, 0o755, 0o700)))


def _planted_in_tmp(base: Base, _: Base, path: Path, __: Random) -> None:
    """By another user, in a folder where everybody may put files: it has right checksums, and says something else."""
    header = base.header(path)
    header["studies"][0]["name"] = "planted"
    path.parent.chmod(0o1777)
    if os.geteuid() == 0:
        _place(path).write_bytes(base.sealed(header, base.sections))
        os.chown(_place(path), _NOBODY, _NOBODY)


def _no_folder(_: Base, __: Base, path: Path, random: Random) -> None:
    beside = path.with_name("s.journal.d")
    beside.rmdir()
    if random.random() < 0.5:
        beside.write_bytes(b"a file")


UNREADABLE = "unreadable"
BELIEVED = ("as it is", "of before", "flipped section", "huge section")
KINDS: dict[str, Kind] = {
    "as it is": _as_it_is,
    "of before": _of_before,
    "torn": _made(lambda _, whole, random: whole[: random.randrange(len(whole))]),
    "random bytes": _made(lambda _, __, random: random.randbytes(random.choice((0, 1, 27, 28, 29, 1000, 100_000)))),
    "magic then random": _made(lambda _, w, random: w[: random.choice((8, _HEAD_BYTES, 500))] + random.randbytes(500)),
    "flipped header": _made(lambda base, w, random: _changed(w, random.randrange(base.first_section(w)), random)),
    "flipped section": _made(lambda base, w, random: _changed(w, random.randrange(base.first_section(w), len(w)), random)),
    "zeroed page": _made(lambda _, whole, random: _zeroed(whole, random.randrange(len(whole)))),
    "other version": _made(lambda _, w, random: random.choice((b"JTSNAP0", b"JTSNAP1", b"JTSNAP9", b"SQLite ")) + w[7:]),
    "other byte order": _made(lambda _, whole, __: whole[:7] + {b"<": b">", b">": b"<"}[whole[7:8]] + whole[8:]),
    "newer than the journal": _resealed(
        lambda base, header, random: {**header, "offset": random.choice((len(base.journal) + 1, 10**12, 2**63))}
    ),
    "another shape": _resealed(_another_shape),
    "huge lengths": _made(lambda _, whole, random: whole[:8] + random.choice(_LENGTHS) + whole[20:]),
    "huge section": _resealed(_huge_section),
    "long file": _long_file,
    "of another journal": _of_another_journal,
    "journal replaced": _journal_replaced,
    "journal cut": _journal_cut,
    "journal rewritten": _journal_rewritten,
    **{name: _planted(name) for name in PLANTS if name != "a file"},
    UNREADABLE: _unreadable,
    "no folder": _no_folder,
    "planted in a folder like /tmp": _planted_in_tmp,
}
