"""What `check` finds in a journal and its snapshot, and that it finds nothing in one that is being written."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from lines import lines_of, put

from journaltune import LockTimeoutError, NotFoundError, create_study, load_study
from journaltune.journal import lock, records, snapshot
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.repair import repair


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "study.journal"
    study = create_study(found, params={"x": "float(0, 1)"}, sampler="random", seed=1)
    for number in range(6):
        study.tell(study.ask(), float(number), attrs={"k": number} if number % 2 else None)
    study.ask()
    return found


def test_a_whole_journal_is_summed_up(path: Path) -> None:
    found = check(path)
    assert found.findings == []
    assert found.n_findings == 0
    assert found.studies == {"study": {"running": 1, "waiting": 0, "complete": 6, "pruned": 0, "fail": 0}}
    assert (found.n_records, found.size_bytes) == (len(lines_of(path)), path.stat().st_size)
    assert (found.n_foreign, found.n_mended, found.snapshot, found.leftovers) == (0, 0, "none", [])


def test_records_of_others_and_mended_places_are_counted(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"a":1}}\n{"op_code":2,"wor')
    load_study(path).ask()
    found = check(path)
    assert (found.n_findings, found.n_foreign, found.n_mended) == (0, 1, 1)
    assert found.leftovers == [f"{path}.d/quarantine: 1 copy of what was mended"]


def test_every_bad_line_is_found_with_its_place(path: Path) -> None:
    lines = lines_of(path)
    bad = [*lines[:3], b"garbage", *lines[3:8], b"\xff\xfe", lines[8], b'{"op_code":12,"worker_id":"w"}', *lines[9:]]
    put(path, bad)
    offsets = [sum(len(line) + 1 for line in bad[:place]) for place in (3, 9, 11)]
    found = check(path)
    assert [one.offset for one in found.findings] == offsets
    assert all(f"journaltune repair -f {path}" in one.mend for one in found.findings)
    repair(path)
    assert check(path).findings == []


@pytest.mark.parametrize("place", range(1, 14))
def test_a_changed_digit_anywhere_is_found(path: Path, place: int) -> None:
    lines = lines_of(path)
    changed = bytearray(lines[place])
    at = next(at for at in range(len(changed) - 40, 0, -1) if chr(changed[at]).isdigit())
    changed[at] ^= 1
    put(path, [*lines[:place], bytes(changed), *lines[place + 1 :]])
    assert check(path).n_findings >= 1


def test_a_record_of_another_program_that_was_changed_is_found_by_the_next_of_ours(path: Path) -> None:
    foreign = b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"a":1}}\n'
    with path.open("ab") as file:
        file.write(foreign)
    load_study(path).ask()
    path.write_bytes(path.read_bytes().replace(b'{"a":1}', b'{"a":2}'))
    (finding,) = check(path).findings
    assert "something before this record was changed" in finding.what


def test_a_line_that_was_taken_out_is_one_finding(path: Path) -> None:
    lines = lines_of(path)
    put(path, lines[:4] + lines[5:])
    found = check(path)
    assert found.n_findings == 1
    assert found.findings[0].offset == sum(len(line) + 1 for line in lines[:4])


def test_only_the_first_hundred_findings_are_kept(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"garbage\n" * 250)
    found = check(path)
    assert (len(found.findings), found.n_findings) == (100, 250)


def test_a_torn_tail_is_a_finding(path: Path) -> None:
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b'{"op_code":2')
    (finding,) = check(path).findings
    assert finding.offset == size
    assert "without its end" in finding.what


def test_an_append_in_flight_is_no_finding(path: Path) -> None:
    """Half of a record of Optuna's, whose lock says that it is at work; the rest comes while ``check`` waits for it."""
    record = b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"a":1}}\n'
    os.symlink(path, f"{path}.lock")
    with path.open("ab", buffering=0) as file:
        file.write(record[:20])
        looked = threading.Event()

        def finish() -> None:
            looked.wait()
            file.write(record[20:])
            os.unlink(f"{path}.lock")

        writer = threading.Thread(target=finish)
        writer.start()
        real = lock.release

        def release(fd: int) -> None:
            real(fd)
            looked.set()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lock, "release", release)
            found = check(path)
        writer.join()
    assert looked.is_set()
    assert found.findings == []


def test_what_was_mended_meanwhile_is_no_finding(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"garbage\n")
    with pytest.MonkeyPatch.context() as patch:
        acquire, repaired = lock.acquire, []

        def acquire_late(fd: int, name: str, timeout_s: float) -> None:
            if not repaired:
                repaired.append(True)
                repair(path)
            acquire(fd, name, timeout_s)

        patch.setattr(lock, "acquire", acquire_late)
        assert check(path).findings == []
    assert repaired


def test_a_journal_in_use_has_no_findings(path: Path) -> None:
    program = """
import sys
from journaltune import load_study
study = load_study(sys.argv[1])
for _ in range(150):
    study.tell(study.ask(), 0.5)
"""
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(2)]
    try:
        while any(writer.poll() is None for writer in writers):
            assert check(path).findings == []
    finally:
        for writer in writers:
            writer.wait()
    assert check(path).studies["study"]["complete"] == 306


def test_a_lock_that_is_not_had_in_time_is_an_error(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"garbage\n")
    fd = os.open(path, os.O_RDONLY)
    try:
        lock.acquire(fd, str(path), 1)
        with pytest.raises(LockTimeoutError):
            check(path, lock_timeout_s=0.05)
    finally:
        os.close(fd)


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir,\n")
    with pytest.raises(NotFoundError, match="is no journal"):
        check(path)


def test_a_journal_that_can_only_be_read_is_checked(path: Path) -> None:
    path.chmod(0o444)
    assert check(path).findings == []


# The snapshot


@pytest.fixture
def saved(path: Path) -> Path:
    Journal(str(path)).save_snapshot()
    load_study(path).ask()
    return Path(snapshot.path_of(str(path)))


def test_a_snapshot_that_says_what_the_journal_says_is_right(path: Path, saved: Path) -> None:
    found = check(path)
    assert found.findings == []
    assert found.snapshot.startswith("says what the journal says up to byte ")


def test_a_changed_byte_anywhere_in_the_snapshot_is_found(path: Path, saved: Path) -> None:
    whole = saved.read_bytes()
    for at in range(len(whole)):
        if at % 7 == 0 or at < 30:
            changed = bytearray(whole)
            changed[at] ^= 0x40
            saved.write_bytes(changed)
            found = check(path)
            # Another version's mark is no damage, and readers don't use such a snapshot.
            assert found.n_findings == 1 or found.snapshot.startswith("is not used"), at
    saved.write_bytes(whole)
    assert check(path).findings == []


@pytest.mark.parametrize("left", [0, 5, 30, 500, -1])
def test_a_torn_snapshot_is_found(path: Path, saved: Path, left: int) -> None:
    saved.write_bytes(saved.read_bytes()[:left])
    (finding,) = check(path).findings
    assert finding.offset is None
    assert "deletes it" in finding.mend
    repair(path)
    assert check(path).findings == []


def test_a_journal_that_was_cut_shorter_than_its_snapshot_is_found(path: Path, saved: Path) -> None:
    lines = lines_of(path)
    size = sum(len(line) + 1 for line in lines[:-3])
    os.truncate(path, size)
    (finding,) = check(path).findings
    assert "but the journal has only" in finding.what


def test_a_snapshot_that_says_something_else_is_found(path: Path, saved: Path) -> None:
    journal = Journal(str(path))
    journal.state.studies[0].live[6].params["x"] += 1e-12
    journal.save_snapshot()
    (finding,) = check(path).findings
    assert "it is not what a replay gives: study 'study', trial 6, params" in finding.what


def test_a_snapshot_of_a_copy_or_of_another_version_is_no_finding(path: Path, saved: Path) -> None:
    path.rename(f"{path}.old")
    path.write_bytes(Path(f"{path}.old").read_bytes())
    assert check(path).findings == []
    assert check(path).snapshot.startswith("is not used")
    saved.write_bytes(b"JTSNAP0" + saved.read_bytes()[7:])
    assert check(path).findings == []


def test_what_dead_processes_left_is_told(path: Path, saved: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    Path(f"{saved}.{child.pid}.tmp").write_bytes(b"half")
    Path(f"{saved}.{os.getpid()}.tmp").write_bytes(b"half")
    os.symlink(path, f"{path}.lock")
    os.utime(f"{path}.lock", (0, 0), follow_symlinks=False)
    abandoned, stock = check(path).leftovers
    assert abandoned == f"{saved}.{child.pid}.tmp of process {child.pid}, which is gone"
    assert stock.startswith(f"{path}.lock, ")
    assert "Optuna and Rustuna wait" in stock


def test_a_snapshot_of_studies_whose_running_trials_take_turns_is_right(tmp_path: Path) -> None:
    path = tmp_path / "two.journal"
    studies = [create_study(path, params={"x": "float(0, 1)"}, study_name=name, seed=1) for name in ("first", "second")]
    for _ in range(2):
        for study in studies:
            study.ask()
    Journal(str(path)).save_snapshot()
    found = check(str(path))
    assert found.findings == []
    assert found.snapshot.startswith("says what the journal says")


def test_what_check_calls_whole_can_be_read(path: Path) -> None:
    """A record of another program overtook one of ours, which was fine; then something was put in before both."""
    study = load_study(path)
    number, lines = study.ask().number, lines_of(path)
    at = path.stat().st_size
    overtaking = b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"k":1}}'
    tell = records.seal(records.placed(records.finish_trial(number, 1, [0.25]), at), records.sum_of(lines[-1]))
    put(path, [*lines, overtaking, tell])
    assert check(str(path)).findings == []
    put(path, [*lines[:3], b"x" * 40, *lines[3:], overtaking, tell])
    repair(str(path))
    assert check(str(path)).findings == []
    assert load_study(path).trials[-1].values == [0.25]
