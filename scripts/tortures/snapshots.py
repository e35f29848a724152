"""A snapshot that is torn, random, changed, old, of another journal, or no file at all: the answers are those without it

Each run puts something into the place of the snapshot, calls every command in a child with little memory and time, and compares
with what the same calls answer beside no snapshot. Then a snapshot is saved, and nothing outside the folder may have changed.
"""

from __future__ import annotations

import os
import shutil
from binascii import crc32
from typing import TYPE_CHECKING, Any

import msgpack  # type: ignore[import-untyped]

from journaltune.base.errors import JournalDamagedError
from journaltune.journal import snapshot
from journaltune.journal.journal import Journal
from tortures import journals, views
from tortures.calls import call, complaint, digest, limit_memory, obey_modes, timeless
from tortures.machinery import Child, chance, keep, spread
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

TARGET = 1_000
LIMIT_S = 5.0
_MEMORY_BYTES = 256 * 1024 * 1024
_NOBODY = 65534
_HEAD = 28  # magic, length and checksum of the header
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


def run(n: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    bases = [_Base(folder / f"base{number}", seed + number, 30 * number) for number in range(2)]
    say(f"{len(_KINDS)} kinds of snapshot, journals of {' and '.join(str(len(base.journal)) for base in bases)} bytes")

    def work(share: range, own: Path) -> Tally:
        return sum((_run(bases, index, seed, own) for index in share), Tally())

    return spread(n, work, folder)


class _Base:
    """A journal, its snapshot, an earlier one of it, and what the commands answer without any."""

    def __init__(self, folder: Path, seed: int, n_more: int) -> None:
        folder.mkdir()
        path = folder / "s.journal"
        journals.make(path, seed, n_more=n_more)
        journals.append(path, journals.stock_line(2, study_id=0, user_attr={"late": 0.5}))
        self.earlier = path.stat().st_size
        journals.make_tail(path)
        self.journal, self.seed = path.read_bytes(), seed
        Journal(str(path)).save_snapshot()
        self.snapshot = snapshot_bytes(path)
        assert Journal(str(path)).opened_at == len(self.journal), "the snapshot is taken as it is"
        shutil.rmtree(f"{path}.d")
        self.answers, self.view = _answers(path)
        self.header = _header(self.snapshot)

    def of(self, path: Path) -> bytes:
        """The snapshot as if it had been made for the journal at ``path``, so that not the file's identity gives it away."""
        header = {**self.header, "inode": path.stat().st_ino}
        return _sealed(self, header, self.snapshot[_HEAD + _length(self.snapshot) :])


def _length(data: bytes) -> int:
    return int(data[8:20])


def _header(data: bytes) -> dict[str, Any]:
    header: dict[str, Any] = msgpack.unpackb(data[_HEAD : _HEAD + _length(data)], unicode_errors="surrogatepass")
    return header


def snapshot_bytes(path: Path) -> bytes:
    with open(snapshot.path_of(str(path)), "rb") as file:
        return file.read()


def _answers(path: Path) -> tuple[list[Any], Any]:
    """What the commands answer, without times and the journal's place, and what the journal says afterwards."""
    answers = []
    for arguments in _CALLS:
        answer = call(*arguments, "-f", path)
        texts = [timeless(text.decode(errors="replace")).replace(str(path), "PATH") for text in (answer.out, answer.err)]
        answers.append([arguments[0], answer.code, *texts, complaint(answer)])
    return answers, _told(path)


def _told(path: Path) -> Any:
    """What is in the journal, as far as two runs of the calls have it alike; or where it is damaged."""
    try:
        return {name: len(trials) for name, trials in views.ours(path).items()}
    except JournalDamagedError as damage:
        return damage.offset


def _run(bases: list[_Base], index: int, seed: int, folder: Path) -> Tally:
    base = bases[index // len(_KINDS) % len(bases)]
    kind = list(_KINDS)[index % len(_KINDS)]
    random = chance(seed, "snapshots", index)
    own = folder / "run"
    shutil.rmtree(own, ignore_errors=True)
    (own / "s.journal.d").mkdir(parents=True)
    (own / "outside").mkdir()
    (own / "outside" / "passwd").write_bytes(b"root:x:0:0:root:/root:/bin/sh\n" * 9)
    path = own / "s.journal"
    path.write_bytes(base.journal)
    expected = _KINDS[kind](base, bases, path, random) or base
    before = digest(own / "outside")
    ended = Child(lambda: _child(path, kind)).end(LIMIT_S)
    tally = Tally(runs=1)
    if ended.late or ended.status != 0:
        tally.note(f"{'took too long' if ended.late else 'ended'} with {ended.status}: {ended.error}")
    elif ended.result != [expected.answers, expected.view, expected.view]:
        tally.note(f"{_first_difference(ended.result, expected)}")
    if digest(own / "outside") != before:
        tally.note("a file outside the folder was changed")
    tally.wrong = len(tally.notes)
    if not tally.clean:
        place = keep(folder, f"{index}-{kind.replace(' ', '-')}", path)
        tally.notes = [f"seed {seed}, run {index}, {kind} ({place.name}): {note}" for note in tally.notes]
    return tally


def _child(path: Path, kind: str) -> list[Any]:
    if kind == _UNREADABLE:
        obey_modes()
    if kind in _BELIEVED:
        assert Journal(str(path)).opened_at > 0, "a snapshot that is right is not taken"
    limit_memory(_MEMORY_BYTES)
    answers, view = _answers(path)
    if isinstance(view, dict):
        journal = Journal(str(path))
        journal.save_snapshot()
        journal.close()
    return [answers, view, _told(path)]


def _first_difference(found: Any, expected: Any) -> str:
    for here, there in zip(found[0], expected.answers, strict=True):
        if here != there:
            return f"{here} instead of {there}"
    return f"{found[1:]} instead of {expected.view}"


# -- what stands in the place of the snapshot. Each answers the base whose answers are right now, or None for its own. --------


def _plant(path: Path, data: bytes) -> None:
    with open(snapshot.path_of(str(path)), "wb") as file:
        file.write(data)


def _torn(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    whole = base.of(path)
    _plant(path, whole[: random.randrange(len(whole))])


def _random_bytes(_: _Base, __: list[_Base], path: Path, random: Random) -> None:
    _plant(path, random.randbytes(random.choice((0, 1, 27, 28, 29, 1000, 100_000))))


def _magic_then_random(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    _plant(path, base.of(path)[: random.choice((8, _HEAD, 500))] + random.randbytes(500))


def _flipped_header(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    whole = base.of(path)
    _plant(path, _changed(whole, random.randrange(_HEAD + _length(whole)), random))


def _flipped_section(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    whole = base.of(path)
    _plant(path, _changed(whole, random.randrange(_HEAD + _length(whole), len(whole)), random))


def _changed(data: bytes, at: int, random: Random) -> bytes:
    return data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]


def _zeroed_page(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    whole = base.of(path)
    at = random.randrange(len(whole))
    _plant(path, whole[:at] + bytes(len(whole[at : at + 512])) + whole[at + 512 :])


def _other_version(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    _plant(path, random.choice((b"JTSNAP0", b"JTSNAP1", b"JTSNAP9", b"SQLite ")) + base.of(path)[7:])


def _other_byte_order(base: _Base, _: list[_Base], path: Path, __: Random) -> None:
    order = {b"<": b">", b">": b"<"}[base.snapshot[7:8]]
    _plant(path, base.snapshot[:7] + order + base.of(path)[8:])


def _sealed(base: _Base, header: object, sections: bytes = b"") -> bytes:
    """A snapshot with right checksums, whatever its header is."""
    packed: bytes = msgpack.packb(header, unicode_errors="surrogatepass")
    return base.snapshot[:8] + b"%012d%08x" % (len(packed), crc32(packed)) + packed + sections


def _own_header(base: _Base, path: Path) -> dict[str, Any]:
    return _header(base.of(path))


def _newer_than_journal(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    _plant(
        path, _sealed(base, {**_own_header(base, path), "offset": random.choice((len(base.journal) + 1, 10**12, 2**63))}, b"x")
    )


def _another_shape(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    """What another version, or another program, may put under our magic."""
    header = _own_header(base, path)
    del header[random.choice(list(header))]
    wrong = {
        **_own_header(base, path),
        random.choice(("offset", "windows", "studies")): random.choice((None, "x", [[]], {"a": 1}, 1e300)),
    }
    _plant(path, _sealed(base, random.choice((header, wrong, [], 7, None, "text", {}, [[[[]]]]))))


def _huge_lengths(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    length = random.choice((b"999999999999", b"000099999999", b"-00000000001", b"1_0000000000", b"            "))
    _plant(path, base.snapshot[:8] + length + base.of(path)[20:])


def _huge_section(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    header = _own_header(base, path)
    for study in header["studies"]:
        study["sections"] = {name: [0, random.choice((2**62, 10**11, 10**9)), 1] for name in study["sections"]}
    _plant(path, _sealed(base, header, b"short"))


def _long_file(base: _Base, _: list[_Base], path: Path, __: Random) -> None:
    _plant(path, base.snapshot[:3])
    os.truncate(snapshot.path_of(str(path)), 1 << 40)


def _of_another_journal(base: _Base, bases: list[_Base], path: Path, _: Random) -> None:
    _plant(path, next(other for other in bases if other is not base).of(path))


def _journal_replaced(base: _Base, bases: list[_Base], path: Path, _: Random) -> _Base:
    other = next(other for other in bases if other is not base)
    _plant(path, base.of(path))
    path.write_bytes(other.journal)
    return other


def _of_before(base: _Base, _: list[_Base], path: Path, __: Random) -> None:
    """One that is older than the journal is right: what came since is replayed on top."""
    path.write_bytes(base.journal[: base.earlier])
    Journal(str(path)).save_snapshot()
    with path.open("ab") as file:
        file.write(base.journal[base.earlier :])


def _as_it_is(base: _Base, _: list[_Base], path: Path, __: Random) -> None:
    _plant(path, base.of(path))


def _journal_cut(base: _Base, _: list[_Base], path: Path, __: Random) -> _Base:
    _plant(path, base.of(path))
    return _rewritten(base, path, base.journal[: base.earlier])


def _journal_rewritten(base: _Base, _: list[_Base], path: Path, random: Random) -> _Base:
    """By an editor: of the same length, in a new file. A record of others after our last one, or damage in the middle."""
    _plant(path, base.of(path))
    old, new = random.choice(((b'"value":3.25', b'"value":-9.5'), (b'"middle":0.5', b'"middle":0.7')))
    changed = base.journal.replace(old, new)
    return _rewritten(base, path, changed)


def _rewritten(base: _Base, path: Path, data: bytes) -> _Base:
    aside = path.parent / "aside" / "s.journal"
    aside.parent.mkdir()
    aside.write_bytes(data)
    truth = object.__new__(_Base)
    truth.answers, truth.view = _answers(aside)
    new = path.with_name("new")
    new.write_bytes(data)
    new.rename(path)
    return truth


def _linked(target: str) -> Callable[[_Base, list[_Base], Path, Random], None]:
    def link(_: _Base, __: list[_Base], path: Path, ___: Random) -> None:
        os.symlink(target, snapshot.path_of(str(path)))

    return link


def _folder(_: _Base, __: list[_Base], path: Path, random: Random) -> None:
    os.mkdir(snapshot.path_of(str(path)))
    if random.random() < 0.5:
        os.mkdir(snapshot.path_of(str(path)) + "/full")


def _fifo(_: _Base, __: list[_Base], path: Path, ___: Random) -> None:
    os.mkfifo(snapshot.path_of(str(path)))


def _unreadable(base: _Base, _: list[_Base], path: Path, random: Random) -> None:
    """Of somebody else, in a folder that may be written or not."""
    _plant(path, base.of(path))
    os.chmod(snapshot.path_of(str(path)), 0)
    path.chmod(0o666)
    path.parent.chmod(0o777)
    path.with_name("s.journal.d").chmod(random.choice((0o777, 0o755, 0o700)))


def _planted_in_tmp(base: _Base, _: list[_Base], path: Path, __: Random) -> None:
    """By another user, in a folder where everybody may put files: it has right checksums, and says something else."""
    header = _own_header(base, path)
    header["studies"][0]["name"] = "planted"
    path.parent.chmod(0o1777)
    if os.geteuid() == 0:
        _plant(path, _sealed(base, header, base.snapshot[_HEAD + _length(base.snapshot) :]))
        os.chown(snapshot.path_of(str(path)), _NOBODY, _NOBODY)


def _no_folder(_: _Base, __: list[_Base], path: Path, random: Random) -> None:
    beside = path.with_name("s.journal.d")
    beside.rmdir()
    if random.random() < 0.5:
        beside.write_bytes(b"a file")


_UNREADABLE = "unreadable"
_BELIEVED = ("as it is", "of before", "flipped section", "huge section")
_KINDS: dict[str, Callable[[_Base, list[_Base], Path, Random], _Base | None]] = {
    "as it is": _as_it_is,
    "of before": _of_before,
    "torn": _torn,
    "random bytes": _random_bytes,
    "magic then random": _magic_then_random,
    "flipped header": _flipped_header,
    "flipped section": _flipped_section,
    "zeroed page": _zeroed_page,
    "other version": _other_version,
    "other byte order": _other_byte_order,
    "newer than the journal": _newer_than_journal,
    "another shape": _another_shape,
    "huge lengths": _huge_lengths,
    "huge section": _huge_section,
    "long file": _long_file,
    "of another journal": _of_another_journal,
    "journal replaced": _journal_replaced,
    "journal cut": _journal_cut,
    "journal rewritten": _journal_rewritten,
    "folder": _folder,
    "FIFO": _fifo,
    "dangling link": _linked("nowhere/at/all"),
    "link in a loop": _linked("snapshot"),
    "link to zeros": _linked("/dev/zero"),
    "link to another file": _linked("../outside/passwd"),
    "link to a folder": _linked("../outside"),
    _UNREADABLE: _unreadable,
    "no folder": _no_folder,
    "planted in a folder like /tmp": _planted_in_tmp,
}
