"""Trials that are made one after the other are those that a list holds, and so are the names of their columns."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from journaltune import create_study
from journaltune.base import counted
from journaltune.journal import snapshot
from journaltune.journal.journal import Journal
from journaltune.study import OpenStudy, open_study
from journaltune.study.listing import listing
from journaltune.study.trials import trials

STATES = (None, "complete", "fail,running", "waiting", "pruned,complete,waiting")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Trials that finish in another order than they were asked in, with conditions, attributes, reports, and some that wait."""
    found, dice, asked = tmp_path / "s.journal", random.Random(1), []
    params = {"x": "float(0, 1)", "c": "a | b", "m": "float(0, 1) if c == a"}
    study = create_study(found, params=params, sampler="random", seed=1)
    for number in range(120):
        asked.append(study.ask())
        if dice.random() < 0.9:
            trial = asked.pop(dice.randrange(len(asked)))
            kind = dice.choice(["plain", "plain", "pruned", "fail", "attrs"])
            attrs = {f"a{dice.randrange(5)}": number} if kind == "attrs" else None
            if kind == "pruned":
                trial.report(dice.random(), 1)
            if kind in ("pruned", "fail"):
                study.tell(trial, state=kind)
            else:
                study.tell(trial, dice.random(), attrs=attrs, constraints={"most": dice.random()} if attrs else None)
    study.enqueue({"x": 0.5})
    study.close()
    return found


def names(study: OpenStudy, each: object) -> list[list[str]]:
    groups = ([trial.fixed_params, trial.user_attrs, trial.constraints] for trial in each)  # type: ignore[attr-defined]
    return [list(dict.fromkeys(name for group in column for name in group)) for column in zip(*groups, strict=True)]


@pytest.mark.parametrize("states", STATES)
@pytest.mark.parametrize("saved", [False, True], ids=["replayed", "from a snapshot"])
def test_a_listing_makes_the_trials_of_the_list(path: Path, states: str | None, saved: bool) -> None:
    if saved:
        journal = Journal(str(path))
        journal.save_snapshot()
        journal.close()
    study = open_study(path)
    each, whole = listing(study, states), trials(open_study(path), states)
    assert list(each) == list(each) == whole
    assert each.are_running() == any(trial.state.name == "RUNNING" for trial in whole)
    assert names(study, each.various()) == names(study, whole)
    assert states is not None or len(list(each.various())) < len(whole)


def test_rows_are_read_from_a_snapshot_by_blocks_and_from_the_journal_where_a_block_is_bad(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_BLOCK_BYTES", 64)
    journal = Journal(str(path))
    journal.save_snapshot()
    journal.close()
    whole, saved = trials(open_study(path)), Path(snapshot.path_of(str(path)))
    study, read = open_study(path), []
    section = snapshot.Source.section
    monkeypatch.setattr(snapshot.Source, "section", lambda *arguments: read.append(arguments[1:3]) or section(*arguments))
    assert list(listing(study)) == whole
    params = [at for at in read if at == max(read, key=read.count)]
    assert 1 < len(params) < len(whole)
    study.close()
    fraction = next(value for trial in whole[50:] for value in trial.params.values() if isinstance(value, float))
    data, value = saved.read_bytes(), struct.pack("d", fraction)
    assert data.count(value) == 1
    saved.write_bytes(data.replace(value, bytes(8)))
    assert list(listing(open_study(path))) == whole


@pytest.mark.parametrize("codes", [b"", b"\0", b"abca", bytes(range(256)) * 3])
def test_bytes_are_counted(codes: bytes) -> None:
    assert counted(codes) == {code: codes.count(code) for code in set(codes)}
