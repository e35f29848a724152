"""Who is dead, and who only looks like it: real processes, namespaces and users."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from journaltune.engine import owners
from journaltune.engine.owners import ALIVE, DEAD, UNKNOWN, Probe, Worker, describe

SLEEPER = "import sys; print('ready', flush=True); sys.stdin.read()"
# Its first thread ends, another one lives on: /proc shows state Z.
WITHOUT_MAIN_THREAD = """
import ctypes, sys, threading
def stay():
    print("ready", flush=True)
    sys.stdin.read()
threading.Thread(target=stay).start()
ctypes.CDLL(None).pthread_exit(None)
"""
WORKER = """
import sys
from journaltune.engine.owners import Worker
worker = Worker(sys.argv[1])
print(worker.owner["lock"], flush=True)
sys.stdin.read()
"""
Start = Callable[..., "subprocess.Popen[str]"]
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may make namespaces and become another user")


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program that says when it is ready, and lives until its stdin ends."""
    started: list[subprocess.Popen[str]] = []

    def begin(*command: str, **options: Any) -> subprocess.Popen[str]:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
        started.append(child)
        assert child.stdout is not None
        child.said = child.stdout.readline().strip()  # type: ignore[attr-defined]
        assert child.said  # type: ignore[attr-defined]
        return child

    yield begin
    for child in started:
        child.kill()
        child.wait()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "s.journal"
    path.touch()
    return path


def needs(*command: str) -> None:
    """Skip where the system does not let us do this."""
    done = subprocess.run([*command, "true"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{' '.join(command)}: {done.stderr.strip()}")


def said_by(journal: Path, owner: dict[str, Any]) -> str:
    return Probe(str(journal)).standing(owner)


# What an older kernel, or a system with less of /proc, would have recorded of the same process.
LESS: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda owner: owner,
    lambda owner: {key: value for key, value in owner.items() if key != "pidfd"},
]


@pytest.mark.parametrize("less", LESS, ids=["pidfd", "start time"])
class TestByPid:
    def test_a_process_that_lives_is_alive_and_one_that_ended_is_dead(self, start: Start, journal: Path, less: Any) -> None:
        child = start(sys.executable, "-c", SLEEPER)
        owner = less(describe(child.pid))
        assert said_by(journal, owner) == ALIVE
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert said_by(journal, owner) == DEAD  # a zombie, nobody has waited for it yet
        child.wait()
        assert said_by(journal, owner) == DEAD

    def test_a_stopped_process_is_alive(self, start: Start, journal: Path, less: Any) -> None:
        child = start(sys.executable, "-c", SLEEPER)
        owner = less(describe(child.pid))
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert said_by(journal, owner) == ALIVE

    def test_a_process_whose_main_thread_has_ended_is_alive(self, start: Start, journal: Path, less: Any) -> None:
        child = start(sys.executable, "-c", WITHOUT_MAIN_THREAD)
        owner = less(describe(child.pid))
        while "(zombie)" not in Path(f"/proc/{child.pid}/status").read_text():
            time.sleep(0.01)
        assert said_by(journal, owner) == ALIVE
        child.kill()
        child.wait()
        assert said_by(journal, owner) == DEAD

    def test_a_process_that_got_its_pid_later_is_another_one(self, start: Start, journal: Path, less: Any) -> None:
        child = start(sys.executable, "-c", SLEEPER)
        owner = less(describe(child.pid))
        before = {**owner, "start": owner["start"] - 1} | ({"pidfd": owner["pidfd"] - 1} if "pidfd" in owner else {})
        assert said_by(journal, before) == DEAD

    def test_after_a_reboot_every_owner_of_before_is_dead(self, journal: Path, less: Any) -> None:
        assert said_by(journal, less(describe(os.getpid())) | {"boot": "00000000-0000-0000-0000-000000000000"}) == DEAD

    def test_a_clock_that_jumps_changes_nothing(self, journal: Path, less: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        owner = less(describe(os.getpid()))
        for jump_s in (-1e9, 1e9):
            monkeypatch.setattr(time, "time", lambda jump_s=jump_s: jump_s)
            assert said_by(journal, owner) == ALIVE

    @root
    def test_another_users_process_is_alive_while_it_lives(self, start: Start, journal: Path, less: Any) -> None:
        child = start(sys.executable, "-c", SLEEPER)
        owner = less(describe(child.pid))
        program = (
            "import json, os, select, sys; from journaltune.engine.owners import Probe; os.setgid(65534); os.setuid(65534); "
            "print(Probe(sys.argv[1]).standing(json.loads(sys.argv[2])))"
        )
        assert asked_elsewhere((), program, journal, owner) == ALIVE
        child.kill()
        child.wait()
        assert asked_elsewhere((), program, journal, owner) == DEAD

    @root
    def test_in_another_pid_namespace_nothing_is_known(self, start: Start, journal: Path, less: Any) -> None:
        needs("unshare", "--pid", "--fork", "--mount-proc")
        child = start(sys.executable, "-c", SLEEPER)
        owner = less(describe(child.pid))
        inside = ("unshare", "--pid", "--fork", "--mount-proc")
        assert asked_elsewhere(inside, ASK, journal, owner) == UNKNOWN
        child.kill()
        child.wait()
        assert asked_elsewhere(inside, ASK, journal, owner) == UNKNOWN  # cautious: it is dead, but that can't be seen


ASK = """
import json, sys
from journaltune.engine.owners import Probe
print(Probe(sys.argv[1]).standing(json.loads(sys.argv[2])))
"""


def asked_elsewhere(inside: tuple[str, ...], program: str, journal: Path, owner: dict[str, Any]) -> str:
    import json

    command = [*inside, sys.executable, "-c", program, str(journal), json.dumps(owner)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@root
@pytest.mark.parametrize("option", ["hidepid=2", "hidepid=1"])
def test_under_hidepid_another_users_process_is_never_taken_for_dead(start: Start, journal: Path, option: str) -> None:
    needs("unshare", "--mount", "sh", "-c", f"mount -t proc -o {option} proc /proc && exec true")
    child = start(sys.executable, "-c", SLEEPER)
    owner = describe(child.pid)
    program = (
        "import json, os, select, sys; from journaltune.engine.owners import Probe; os.setgid(65534); os.setuid(65534); "
        "print(Probe(sys.argv[1]).standing(json.loads(sys.argv[2])))"
    )
    inside = ("unshare", "--mount", "sh", "-c", f'mount -t proc -o {option} proc /proc && exec "$@"', "sh")
    assert asked_elsewhere(inside, program, journal, owner) == ALIVE
    without = {key: value for key, value in owner.items() if key != "pidfd"}
    assert asked_elsewhere(inside, program, journal, without) == UNKNOWN
    child.kill()
    child.wait()
    assert asked_elsewhere(inside, program, journal, without) == DEAD


@root
def test_in_another_time_namespace_start_times_are_not_compared(start: Start, journal: Path) -> None:
    needs("unshare", "--time", "--boottime", "100000")
    child = start(sys.executable, "-c", SLEEPER)
    owner = describe(child.pid)
    inside = ("unshare", "--time", "--boottime", "100000")
    without = {key: value for key, value in owner.items() if key != "pidfd"}
    assert asked_elsewhere(inside, ASK, journal, without) == UNKNOWN
    assert asked_elsewhere(inside, ASK, journal, owner) == (ALIVE if "pidfd" in owner else UNKNOWN)
    child.kill()
    child.wait()
    assert asked_elsewhere(inside, ASK, journal, without) == DEAD


@root
def test_where_proc_belongs_to_another_pid_namespace_it_is_not_believed(start: Start, journal: Path) -> None:
    """Without a /proc of its own a new namespace sees that of its parent, under whose numbers are other processes."""
    needs("unshare", "--pid", "--fork")
    owner = describe(os.getpid())
    program = (
        "import json, os, sys; from journaltune.engine.owners import Probe, describe; mine = describe(os.getpid()); "
        "mine.pop('pidfd', None); mine['start'] = 1; print(Probe(sys.argv[1]).standing(mine))"
    )
    assert asked_elsewhere(("unshare", "--pid", "--fork"), program, journal, owner) == UNKNOWN


def test_a_recycled_pid_with_the_same_start_tick_is_told_by_its_pidfd(start: Start, journal: Path) -> None:
    child = start(sys.executable, "-c", SLEEPER)
    owner = describe(child.pid)
    if "pidfd" not in owner:
        pytest.skip("pidfds have inodes of their own since Linux 6.9")
    assert said_by(journal, {**owner, "pidfd": owner["pidfd"] - 1}) == DEAD


@pytest.mark.parametrize(
    "damage", [{"pid": "1"}, {"pid": -1}, {"pid": 2**70}, {"boot": 1}, {"ns": []}, {"lock": "../x"}, {"pid": None}]
)
def test_what_damage_left_there_proves_nothing(journal: Path, damage: dict[str, Any]) -> None:
    owner = {key: value for key, value in describe(os.getpid()).items() if key not in ("lock", "pidfd")}
    assert said_by(journal, owner | damage) in (UNKNOWN, ALIVE)
    assert said_by(journal, damage) == UNKNOWN


class TestByLock:
    def test_a_worker_is_alive_until_it_dies(self, start: Start, journal: Path) -> None:
        child = start(sys.executable, "-c", WORKER, str(journal))
        owner = {"lock": child.said}  # type: ignore[attr-defined]
        assert said_by(journal, owner) == ALIVE
        child.send_signal(signal.SIGSTOP)
        assert said_by(journal, owner) == ALIVE
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert said_by(journal, owner) == DEAD

    @root
    @pytest.mark.parametrize("option", ["--mount-proc", "--kill-child"])
    def test_across_pid_namespaces(self, start: Start, journal: Path, option: str) -> None:
        needs("unshare", "--pid", "--fork", option)
        child = start("unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", WORKER, str(journal))
        owner = {"lock": child.said}  # type: ignore[attr-defined]
        assert said_by(journal, owner) == ALIVE
        assert asked_elsewhere(("unshare", "--pid", "--fork", option), ASK, journal, owner) == ALIVE
        child.kill()
        child.wait()
        while said_by(journal, owner) == ALIVE:
            time.sleep(0.01)
        assert said_by(journal, owner) == DEAD
        assert asked_elsewhere(("unshare", "--pid", "--fork", option), ASK, journal, owner) == DEAD

    def test_a_worker_that_ends_well_leaves_no_file(self, journal: Path) -> None:
        with Worker(str(journal)) as worker:
            assert os.listdir(owners.workers_folder(str(journal))) == [worker.owner["lock"]]
        assert os.listdir(owners.workers_folder(str(journal))) == []

    def test_a_forked_child_does_not_keep_its_parent_alive(self, start: Start, journal: Path) -> None:
        fork = "import os, signal\nread, write = os.pipe()\nif os.fork() == 0: os.write(write, b'!'); signal.pause()\n"
        program = WORKER.replace("print(", f"{fork}os.read(read, 1)\nprint(")  # the child runs by then
        child = start(sys.executable, "-c", program, str(journal), start_new_session=True)
        owner = {"lock": child.said}  # type: ignore[attr-defined]
        assert said_by(journal, owner) == ALIVE
        child.kill()
        child.wait()
        try:
            assert said_by(journal, owner) == DEAD
        finally:
            os.killpg(child.pid, signal.SIGKILL)

    def test_two_looks_at_once_do_not_take_each_other_for_the_owner(self, start: Start, journal: Path) -> None:
        child = start(sys.executable, "-c", WORKER, str(journal))
        child.kill()
        child.wait()
        looking = (
            "import sys; from journaltune.engine import owners; path = sys.argv[1]; print('ready', flush=True); "
            "sys.stdin.read(); print({owners.lock_standing(path) for _ in range(20000)})"
        )
        path = f"{owners.workers_folder(str(journal))}/{child.said}"  # type: ignore[attr-defined]
        looks = [start(sys.executable, "-c", looking, path) for _ in range(4)]
        for look in looks:
            assert look.stdin is not None
            look.stdin.close()
        assert [look.stdout.read().strip() for look in looks if look.stdout] == ["{'dead'}"] * 4

    def test_a_worker_whose_folder_was_deleted_is_known_by_its_pid(self, journal: Path) -> None:
        import shutil

        with Worker(str(journal)) as worker:
            shutil.rmtree(f"{journal}.d")
            assert said_by(journal, worker.owner) == ALIVE
        assert said_by(journal, worker.owner) == ALIVE  # this process lives

    def test_without_room_for_its_file_a_worker_is_known_by_its_pid(self, journal: Path) -> None:
        (journal.parent / f"{journal.name}.d").write_text("in the way")
        with Worker(str(journal)) as worker:
            assert "lock" not in worker.owner
            assert said_by(journal, worker.owner) == ALIVE

    def test_leftovers_go_but_for_those_that_are_needed(self, start: Start, journal: Path) -> None:
        dead, needed, living = (start(sys.executable, "-c", WORKER, str(journal)) for _ in range(3))
        for child in (dead, needed):
            child.kill()
            child.wait()
        owners.remove_leftovers(str(journal), {needed.said})  # type: ignore[attr-defined]
        left = sorted(os.listdir(owners.workers_folder(str(journal))))
        assert left == sorted([needed.said, living.said])  # type: ignore[attr-defined]
