"""That `scripts/torture` runs its parts, says what they found, keeps it, and exits with it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import NoReturn

import pytest
from torture.children import Child, say
from torture.plugin import scale_of, shares
from torture.share import Run, Share, Tally, Tortured, evenly

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
PARTS = (
    "cuts",
    "flips",
    "snapshots",
    "full_disk",
    "fuzz",
    "paths",
    "kills",
    "failpoints",
    "interrupts",
    "resume",
    "writers",
    "pruners",
)


def script(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "torture"), f"--python={sys.executable}", *map(str, arguments)]
    # One worker, which starts faster than two.
    env = {**os.environ, "PYTEST_XDIST_AUTO_NUM_WORKERS": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def summary(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines below the heading of the summary."""
    lines = [line for line in done.stdout.splitlines() if line]
    (start,) = [place for place, line in enumerate(lines) if line.strip("=") == " torture "]
    return lines[start + 1 :]


def test_a_part_runs_and_its_line_stands_in_the_summary(tmp_path: Path) -> None:
    done = script("cuts", "--scale", 0.0005, "--folder", tmp_path / "there")
    assert done.returncode == 0, done.stdout + done.stderr
    assert summary(done)[0].split()[:9] == ["cuts:", "10", "runs,", "0", "lost,", "0", "doubled,", "0", "wrong,"]
    assert "1 passed" in done.stdout


def test_a_part_that_is_not_there_is_refused_with_the_names_of_those_that_are() -> None:
    done = script("burns")
    assert done.returncode == 2
    assert done.stderr.startswith("torture: no part burns; there are: ")
    assert set(done.stderr.split(": ")[2].split()) == set(PARTS)


@pytest.mark.parametrize("text", ["-1", "0", "nan", "inf", "1e9"])
def test_a_scale_that_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a number above 0"):
        scale_of(text)


def test_help_names_the_parts_and_options() -> None:
    done = script("--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in (*PARTS, "--scale F", "--seed N", "--folder DIR", "--python PATH"))


PART = """
    import pytest
    from torture.share import Share

    @pytest.mark.torture(runs=100, few=4)
    def test_part(share: Share, clean) -> None:
        clean(part)

    def part(share: Share) -> None:
        share.each(range(share.n), run)

    def run(run, number) -> None:
        run.what = "burnt"
        (run.fresh() / "s.journal").write_bytes(b"ashes")
        if number == 7:
            BODY
"""


@pytest.fixture
def burns(tmp_path: Path) -> Path:
    """Where the test of a part may be."""
    (tmp_path / "tests").mkdir()
    return tmp_path / "tests" / "test_burns.py"


def burn(test: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    test.write_text(dedent(PART).replace("BODY", body), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "torture.plugin", "-p", "no:cacheprovider", "--rootdir", str(test.parent)]
    paths = os.pathsep.join([str(SUPPORT), *sys.path])
    return subprocess.run(
        [*command, str(test), *options],
        env={**os.environ, "PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=test.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("kind", "workers"), [("lost", ()), ("wrong", ("-p", "xdist.plugin", "-n", "2"))])
def test_whatever_is_found_is_kept_and_exits_1(burns: Path, tmp_path: Path, kind: str, workers: tuple[str, ...]) -> None:
    done = burn(burns, f'run.find("{kind}", "gone")', "--scale", "0.2", "--folder", str(tmp_path), "--seed", "3", *workers)
    assert done.returncode == 1
    assert f"1 {kind}" in summary(done)[0]
    assert summary(done)[0].split()[:2] == ["burns:", "20"]
    assert "seed 3, run 7 of 20, burnt: gone" in done.stdout
    assert f"kept in {tmp_path / 'findings' / 'burns'}" in done.stdout
    assert (tmp_path / "findings" / "burns" / "7-burnt" / "s.journal").read_bytes() == b"ashes"
    assert not list((tmp_path / "burns").iterdir())


@pytest.mark.parametrize(("fail", "note"), [(lambda: 1 / 0, "ZeroDivisionError"), (lambda: os._exit(3), "ended with 3")])
def test_a_part_that_fails_itself_is_wrong(tortured: Tortured, fail: Callable[[], object], note: str) -> None:
    for part in (lambda share: fail(), lambda share: share.run(0, lambda run: fail())):
        tally = tortured(part, 1)
        assert tally.wrong == 1
        assert note in tally.notes[0]


def test_the_ordinary_suite_has_few_runs(burns: Path) -> None:
    done = burn(burns, "pass")
    assert done.returncode == 0, done.stdout
    assert summary(done)[0].split()[:2] == ["burns:", "4"]


def test_parts_get_a_folder_that_is_named_in_full_and_without_links(burns: Path, tmp_path: Path) -> None:
    """They compare paths, and change into folders."""
    (tmp_path / "tests" / "there").mkdir()
    (tmp_path / "tests" / "link").symlink_to("there")
    done = burn(burns, 'run.find("wrong", f"at {run.folder}")', "--scale", "0.08", "--folder", "link")
    assert f"at {(tmp_path / 'tests' / 'there').resolve()}/burns/" in done.stdout


def test_whole_parts_come_in_shares_of_which_none_is_small() -> None:
    assert shares(None, 20_000, 150) == (150, 1)
    assert shares(1.0, 20_000, 150) == (20_000, 20)
    assert shares(0.02, 20_000, 150) == (400, 2)
    assert shares(1e-9, 20_000, 150) == (1, 1)


def test_shares_are_all_runs_once(tmp_path: Path) -> None:
    numbers: list[int] = []
    for place in range(3):
        share = Share(10, 0, tmp_path, place, 3)
        share.each(range(10), lambda run, way: numbers.append(way))
        assert share.tally.runs == share.size
    assert sorted(numbers) == list(range(10))


def test_tallies_are_summed() -> None:
    total = Tally(1, 2, 3, 4, ["a"])
    total.add(Tally(10, 20, 30, 40, ["a", "b"]))
    assert vars(total) == vars(Tally(11, 22, 33, 44, ["a", "b"]))
    assert not total.clean
    assert Tally(runs=5, notes=["not checked"]).clean


def test_a_share_of_what_comes_in_turns_has_all_of_them() -> None:
    ways = [(place, turn) for place in range(1000) for turn in range(6)]
    some = evenly(ways, 100)
    assert some == sorted(set(some))
    assert {turn for _, turn in some} == set(range(6))
    assert evenly(ways, 6000) == ways
    assert evenly("ab", 5) == ["a", "b", "a", "b", "a"]
    assert evenly("ab", 0) == []


def test_fifos_and_devices_are_not_copied(tmp_path: Path) -> None:
    run = Run(Share(1, 0, tmp_path), 0)
    run.what, folder = "a/b c", run.fresh("here")
    os.mkfifo(folder / "here" / "fifo")
    os.symlink("/dev/zero", folder / "here" / "zeros")
    (folder / "here" / "s.journal").write_bytes(b"x")
    run.find("lost", "x", cut=b"yz")
    kept = tmp_path / "findings" / "0-a-b-c"
    assert sorted(path.name for path in kept.rglob("*")) == ["cut", "here", "s.journal", "zeros"]
    assert (kept / "cut").read_bytes() == b"yz"


class TestChildren:
    def test_one_that_hangs_is_ended(self) -> None:
        ended = Child(lambda: os.read(os.pipe()[0], 1), 0.1).end()
        assert ended.late
        assert ended.result is None

    def test_what_it_says_is_heard_although_it_is_killed(self) -> None:
        def body() -> NoReturn:
            say("one", 1)
            say("two", 2)
            os.kill(os.getpid(), 9)
            raise AssertionError

        child = Child(body)
        assert child.hear() == ["one", 1]
        assert child.end().status == -9
        assert child.heard == [["one", 1], ["two", 2]]

    def test_its_result_or_error_is_handed_over(self) -> None:
        assert Child(lambda: {"big": "x" * 1_000_000}).end().result == {"big": "x" * 1_000_000}
        ended = Child(lambda: 1 / 0).end()
        assert (ended.status, ended.result) == (1, None)
        assert "ZeroDivisionError" in ended.error


def test_the_checker_imports_nothing_of_the_package_that_it_checks() -> None:
    code = "import sys, torture.checker; print([name for name in sys.modules if name.startswith('journaltune')])"
    done = subprocess.run([sys.executable, "-P", "-c", code], env={**os.environ, "PYTHONPATH": str(SUPPORT)}, capture_output=True)
    assert done.stdout == b"[]\n", done.stderr
