"""What every test gets: an environment without the caller's settings, and a shell in which `journaltune` is a command."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from warm import Warm

import journaltune

ROOT = Path(__file__).resolve().parent.parent
WARM = ("numpy.random", "journaltune.api.study")
pytest_plugins = ["torture.plugin"]

# A loaded machine is slow, not wrong: benchmarks measure time, tests don't. The suite looks at the same examples each time, so
# that what it says of a change is about that change; JOURNALTUNE_TEST_EXPLORE=1 looks at others.
hypothesis.settings.register_profile(
    "journaltune", deadline=None, print_blob=True, derandomize="JOURNALTUNE_TEST_EXPLORE" not in os.environ
)
hypothesis.settings.load_profile("journaltune")

# A shell starts what it puts into the background with SIGINT ignored, and nohup with SIGHUP; so would start what tests signal.
for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, default)
HANDLERS = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)}

for variable in list(os.environ):
    # COLUMNS too: pytest-xdist gives its workers one, and a table would be cut to it.
    if variable.startswith(("JOURNALTUNE_", "JT_", "COLUMNS")) and variable != "JOURNALTUNE_TEST_INSTALLED":
        del os.environ[variable]


def pytest_make_parametrize_id(val: object) -> str:
    """The same in every worker of pytest-xdist: without addresses and process numbers, and short.

    A number is itself: one that happens to be this process's would be another one elsewhere.
    """
    if isinstance(val, int | float):
        return ascii(val)
    text = re.sub(
        rf" at 0x[0-9a-f]+|\b{os.getpid()}\b", "", val.__name__ if callable(val) and hasattr(val, "__name__") else ascii(val)
    )
    return text if len(text) <= 60 else f"{text[:50]}...{len(text)}"


def pytest_report_header() -> str:
    return f"journaltune: {journaltune.__file__}"


def pytest_sessionstart() -> None:
    installed = Path(str(journaltune.__file__)).resolve().parent.parent != ROOT
    if "JOURNALTUNE_TEST_INSTALLED" in os.environ and not installed:
        raise pytest.UsageError("the tests see the source tree, not the installed package: start them with `pytest`")


def pytest_collection_finish() -> None:
    """From here on no bytecode is written: tests that limit the size of files, or kill what is starting, would leave it torn.

    Until here it is: pytest's own of the test files takes longer to make than the rest of the collection, in each worker.
    """
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """No test leaves a signal handled in its own way: it would not reach the test that waits for it next."""
    yield
    left = [number.name for number, handler in HANDLERS.items() if signal.getsignal(number) != handler]
    if left:
        for number, handler in HANDLERS.items():
            signal.signal(number, handler)
        pytest.fail(f"{item.nodeid} leaves other handlers of {', '.join(left)}")


@pytest.fixture(scope="session")
def shell_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `journaltune` and `python` are those under test, even where the package is not installed."""
    folder = tmp_path_factory.mktemp("bin")
    for name, module in (("journaltune", "-m journaltune"), ("python", "")):
        command = folder / name
        command.write_text(f"#!/bin/sh\nexec '{sys.executable}' {module} \"$@\"\n", encoding="utf-8")
        command.chmod(0o755)
    here = Path(sys.executable).parent
    path = [str(here)] if (here / "journaltune").exists() else [str(folder)]
    return {**os.environ, "PATH": os.pathsep.join([*path, os.environ.get("PATH", os.defpath)])}


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same one for all workers of pytest-xdist."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def warm_env(shared_folder: Path, shell_env: dict[str, str]) -> Iterator[dict[str, str]]:
    """`shell_env` for scripts whose calls need not start from nothing: `journaltune` and `python` are forked, see `warm`."""
    warm = Warm(
        shared_folder, "numpy.random", "journaltune.cli", "journaltune.api.study", "optuna.storages._grpc.client", "optuna"
    )
    yield warm.env(shell_env)
    warm.close()


@pytest.fixture(scope="session")
def warm_sklearn_env(shared_folder: Path, shell_env: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same with scikit-learn, which alone takes longer to import than most of what its scripts do."""
    modules = ("datasets", "linear_model", "model_selection", "pipeline", "preprocessing", "svm")
    warm = Warm(
        shared_folder,
        "numpy.random",
        "optuna",
        "journaltune.cli",
        "journaltune.api.study",
        *(f"sklearn.{name}" for name in modules),
        "sklearn",
    )
    yield warm.env(shell_env)
    warm.close()
