"""Ctrl-C in the main thread, again and again, while other threads use the same study."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import journaltune
from journaltune.journal.upkeep.check import check

PROGRAM = """
import os, signal, sys, threading, journaltune

study = journaltune.load_study(sys.argv[1])

armed = False

def interrupt(*_):
    if armed:
        raise KeyboardInterrupt

def fail(arguments):
    sys.__excepthook__(*arguments[:3])
    os._exit(3)

threading.excepthook = fail

def work():
    while not done.is_set():
        study.tell(study.ask(), 1.0)
        told.append(1)

done, told = threading.Event(), []
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
signal.signal(signal.SIGALRM, interrupt)
for n in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4 + n % 50 * 1e-4, 0.1)  # again, as Python swallows it in a __del__
        armed = True
        while True:
            study.counts()
            study.tell(study.ask(), 2.0)
    except KeyboardInterrupt:
        armed = False
signal.setitimer(signal.ITIMER_REAL, 0)  # at its end Python gives the signal back to the system, which would kill it
done.set()
for thread in threads:
    thread.join()
study.tell(study.ask(), 3.0)
print(len(told))
"""


def test_the_other_threads_go_on_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    journaltune.create_study(path, params={"x": "float(0, 1)"}, sampler="random")
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], check=True, timeout=120, stdout=subprocess.PIPE, text=True
    )
    told = [trial.value for trial in journaltune.load_study(path).trials]
    assert told.count(1.0) == int(program.stdout) > 0
    assert told.count(3.0) == 1
    assert check(path).findings == []
