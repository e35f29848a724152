"""The snapshot is a cache: with it, without it, and with whatever else lies in its place, the answers are the same."""

from __future__ import annotations

import errno
import json
import os
import random
import struct
from binascii import crc32
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from journaltune.base.errors import JournalDamagedError
from journaltune.engine.ask import ask
from journaltune.engine.create import create
from journaltune.engine.enqueue import enqueue
from journaltune.engine.tell import tell
from journaltune.journal import records, snapshot, system
from journaltune.journal.journal import Journal
from journaltune.journal.state import COLUMNS
from journaltune.space import space_from_params
from journaltune.study.trials import trials_of

HEAD = 28  # magic, length and checksum of the header


def view(journal: Journal) -> list[Any]:
    """All that an answer could depend on."""
    journal.sync()
    state = journal.state
    studies: list[Any] = [
        (s.study_id, s.name, s.directions, s.user_attrs, s.system_attrs, s.config, s.first_distributions, s.n_trials)
        for s in state.studies.values()
    ]
    trials = [repr(trial) for s in state.studies.values() for trial in trials_of(s, set(range(5)))]
    live = [(trial.trial_id, trial.metadata, trial.params, trial.distributions) for trial in state.live.values()]
    return [*studies, trials, live, state.n_studies, state.n_trials, state.n_records]


def stock_line(op_code: int, **fields: Any) -> bytes:
    return json.dumps({"op_code": op_code, "worker_id": "stock", **fields}).encode() + b"\n"


def grow(path: Path, n_trials: int = 4) -> None:
    """Trials of every kind by us, and what only others write."""
    study = create(
        path, name="größe", space=space_from_params({"x": "float(0, 1)", "c": "a | ü"}), seed=1, sampler="random", exist_ok=True
    )
    numbers = [ask(study).number for _ in range(n_trials)]
    for number in numbers[:-1]:
        tell(study, number, number / 3 if number % 2 else None, state=None if number % 2 else "fail")
    enqueue(study, {"x": 0.5})
    study.journal.close()
    with path.open("ab") as file:
        odd = {"values": [1.0, 2.0], "intermediate_values": {"3": float("nan")}, "user_attrs": {"k": ["\ud800", 10**30]}}
        file.write(stock_line(4, study_id=0, datetime_start="2024-01-01T00:00:00", state=2, **odd))
        file.write(stock_line(4, study_id=0, datetime_start=None, datetime_complete="2024-01-01T00:00:00", system_attrs={"s": 1}))
        file.write(stock_line(0, study_name="other", directions=[1, 2]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.journal"
    grow(path)
    return path


@pytest.fixture
def saved(path: Path) -> Path:
    """The snapshot of the journal."""
    Journal(str(path)).save_snapshot()
    return Path(snapshot.path_of(str(path)))


def truth(path: Path) -> list[Any]:
    """The answer without a snapshot."""
    at = Path(snapshot.path_of(str(path)))
    away = at.with_name("away")
    if os.path.lexists(at):
        at.rename(away)
    journal = Journal(str(path))
    assert journal.opened_at == 0
    answer = view(journal)
    if os.path.lexists(away):
        away.rename(at)
    return answer


def assert_taken(path: Path, offset: int) -> None:
    journal = Journal(str(path))
    assert journal.opened_at == offset
    assert view(journal) == truth(path)


def assert_dropped(path: Path) -> None:
    assert_taken(path, 0)


def test_a_journal_is_the_same_with_and_without_a_snapshot(path: Path, saved: Path) -> None:
    assert_taken(path, path.stat().st_size)


def test_what_was_appended_since_is_replayed_on_top(path: Path, saved: Path) -> None:
    offset = path.stat().st_size
    grow(path)
    assert_taken(path, offset)


@pytest.mark.parametrize("n_trials", [10, 255, 256, 257, 600])
def test_snapshots_upon_snapshots_stay_the_same(tmp_path: Path, n_trials: int) -> None:
    """Each one is made from the last one, its columns read or not, and a tail that is packed in blocks."""
    path = tmp_path / "s.journal"
    path.write_bytes(stock_line(0, study_name="s", directions=[1]))
    for turn in range(3):
        with path.open("ab") as file:
            for number in range(n_trials):
                file.write(stock_line(4, study_id=0, datetime_start=None, state=number % 4, value=number + turn / 3))
        journal = Journal(str(path))
        if turn == 1:
            view(journal)
        journal.save_snapshot()
        assert_taken(path, path.stat().st_size)
        assert view(journal) == truth(path)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A journal with a snapshot whose columns have several blocks, with trials of two shapes, and some behind the snapshot."""
    path = tmp_path / "s.journal"
    path.write_bytes(stock_line(0, study_name="s", directions=[1]))
    for count in (3000, 40):
        with path.open("ab") as file:
            for number in range(count):
                params = {"x": number / 7} | ({"y": number / 3} if number % 3 else {})
                distributions = {name: json.dumps(FLOAT) for name in params}
                record = {"study_id": 0, "datetime_start": None, "state": 1, "value": 0.5}
                file.write(stock_line(4, **record, params=params, distributions=distributions))
        if count == 3000:
            Journal(str(path)).save_snapshot()
    return path


FLOAT = {"name": "FloatDistribution", "attributes": {"step": None, "low": 0.0, "high": 1e4, "log": False}}


def parameters(journal: Journal, rows: Iterable[int]) -> list[Any]:
    finished = journal.state.studies[0].finished
    return [finished.parameters(row) for row in rows]


def test_the_parameters_of_a_few_trials_are_read_without_those_of_the_others(long: Path) -> None:
    rows = [0, 1, 1364, 1365, 2999, 3000, 3039, 2]
    journal, reads = Journal(str(long)), []
    finished = journal.state.studies[0].finished
    load = snapshot.Sections.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot.Sections, "load", lambda self, name: reads.append(name) or load(self, name))
        few = parameters(journal, rows)
    assert "params" not in reads
    assert finished.column("params")[0] == 0.0
    assert few == parameters(journal, rows)
    os.unlink(snapshot.path_of(str(long)))
    assert few == parameters(Journal(str(long)), rows)


def test_of_a_section_with_a_bad_block_the_journal_itself_gives_what_is_asked_for(long: Path) -> None:
    at = Path(snapshot.path_of(str(long)))
    good, whole = parameters(Journal(str(long)), range(3040)), at.read_bytes()
    value = struct.pack("d", 1501 / 7)
    assert whole.count(value) == 1
    at.write_bytes(whole.replace(value, struct.pack("d", 0.25)))
    for rows in ([0], [1501, 0], range(3040)):
        journal = Journal(str(long))
        assert parameters(journal, rows) == [good[row] for row in rows]
        assert journal._source is not None
        assert journal._source.is_bad == (1501 in rows)


def test_a_snapshot_may_end_between_a_place_and_the_record_that_was_written_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stock record slips in before one of ours, and another process makes its snapshot just then."""
    journal, write = Journal(str(path)), os.write

    def late(fd: int, data: bytes) -> int:
        monkeypatch.undo()
        with path.open("ab") as file:
            file.write(stock_line(2, study_id=0, user_attr={"stock": 1}))
        Journal(str(path)).save_snapshot()
        return write(fd, data)

    monkeypatch.setattr(system, "write", late)
    with journal.locked():
        journal.append([records.study_record(records.SET_STUDY_USER_ATTR, 0, user_attr={"ours": number}) for number in range(2)])
    assert 0 < Journal(str(path)).opened_at < path.stat().st_size
    assert_taken(path, Journal(str(path)).opened_at)
    assert journal.state.studies[0].user_attrs == {"stock": 1, "ours": 1}


def test_a_section_belongs_to_the_snapshot_that_was_opened(path: Path, saved: Path) -> None:
    """Another process renames a newer one into its place before the columns are read."""
    early = Journal(str(path))
    grow(path)
    Journal(str(path)).save_snapshot()
    assert early.opened_at < Journal(str(path)).opened_at
    assert view(early) == truth(path)


def test_a_snapshot_that_was_deleted_while_open_still_serves(path: Path, saved: Path) -> None:
    early = Journal(str(path))
    saved.unlink()
    assert view(early) == truth(path)


# What may lie in its place.


def _newer_version(data: bytes) -> bytes:
    return b"JTSNAP9" + data[7:]


def _other_byte_order(data: bytes) -> bytes:
    return data[:7] + (b">" if data[7:8] == b"<" else b"<") + data[8:]


def _with_header(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """A header that is whole, checksum and all, but not ours."""

    def changed(data: bytes) -> bytes:
        length = int(data[8:20])
        header = json.loads(data[HEAD : HEAD + length])
        packed = json.dumps(change(header)).encode()
        return data[:8] + b"%012d%08x" % (len(packed), crc32(packed)) + packed + data[HEAD + length :]

    return changed


FOREIGN: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "one byte": lambda data: data[:1],
    "the magic only": lambda data: data[:8],
    "no header": lambda data: data[:HEAD],
    "half a header": lambda data: data[: HEAD + 100],
    "zeros": lambda data: bytes(len(data)),
    "random bytes": lambda data: random.Random(0).randbytes(5000),
    "a journal": lambda data: stock_line(0, study_name="s", directions=[1]),
    "a newer version": _newer_version,
    "another machine's byte order": _other_byte_order,
    "a length that is none": lambda data: data[:8] + b"x" * 12 + data[20:],
    "a huge length": lambda data: data[:8] + b"9" * 12 + data[20:],
    "a negative length": lambda data: data[:8] + b"-00000000001" + data[20:],
    "a pickle": lambda data: b"\x80\x04cos\nsystem\n\x8c\x05false\x85R.",
    "a header that is no map": _with_header(lambda header: [1, 2]),
    "a header without studies": _with_header(lambda header: {k: v for k, v in header.items() if k != "studies"}),
    "a study without a field": _with_header(lambda header: {**header, "studies": [{"study_id": 0}]}),
    "live trials of another version": _with_header(
        lambda header: {**header, "studies": [{**header["studies"][0], "live": [[1, 2, 3]]}]}
    ),
    "an offset that is none": _with_header(lambda header: {**header, "offset": "x"}),
    "a negative offset": _with_header(lambda header: {**header, "offset": -5}),
    "an offset behind the end": _with_header(lambda header: {**header, "offset": header["offset"] + 1}),
    "an offset before its own": _with_header(lambda header: {**header, "offset": header["offset"] - 1}),
    "other windows": _with_header(lambda header: {**header, "windows": [0, 0]}),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_snapshot_of_this_journal_is_dropped_and_replaced(path: Path, saved: Path, kind: str) -> None:
    saved.write_bytes(FOREIGN[kind](saved.read_bytes()))
    assert_dropped(path)
    assert isinstance(snapshot.offset_of(str(path)), int)
    Journal(str(path)).save_snapshot()
    assert_taken(path, path.stat().st_size)


def _loop(at: Path) -> None:
    at.symlink_to(at)


def _dangling(at: Path) -> None:
    at.symlink_to(at.with_name("none"))


def _device(at: Path) -> None:
    at.symlink_to("/dev/zero")


def _folder_is_a_file(at: Path) -> None:
    at.parent.rmdir()
    at.parent.write_text("")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, _loop, _dangling, _device, _folder_is_a_file])
def test_what_is_no_file_is_dropped_and_no_error_when_it_cannot_be_replaced(path: Path, saved: Path, make: Any) -> None:
    saved.unlink()
    make(saved)
    journal = Journal(str(path))
    assert journal.opened_at == 0
    expected = view(journal)
    journal.save_snapshot()
    assert view(Journal(str(path))) == expected


def test_a_link_to_a_good_snapshot_serves_and_is_replaced_not_followed(path: Path, saved: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    saved.rename(elsewhere)
    saved.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    offset = path.stat().st_size
    grow(path)
    assert Journal(str(path)).opened_at == offset
    Journal(str(path)).save_snapshot()
    assert elsewhere.read_bytes() == before
    assert_taken(path, path.stat().st_size)


def test_a_snapshot_that_may_not_be_read_is_dropped(path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, opened = truth(path), os.open

    def refuse(name: Any, *rest: Any, **more: Any) -> int:
        if os.fspath(name) == str(saved):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(name, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    journal = Journal(str(path))
    assert journal.opened_at == 0
    assert view(journal) == expected


def test_a_changed_byte_anywhere_never_changes_an_answer(path: Path, saved: Path) -> None:
    data, expected = saved.read_bytes(), truth(path)
    for at in range(0, len(data), 13):
        saved.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        assert view(Journal(str(path))) == expected, f"byte {at} of {len(data)}"


def test_a_snapshot_cut_anywhere_never_changes_an_answer(path: Path, saved: Path) -> None:
    data, expected = saved.read_bytes(), truth(path)
    for length in range(0, len(data), 17):
        saved.write_bytes(data[:length])
        assert view(Journal(str(path))) == expected, f"cut at byte {length} of {len(data)}"


@pytest.mark.parametrize("name", [*(name for name, _ in COLUMNS), "extras"])
def test_a_bad_section_is_replaced_by_a_replay_also_under_a_tail(path: Path, saved: Path, name: str) -> None:
    data, offset = saved.read_bytes(), path.stat().st_size
    length = int(data[8:20])
    header = json.loads(data[HEAD : HEAD + length])
    start, size, _ = header["studies"][0]["sections"][name]
    at = HEAD + length + start + size // 2
    saved.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
    grow(path)
    assert_taken(path, offset)
    Journal(str(path)).save_snapshot()
    assert_taken(path, path.stat().st_size)


# The journal that it stands for.


def test_the_snapshot_of_another_journal_is_dropped(path: Path, saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.journal"
    grow(other, 9)
    os.replace(other, path)
    assert path.stat().st_size > snapshot.offset_of(str(path))
    assert_dropped(path)


def test_the_snapshot_of_a_longer_journal_is_dropped(path: Path, saved: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"\n", 0, -1) + 1])
    assert_dropped(path)


def test_a_journal_changed_near_its_ends_is_read_itself(path: Path, saved: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"study_name": "other"', b'"study_name": "OTHER"'))
    assert_dropped(path)
    at = data.index(b'"params":{"x"')
    path.write_bytes(data[:at] + data[at:].replace(b"0", b"1", 1))
    with pytest.raises(JournalDamagedError):
        Journal(str(path))


def test_damage_far_from_both_ends_changes_no_answer_while_a_snapshot_serves(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    grow(path, 60)
    expected, data = truth(path), path.read_bytes()
    Journal(str(path)).save_snapshot()
    assert len(data) > 3 * 4096
    path.write_bytes(data[: len(data) // 2] + b"\0" + data[len(data) // 2 + 1 :])
    journal = Journal(str(path))
    assert journal.opened_at == len(data)
    assert view(journal) == expected


# When it is written, and when it can't be.


def test_a_short_tail_leaves_no_snapshot_and_a_long_one_leaves_one(path: Path) -> None:
    journal = Journal(str(path))
    journal.save_snapshot_when_due()
    assert not Path(f"{path}.d").exists()
    with path.open("ab") as file:
        file.write(stock_line(2, study_id=0, user_attr={"k": "x" * 100_000}))
    journal.sync()
    journal.save_snapshot_when_due()
    saved = Path(snapshot.path_of(str(path)))
    written = saved.stat().st_ino
    assert_taken(path, path.stat().st_size)
    late = Journal(str(path))
    late.opened_at = 0  # as a process that opened the journal before that snapshot was there
    late.save_snapshot_when_due()
    assert saved.stat().st_ino == written, "written again although a fresh one was there"
    assert os.listdir(saved.parent) == ["snapshot"]


@pytest.mark.parametrize("step", ["create", "write", "fsync", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_where_none_can_be_written_the_old_one_stays_and_nothing_fails(
    path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    offset = path.stat().st_size
    grow(path)
    journal = Journal(str(path))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(system, step, refuse)
        journal.save_snapshot()
    assert os.listdir(saved.parent) == ["snapshot"]
    assert_taken(path, offset)
    journal.save_snapshot()
    assert_taken(path, path.stat().st_size)


@pytest.mark.parametrize("depth", [50, 400, 800, 900, 920, 940, 960, 980])
def test_attributes_nested_as_deeply_as_can_be_read_are_no_error(path: Path, depth: int) -> None:
    with path.open("ab") as file:
        file.write(b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"k":' + b"[" * depth + b"]" * depth + b"}}\n")
    try:
        journal = Journal(str(path))
    except JournalDamagedError:
        return  # deeper than this Python reads from here
    attrs = journal.state.studies[0].user_attrs
    journal.save_snapshot()
    assert Journal(str(path)).state.studies[0].user_attrs == attrs
