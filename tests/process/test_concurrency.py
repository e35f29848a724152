"""Many processes on one journal, stock Optuna's workers among them: nothing is lost, nothing is done twice, all agree."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.suggest.choose import choose

Together = Callable[..., list[list[list[Any]]]]

# Every worker waits for its stdin to end, so that all begin at once, and prints one JSON line for what it did.
WORKER = """
import json, sys
from journaltune import create_study, load_study
from journaltune.base.errors import ConflictError, ExhaustedError, JournaltuneError
path, me, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def say(*what):
    print(json.dumps(what), flush=True)
"""
GATE = """
say("ready")
sys.stdin.read()
"""
ASK_AND_TELL = f"""{WORKER}
study = load_study(path)
{GATE}
for turn in range(count):
    trial = study.ask()
    value = me + turn / 100
    kind = trial.number % 10
    if kind == 7:
        study.tell(trial, state="fail", reason="oom")
    elif kind == 8:
        study.tell(trial, state="pruned", attrs={{"by": me}})
    else:
        study.tell(trial, value, attrs={{"by": me}}, constraints={{"c": -1.0}})
    say(trial.number, trial.params["x"], value if kind < 7 or kind == 9 else None)
"""
ASK = f"""{WORKER}
study = load_study(path)
{GATE}
for _ in range(count):
    trial = study.ask()
    say(trial.number, trial.params["x"])
"""
UNTIL_EXHAUSTED = f"""{WORKER}
study = load_study(path)
{GATE}
try:
    while True:
        trial = study.ask(max_trials=count)
        if trial.number % 5 == me:
            study.tell(trial, state="fail", reason="interrupted")
        else:
            study.tell(trial, 1.0)
            say(trial.number)
except ExhaustedError:
    pass
"""
TELL_THE_SAME = f"""{WORKER}
study = load_study(path)
{GATE}
for number in range(count):
    try:
        study.tell(number, me % 2, attrs={{"by": me}})
        say(number, me)
    except ConflictError:
        pass
"""
CREATE = f"""{WORKER}
{GATE}
try:
    study = create_study(path, params={{"x": "float(0, 1)"}}, exist_ok=bool(count))
    say(study.seed)
except JournaltuneError as error:
    say(error.exit_code)
"""
STOCK = f"""{WORKER}
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(path)))
{GATE}
for turn in range(count):
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    value = me + turn / 100
    trial.report(value, 0)
    study.tell(trial, value)
    say(trial.number, x, value)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": {"x": "float(0, 1)"}, "sampler": "tpe", "seed": 1, **options})


@pytest.fixture
def together(warm_env: dict[str, str]) -> Together:
    """What each worker said, when all of them were ready before any of them began."""
    return lambda path, *workers: _together(warm_env, path, *workers)


def _together(env: dict[str, str], path: Path, *workers: tuple[str, int]) -> list[list[list[Any]]]:
    processes = []
    for me, (code, count) in enumerate(workers):
        command = ["python", "-c", code, str(path), str(me), str(count)]
        processes.append(subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == '["ready"]\n'
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [[json.loads(line) for line in lines.splitlines()] for lines in said]


def stock(path: Path) -> optuna.Study:
    return optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))


def readers_agree(path: Path, n_trials: int) -> None:
    """A new process, one that reads the snapshot, and stock Optuna find the same trials, numbered without a gap."""
    ours = load_study(path)
    found = ours.trials
    assert [trial.number for trial in found] == list(range(n_trials))
    theirs = stock(path).trials
    fields = (
        "number",
        "params",
        "values",
        "user_attrs",
        "system_attrs",
        "intermediate_values",
        "datetime_start",
        "datetime_complete",
    )
    for one, other in zip(found, theirs, strict=True):
        assert one.state.name == other.state.name
        for field in fields[:6]:
            assert getattr(one, field) == getattr(other, field)
        for field in fields[6:]:
            mine, its = getattr(one, field), getattr(other, field)
            assert (mine and mine.timestamp()) == (its and its.timestamp())
    ours._study.journal.save_snapshot()
    assert load_study(path).trials == found


def finishes(path: Path) -> dict[int, int]:
    """How often each trial (by id) was finished, as the bytes say."""
    found: dict[int, int] = {}
    for line in path.read_bytes().splitlines():
        record = json.loads(line)
        if record["op_code"] == 6 and record["state"] in (1, 2, 3):
            found[record["trial_id"]] = found.get(record["trial_id"], 0) + 1
    return found


def follows_from_what_it_saw(path: Path, copy: Path) -> int:
    """Recompute each suggestion of ours from the part of the journal that it says it saw; how many there were."""
    whole, count = path.read_bytes(), 0
    for line in whole.splitlines():
        record = json.loads(line)
        if record["op_code"] != 4 or "jt" not in record or not record["params"]:
            continue
        copy.write_bytes(whole[: record["jt"]["saw"]])
        with load_study(copy, "study") as study:
            assert study._study.space is not None
            assert choose(study._study, record["jt"]["n"]).internal == record["params"]
        count += 1
    return count


def test_sixteen_processes_ask_and_tell_at_once(together: Together, path: Path, tmp_path: Path) -> None:
    make(path, sampler_options={"n_startup_trials": 5}).close()
    said = together(path, *[(ASK_AND_TELL, 6)] * 16)
    told = sorted(found for mine in said for found in mine)
    assert [number for number, _, _ in told] == list(range(96))
    assert all(numbers == sorted(numbers) for mine in said for numbers in [[number for number, _, _ in mine]])
    trials = load_study(path).trials
    assert [[trial.number, trial.params["x"], trial.value] for trial in trials] == told
    assert finishes(path) == dict.fromkeys(range(96), 1)
    readers_agree(path, 96)
    assert follows_from_what_it_saw(path, tmp_path / "copy") == 96


def test_stock_workers_among_ours(together: Together, path: Path, tmp_path: Path) -> None:
    make(path).close()
    said = together(path, (ASK_AND_TELL, 10), (STOCK, 10), (ASK_AND_TELL, 10), (STOCK, 10), (ASK_AND_TELL, 10))
    told = sorted(found for mine in said for found in mine)
    assert [number for number, _, _ in told] == list(range(50))
    trials = load_study(path).trials
    assert [[trial.number, trial.params["x"], trial.value] for trial in trials] == told
    assert set(finishes(path).values()) == {1}
    readers_agree(path, 50)
    assert follows_from_what_it_saw(path, tmp_path / "copy") == 30


def test_each_enqueued_trial_is_claimed_once_and_in_order(together: Together, path: Path) -> None:
    study = make(path)
    for number in range(40):
        study.enqueue({"x": number / 100})
    said = together(path, *[(ASK, 6)] * 8)
    numbers = [[number for number, _ in mine] for mine in said]
    assert sorted(number for mine in numbers for number in mine) == list(range(48))
    assert all(mine == sorted(mine) for mine in numbers)
    assert all(x == number / 100 for mine in said for number, x in mine if number < 40)
    readers_agree(path, 48)


def test_a_budget_is_kept_to_exactly(together: Together, path: Path) -> None:
    """Interrupted trials don't count: the 30 that are left are those that were told."""
    make(path).close()
    said = together(path, *[(UNTIL_EXHAUSTED, 30)] * 8)
    counts = load_study(path).counts()
    assert (counts["complete"], counts["running"], counts["waiting"]) == (30, 0, 0)
    assert sum(map(len, said)) == 30
    readers_agree(path, 30 + counts["fail"])


def test_of_different_results_for_a_trial_one_is_acknowledged(together: Together, path: Path) -> None:
    study = make(path)
    for _ in range(10):
        study.ask()
    said = together(path, *[(TELL_THE_SAME, 10)] * 6)
    winners = sorted((number, me) for mine in said for number, me in mine)
    assert [number for number, _ in winners] == list(range(10))
    assert [(trial.number, trial.user_attrs["by"]) for trial in load_study(path).trials] == winners
    assert finishes(path) == dict.fromkeys(range(10), 1)
    readers_agree(path, 10)


@pytest.mark.parametrize("exist_ok", [0, 1])
def test_a_study_is_made_once(together: Together, path: Path, exist_ok: int) -> None:
    said = [answer for mine in together(path, *[(CREATE, exist_ok)] * 8) for (answer,) in mine]
    seed = load_study(path).seed
    assert sorted(said) == ([seed] * 8 if exist_ok else sorted([4] * 7 + [seed]))
    assert path.read_bytes().count(b"\n") == 1
    assert optuna.get_all_study_names(JournalStorage(JournalFileBackend(str(path)))) == ["study"]


def test_commands_of_several_shells(path: Path, shell_env: dict[str, str]) -> None:
    make(path).close()
    loop = """
        while suggestion=$(journaltune ask -f "$1" --format sh --owner $$ --trials 12); do
            eval "$suggestion"
            journaltune tell -f "$1" "$JT_TRIAL" "$JT_x" && echo "$JT_TRIAL $JT_x"
        done
    """
    shells = [
        subprocess.Popen(
            ["bash", "-c", loop, "loop", str(path)], env=shell_env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = [shell.communicate() for shell in shells]
    told = sorted((int(number), float(x)) for out, _ in said for number, x in map(str.split, out.splitlines()))
    assert [number for number, _ in told] == list(range(12))
    assert all("12 trials" in errors for _, errors in said)
    assert [(trial.number, trial.value, trial.params["x"]) for trial in load_study(path).trials] == [(n, x, x) for n, x in told]
    readers_agree(path, 12)


def test_a_journal_that_grows_while_it_is_read_is_read_whole(path: Path) -> None:
    """A reader that looks all the time never sees a trial vanish, change its params, or lose its result."""
    make(path).close()
    command = [sys.executable, "-P", "-c", ASK_AND_TELL, str(path), "0", "60"]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdin is not None
    writer.stdout.readline()
    reader, before = load_study(path), []
    writer.stdin.close()
    for _ in range(60):
        number, x, value = json.loads(writer.stdout.readline())
        trials = reader.trials
        assert (trials[number].params, trials[number].value) == ({"x": x}, value)
        assert [trial.params for trial in trials[: len(before)]] == [trial.params for trial in before]
        assert all(old == new for old, new in zip(before, trials, strict=False) if old.state.is_finished())
        before = trials
    assert writer.wait() == 0
    writer.stdout.close()
    assert len(reader.trials) == 60
