"""`journaltune run -- srun ...`: limits, signals and outcomes pass through a launcher, on a real Slurm of one node."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from running import X, until
from slurm import missing, slurm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from running import Runs

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    with slurm() as env:
        yield env


SRUN = ("--", "srun", "--quiet", "-n1")


def test_a_search_by_srun_has_its_results_reports_and_prunings(runs: Runs, cluster: dict[str, str]) -> None:
    """A result from stdout, which srun passes on, another from the file, reports on the way, and SIGTERM for a bad one."""
    train = runs.trainer(
        """
x = json.loads(env["JT_PARAMS"])["x"]
for step in range(1, 4):
    print('[journaltune] {"step": %d, "value": %r}' % (step, x))
    if number == 3:
        until(env["JT_DIR"] + "/never")
if number == 1:
    open(env["JT_RESULT"], "w").write("0.5")
print(x)
"""
    )
    create = ("create", "--param", "x: float(0, 1)", "--sampler", "random", "--seed", "1", "--pruner", "threshold")
    assert runs.call(*create, "--pruner-option", "upper=0.9").returncode == 0
    assert runs.call("enqueue", "--params", '{"x": 0.25}').returncode == 0
    for _ in range(2):
        assert runs.call("enqueue", "--params", '{"x": 0.75}').returncode == 0
    assert runs.call("enqueue", "--params", '{"x": 0.95}').returncode == 0
    said = runs.ran("-n", "4", "-j", "2", *SRUN, *train, env=cluster)
    assert [trial.state.name for trial in runs.trials()] == ["COMPLETE"] * 3 + ["PRUNED"], said
    assert runs.outcomes() == [0.25, 0.5, 0.75, 0.95]
    assert [trial.intermediate_values for trial in runs.trials()[:3]] == [{1: x, 2: x, 3: x} for x in (0.25, 0.75, 0.75)]
    until(runs.none_is_left)


@pytest.mark.parametrize(
    ("body", "outcome", "message"),
    [
        ("sys.exit(3)", "exit", "exit status 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal", "SIGKILL"),
        ("print('nan')", "nan", "nan"),
        ("print('no number')", "result", "no number"),
    ],
)
def test_how_a_trainer_ends_comes_through(runs: Runs, cluster: dict[str, str], body: str, outcome: str, message: str) -> None:
    runs.call("run", "-n", "1", *SRUN, *runs.trainer(body), X, env=cluster)
    assert runs.outcomes() == [outcome]
    assert message in runs.trials()[0].user_attrs["fail_message"]


@pytest.mark.parametrize("ignores", [False, True])
def test_a_time_limit_ends_what_srun_started(runs: Runs, cluster: dict[str, str], ignores: bool) -> None:
    body = f"{'ignore()' if ignores else ''}\nfork(forever)\nforever()"
    runs.call("run", "-n", "1", "--trial-timeout", "1s", *SRUN, *runs.trainer(body), X, env=cluster)
    assert runs.outcomes() == ["timeout"]
    until(runs.none_is_left, "a trainer is left")


@pytest.mark.parametrize("how", ["ctrl-c", "SIGTERM", "SIGKILL"])
def test_a_runner_that_is_ended_goes_on_with_its_trials(runs: Runs, cluster: dict[str, str], how: str) -> None:
    train = runs.trainer("print('began')\nif number == 0 and attempt == 1:\n    forever()\nprint(0.5)")
    process = runs.start("-n", "2", *SRUN, *train, X, env=cluster)
    until(lambda: runs.seen() == 1)
    if how == "ctrl-c":
        process.send_signal(signal.SIGINT)
        until(lambda: "again" in _line(process))
        process.send_signal(signal.SIGINT)
    else:
        process.send_signal(signal.Signals[how])
    process.communicate(timeout=120)
    until(runs.none_is_left, "a trainer is left")
    runs.ran("-n", "2", *SRUN, *train, X, env=cluster)
    assert runs.outcomes() == [0.5, 0.5]
    assert [trial.attempt for trial in runs.trials()] == [2, 1]


def _line(process: Any) -> str:
    line: str = process.stderr.readline()
    return line
