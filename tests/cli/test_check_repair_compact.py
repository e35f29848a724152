"""`journaltune check`, `repair` and `compact`, as a shell calls them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


def break_line(journal: Path, place: int) -> int:
    """Put garbage before a line; its offset."""
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join([*lines[:place], b"garbage", *lines[place:]]))
    return sum(len(line) + 1 for line in lines[:place])


def test_a_whole_journal_is_summed_up(told: Any) -> None:
    lines = told.out("check").splitlines()
    assert lines[0].startswith(f"journal    {told.journal}, ")
    assert lines[0].endswith(": whole")
    assert any(line.startswith("study      study: ") for line in lines)
    found = told.json("check", "--format", "json")
    assert (found["findings"], found["n_findings"], found["size_bytes"]) == ([], 0, told.journal.stat().st_size)
    assert found["studies"][0]["study"] == "study"


def test_findings_are_data_and_the_exit_code_is_6(told: Any) -> None:
    offsets = [break_line(told.journal, 2), break_line(told.journal, 5)]
    done = told.call("check")
    assert (done.returncode, done.stderr) == (6, b"")
    lines = done.stdout.decode().splitlines()
    assert [int(line.removeprefix("byte ").partition(":")[0]) for line in lines] == offsets
    assert all(f"`journaltune repair -f {told.journal}`" in line for line in lines)
    done = told.call("check", "--format", "json")
    assert done.returncode == 6
    assert [one["offset"] for one in json.loads(done.stdout)["findings"]] == offsets


def test_what_check_finds_repair_mends(told: Any) -> None:
    expected = told.out("trials", "--format", "jsonl")
    offset = break_line(told.journal, 2)
    assert told.call("ask").returncode == 6
    done = told.call("repair")
    assert done.returncode == 0
    (mended,) = map(json.loads, done.stdout.decode().splitlines())
    assert mended["offset"] == offset
    assert Path(mended["copy"]).read_bytes() == b"garbage\n"
    assert b"1 mended" in done.stderr
    assert told.out("trials", "--format", "jsonl") == expected
    assert told.call("check").returncode == 0
    assert told.call("repair").stdout == b""


def test_compact_prints_one_line_and_the_new_journal_is_used_like_any_other(told: Any) -> None:
    line = told.out("compact", "shorter.journal")
    before, after = told.journal.stat().st_size, (told.folder / "shorter.journal").stat().st_size
    assert line.startswith("shorter.journal: ")
    assert f"{before:,} bytes before, {after:,} after" in line
    assert line.count("\n") == 1
    for arguments in (("trials", "--format", "jsonl"), ("best",)):
        assert told.out(*arguments, "-f", "shorter.journal") == told.out(*arguments)
    assert told.json("ask", "-f", "shorter.journal") == told.json("ask")


def test_compact_refuses_what_exists_and_what_is_not_there(told: Any) -> None:
    assert "exists" in told.refused(4, "compact", str(told.journal))
    assert "no folder" in told.refused(2, "compact", "nowhere/shorter.journal")
    assert "DEST is missing" in told.refused(2, "compact")
    assert "there is no journal" in told.refused(3, "compact", "-f", "nothing.journal", "shorter.journal")
    assert not (told.folder / "shorter.journal").exists()


@pytest.mark.parametrize("command", [("check",), ("repair",), ("compact", "dest.journal")], ids=" ".join)
def test_what_is_no_file_is_refused_at_once(told: Any, command: tuple[str, ...]) -> None:
    os.mkfifo(told.folder / "fifo")
    (told.folder / "folder").mkdir()
    for name in ("fifo", "folder", "/dev/null"):
        told.refused(7, *command, "-f", name)
    told.refused(3, *command, "-f", "nothing.journal")


@pytest.mark.parametrize("command", ["check", "repair"])
def test_a_letter_is_no_journal(told: Any, command: str) -> None:
    (told.folder / "letter.txt").write_text("Dear Sir,\n")
    assert "is no journal" in told.refused(3, command, "-f", "letter.txt")
    assert (told.folder / "letter.txt").read_text() == "Dear Sir,\n"


def test_an_empty_journal_is_whole(told: Any) -> None:
    (told.folder / "empty.journal").touch()
    assert "0 records: whole" in told.out("check", "-f", "empty.journal")
    assert told.call("repair", "-f", "empty.journal").returncode == 0
