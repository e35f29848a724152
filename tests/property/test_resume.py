"""A study that is stopped, killed, copied or run with one process for each call suggests what an uninterrupted one does."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from configurations import CONFIGURATIONS, SPACE, make, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import needs_gp

from journaltune import load_study
from journaltune.api.study import Study

N_TRIALS = 12  # every kind of call and of result, and three generations of four
HALF = 13  # calls, after which two trials run
Call = tuple[str, Any]  # ("ask", None), ("enqueue", params), ("tell", (number, keyword arguments))
Asked = tuple[int, str, int]  # number, params with all their digits and types, the trainer's seed


def script(n_objectives: int, enqueued: list[dict[str, Any]]) -> list[Call]:
    """Asks and tells, some trials told late or never, some enqueued whole or in part."""
    calls: list[Call] = []
    for number in range(N_TRIALS):
        if number % 6 == 4:
            calls.append(("enqueue", enqueued[number // 6 % len(enqueued)]))
        calls.append(("ask", None))
        if number % 5 != 3:
            calls.append(("tell", (number, outcome(number, n_objectives))))
        if number % 10 == 6:
            calls.append(("tell", (number - 3, outcome(number - 3, n_objectives))))
    return calls


def perform(study: Study, call: Call) -> list[Asked]:
    kind, arguments = call
    if kind == "ask":
        trial = study.ask()
        return [(trial.number, repr(trial.params), trial.seed)]
    if kind == "enqueue":
        study.enqueue(arguments)
    else:
        study.tell(arguments[0], **arguments[1])
    return []


def script_for(configuration: dict[str, Any]) -> list[Call]:
    params = configuration.get("params", SPACE)
    parts = [{"opt": "sgd"}, {"even": 4}] if params is not SPACE else [{"opt": "sgd", "x": 0.25}, {"even": 4}]
    whole = {"x": 0.1, "even": 6, "opt": "sgd", "lr": 0.01, "rate": 0.5, "layers": 2, "width": 64, "only": "fixed"}
    enqueued = [{name: value for name, value in given.items() if name in params} for given in (*parts, whole)]
    return script(2 if isinstance(configuration.get("directions"), list) else 1, enqueued)


@pytest.fixture(scope="module", params=list(CONFIGURATIONS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def configuration(name: str) -> dict[str, Any]:
    return CONFIGURATIONS[name]


@pytest.fixture(scope="module")
def uninterrupted(name: str) -> list[Asked]:
    return whole(name)


@functools.cache
def whole(name: str) -> list[Asked]:
    """What one study object in one process suggests."""
    with tempfile.TemporaryDirectory() as folder, make(Path(folder) / "study.journal", CONFIGURATIONS[name]) as study:
        asked = [found for call in script_for(CONFIGURATIONS[name]) for found in perform(study, call)]
    assert [number for number, _, _ in asked] == list(range(N_TRIALS))
    assert len({params for _, params, _ in asked}) > N_TRIALS - 3  # a child may be as a parent is
    return asked


@functools.cache
def half(name: str) -> tuple[list[Asked], bytes]:
    """What a study suggests in the first half of the calls, and the journal that it leaves."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.journal"
        make(path, CONFIGURATIONS[name]).close()
        asked = several(path, script_for(CONFIGURATIONS[name])[:HALF])
        return asked, path.read_bytes()


def in_child(body: Callable[[], Any], *, killed: bool) -> Any:
    """What ``body`` returns in a forked child, which then exits, or is killed where it stands."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, json.dumps(body()).encode())
            if killed:
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    os.close(write)
    with open(read, encoding="utf-8") as answers:
        answer = answers.read()
    status = os.waitpid(pid, 0)[1]
    assert (os.WTERMSIG(status) if killed else os.WEXITSTATUS(status)) == (signal.SIGKILL if killed else 1)
    return [tuple(found) for found in json.loads(answer)]


def several(path: Path, calls: list[Call]) -> list[Asked]:
    study = load_study(path)
    return [found for call in calls for found in perform(study, call)]


def test_a_new_object_for_each_call(tmp_path: Path, configuration: dict[str, Any], uninterrupted: list[Asked]) -> None:
    path = tmp_path / "study.journal"
    make(path, configuration).close()
    assert [found for call in script_for(configuration) for found in several(path, [call])] == uninterrupted
    verdict = load_study(path).verify()
    assert (verdict.difference, verdict.n_verified) == (None, N_TRIALS)


def test_a_snapshot_after_every_few_calls(tmp_path: Path, configuration: dict[str, Any], uninterrupted: list[Asked]) -> None:
    path, every = tmp_path / "study.journal", 3
    make(path, configuration).close()
    asked, calls = [], script_for(configuration)
    for start in range(0, len(calls), every):
        study = load_study(path)
        asked += [found for call in calls[start : start + every] for found in perform(study, call)]
        study._study.journal.save_snapshot()
        study.close()
    assert Path(f"{path}.d/snapshot").exists()
    assert asked == uninterrupted


def test_a_process_that_is_killed_after_every_few_calls(
    tmp_path: Path, configuration: dict[str, Any], uninterrupted: list[Asked]
) -> None:
    path = tmp_path / "study.journal"
    every = 1 if configuration == CONFIGURATIONS["tpe"] else 9
    make(path, configuration).close()
    calls = script_for(configuration)
    asked = []
    for start in range(0, len(calls), every):
        asked += in_child(lambda some=calls[start : start + every]: several(path, some), killed=True)  # type: ignore[misc]
    assert asked == uninterrupted


def test_a_copy_of_the_journal_goes_on_elsewhere(tmp_path: Path, name: str, uninterrupted: list[Asked]) -> None:
    path = tmp_path / "elsewhere" / "another name"
    path.parent.mkdir()
    asked, journal = half(name)
    path.write_bytes(journal)
    assert asked + several(path, script_for(CONFIGURATIONS[name])[HALF:]) == uninterrupted


def test_another_interpreter_goes_on(tmp_path: Path) -> None:
    """With other hash seeds, memory addresses and a cold import of every library, used numpy and Python generators."""
    halves, expected = {}, {}
    for name, configuration in CONFIGURATIONS.items():
        path = tmp_path / name
        asked, journal = half(name)
        path.write_bytes(journal)
        assert asked == whole(name)[: len(asked)]
        expected[str(path)], halves[str(path)] = whole(name)[len(asked) :], script_for(configuration)[HALF:]
    code = """
import json, random, sys
import numpy
from journaltune import load_study
random.random(); numpy.random.random()
found = {}
for path, calls in json.load(sys.stdin).items():
    study, found[path] = load_study(path), []
    for kind, arguments in calls:
        if kind == "ask":
            trial = study.ask()
            found[path].append([trial.number, repr(trial.params), trial.seed])
        elif kind == "enqueue":
            study.enqueue(arguments)
        else:
            study.tell(arguments[0], **arguments[1])
json.dump(found, sys.stdout)
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        input=json.dumps(halves),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
    )
    for path, asked in json.loads(done.stdout).items():
        assert list(map(tuple, asked)) == expected[path], path


@needs_gp
@pytest.mark.parametrize("options", [{}, {"deterministic_objective": True}])
def test_a_gaussian_process_goes_on_in_a_new_object_and_in_a_killed_child(tmp_path: Path, options: dict[str, Any]) -> None:
    """The parent has calculated by then: a child that inherits threads which are not there would wait for them."""
    configuration = {
        "sampler": "optuna.GPSampler",
        "sampler_options": {"n_startup_trials": 4, **options},
        "params": {"x": "float(0, 1)", "c": "a | b"},
    }
    calls: list[Call] = []
    for number in range(8):
        calls += [("ask", None), ("tell", (number, outcome(number, 1)))]
    whole = make(tmp_path / "whole", configuration)
    for name in ("anew", "killed"):
        make(tmp_path / name, configuration).close()
    expected = [found for call in calls for found in perform(whole, call)]
    assert [found for call in calls for found in several(tmp_path / "anew", [call])] == expected
    asked = []
    for start in range(0, len(calls), 4):
        asked += in_child(lambda some=calls[start : start + 4]: several(tmp_path / "killed", some), killed=True)  # type: ignore[misc]
    assert asked == expected
    assert whole.verify().difference is None


@pytest.mark.parametrize("name", ["tpe", "nsgaii"])
def test_one_command_for_each_call(tmp_path: Path, name: str) -> None:
    whole = make(tmp_path / "whole.journal", CONFIGURATIONS[name])
    calls = script_for(CONFIGURATIONS[name])[:14]
    expected = [found for call in calls for found in perform(whole, call)]
    path = tmp_path / "study.journal"
    options = [option for param, spec in SPACE.items() for option in ("--param", f"{param}: {spec}")]
    for option, value in CONFIGURATIONS[name]["sampler_options"].items():
        options += ["--sampler-option", f"{option}={json.dumps(value)}"]
    journaltune(path, "create", "--seed", "7", "--sampler", name, *options)
    assert [found for call in calls for found in as_command(path, call)] == expected


def journaltune(path: Path, command: str, *arguments: str) -> str:
    full = [sys.executable, "-P", "-m", "journaltune", command, "-f", str(path), *arguments]
    return subprocess.run(full, stdout=subprocess.PIPE, text=True, check=True).stdout


def as_command(path: Path, call: Call) -> list[Asked]:
    kind, arguments = call
    if kind == "ask":
        told = json.loads(journaltune(path, "ask"))
        return [(told["number"], repr(told["params"]), told["seed"])]
    if kind == "enqueue":
        journaltune(path, "enqueue", "--params", json.dumps(arguments))
        return []
    number, options = arguments
    values = [repr(value) for value in options.get("values", [])]
    state = [option for key in ("state", "reason") if key in options for option in (f"--{key}", options[key])]
    journaltune(path, "tell", str(number), *values, *state)
    return []


VALUES = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, float("inf")])
RESULTS = st.one_of(
    VALUES.map(lambda value: {"values": value}),
    st.sampled_from(["oom", "interrupted", "owner-died", "a word"]).map(lambda reason: {"reason": reason}),
    st.just({"state": "pruned"}),
)
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.none()),
    st.tuples(st.just("ask and tell"), RESULTS),
    st.tuples(st.just("tell"), st.tuples(st.integers(0, 5), RESULTS)),
    st.tuples(st.just("enqueue"), st.sampled_from([{}, {"x": 0.5}, {"opt": "sgd", "even": 4}])),
)
INTERRUPTIONS = st.sampled_from(["", "", "reopen", "snapshot", "forget"])


def interrupted(path: Path, study: Study, how: str) -> Study:
    if how == "":
        return study
    if how == "snapshot":
        study._study.journal.save_snapshot()
    elif how == "forget":
        shutil.rmtree(f"{path}.d", ignore_errors=True)
    study.close()
    return load_study(path)


def take(path: Path, options: dict[str, Any], steps: list[tuple[str, Any]], breaks: list[str]) -> Iterator[Asked]:
    study = make(path, options)
    running: list[int] = []
    for (kind, arguments), how in zip(steps, breaks, strict=True):
        if kind.startswith("ask"):
            (found,) = perform(study, ("ask", None))
            running.append(found[0])
            yield found
        if kind == "ask and tell":
            study.tell(running.pop(), **arguments)
        elif kind == "tell" and running:
            study.tell(running.pop(arguments[0] % len(running)), **arguments[1])
        elif kind == "enqueue":
            study.enqueue(arguments)
        study = interrupted(path, study, how)


@settings(max_examples=25)
@given(
    data=st.data(),
    steps=st.lists(STEPS, min_size=8, max_size=40),
    failures=st.sampled_from(["worst", "ignore"]),
    sampler=st.sampled_from(["tpe", "nsgaii", "nsgaiii", *(["cmaes"] if find_spec("cmaes") else [])]),
)
def test_any_history_under_any_pattern_of_interruptions(
    data: st.DataObject, steps: list[tuple[str, Any]], failures: str, sampler: str
) -> None:
    breaks = data.draw(st.lists(INTERRUPTIONS, min_size=len(steps), max_size=len(steps)))
    small = {"tpe": {"n_startup_trials": 3}, "cmaes": {"popsize": 4}}.get(sampler, {"population_size": 3})
    options = {"sampler": sampler, "sampler_options": small, "failures": failures}
    with tempfile.TemporaryDirectory() as folder:
        whole = list(take(Path(folder) / "whole", options, steps, [""] * len(steps)))
        broken = list(take(Path(folder) / "broken", options, steps, breaks))
    assert whole == broken
