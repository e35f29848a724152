"""What is overwritten in a journal is kept before, on disk before the next step, and never in another file's place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journaltune import create_study, load_study
from journaltune.base.errors import MachineError
from journaltune.journal import system

TORN = b'{"op_code":4,"worker_id":"k"'
Step = tuple[str, str, bytes]


@pytest.fixture
def torn(tmp_path: Path) -> tuple[Path, bytes]:
    """A journal that a writer left with a torn tail, and what is to be kept of it."""
    path = tmp_path / "s.journal"
    create_study(path, params={"x": "float(0, 1)"}, sampler="random", seed=1).close()
    with path.open("ab") as file:
        file.write(TORN)
    return path, TORN


@pytest.fixture
def broken_off(tmp_path: Path) -> tuple[Path, bytes]:
    """A journal whose last call broke off before its last record, and what is to be kept of it: its newlines go first."""
    path = tmp_path / "s.journal"
    study = create_study(path, params={"x": "float(0, 1)"}, sampler="random", seed=1)
    trial = study.ask()
    start = path.stat().st_size
    study.tell(trial, 0.5, attrs={"a": 1, "b": "ü"}, constraints={"c": 1.0})
    study.close()
    whole = path.read_bytes()
    end = whole.rfind(b"\n", 0, -1) + 1
    path.write_bytes(whole[:end])
    assert whole[start:end].count(b"\n") == 3
    return path, whole[start:end].replace(b"\n", b" ")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """The system calls that follow, each with the name of its file and the bytes that it writes."""
    made: list[Step] = []

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if isinstance(arguments[0], int):
            made.append((name, os.readlink(f"/proc/self/fd/{arguments[0]}"), bytes((*arguments, b"")[1])))
        return function(*arguments)

    monkeypatch.setattr(system, "fault", fault)
    return made


@pytest.mark.parametrize("left", ["torn", "broken_off"])
def test_what_is_blanked_is_kept_and_on_disk_before(request: pytest.FixtureRequest, left: str, steps: list[Step]) -> None:
    path, lost = request.getfixturevalue(left)
    del steps[:]  # those of making it
    load_study(path).enqueue({"x": 0.5})
    (copy,) = Path(f"{path}.d", "quarantine").iterdir()
    assert copy.read_bytes().rstrip(b" ") == lost.rstrip(b" ")
    kept, blanked = steps.index(("fsync", str(copy), b"")), _blanking(steps, path, len(copy.read_bytes()))
    assert [step for step in steps[:kept] if step[1] == str(copy)] == [("write", str(copy), copy.read_bytes())]
    assert kept < blanked


def _blanking(steps: list[Step], path: Path, length: int) -> int:
    return steps.index(("pwrite", str(path), b" " * length))


@pytest.mark.parametrize("left", ["torn", "broken_off"])
def test_what_is_overwritten_is_on_disk_before_anything_else_is_written(
    request: pytest.FixtureRequest, left: str, steps: list[Step]
) -> None:
    path, _ = request.getfixturevalue(left)
    del steps[:]
    load_study(path).enqueue({"x": 0.5})
    own = [name for name, where, _ in steps if where == str(path)]
    overwritten = [place for place, name in enumerate(own) if name == "pwrite"]
    assert len(overwritten) == (1 if left == "torn" else 4)
    assert [own[place + 1] for place in overwritten] == ["fsync"] * len(overwritten)


def test_another_file_that_took_the_journals_place_is_not_overwritten(
    torn: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = torn[0], torn[0].with_name("other")
    other.write_bytes(path.read_bytes())
    study = load_study(path)

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        answer = function(*arguments)
        if name == "fsync":  # of the copy that is kept; the overwriting comes next
            os.replace(other, path)
        return answer

    before = path.read_bytes()
    monkeypatch.setattr(system, "fault", fault)
    with pytest.raises(MachineError, match="replaced by another file"):
        study.enqueue({"x": 0.5})
    assert not other.exists()
    assert path.read_bytes() == before
