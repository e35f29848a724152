"""What `status --watch` shows of how a search goes, and when it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from journaltune.cli.watch import lines, sparkline
from journaltune.study.open_study import open_study
from journaltune.study.trials import is_over, time_left_s


@pytest.mark.parametrize(
    ("values", "shown"),
    [([1.0, 0.0], "█▁"), ([0.0, 0.5, 1.0], "▁▅█"), ([2.0, 2.0], "▁▁"), ([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], "█▇▆▅▄▃▂▁")],
)
def test_a_sparkline_is_the_higher_the_greater_the_value(values: list[float], shown: str) -> None:
    assert sparkline(values) == shown


def test_a_long_sparkline_begins_and_ends_where_the_values_do() -> None:
    assert len(line := sparkline([float(-n) for n in range(1000)])) == 60
    assert (line[0], line[-1]) == ("█", "▁")


def test_lines_tell_the_best_value_and_failures(told: Any) -> None:
    with open_study(str(told.journal), None) as study:
        assert lines(study) == ["progress   █▁ 0.5 to 0.25", "failures   1 failed (1 oom)"]


def create_with_budget(program: Any, trials: int) -> None:
    (program.folder / "study.json").write_text(json.dumps({"params": {"x": "float(0, 1)"}, "trials": trials, "seed": 1}))
    program.out("create", "--space", "study.json")


@pytest.mark.parametrize(("n_told", "left"), [(3, False), (5, True)])
def test_the_time_left_needs_a_budget_and_a_pace(program: Any, n_told: int, left: bool) -> None:
    create_with_budget(program, 9)
    for number in range(n_told):
        program.out("ask")
        program.out("tell", str(number), "1")
    with open_study(str(program.journal), None) as study:
        assert (time_left_s(study) is not None) == left


def test_watching_ends_with_the_study(program: Any) -> None:
    """With the last of its trials, not with the last one that is asked."""
    create_with_budget(program, 2)
    for number in range(2):
        program.out("ask")
        with open_study(str(program.journal), None) as study:
            assert not is_over(study)
        program.out("tell", str(number), "1")
    watched = [json.loads(line) for line in program.out("status", "--watch", "--format", "json").splitlines()]
    assert [each["trials"]["complete"] for each in watched] == [2]
