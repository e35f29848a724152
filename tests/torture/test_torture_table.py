"""That `scripts/torture` runs its parts, says what they found, and exits with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "torture"), "--python", sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def command(torture: Callable[[str], ModuleType]) -> ModuleType:
    return torture("command")


def found(command: ModuleType, **counts: Any) -> Any:
    """A part that finds these things."""

    def run(n: int, seed: int, folder: Path, say: Callable[[str], None]) -> Any:
        (folder / "findings" / "one").mkdir(parents=True)
        return command.Tally(runs=n, **counts)

    return SimpleNamespace(TARGET=1000, run=run, __doc__="What is checked.\nMore.")


def test_a_part_runs_and_its_line_stands_in_the_table(tmp_path: Path) -> None:
    done = script("cuts", "--scale", "0.0005", "--folder", str(tmp_path / "there"))
    assert done.returncode == 0, done.stderr
    heading, rule, line = done.stdout.splitlines()
    assert heading.split() == ["part", "runs", "what", "was", "checked", "lost", "doubled", "wrong", "seconds"]
    assert set(rule) == {"-", " "}
    assert line.split()[:2] == ["cuts", "10"]
    assert line.split()[-4:-1] == ["0", "0", "0"]
    assert "torture: cuts: 10 runs" in done.stderr


def test_a_part_that_is_not_there_is_refused_with_the_names_of_those_that_are() -> None:
    done = script("burns")
    assert done.returncode == 2
    assert "burns" in done.stderr
    assert "full_disk" in done.stderr


def test_an_interpreter_that_is_not_there_is_refused_with_the_next_step() -> None:
    done = script("--python=/nowhere/python")
    assert done.returncode == 2
    assert "scripts/quickstart" in done.stderr


def test_every_part_has_a_module_a_target_and_a_first_line(command: ModuleType) -> None:
    for part in command.PARTS:
        module = command.load(part)
        assert module.TARGET > 0
        assert (module.__doc__ or "").splitlines()[0]
        assert callable(module.run)


@pytest.mark.parametrize("counts", [{"lost": 1}, {"doubled": 2}, {"wrong": 3}])
def test_whatever_is_found_is_kept_and_exits_1(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], counts: Any
) -> None:
    monkeypatch.setattr(command, "load", lambda part: found(command, **counts, notes=["seed 0, run 7: gone"]))
    assert command.main(["cuts", "--scale", "0.5", "--folder", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "cuts: seed 0, run 7: gone" in captured.out.splitlines()
    assert captured.out.splitlines()[2].split()[1] == "500"
    assert (tmp_path / "findings" / "cuts" / "one").is_dir()


def test_a_part_that_fails_itself_is_wrong(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    part = found(command)
    part.run = lambda *_: 1 / 0
    monkeypatch.setattr(command, "load", lambda name: part)
    assert command.main(["cuts", "--folder", str(tmp_path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_a_process_that_dies_within_a_part_is_wrong(torture: Callable[[str], ModuleType], tmp_path: Path) -> None:
    tally = torture("machinery").spread(4, lambda share, own: os._exit(3), tmp_path)
    assert tally.wrong == 1
    assert "ended with 3" in tally.notes[0]


def test_a_child_that_hangs_is_ended(torture: Callable[[str], ModuleType]) -> None:
    ended = torture("machinery").Child(lambda: os.read(os.pipe()[0], 1)).end(0.1)
    assert ended.late
    assert ended.status == -9


def test_shares_of_all_processes_are_summed(torture: Callable[[str], ModuleType], tmp_path: Path) -> None:
    machinery, tally = torture("machinery"), torture("tally").Tally
    total = machinery.spread(
        300, lambda share, own: tally(runs=len(share), lost=sum(share), counts={"odd": len(share)}), tmp_path
    )
    assert (total.runs, total.lost, total.counts) == (300, sum(range(300)), {"odd": 300})


def test_a_share_of_what_comes_in_turns_has_all_of_them(torture: Callable[[str], ModuleType]) -> None:
    evenly = torture("machinery").evenly
    ways = [(place, turn) for place in range(1000) for turn in range(6)]
    some = evenly(ways, 100)
    assert some == sorted(set(some))
    assert {turn for _, turn in some} == set(range(6))
    assert evenly(ways, 6000) == ways
    assert evenly("ab", 5) == ["a", "b", "a", "b", "a"]


@pytest.mark.parametrize("name", ["there", "link"])
def test_parts_get_a_folder_that_is_named_in_full_and_without_links(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """They compare paths, and change into folders."""
    part, seen = found(command), []
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(part, "run", lambda n, seed, folder, say: seen.append(folder) or command.Tally(runs=n))
    monkeypatch.setattr(command, "load", lambda name: part)
    assert command.main(["cuts", "--folder", name]) == 0
    assert seen == [tmp_path.resolve() / "there" / "cuts"]
