"""A result that a search can't write down: it stands in the error, with the command that records it."""

from __future__ import annotations

import errno
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from journaltune import LockTimeoutError, MachineError, create_study
from journaltune.api.study import Study
from journaltune.cli import main
from journaltune.engine import tell as tell_verb
from journaltune.journal import system
from journaltune.run import loop


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "of mine.journal"


@pytest.fixture
def full() -> Iterator[Callable[[], None]]:
    """From its call on nothing can be written, until the test ends."""

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return function(*arguments)

    yield lambda: setattr(system, "fault", fault)
    system.fault = None


def make(path: Path, **options: Any) -> Study:
    return create_study(path, params={"x": "float(0, 1)"}, sampler="random", seed=1, **options)


def typed(message: str) -> list[str]:
    """The command that a message shows, as a shell would split it."""
    (shown,) = re.findall(r"`(journaltune tell .*?)`", message)
    return shlex.split(shown)[1:]


@pytest.mark.parametrize(
    ("directions", "answer", "came"),
    [
        ("minimize", lambda: -0.1 - 0.2, ["complete", [-0.1 - 0.2]]),
        (["minimize", "maximize"], lambda: (1e-300, float("-inf")), ["complete", [1e-300, float("-inf")]]),
        ("minimize", lambda: None, ["fail", None]),
    ],
)
@pytest.mark.parametrize("isolate", [False, True])
def test_the_error_says_how_to_tell_it(
    path: Path, full: Any, directions: Any, answer: Any, came: list[Any], isolate: bool
) -> None:
    study = make(path, directions=directions)

    tell = tell_verb.tell

    def on_a_full_disk(*arguments: Any, **options: Any) -> int:
        full()
        return tell(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "tell", on_a_full_disk)
        with pytest.raises(MachineError, match=r"trial 0 came to .*, which is not recorded; .* the disk is full") as caught:
            study.optimize(lambda _: answer(), n_trials=3, isolate=isolate)
    system.fault = None
    assert main(typed(str(caught.value))) == 0
    (trial,) = study.trials
    assert [trial.state.name.lower(), trial.values] == came


def test_a_lock_that_was_not_had_in_time_keeps_who_has_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any, **__: Any) -> int:
        raise LockTimeoutError("it is locked", (4711,))

    study = make(path)
    monkeypatch.setattr(loop, "tell", locked)
    with pytest.raises(LockTimeoutError, match=r"trial 0 came to 0.5, which is not recorded; .*: it is locked") as caught:
        study.optimize(lambda _: 0.5, n_trials=1)
    assert caught.value.holder_pids == (4711,)


def test_every_result_that_is_lost_is_said(path: Path, full: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Two run at once; the first error is raised, the other trial's goes to the log."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    study, both = make(path), Barrier(2)

    def objective(trial: Any) -> float:
        both.wait()
        full()
        return 0.5 + trial.number

    with ThreadPoolExecutor(2) as executor, pytest.raises(MachineError) as caught:
        study.optimize(objective, n_trials=2, n_jobs=2, executor=executor)
    system.fault = None
    assert {typed(text)[-2:][0] for text in (str(caught.value), caplog.text)} == {"0", "1"}
