"""Who may import whom, and what the commands of a shell loop leave unloaded."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import journaltune

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(str(journaltune.__file__)).parent

# From the bottom up: a room may import from itself and from the rooms before it. `serve` and `plots` come with their content.
LAYERS = (
    ("base",),
    ("space",),
    ("journal",),
    ("study",),
    ("suggest",),
    ("engine", "optuna_bridge"),
    ("run",),
    ("api",),
    ("cli",),
    ("__main__",),
)
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

HEAVY = {"asyncio", "filelock", "logging", "numpy", "optuna", "yaml"}


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
import json, sys
before = set(sys.modules)
from journaltune.cli import main
for command in json.loads(sys.argv[1]):
    assert main(command) == 0, command
print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)
"""


def loaded_by(folder: Path, *commands: list[str]) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROBE, json.dumps(commands)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def study_past_startup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with enough results that the default sampler no longer draws at random; its trial 20 is running."""
    folder = tmp_path_factory.mktemp("study")
    create = ["create", "--param", "x: float(0, 1)", "--param", "opt: adam | sgd", "--seed", "1"]
    tell = [["tell", str(number), str(number / 20)] for number in range(20)]
    loaded_by(folder, create, ["ask", "-n", "21"], *tell)
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


@pytest.mark.parametrize("sampler", ["random", "nsgaii"])
def test_rustunas_samplers_load_nothing_heavy(tmp_path: Path, sampler: str) -> None:
    option = ["--sampler-option", "population_size=2"] if sampler == "nsgaii" else []
    create = ["create", "--param", "x: float(0, 1)", "--sampler", sampler, *option, "--seed", "1"]
    loop = [call for number in range(5) for call in (["ask"], ["tell", str(number), str(number)])]
    loaded = loaded_by(tmp_path, create, *loop, ["ask"])
    assert not HEAVY & loaded
