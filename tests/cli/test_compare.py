"""`journaltune compare`: names, patterns, other files, and what it prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import journaltune

if TYPE_CHECKING:
    from conftest import Program


@pytest.fixture
def seeds(program: Program) -> Program:
    """The program beside a journal with three studies of one kind, and one of another kind whose name has a colon."""
    for name, offset in (("tpe-1", 1.0), ("tpe-2", 2.0), ("tpe-3", 3.0), ("study.journal:x", 10.0)):
        study = journaltune.create_study(program.journal, study_name=name, params={"x": "float(0, 1)"}, sampler="random", seed=1)
        for value in range(12):
            study.tell(study.ask(), offset - value / 10)
    return program


def test_groups_by_pattern_as_a_table(seeds: Program) -> None:
    lines = seeds.out("compare", "tpe-*", "study.journal:x").splitlines()
    assert lines[0].split() == ["study", "studies", "trials", "at", "10", "p", "at", "12", "p", "all", "p"]
    assert lines[1].split()[:6] == ["tpe-*", "3", "12", "1.1", "±", "1"]
    assert lines[2].split() == ["study.journal:x", "1", "12", "9.1", "0.5", "8.9", "0.5", "8.9", "0.5"]


def test_json_has_every_value(seeds: Program) -> None:
    printed = seeds.json("compare", "tpe-*", "--at", "2", "--format", "json")
    (group,) = printed["groups"]
    assert (printed["measure"], printed["direction"], printed["reference"]) == ("best", "minimize", None)
    assert (group["group"], group["studies"], group["finished"]) == ("tpe-*", ["tpe-1", "tpe-2", "tpe-3"], [12, 12, 12])
    assert group["at"][0] == {
        "trials": 2,
        "values": [0.9, 1.9, 2.9],
        "mean": pytest.approx(1.9),
        "spread": pytest.approx(1),
        "p_value": None,
    }
    assert [at["trials"] for at in group["at"]] == [2, 12, None]


def test_a_study_of_another_file(seeds: Program) -> None:
    seeds.journal.rename(seeds.folder / "old.journal")
    lines = seeds.out("compare", "old.journal:tpe-1", "old.journal:tpe-?").splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["1", "3"]


def test_wrong_calls_are_refused_by_name(seeds: Program) -> None:
    assert "has no study 'gp-*'" in seeds.refused(3, "compare", "tpe-1", "gp-*")
    assert "numbers of trials" in seeds.refused(2, "compare", "tpe-1", "--at", "0")
    assert "STUDY is missing" in seeds.refused(2, "compare")
