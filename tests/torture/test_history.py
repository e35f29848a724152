"""The checker of histories finds what it is there for, in changed journals and in changed logs."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sealing import Records, read, sealed
from torture.checker import Call, Finding, read_calls
from torture.rounds import check

Judge = Callable[..., list[Finding]]


def test_a_right_history_has_no_findings(history: Path, judge: Judge) -> None:
    calls = read_calls(history / "logs")
    assert {"ask", "tell", "report", "enqueue", "look"} <= {call.what for call in calls if call.acknowledged}
    assert {call.code for call in calls} >= {None, 3, 4, 11}
    assert check(history) == []
    assert judge(sealed(read(history))) == []


class TestChangedJournals:
    def test_every_record_that_is_dropped_is_missed(self, history: Path, judge: Judge) -> None:
        records = read(history)
        for place in range(len(records)):
            if not renews(records[place]):
                assert judge(sealed(records[:place] + records[place + 1 :])), records[place]

    def test_every_record_that_is_doubled_is_found(self, history: Path, judge: Judge) -> None:
        records = read(history)
        reports = Counter(
            call.asked["number"] for call in read_calls(history / "logs") if call.what == "report" and not call.refused
        )
        renewals = Counter(record["trial_id"] for record in records if renews(record))
        for place in range(1, len(records)):  # a second study of a name changes nothing in any reader
            trial = records[place].get("trial_id")
            if renews(records[place]) and renewals[trial] < reports[trial]:
                continue  # a report of it renewed nothing, so that one record more may be that one's
            assert judge(sealed(records[:place] + records[place : place + 1] + records[place:])), json.dumps(records[place])

    def test_two_neighbours_that_change_places_are_found(self, history: Path, judge: Judge) -> None:
        records = read(history)
        for place in range(len(records) - 1):
            pair = records[place : place + 2]
            # What one call wrote of a trial is the same for everybody in any order; and so are parameters before their claim.
            if same(pair) and {record["op_code"] for record in pair} in ({5}, {8}, {9}, {8, 9}):
                continue
            if 5 in (pair[0]["op_code"], pair[1]["op_code"]) and not same(pair):
                continue
            if any(map(renews, pair)):
                continue
            assert judge(sealed([*records[:place], *pair[::-1], *records[place + 2 :]])), json.dumps(pair)

    def test_the_same_without_new_places_is_always_found(self, history: Path, judge: Judge) -> None:
        lines = (history / "s.journal").read_bytes().splitlines(keepends=True)
        for place in range(len(lines) - 1):
            assert judge(b"".join([*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]))

    def test_a_value_that_differs_by_one_ulp_is_found(self, history: Path, judge: Judge) -> None:
        records = read(history)
        changed = 0
        for place, record in enumerate(records):
            for other in list(_nudged(record)):
                changed += 1
                assert judge(sealed([*records[:place], other, *records[place + 1 :]])), json.dumps([record, other])
        assert changed > 50

    def test_a_torn_tail_is_not_part_of_it(self, history: Path, judge: Judge) -> None:
        assert judge((history / "s.journal").read_bytes() + b'{"op_code":4,"wor') == []


def renews(record: dict[str, Any]) -> bool:
    """Whether it lets a time to live count anew: no call is told of it, and it changes no result."""
    return "journaltune:owner" in record.get("system_attr", {})


def same(pair: Records) -> bool:
    """Whether two records are of one trial."""
    return bool(pair[0].get("trial_id") == pair[1].get("trial_id"))


def _nudged(value: Any, key: str = "") -> Iterator[Any]:
    """The same with one of its floats changed in its last bit; not the ones of which nobody was told."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name not in ("distributions", "distribution", "at", "saw", "n", "journaltune:owner", "clock"):
                yield from ({**value, name: other} for other in _nudged(item, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from ([*value[:place], other, *value[place + 1 :]] for other in _nudged(item, key))
    elif isinstance(value, float) and math.isfinite(value):
        yield math.nextafter(value, math.inf)


class TestChangedLogs:
    def calls(self, history: Path) -> list[Call]:
        return read_calls(history / "logs")

    def test_an_effect_that_nobody_asked_for_is_found(self, history: Path, judge: Judge) -> None:
        calls = self.calls(history)
        made = [(call.what, call.asked) for call in calls if call.acknowledged]
        for place, call in enumerate(calls):
            again = made.count((call.what, call.asked)) > 1
            if call.acknowledged and call.what != "look" and call.answer not in (None, False) and not again:
                assert judge(calls=calls[:place] + calls[place + 1 :]), str(call)

    def test_an_effect_of_a_call_that_was_refused_is_found(self, history: Path, judge: Judge) -> None:
        checked = 0
        for place, original in enumerate(self.calls(history)):
            calls = self.calls(history)
            call = calls[place]
            same = [other for other in calls if other.asked == call.asked and other.what == call.what]
            if original.acknowledged and call.what in ("ask", "tell", "enqueue") and call.answer is not None and len(same) == 1:
                call.code, call.answer, call.error = 4, None, "no"
                assert judge(calls=calls), str(original)
                checked += 1
        assert checked > 20

    def test_an_answer_that_is_not_so_is_found(self, history: Path, judge: Judge) -> None:
        for place in range(len(self.calls(history))):
            calls = self.calls(history)
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

    def test_calls_that_were_made_in_another_order_are_found(self, history: Path, judge: Judge) -> None:
        ordered = sorted(self.calls(history), key=lambda call: call.begin)
        made = [call.asked for call in ordered]
        once = [i for i, call in enumerate(ordered) if call.acknowledged and made.count(call.asked) == 1]
        effective = [i for i in once if ordered[i].what in ("ask", "enqueue")]
        for first, second in itertools.pairwise(effective):
            calls = sorted(self.calls(history), key=lambda call: call.begin)
            one, other = calls[first], calls[second]
            if one.answer is not None and other.answer is not None:
                one.begin, one.end, other.begin, other.end = other.begin, other.end, one.begin, one.end
                assert judge(calls=calls), (str(one), str(other))

    def test_a_call_in_doubt_may_have_taken_effect_or_not(self, history: Path, judge: Judge) -> None:
        for place in range(len(self.calls(history))):
            calls = self.calls(history)
            calls[place].end = calls[place].answer = calls[place].code = None
            assert judge(calls=calls) == []

    def test_a_look_that_sees_too_little_is_found(self, history: Path, judge: Judge) -> None:
        for key in ("trials", "finished"):
            calls = self.calls(history)
            last = [call for call in calls if call.what == "look" and call.acknowledged][-1]
            last.answer[key] -= 1
            assert judge(calls=calls)
