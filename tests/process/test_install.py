"""scripts/_venv.sh replaces the installed package under programs that use it: each call finds the old version or the new one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "_venv.sh"
VERSIONS = 6
# The package of the test: a module is imported late, as journaltune's commands do it, and all have to be of one version.
PACKAGE = {
    "__init__.py": "VERSION = {0}\n",
    "cli.py": "import os\nfrom journaltune import VERSION\n\n\ndef command():\n    from journaltune import late\n\n"
    "    print(VERSION, late.VERSION, flush=True)\n    os._exit(0)\n",
    "late.py": "VERSION = {0}\n",
}
# What pip does for `--target NEW ROOT`, without pip.
PIP = """
pip_install() {
    local new=${*: -2:1}
    mkdir -p "$new/bin"
    cp -r "$root/journaltune" "$new/"
    # Isolated: the loop's working folder has the source.
    printf '#!/bin/sh\\nexec "%s" -I -c "from journaltune.cli import command; command()"\\n' \\
        "$venv/bin/python" >"$new/bin/journaltune"
    chmod +x "$new/bin/journaltune"
}
"""
# Calls the program until there is a file `stop`; then says how often.
LOOP = """
n=0
while [ ! -e stop ]; do
    .venv/bin/journaltune >said || { echo "call $n: exit code $?"; exit 1; }
    read -r first second <said
    [ "$first" = "$second" ] || { echo "call $n: $first with modules of $second"; exit 1; }
    n=$((n + 1))
    echo "$first" >>versions
done
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A repository with the test's package and a venv without pip."""
    root = tmp_path / "a root"
    (root / "journaltune").mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (root / name).write_text("")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / ".venv"], check=True)
    return root


def write_version(root: Path, version: int) -> None:
    for name, text in PACKAGE.items():
        (root / "journaltune" / name).write_text(text.format(version))


def install(root: Path, more: str = "") -> None:
    script = f'set -euo pipefail; root=$1; . "$2"; {PIP}\n{more}\ninstall_package'
    subprocess.run(["bash", "-c", script, "install", root, SCRIPT], check=True)


def called(root: Path) -> str:
    return subprocess.run([root / ".venv/bin/journaltune"], check=True, capture_output=True, text=True).stdout.strip()


def site_of(root: Path) -> Path:
    (site,) = (root / ".venv" / "lib").glob("python*/site-packages")
    return site


def test_a_loop_never_loses_its_program(root: Path) -> None:
    write_version(root, 0)
    install(root)
    with subprocess.Popen(["sh", "-c", LOOP], cwd=root, stdout=subprocess.PIPE, text=True) as loop:
        try:
            for version in range(1, VERSIONS):
                write_version(root, version)
                install(root)
                assert called(root) == f"{version} {version}"
        finally:
            (root / "stop").touch()
        assert (loop.communicate()[0], loop.returncode) == ("", 0)
    seen = [int(line) for line in (root / "versions").read_text().split()]
    assert seen == sorted(seen)
    assert len(set(seen)) > 1
    assert len(list((root / ".venv" / "versions").iterdir())) == 3


def test_what_was_installed_by_hand_no_longer_hides_the_package(root: Path) -> None:
    write_version(root, 1)
    install(root)
    by_hand = site_of(root)
    for name in ("journaltune", "journaltune-0.1.0.dist-info"):
        (by_hand / name).mkdir()
    for name, text in PACKAGE.items():
        (by_hand / "journaltune" / name).write_text(text.format(99))
    assert called(root) == "99 99"
    install(root)
    assert called(root) == "1 1"
    assert sorted(path.name for path in by_hand.glob("journaltune*")) == ["journaltune.pth"]


def test_nothing_is_done_twice_and_an_install_that_was_cut_off_is_done_again(root: Path) -> None:
    write_version(root, 1)
    install(root)
    install(root, "pip_install() { exit 3; }")
    write_version(root, 2)
    with pytest.raises(subprocess.CalledProcessError):
        install(root, 'pip_install() { mkdir -p "${*: -2:1}"; exit 3; }')
    assert called(root) == "1 1"
    install(root)
    assert called(root) == "2 2"


@pytest.mark.parametrize(("extra", "needed"), [("cmaes", ["cmaes>=0.12"]), ("all", ["pyyaml>=6", "cmaes>=0.12", "pytest"])])
def test_dependencies_are_those_of_the_package_and_of_the_extras_that_an_extra_names(
    root: Path, extra: str, needed: list[str]
) -> None:
    (root / "pyproject.toml").write_text(
        '[project]\nname = "journaltune"\ndependencies = ["optuna>=5"]\n[project.optional-dependencies]\n'
        'yaml = ["pyyaml>=6"]\ncmaes = ["cmaes>=0.12"]\nall = ["journaltune[yaml, cmaes]", "pytest"]\n'
    )
    script = f'set -euo pipefail; root=$1; . "$2"; pip_install() {{ printf "%s\\n" "$@"; }}; install_dependencies {extra}'
    done = subprocess.run(["bash", "-c", script, "install", root, SCRIPT], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["hatchling>=1.27", "optuna>=5", *needed]
