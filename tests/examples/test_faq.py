"""The answers of examples/faq: each runs and checks itself, says which question it answers, and stands in the README."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FAQ = Path(__file__).resolve().parents[2] / "examples" / "faq"
ANSWERS = sorted(path.name for path in FAQ.iterdir() if path.is_file())
INTERPRETERS = {".sh": "sh", ".py": "python"}
ROW = re.compile(r"\| ([^|]+\?) \| \[([^\]|]+)\]\(examples/([^)|]+)\) ")


def run(answer: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [INTERPRETERS[Path(answer).suffix], FAQ / answer]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture(scope="session")
def hollow_env(tmp_path_factory: pytest.TempPathFactory, shell_env: dict[str, str]) -> dict[str, str]:
    """An environment in which `journaltune` says yes to every call, and does nothing."""
    folder = tmp_path_factory.mktemp("hollow")
    (folder / "journaltune").write_text("#!/bin/sh\n", encoding="utf-8")
    (folder / "journaltune").chmod(0o755)
    (folder / "python").symlink_to(sys.executable)
    (folder / "journaltune.py").write_text(
        "import sys\nfrom unittest.mock import MagicMock\nsys.modules[__name__] = MagicMock()\n", encoding="utf-8"
    )
    return {**shell_env, "PATH": f"{folder}:{shell_env['PATH']}", "PYTHONPATH": str(folder)}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_runs_and_checks_itself(answer: str, tmp_path: Path, shell_env: dict[str, str]) -> None:
    done = run(answer, tmp_path, shell_env)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_fails_where_journaltune_does_nothing(answer: str, tmp_path: Path, hollow_env: dict[str, str]) -> None:
    assert run(answer, tmp_path, hollow_env).returncode != 0


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_short_and_begins_with_its_question(answer: str) -> None:
    first, second, *rest = (FAQ / answer).read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"# (How|What) .*\?", first)
    assert answer.endswith(".py") or second == "set -eu"
    assert 8 <= len(rest) <= 38


def test_the_readme_has_each_question_once_with_its_file() -> None:
    rows = ROW.findall((FAQ.parents[1] / "README.md").read_text(encoding="utf-8"))
    assert len(set(rows)) == len(rows) >= len(ANSWERS)
    assert all(path.endswith(name) and (FAQ.parent / path).is_file() for _, name, path in rows)
    answered = {name: question for question, name, path in rows if path.startswith("faq/")}
    questions = {name: (FAQ / name).read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for name in ANSWERS}
    assert answered == questions
