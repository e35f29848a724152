"""The answers of examples/faq: each runs and checks itself, says which question it answers, and stands in the README."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from journaltune import create_study

if TYPE_CHECKING:
    from collections.abc import Callable

FAQ = Path(__file__).resolve().parents[2] / "examples" / "faq"
ANSWERS = sorted(path.name for path in FAQ.iterdir() if path.suffix in (".sh", ".py"))
INTERPRETERS = {".sh": "sh", ".py": "python"}
LINK = re.compile(r"\[[^\]|]+\]\(([^)|]+)\)")
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
def test_an_answer_runs_and_checks_itself(answer: str, tmp_path: Path, warm_env: dict[str, str]) -> None:
    done = run(answer, tmp_path, warm_env)
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


def question_of(answer: str) -> str:
    return (FAQ / answer).read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def test_the_readme_has_its_questions_once_with_their_files() -> None:
    rows = ROW.findall((FAQ.parents[1] / "README.md").read_text(encoding="utf-8"))
    assert len(set(rows)) == len(rows)
    assert all(path.endswith(name) and (FAQ.parent / path).is_file() for _, name, path in rows)
    answered = {name: question for question, name, path in rows if path.startswith("faq/")}
    assert answered == {name: question_of(name) for name in answered}
    assert set(ANSWERS) <= answered.keys() | {name for _, links in optunas() for name in links}


def optunas() -> list[tuple[str, list[str]]]:
    """The questions of Optuna's FAQ, and the files that answer each."""
    text = (FAQ / "README.md").read_text(encoding="utf-8")
    return [
        (question, LINK.findall(links)) for question, links in re.findall(r"^\| ([^|]+\?) \|(.*)\|[^|]*\|$", text, re.MULTILINE)
    ]


def test_optunas_questions_are_answered_from_the_shell_and_from_python() -> None:
    assert len(optunas()) >= 24
    for question, links in optunas():
        assert links
        assert all((FAQ / link).is_file() for link in links)
        assert any(question_of(link) == question for link in links if link in ANSWERS) or "../" in links[0]
    both = [question for question, links in optunas() if {Path(link).suffix for link in links} == set(INTERPRETERS)]
    assert len(both) == len(optunas()) - 1


def n_calls(function: Callable[[], object]) -> int:
    """How many calls of Python functions a call makes: a measure of its work on any machine, however busy."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


def test_a_duplicate_is_found_with_as_much_work_among_many_trials_as_among_few(tmp_path: Path) -> None:
    study = create_study(tmp_path / "study.journal", params={"x": "int(0, 1000000)"}, sampler="random", seed=1)
    work = []
    for n_trials in (50, 1500):
        while len(study.trials) < n_trials:
            for trial in [study.ask() for _ in range(50)]:
                study.tell(trial, 1.0)
        params = study.trials[7].params
        assert [trial.number for trial in study.lookup(params)] == [7]  # reads what finished since the last look
        work.append(n_calls(lambda params=params: study.lookup(params)))
    assert work[1] <= work[0] + 5
