"""The checker of histories finds what it is there for: in changed journals, in changed logs, and in broken builds."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sealing import Records, read, sealed

Load = Callable[[str], ModuleType]


def test_a_right_history_has_no_findings(torture: Load, history: Path, judge: Any) -> None:
    calls = torture("history").read_calls(history / "logs")
    assert {"ask", "tell", "report", "enqueue", "look"} <= {call.what for call in calls if call.acknowledged}
    assert {call.code for call in calls} >= {None, 3, 4, 11}
    assert torture("history").check(history / "s.journal", calls) == []
    assert judge(sealed(read(history))) == []


class TestChangedJournals:
    def test_every_record_that_is_dropped_is_missed(self, history: Path, judge: Any) -> None:
        records = read(history)
        for place in range(len(records)):
            assert judge(sealed(records[:place] + records[place + 1 :])), records[place]

    def test_every_record_that_is_doubled_is_found(self, history: Path, judge: Any) -> None:
        records = read(history)
        for place in range(1, len(records)):  # a second study of a name changes nothing in any reader
            assert judge(sealed(records[:place] + records[place : place + 1] + records[place:])), json.dumps(records[place])

    def test_two_neighbours_that_change_places_are_found(self, history: Path, judge: Any) -> None:
        records = read(history)
        for place in range(len(records) - 1):
            pair = records[place : place + 2]
            # What one call wrote of a trial is the same for everybody in any order; and so are parameters before their claim.
            if same(pair) and {record["op_code"] for record in pair} in ({5}, {8}, {9}, {8, 9}):
                continue
            if 5 in (pair[0]["op_code"], pair[1]["op_code"]) and not same(pair):
                continue
            assert judge(sealed([*records[:place], *pair[::-1], *records[place + 2 :]])), json.dumps(pair)

    def test_the_same_without_new_places_is_always_found(self, history: Path, judge: Any) -> None:
        lines = (history / "s.journal").read_bytes().splitlines(keepends=True)
        for place in range(len(lines) - 1):
            assert judge(b"".join([*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]))

    def test_a_value_that_differs_by_one_ulp_is_found(self, history: Path, judge: Any) -> None:
        records = read(history)
        changed = 0
        for place, record in enumerate(records):
            for other in list(_nudged(record)):
                changed += 1
                assert judge(sealed([*records[:place], other, *records[place + 1 :]])), json.dumps([record, other])
        assert changed > 50

    def test_a_torn_tail_is_not_part_of_it(self, history: Path, judge: Any) -> None:
        assert judge((history / "s.journal").read_bytes() + b'{"op_code":4,"wor') == []


def same(pair: Records) -> bool:
    """Whether two records are of one trial."""
    return bool(pair[0].get("trial_id") == pair[1].get("trial_id"))


def _nudged(value: Any, key: str = "") -> Iterator[Any]:
    """The same with one of its floats changed in its last bit; not the ones of which nobody was told."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name not in ("distributions", "distribution", "at", "saw", "n"):
                yield from ({**value, name: other} for other in _nudged(item, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from ([*value[:place], other, *value[place + 1 :]] for other in _nudged(item, key))
    elif isinstance(value, float) and math.isfinite(value):
        yield math.nextafter(value, math.inf)


class TestChangedLogs:
    def calls(self, torture: Load, history: Path) -> list[Any]:
        return list(torture("history").read_calls(history / "logs"))

    def test_an_effect_that_nobody_asked_for_is_found(self, torture: Load, history: Path, judge: Any) -> None:
        calls = self.calls(torture, history)
        made = [(call.what, call.asked) for call in calls if call.acknowledged]
        for place, call in enumerate(calls):
            again = made.count((call.what, call.asked)) > 1
            if call.acknowledged and call.what != "look" and call.answer not in (None, False) and not again:
                assert judge(calls=calls[:place] + calls[place + 1 :]), str(call)

    def test_an_effect_of_a_call_that_was_refused_is_found(self, torture: Load, history: Path, judge: Any) -> None:
        checked = 0
        for place, original in enumerate(self.calls(torture, history)):
            calls = self.calls(torture, history)
            call = calls[place]
            same = [other for other in calls if other.asked == call.asked and other.what == call.what]
            if original.acknowledged and call.what in ("ask", "tell", "enqueue") and call.answer is not None and len(same) == 1:
                call.code, call.answer, call.error = 4, None, "no"
                assert judge(calls=calls), str(original)
                checked += 1
        assert checked > 20

    def test_an_answer_that_is_not_so_is_found(self, torture: Load, history: Path, judge: Any) -> None:
        for place in range(len(self.calls(torture, history))):
            calls = self.calls(torture, history)
            call = calls[place]
            if not call.acknowledged or call.answer is None:
                continue
            if call.what == "ask":
                call.answer["number"] += 1
            elif call.what == "enqueue":
                call.answer += 1
            elif call.what == "tell" and call.asked["values"] and math.isfinite(call.asked["values"][0]):
                call.asked["values"] = [math.nextafter(call.asked["values"][0], math.inf)]
            else:
                continue
            assert judge(calls=calls), str(call)

    def test_calls_that_were_made_in_another_order_are_found(self, torture: Load, history: Path, judge: Any) -> None:
        ordered = sorted(self.calls(torture, history), key=lambda call: call.begin)
        made = [call.asked for call in ordered]
        once = [i for i, call in enumerate(ordered) if call.acknowledged and made.count(call.asked) == 1]
        effective = [i for i in once if ordered[i].what in ("ask", "enqueue")]
        for first, second in itertools.pairwise(effective):
            calls = sorted(self.calls(torture, history), key=lambda call: call.begin)
            one, other = calls[first], calls[second]
            if one.answer is not None and other.answer is not None:
                one.begin, one.end, other.begin, other.end = other.begin, other.end, one.begin, one.end
                assert judge(calls=calls), (str(one), str(other))

    def test_a_call_in_doubt_may_have_taken_effect_or_not(self, torture: Load, history: Path, judge: Any) -> None:
        for place in range(len(self.calls(torture, history))):
            calls = self.calls(torture, history)
            calls[place].end = calls[place].answer = calls[place].code = None
            assert judge(calls=calls) == []

    def test_a_look_that_sees_too_little_is_found(self, torture: Load, history: Path, judge: Any) -> None:
        for key in ("trials", "finished"):
            calls = self.calls(torture, history)
            last = [call for call in calls if call.what == "look" and call.acknowledged][-1]
            last.answer[key] -= 1
            assert judge(calls=calls)


class TestBrokenBuilds:
    """Each lacks one thing that makes a journal safe, and is caught within so many rounds.

    Leaving out the fsync is not among them: no kill shows that. ``failpoints`` counts writes and fsyncs for it.
    """

    ROUNDS = 12

    def caught(
        self, torture: Load, folder: Path, break_it: Callable[[], None], *, stock: bool = False, kill: bool = False
    ) -> int:
        """In which round a broken build is found; -1 if in none."""
        broken, dice = torture("broken"), random.Random(1)
        return next((n for n in range(self.ROUNDS) if broken.play(folder / str(n), break_it, dice, stock=stock, kill=kill)), -1)

    @pytest.mark.parametrize("options", [{}, {"stock": True}, {"kill": True}], ids=str)
    def test_the_build_as_it_is_is_never_caught(self, torture: Load, tmp_path: Path, options: dict[str, bool]) -> None:
        broken, dice = torture("broken"), random.Random(2)
        for number in range(2):
            assert broken.play(tmp_path / str(number), lambda: None, dice, **options) == []

    def test_without_the_lock(self, torture: Load, tmp_path: Path) -> None:
        assert self.caught(torture, tmp_path, torture("broken").no_lock) >= 0

    def test_without_the_lock_of_the_asks(self, torture: Load, tmp_path: Path) -> None:
        assert self.caught(torture, tmp_path, torture("broken").no_ask_lock) >= 0

    def test_without_reading_back(self, torture: Load, tmp_path: Path) -> None:
        assert self.caught(torture, tmp_path, torture("broken").no_read_back, stock=True) >= 0

    def test_that_acknowledges_before_it_writes(self, torture: Load, tmp_path: Path) -> None:
        assert self.caught(torture, tmp_path, torture("broken").late_write, kill=True) >= 0

    def test_that_does_not_mend(self, torture: Load, tmp_path: Path) -> None:
        assert self.caught(torture, tmp_path, torture("broken").no_mending, kill=True) >= 0

    def test_that_refuses_what_it_should_do(self, torture: Load, tmp_path: Path) -> None:
        assert self.caught(torture, tmp_path, torture("broken").refusing) == 0


@pytest.mark.parametrize("place", ["whole", "relative", "link"])
def test_that_leaves_out_the_fsync_is_found_by_counting(
    torture: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    from journaltune.journal import file

    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    folder = {"whole": tmp_path, "relative": Path(), "link": tmp_path / "link"}[place] / "rehearsal"
    assert torture("failpoints")._rehearse(folder, True)[1] == []
    monkeypatch.setattr(file, "flush", lambda fd, path: None)
    _, found = torture("failpoints")._rehearse(folder, True)
    assert any("before an fsync" in finding.text for finding in found)
    assert os.path.exists(folder / "s.journal")
