"""Every command and every Python block of the README, run in order in one folder, as a reader would."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from pathlib import Path

NOT_RUN = "<!-- not run -->"
FENCE = re.compile(rf"^({NOT_RUN}\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INTERPRETERS = {"sh": ["sh", "-eu"], "python": ["python", "-"]}


class Block(NamedTuple):
    not_run: bool
    language: str
    text: str


@pytest.fixture(scope="module")
def blocks(examples: Path) -> list[Block]:
    readme = (examples.parent / "README.md").read_text(encoding="utf-8")
    assert readme.count("```") == 2 * len(FENCE.findall(readme)), "a code block is not seen by this test"
    return [Block(bool(marker), language, text) for marker, language, text in FENCE.findall(readme)]


def shape(text: str) -> str:
    """The text with every number as 0: a later sampler may suggest other ones."""
    return re.sub(r"-?\d+(\.\d+)?(e[-+]?\d+)?", "0", text)


def test_only_set_up_and_tests_are_not_run(blocks: list[Block]) -> None:
    commands = {line.split()[0] for block in blocks if block.not_run for line in block.text.splitlines()}
    assert commands == {"scripts/quickstart", ".", "scripts/test"}


def test_every_block_runs_and_prints_what_is_shown(
    blocks: list[Block], examples: Path, tmp_path: Path, warm_sklearn_env: dict[str, str]
) -> None:
    (tmp_path / "examples").symlink_to(examples)
    printed = ""
    for block in blocks:
        if block.language == "json":
            assert shape(block.text) == shape(printed.replace(str(tmp_path), "/home/you"))
        elif block.language == "toml":
            (tmp_path / "space.toml").write_text(block.text, encoding="utf-8")
        elif not block.not_run:
            done = subprocess.run(
                INTERPRETERS[block.language], input=block.text, cwd=tmp_path, env=warm_sklearn_env, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
            printed = done.stdout
    assert (tmp_path / "trials.csv").read_text(encoding="utf-8").count("\n") == 31
