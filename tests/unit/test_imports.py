"""Who may import whom, and what the commands of a shell loop leave unloaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import journaltune

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(str(journaltune.__file__)).parent

# From the bottom up: a room may import from itself and from the rooms before it.
LAYERS = (
    ("base",),
    ("space",),
    ("journal",),
    ("study",),
    ("suggest", "plots"),
    ("engine", "optuna_bridge"),
    ("run", "serve"),
    ("api",),
    ("cli",),
    ("__main__",),
)
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

HEAVY = {"asyncio", "filelock", "logging", "numpy", "optuna", "yaml"}
SLOW = {"dataclasses", "enum", "inspect", "json", "re", "typing"}  # of the standard library: some take as long as a whole tell


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(source: str) -> Iterator[str]:
    """Rooms of the package that a module imports anywhere, in functions and for type checking too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names if alias.name != "__version__"]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("journaltune."))


def upward(room: str, source: str) -> list[str]:
    """The rooms that ``room`` imports although they stand above it, or nowhere."""
    return [other for other in imported_rooms(source) if LEVELS.get(other, len(LAYERS)) > LEVELS[room]]


def test_every_module_has_a_place_in_the_layers() -> None:
    # __init__ offers the public names lazily, so it stands beside the layers, not in one.
    assert {room_of(path) for path in modules()} <= {*LEVELS, "__init__"}


@pytest.mark.parametrize("path", [p for p in modules() if room_of(p) != "__init__"], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    assert upward(room_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("suggest", "import journaltune.engine"),
        ("journal", "def f():\n    from journaltune.suggest.history import visible"),
        ("space", "if TYPE_CHECKING:\n    from journaltune import journal"),
        ("engine", "from journaltune import a_room_without_a_place"),
    ],
)
def test_an_upward_import_is_found_wherever_it_stands(room: str, source: str) -> None:
    assert len(upward(room, source)) == 1


# Runs commands in one fresh process and prints which modules each left loaded.
PROBE = """
import sys
sys.path[:] = eval(sys.argv[1])
before = set(sys.modules)
from journaltune.cli import main
for command in eval(sys.argv[2]):
    assert main(command) == 0, command
print(sorted(set(sys.modules) - before), file=sys.stderr)
"""


def loaded_by(folder: Path, *commands: list[str]) -> set[str]:
    # -S: the packages of this environment may load some of these modules when Python starts.
    python = [sys.executable, "-S", "-c", PROBE, repr(sys.path), repr(commands)]
    done = subprocess.run(python, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(ast.literal_eval(done.stderr.splitlines()[-1]))


def create_with(sampler: str) -> list[str]:
    return ["create", "--param", "x: float(0, 1)", "--param", "opt: adam | sgd", "--seed", "1", "--sampler", sampler]


@pytest.fixture(scope="module")
def study_past_startup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with enough results that TPE no longer draws at random; its trials 20 and 21 are running."""
    folder = tmp_path_factory.mktemp("study")
    tell = [["tell", str(number), str(number / 20)] for number in range(20)]
    loaded_by(folder, create_with("tpe"), ["ask", "-n", "22"], *tell)
    return folder


@pytest.mark.parametrize(
    "command",
    [["ask"], ["ask", "--format", "sh"], ["tell", "20", "0.5"], ["best"], ["--help"], ["ask", "--help"]],
    ids=" ".join,
)
def test_a_command_of_a_shell_loop_loads_nothing_heavy(study_past_startup: Path, command: list[str]) -> None:
    loaded = loaded_by(study_past_startup, command)
    assert "journaltune.cli" in loaded
    assert not HEAVY & loaded


@pytest.mark.parametrize("command", [["ask"], ["tell", "21", "0.5"]], ids=" ".join)
def test_a_command_of_each_trial_loads_nothing_slow(study_past_startup: Path, command: list[str]) -> None:
    assert not SLOW & loaded_by(study_past_startup, command)


# Each module costs a shell's loop 0.2 ms at every call, so these wait until a call needs them.
MOST = {"tell": 24, "ask": 34}
RARE = {
    "tell": ("suggest", "study.settings", "study.trials", "study.queue", "base.model", "space", "cli.output", "cli.help"),
    "ask": (
        "engine.claim",
        "engine.wait",
        "engine.tell",
        "engine.owners",
        "study.trials",
        "study.queue",
        "base.model",
        "cli.help",
    ),
}


@pytest.mark.parametrize("command", [["tell", "0", "0.5"], ["ask"]], ids=" ".join)
def test_a_command_of_a_shell_loop_loads_only_what_it_uses(tmp_path: Path, command: list[str]) -> None:
    loaded_by(tmp_path, create_with("tpe"), ["ask"])
    loaded = loaded_by(tmp_path, command)
    assert f"journaltune.engine.{command[0]}" in loaded
    assert not {f"journaltune.{name}" for name in RARE[command[0]]} & loaded
    assert len([name for name in loaded if name.startswith("journaltune")]) <= MOST[command[0]]
    assert not loaded & {"collections", "struct", "datetime", "bisect", "reprlib"}  # see ``base``


@pytest.mark.parametrize(
    ("pruner", "options"),
    [
        ("none", []),
        ("median", ["n_startup_trials=0"]),
        ("percentile", ["percentile=90", "n_startup_trials=0"]),
        ("threshold", ["upper=2"]),
        ("halving", ["min_resource=1"]),
        ("hyperband", ["max_resource=9"]),
        ("patient", ["patience=0", 'wrapped_pruner="median"']),
    ],
)
def test_a_report_is_judged_without_anything_heavy_or_slow(tmp_path: Path, pruner: str, options: list[str]) -> None:
    create = [*create_with("random"), "--pruner", pruner, *(word for option in options for word in ("--pruner-option", option))]
    loaded_by(tmp_path, create, ["ask", "-n", "2"], ["report", "0", "1", "0.5"], ["tell", "0", "0.5"])
    loaded = loaded_by(tmp_path, ["report", "1", "1", "0.25"])
    assert "journaltune.engine.prune" in loaded
    assert ("journaltune.suggest.pruners" in loaded) == (pruner != "none")
    assert not (HEAVY | SLOW) & loaded


def test_the_default_sampler_loads_numpy_when_its_model_begins_and_nothing_else_that_is_heavy(tmp_path: Path) -> None:
    loop = [call for number in range(6) for call in (["ask"], ["tell", str(number), str(number)])]
    assert not HEAVY & loaded_by(tmp_path, create_with("auto"), *loop)
    assert HEAVY & loaded_by(tmp_path, ["ask"]) == {"numpy"}
    assert not HEAVY & loaded_by(tmp_path, ["tell", "6", "1"])


@pytest.mark.parametrize("sampler", ["random", "nsgaii", "grid", "bruteforce"])
def test_samplers_that_need_neither_optuna_nor_numpy_load_nothing_heavy(tmp_path: Path, sampler: str) -> None:
    option = ["--sampler-option", "population_size=2"] if sampler == "nsgaii" else []
    create = ["create", "--param", "x: float(0, 1, step=0.1)", "--sampler", sampler, *option, "--seed", "1"]
    loop = [call for number in range(5) for call in (["ask"], ["tell", str(number), str(number)])]
    loaded = loaded_by(tmp_path, create, *loop, ["ask"])
    assert not HEAVY & loaded


def test_cma_es_leaves_scipys_statistics_unloaded(tmp_path: Path) -> None:
    pytest.importorskip("cmaes")
    create = ["create", "--param", "x: float(0, 1)", "--param", "y: float(0, 1)", "--sampler", "cmaes", "--seed", "1"]
    loaded = loaded_by(tmp_path, create, *(call for number in range(3) for call in (["ask"], ["tell", str(number), "0.5"])))
    assert "cmaes" in loaded
    assert "scipy.stats" not in loaded
