"""What a compacted journal keeps, what it leaves out, and that its name appears whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import readers
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import ConflictError, JournalDamagedError, MachineError, UsageError, create_study, load_study
from journaltune.engine.create import delete
from journaltune.engine.report import report
from journaltune.journal import records, system
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep import compare
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.compact import compact


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "shorter.journal"


def parallel(path: Path, sampler: str = "random", rounds: int = 6) -> None:
    """Trials that finish in another order than they were asked in, of two studies, one of them with all that can be told."""
    study = create_study(path, params={"x": "float(0, 1)", "c": "a | b"}, seed=1, sampler=sampler)
    other = create_study(path, study_name="other", params={"x": "float(0, 1)"}, directions=["minimize", "maximize"], seed=2)
    for number in range(rounds):
        asked = [study.ask() for _ in range(3)]
        pair = other.ask()
        study.tell(asked[1], 0.5 + number, attrs={"k": [1, {"ä": None}]})
        study.tell(asked[2], state="fail", reason="oom")
        other.tell(pair, [0.25, float("inf")])
        study.tell(asked[0], float(number), constraints={"size": -1.0})
    study.enqueue({"x": 0.5})
    study.ask(owner_pid=os.getpid())
    study.enqueue({"c": "b"}, attrs={"from": "me"})


def stock(path: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="stock", sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(_objective, n_trials=10)
    study.enqueue_trial({"x": 0.5})
    study.set_user_attr("a", 1)
    study.ask()


def _objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    trial.report(x, 1)
    trial.report(x / 2, 2)
    trial.set_user_attr("k", trial.number)
    if trial.number == 3:
        raise optuna.TrialPruned
    return x


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("write", [parallel, stock])
def test_every_reader_sees_the_same(path: Path, dest: Path, write: Callable[[Path], None]) -> None:
    write(path)
    before = path.read_bytes()
    done = compact(path, dest)
    assert readers.by_us(dest) == readers.by_us(path)
    assert readers.by_optuna(dest) == readers.by_optuna(path)
    assert readers.plain_by_rustuna(dest) == readers.plain_by_rustuna(path)
    assert path.read_bytes() == before
    assert (done.bytes_before, done.bytes_after) == (len(before), dest.stat().st_size)
    assert done.bytes_after < done.bytes_before
    assert check(dest).findings == []
    assert check(dest).n_foreign == 0
    assert sorted(os.listdir(dest.parent)) == ["shorter.journal", "study.journal"]


def test_a_finished_trial_is_one_record(path: Path, dest: Path) -> None:
    stock(path)
    compact(path, dest)
    assert [record["op_code"] for record in lines_of(dest)] == [0, 2, *[4] * 11]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_goes_on_as_if_nothing_had_happened(path: Path, dest: Path, sampler: str) -> None:
    """The order in which trials finished is what a sampler sees."""
    parallel(path, sampler, rounds=8)
    compact(path, dest)
    original, compacted = load_study(path, "study"), load_study(dest, "study")
    for number in range(8):
        asked, again = original.ask(), compacted.ask()
        assert (asked.number, asked.params, asked.seed) == (again.number, again.params, again.seed)
        original.tell(asked, float(number))
        compacted.tell(again, float(number))


def test_ids_stay_although_studies_were_deleted(path: Path, dest: Path) -> None:
    for name in ("a", "b"):
        study = create_study(path, study_name=name, params={"x": "float(0, 1)"}, seed=1)
        for number in range(3):
            study.tell(study.ask(), float(number))
    delete(path, "a")
    again = create_study(path, study_name="a", params={"x": "float(0, 1)"}, seed=2)
    again.tell(again.ask(), 7.0)
    delete(path, "b")
    compact(path, dest)
    assert readers.by_us(dest) == readers.by_us(path)
    assert readers.by_optuna(dest) == readers.by_optuna(path)
    before, after = Journal(str(path)).state, Journal(str(dest)).state
    assert (after.n_studies, after.n_trials) == (before.n_studies, before.n_trials) == (3, 7)
    assert after.studies[2].id_of(0) == 6
    storage = JournalStorage(JournalFileBackend(str(dest)))
    assert storage.get_trial(6).value == 7.0
    assert b"config" not in dest.read_bytes().splitlines()[0]  # nothing is left of a deleted study but its name


def test_a_repeated_request_is_known(path: Path, dest: Path) -> None:
    study = create_study(path, params={"x": "float(0, 1)"}, seed=1)
    number = study.enqueue({"x": 0.5}, request_id="e-1")
    asked = study.ask()
    assert asked.number == number
    study.tell(asked, 1.0, request_id="t-1")
    waiting = study.enqueue({"x": 0.25}, request_id="e-2")
    compact(path, dest)
    compacted = load_study(dest)
    size = dest.stat().st_size
    assert compacted.enqueue({"x": 0.5}, request_id="e-1") == number
    assert compacted.enqueue({"x": 0.25}, request_id="e-2") == waiting
    compacted.tell(number, 1.0, request_id="t-1")
    assert dest.stat().st_size == size
    with pytest.raises(ConflictError, match="was used to tell trial"):
        compacted.tell(compacted.ask(), 1.0, request_id="t-1")


def test_an_owner_is_known(path: Path, dest: Path) -> None:
    parallel(path)
    compact(path, dest)
    owners = [trial.metadata.get("owner", {}).get("pid") for trial in Journal(str(dest)).state.studies[0].live.values()]
    assert owners == [os.getpid(), None]


def test_what_an_ask_saw_is_not_carried_over(path: Path, dest: Path) -> None:
    parallel(path)
    compact(path, dest)
    noted = [record.get("jt", {}) for record in lines_of(dest) if record["op_code"] == 4]
    assert not any("saw" in jt for jt in noted)
    assert sum(jt.get("compacted", False) for jt in noted) == 24
    verdict = load_study(dest, "study").verify()
    assert (verdict.difference, verdict.n_verified) == (None, 0)


def test_a_torn_tail_is_left_out(path: Path, dest: Path) -> None:
    parallel(path)
    with path.open("ab") as file:
        file.write(b'{"op_code":2,"wor')
    compact(path, dest)
    assert readers.by_us(dest) == readers.by_us(path)


def test_a_damaged_journal_is_not_compacted(path: Path, dest: Path) -> None:
    parallel(path)
    with path.open("ab") as file:
        file.write(b"garbage\n")
    with pytest.raises(JournalDamagedError):
        compact(path, dest)
    assert os.listdir(path.parent) == ["study.journal"]


def test_an_empty_journal_stays_empty(path: Path, dest: Path) -> None:
    path.touch()
    assert (compact(path, dest).bytes_after, dest.read_bytes()) == (0, b"")


@pytest.mark.parametrize(
    "make", [Path.touch, Path.mkdir, lambda dest: dest.symlink_to("nowhere")], ids=["file", "folder", "link"]
)
def test_what_exists_is_not_overwritten(path: Path, dest: Path, make: Callable[[Path], None]) -> None:
    parallel(path)
    make(dest)
    with pytest.raises(ConflictError, match="exists"):
        compact(path, dest)
    assert not os.path.exists(f"{dest}/study.journal")
    assert sorted(os.listdir(path.parent)) == ["shorter.journal", "study.journal"]


def test_a_folder_that_is_missing_is_named(path: Path, tmp_path: Path) -> None:
    parallel(path)
    with pytest.raises(UsageError, match="there is no folder"):
        compact(path, tmp_path / "nowhere" / "shorter.journal")


@pytest.fixture
def faults() -> Iterator[Callable[[Any], None]]:
    yield lambda fault: setattr(system, "fault", fault)
    system.fault = None


def test_another_process_that_takes_the_name_meanwhile_wins(path: Path, dest: Path, faults: Callable[[Any], None]) -> None:
    parallel(path)

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == "link":
            dest.write_text("theirs")
        return function(*arguments)

    faults(fault)
    with pytest.raises(ConflictError):
        compact(path, dest)
    assert dest.read_text() == "theirs"
    assert sorted(os.listdir(path.parent)) == ["shorter.journal", "study.journal"]


@pytest.mark.parametrize("call", ["create", "write", "fsync", "link"])
def test_a_full_disk_leaves_nothing_behind(path: Path, dest: Path, faults: Callable[[Any], None], call: str) -> None:
    parallel(path)

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        return function(*arguments)

    faults(fault)
    with pytest.raises(MachineError, match="the disk is full"):
        compact(path, dest)
    assert os.listdir(path.parent) == ["study.journal"]


def test_a_file_system_without_links_gets_the_file_too(path: Path, dest: Path, faults: Callable[[Any], None]) -> None:
    parallel(path)

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == "link":
            raise OSError(errno.EPERM, "Operation not permitted")
        return function(*arguments)

    faults(fault)
    compact(path, dest)
    assert check(dest).findings == []
    assert sorted(os.listdir(path.parent)) == ["shorter.journal", "study.journal"]


PROGRAM = """
import os, signal, sys
from journaltune.journal import system
from journaltune.journal.upkeep.compact import compact
left = int(sys.argv[3])
def fault(name, function, arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*arguments)
system.fault = fault
compact(sys.argv[1], sys.argv[2])
"""


def test_a_kill_leaves_a_whole_file_or_none(path: Path, dest: Path) -> None:
    parallel(path)
    codes = set()
    for last in range(7):
        child = subprocess.run([sys.executable, "-c", PROGRAM, path, dest, str(last)], check=False)
        codes.add(child.returncode)
        if dest.exists():
            states = [Journal(str(one)).state for one in (path, dest)]
            assert compare.difference(*states, places=False) is None
            dest.unlink()
        for left in path.parent.glob("*.tmp"):
            left.unlink()
    assert codes == {-signal.SIGKILL, 0}


def test_a_file_size_limit_is_an_error(path: Path, dest: Path) -> None:
    parallel(path)
    command = [sys.executable, "-m", "journaltune", "compact", "-f", str(path), str(dest)]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = subprocess.run(command, capture_output=True, check=False, preexec_fn=limit, cwd=path.parent)
    assert done.returncode == 7
    assert b"ulimit -f" in done.stderr
    assert os.listdir(path.parent) == ["study.journal"]


def test_writers_go_on_meanwhile(path: Path, dest: Path) -> None:
    study = create_study(path, params={"x": "float(0, 1)"}, seed=1, sampler="random")
    program = """
import sys
from journaltune import load_study
study = load_study(sys.argv[1])
for _ in range(100):
    study.tell(study.ask(), 0.5)
"""
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)])
    try:
        while writer.poll() is None:
            compact(path, dest)
            assert check(dest).findings == []
            dest.unlink()
    finally:
        assert writer.wait() == 0
    assert study.counts()["complete"] == 100


def test_a_nan_that_others_read_as_a_word_stays_one(path: Path, dest: Path) -> None:
    study = create_study(path, params={"x": "float(0, 1)"}, seed=1)
    done, running = study.ask(), study.ask()
    journal = Journal(str(path))
    with journal.locked():
        for trial_id in (0, 1):
            attr = records.trial_record(records.SET_TRIAL_USER_ATTR, trial_id, user_attr={"n": "NaN"})
            step = records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial_id, system_attr={records.NAN_STEP_ATTR: 3})
            journal.append([{**attr, "jt": {"exact": '{"user_attr":{"n":NaN}}'}}, {**step, "jt": {"nan_step": 3}}])
    study.tell(done, 1.0)
    compact(path, dest)
    assert readers.by_us(dest) == readers.by_us(path)
    assert readers.by_optuna(dest) == readers.by_optuna(path)
    assert readers.plain_by_rustuna(dest)
    assert len(lines_of(dest)) == 3
    assert study.trials[running.number].user_attrs["n"] != study.trials[running.number].user_attrs["n"]


def put(path: Path, *batch: dict[str, Any]) -> None:
    """Records of another program."""
    path.write_bytes(b"".join(json.dumps({"worker_id": "w", **record}).encode() + b"\n" for record in batch))


STUDY = {"op_code": 0, "study_name": "s", "directions": [1]}
TRIAL = {"op_code": 4, "study_id": 0, "datetime_start": "2026-01-01T00:00:00+00:00"}
TOLD = {"op_code": 6, "state": 1, "datetime_complete": "2026-01-01T00:00:01+00:00"}


def test_a_nan_that_rustuna_spelled_out_can_be_read_by_rustuna_afterwards(path: Path, dest: Path) -> None:
    reported = {"op_code": 7, "trial_id": 0, "step": 1, "intermediate_value": "NaN"}
    put(path, STUDY, TRIAL, reported, {**TOLD, "trial_id": 0, "values": [1.0]}, TRIAL)
    compact(path, dest)
    assert readers.by_us(dest) == readers.by_us(path)
    assert readers.by_optuna(dest) == readers.by_optuna(path)
    assert repr(readers.plain_by_rustuna(dest)) == repr(readers.plain_by_rustuna(path))
    assert b'"intermediate_values":{"1":"NaN"}' in dest.read_bytes()


def test_a_step_that_is_no_whole_number_stays_one(path: Path, dest: Path) -> None:
    steps = [{"op_code": 7, "trial_id": 1, "step": step, "intermediate_value": step / 2} for step in (3, 0.5, 1)]
    put(path, STUDY, TRIAL, TRIAL, *steps, *({**TOLD, "trial_id": number, "values": [1.0]} for number in (1, 0)))
    compact(path, dest)
    assert [list(trial.intermediate_values) for trial in load_study(dest).trials] == [[], [3, 0.5, 1]]
    assert readers.by_us(dest) == readers.by_us(path)


def test_parameters_that_were_set_first_in_a_later_trial_are_no_difference(path: Path, dest: Path) -> None:
    flat = json.dumps({"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "log": False, "step": None}})
    param = {"op_code": 5, "param_value_internal": 0.5, "distribution": flat}
    put(path, STUDY, TRIAL, TRIAL, *({**param, "trial_id": number, "param_name": name} for number, name in ((1, "y"), (0, "x"))))
    compact(path, dest)
    assert readers.by_us(dest) == readers.by_us(path)


def test_all_requests_for_a_trial_are_known_from_its_one_record(path: Path, dest: Path) -> None:
    study = create_study(path, params={"x": "float(0, 1)"}, seed=1)
    number = study.enqueue({"x": 0.5}, request_id="e")
    study.ask()
    for step, value in enumerate([0.5, float("nan")]):
        report(study._study, number, step, value, request_id=f"r{step}")
    study.tell(number, 1.0, request_id="t")
    compact(path, dest)
    assert Journal(str(dest)).state.studies[0].requests == Journal(str(path)).state.studies[0].requests
    assert len(lines_of(dest)) == 2


def test_a_deleted_study_takes_nobodys_name(path: Path, dest: Path) -> None:
    for name in ("a", "deleted-0"):
        study = create_study(path, study_name=name, params={"x": "float(0, 1)"}, seed=1)
        study.tell(study.ask(), 0.5)
    delete(path, "a")
    compact(path, dest)
    assert readers.by_us(dest) == readers.by_us(path)
    assert readers.by_optuna(dest) == readers.by_optuna(path)


@pytest.mark.parametrize("name", ["study.journal.lock", "study.journal.d", "study.journal.d/snapshot"])
def test_names_that_belong_to_a_journal_are_refused(path: Path, name: str) -> None:
    """Optuna's writers would wait for ever for such a lock, and take the folder for a journal's."""
    parallel(path)
    Journal(str(path)).save_snapshot()
    if name == "study.journal.d":
        shutil.rmtree(f"{path}.d")
    before = sorted(os.listdir(path.parent))
    with pytest.raises(UsageError, match=r"belongs to the journal .*study\.journal; name another file"):
        compact(path, path.parent / name)
    assert sorted(os.listdir(path.parent)) == before


def test_a_read_only_file_system_is_named(path: Path, dest: Path, faults: Callable[[Any], None]) -> None:
    """Where nothing can be removed either."""
    parallel(path)

    def refuse(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    faults(refuse)
    with pytest.raises(MachineError, match="the file system is read-only"):
        compact(path, dest)
