"""Whatever is typed, the answer is one of the contract's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from journaltune.cli import output, table, trials


def test_no_command_line_gets_a_traceback(clean: Callable[..., Any]) -> None:
    tally = clean("fuzz", 150)
    assert tally.counts["with exit code 0"] > 15
    assert tally.counts["with exit code 2"] > 15


def test_an_exception_that_is_none_of_ours_is_found(tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "_duration_text", lambda seconds: 1 / 0)
    assert any("exit code 70" in note for note in tortured("fuzz", 150).notes)


def test_text_that_steers_a_terminal_is_found(tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (output, table):
        monkeypatch.setattr(module, "visible", lambda text: text)
    assert any("control characters" in note for note in tortured("fuzz", 150).notes)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((0, b"{}\n", b""), ""),
        ((2, b"", b"journaltune: no\n"), ""),
        ((2, b"", b"journaltune: no\nand more\n"), "exit code 2 with 2 lines on stderr"),
        ((7, b"", b""), "exit code 7 with 0 lines on stderr"),
        ((3, b"{}\n", b"journaltune: no\n"), "exit code 3 with data on stdout"),
        ((-6, b"", b""), "exit code -6"),
        ((7, b"", b"Traceback (most recent call last):\n"), "a traceback"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(
    torture: Callable[[str], ModuleType], answer: tuple[int, bytes, bytes], problem: str
) -> None:
    calls = torture("calls")
    assert calls.complaint(calls.Call(*answer)) == problem


@pytest.mark.parametrize("broken", [b'"a\x01"', b'"\\x"', b'"\\u12"', b'"a'])
def test_json_that_breaks_off_in_a_string_is_refused_by_a_process_that_never_imported_json(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(b'{"op_code":0,"worker_id":"w","study_name":' + broken + b',"directions":[1]}\n')
    done = subprocess.run([sys.executable, "-P", "-m", "journaltune", "studies", "-f", path], capture_output=True, check=False)
    assert done.returncode == 6, done.stderr
    assert b"damaged at byte 0" in done.stderr
