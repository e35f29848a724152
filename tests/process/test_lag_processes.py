"""Deterministic parallel searches by several processes: the same trials as one process alone, whichever ends first."""

from __future__ import annotations

import multiprocessing.connection
import random
from pathlib import Path
from typing import Any

import pytest
from configurations import CONFIGURATIONS, make, outcome

from journaltune import load_study

LAG, N_TRIALS = 3, 12
WAIT_S = 120.0
Before = dict[int, int | None]  # for each trial the one that has to end before it does
fork = multiprocessing.get_context("fork")


def drawn_order(seed: int) -> list[int]:
    """An order in which trials may end: of each ``LAG`` that run at a time any may be first."""
    draw = random.Random(seed)
    return [number for start in range(0, N_TRIALS, LAG) for number in draw.sample(range(start, start + LAG), LAG)]


def work(path: Path, ends: list[Any], before: Before) -> None:
    """One worker: its trials take as long as ``before`` says, whatever the machine does."""
    study = load_study(path)
    while True:
        trial = study.ask(wait_s=WAIT_S)
        if trial.number >= N_TRIALS:
            return  # a budget would not do: which trials count to it depends on what failed by then
        awaited = before[trial.number]
        assert awaited is None or ends[awaited].wait(WAIT_S), f"trial {awaited} did not end"
        study.tell(trial, **outcome(trial.number, len(study.directions)))
        ends[trial.number].set()


def run(path: Path, configuration: dict[str, Any], order: list[int], n_workers: int) -> list[tuple[int, str]]:
    """The trials, by number, of a search by so many processes, whose trials ended in ``order``."""
    study = make(path, {**configuration, "lag": LAG})
    study.enqueue({"opt": "sgd"})
    study.close()
    before: Before = dict(zip(order, [None, *order[:-1]], strict=True))
    ends = [fork.Event() for _ in range(N_TRIALS)]
    if n_workers == 1:
        work(path, ends, before)  # in this process: what it imports those that are forked next have already
        return found(path, order)
    workers = [fork.Process(target=work, args=(path, ends, before)) for _ in range(n_workers)]
    for worker in workers:
        worker.start()
    try:
        while alive := [worker.sentinel for worker in workers if worker.exitcode is None]:
            multiprocessing.connection.wait(alive)
            assert not any(worker.exitcode for worker in workers)
    finally:  # where one failed, the others wait for its trial
        for worker in workers:
            worker.kill()
            worker.join()
    return found(path, order)


def found(path: Path, order: list[int]) -> list[tuple[int, str]]:
    study = load_study(path)
    assert list(study._study.state().finished.column("numbers")) == order
    return [(trial.number, repr(trial.params)) for trial in study.trials[:N_TRIALS]]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_several_processes_find_what_one_alone_does(tmp_path: Path, name: str) -> None:
    alone = run(tmp_path / "alone", CONFIGURATIONS[name], list(range(N_TRIALS)), 1)
    assert len({params for _, params in alone}) > N_TRIALS - 3
    order = drawn_order(list(CONFIGURATIONS).index(name))  # each sampler meets another one
    assert run(tmp_path / "together", CONFIGURATIONS[name], order, LAG) == alone
    assert load_study(tmp_path / "together").verify().difference is None
