"""Records whose checksums are right are decoded when somebody looks at them, and say then what they would have said at once."""

from __future__ import annotations

import json
from binascii import crc32
from pathlib import Path
from typing import Any

import pytest

from journaltune import JournalDamagedError, create_study, load_study
from journaltune.engine.ask import ask
from journaltune.engine.report import report
from journaltune.engine.tell import tell
from journaltune.journal import records, state
from journaltune.journal.fold import DeferredTrial
from journaltune.journal.state import COLUMNS
from journaltune.journal.upkeep.compact import compact
from journaltune.journal.upkeep.repair import repair
from journaltune.study import open_study, trials


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "study.journal"
    study = create_study(found, params={"x": "float(0, 1)", "c": "a | b"}, seed=1)
    for number in range(4):
        study.tell(study.ask(), float(number))
    return found


def rewrite(path: Path, place: int, old: bytes, new: bytes) -> int:
    """Change a line and make its checksum and all later ones right again, as no disk does; the line's offset."""
    lines, at, link = path.read_bytes().split(b"\n")[:-1], 0, 0
    lines[place] = lines[place].replace(old, new)
    assert new in lines[place]
    for index, line in enumerate(lines):
        body = line[: -records.SEAL_LENGTH]
        lines[index] = b'%s%s%08x%08x"}' % (body, records.SEAL, crc32(body), link)
        link = crc32(lines[index])
        at += len(line) + 1 if index < place else 0
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return at


def live(study: Any) -> dict[int, Any]:
    study.journal.sync()
    found: dict[int, Any] = study.state().live
    return found


def test_the_records_of_others_wait_until_somebody_looks(path: Path) -> None:
    study, other = open_study(path), load_study(path)
    asked = [other.ask() for _ in range(3)]
    first, second, _ = live(study).values()
    assert type(first) is type(second) is DeferredTrial
    assert not hasattr(first, "no_such_field")
    other.tell(asked[0], 7.5)
    assert len(live(study)) == 2
    with pytest.raises(AttributeError):
        object.__getattribute__(first, "params")
    assert trials.trials(study) == load_study(path).trials
    assert first.values == [7.5]


@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize("writer", ["ours", "stock"])
def test_a_result_counts_however_it_comes(path: Path, looked: bool, writer: str) -> None:
    study, other = open_study(path), load_study(path)
    number = other.ask().number
    trial = live(study)[number]
    if looked:
        assert trial.params
    if writer == "ours":
        other.tell(number, 7.5)
    else:
        record = records.finish_trial(trial.trial_id, 1, [7.5])
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**record, "worker_id": "stock"}) + "\n")
    live(study)
    assert trials.trials(study)[number].values == [7.5]
    assert trials.trials(study) == load_study(path).trials


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        (3, b'"params":{', b'"params":[{'),
        (3, b'},"datetime_start', b',"e":1},"datetime_start'),
        (3, b'},"datetime_start', b',"x":null},"datetime_start'),
        (3, b'},"datetime_start', b',"c":7},"datetime_start'),
        (3, b"datetime_start", b"datetime_stop"),
        (4, b'"values":[', b'"values":7,"v":['),
    ],
)
def test_what_only_a_wrong_program_writes_is_named_each_time_somebody_looks(
    path: Path, place: int, old: bytes, new: bytes
) -> None:
    at = rewrite(path, place, old, new)
    study = load_study(path)
    for _ in range(2):
        with pytest.raises(JournalDamagedError) as caught:
            _ = study.trials
        assert caught.value.offset == at
    assert repair(str(path))
    trials = load_study(path).trials
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    assert trials[1].user_attrs.get("fail_reason") == ("damaged" if place == 3 else None)


def test_a_value_outside_its_distribution_is_only_odd(path: Path) -> None:
    rewrite(path, 3, b'"x":0.', b'"x":7.')
    trial = load_study(path).trials[1]
    assert trial.params["x"] > 7
    assert trial.state.name == "COMPLETE"
    assert load_study(path).ask().number == 4


def columns(path: Path) -> list[Any]:
    return columns_of(open_study(path))


def columns_of(study: Any) -> list[Any]:
    finished = study.state().finished
    return [list(finished.column(name)) for name, _ in COLUMNS] + [dict(finished.extras.items()), finished.shape_list]


@pytest.mark.parametrize("directions", [["minimize"], ["minimize", "maximize"]])
def test_a_row_is_the_same_whether_its_trial_was_decoded_or_not(
    tmp_path: Path, directions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "study.journal"
    study = create_study(path, params={"x": "float(0, 1)", "c": "a | b"}, seed=1, directions=directions)
    for values in ([0.5], [1], [2**53 + 1], [float("inf")], [-1e300], [0.5], [1.5]):
        trial = study.ask()
        if values == [0.5]:
            trial.report(0.25, 1)
        study.tell(trial, values * len(directions), attrs={"k": 1} if values == [1.5] else None)
    study.tell(study.ask(), state="fail")
    study.tell(study.ask(), state="fail", reason="interrupted")
    study.tell(study.ask(ttl_s=60), [3.0] * len(directions))
    study.ask()
    packed = columns(path)
    with monkeypatch.context() as patch:
        patch.setattr(DeferredTrial, "plain_rows", lambda *_: None)
        assert packed == columns(path)


@pytest.mark.parametrize(
    "text",
    [
        "2024-06-01T12:00:00.123456+00:00",
        "2024-06-01T12:00:00.999999+00:00",
        "2024-06-01T12:00:00.12345+00:00",
        "2024-06-01T12:00:00.123456+05:30",
        "2024-06-01T12:00:00.123456",
        "2024-06-01T12:00:00,123456+00:00",
        "2024-06-01T12:00:00.\u06612345+00:00",
        "2024-06-01T12:00:00.\u066123456+00:00",
        "2024-06-01T12:00:00. 12345+00:00",
        "0001-01-01T00:00:00.000000+00:00",
    ],
)
def test_a_time_is_the_same_after_another_one_of_its_second(text: str) -> None:
    def read(before: str) -> int | str:
        state.to_microseconds(before)
        try:
            return state.to_microseconds(text)
        except ValueError as error:
            return str(error)

    assert read(f"{text[:19]}.000007+00:00") == read("2023-01-01T00:00:00.000000+00:00")


def test_the_first_trial_waits_too_and_so_does_one_that_this_process_tells(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    create_study(path, params={"x": "float(0, 1)", "c": "a | b"}, seed=1).ask()
    study = open_study(path)
    (trial,) = live(study).values()
    tell(study, 0, 2.5)
    assert type(trial) is DeferredTrial
    with pytest.raises(AttributeError):
        object.__getattribute__(trial, "params")
    assert study.state().first_distributions.keys() == {"x", "c"}
    assert trials.trials(study) == load_study(path).trials
    assert trial.values == [2.5]


def test_what_two_processes_write_in_turns_stays_undecoded_in_both(tmp_path: Path) -> None:
    """Each has the distributions as an object of its own, and neither begins anew when the other one wrote."""
    path = tmp_path / "study.journal"
    create_study(path, params={"x": "float(0, 1)", "c": "a | b"}, seed=1, sampler="random").tell(load_study(path).ask(), 0.5)
    studies = open_study(path), open_study(path)
    for number in range(1, 7):
        assert ask(studies[number % 2]).number == number
    for study in studies:
        trials_there = live(study)
        assert list(trials_there) == list(range(1, 7))
        waiting = [type(trial) is DeferredTrial and trial._asked is not None for trial in trials_there.values()]
        assert waiting.count(False) <= 1, "only the first one of its own, before which a process knew no ask"
    for number in range(1, 7):
        tell(studies[number // 2 % 2], number, float(number))
    assert trials.trials(studies[0]) == trials.trials(studies[1]) == load_study(path).trials
    assert [columns_of(study) for study in studies] == [columns(path)] * 2


@pytest.mark.parametrize("looked", [False, True])
def test_a_trial_of_this_process_says_what_was_asked(path: Path, looked: bool) -> None:
    study = open_study(path)
    for _ in range(3):
        suggestion = ask(study, ttl_s=60.0, mark="m")
        trial = study.state().live[suggestion.number]
        if looked:
            assert trial.metadata["mark"] == "m"
        assert trial.may_have_owner()
        report(study, suggestion.number, 3, 0.5)
        tell(study, suggestion.number, 1.5, attrs={"k": [1, {"n": None}]})
        assert (trial.holder["mark"], trial.holder["ttl_s"], trial.intermediate) == ("m", 60.0, {3: 0.5})
        assert trials.trials(study)[suggestion.number].params == suggestion.params
    assert trials.trials(study) == load_study(path).trials
    assert columns_of(study) == columns(path)


def test_a_compacted_journal_remembers_requests_for_running_trials(path: Path) -> None:
    study = open_study(path)
    numbers = [ask(study).number for _ in range(3)]
    report(study, numbers[-1], 0, 0.5, request_id="r1")
    compact(path, f"{path}.compacted")
    compacted = open_study(f"{path}.compacted")
    assert compacted.state().requests == study.state().requests == {"report:r1": numbers[-1]}


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A study whose trials fill several batches, nearly all of them plain."""
    found = tmp_path / "long.journal"
    study = create_study(found, params={"x": "float(0, 1)", "c": "a | b"}, seed=1, sampler="random")
    for number in range(4 * state.PACKED_AT_ONCE + 5):
        trial = study.ask()
        if number % 50 == 7:
            study.tell(trial, state="fail", reason="oom")
        elif number % 50 == 9:
            study.tell(trial, state="fail")
        else:
            study.tell(trial, 1 if number == 40 else number / 7, attrs={"k": number} if number == 80 else None)
    study.close()
    return found


def line_of(path: Path, text: bytes) -> int:
    return next(place for place, line in enumerate(path.read_bytes().split(b"\n")) if text in line)


@pytest.mark.parametrize("pending", [0, 10, 8192])
def test_many_trials_make_the_same_rows_together_and_one_by_one(
    long: Path, pending: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_PENDING", pending)
    packed = columns(long)
    with monkeypatch.context() as patch:
        patch.setattr(DeferredTrial, "plain_rows", lambda *_: None)
        assert packed == columns(long)
    assert packed[0] == list(range(4 * state.PACKED_AT_ONCE + 5))


def test_a_trial_that_cannot_be_read_hides_and_doubles_no_other(long: Path) -> None:
    at = rewrite(long, line_of(long, b'"n":45,'), b'"params":{', b'"params":[{')
    finished = open_study(long).state().finished
    for _ in range(2):
        with pytest.raises(JournalDamagedError) as caught:
            finished.column("numbers")
        assert caught.value.offset == at
    assert list(finished._columns["numbers"]) == list(range(45))
    assert len(finished) == 4 * state.PACKED_AT_ONCE + 5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"state":1,"values":', b'"state":1,"more":2,"values":'),
        (b',"datetime_complete"', b',"more":2,"datetime_complete"'),
        (b',"jt":{', b',"more":2,"jt":{'),
        (b"},", b'},"more":2,'),
        (b'"values":[', b'"values": ['),
    ],
)
def test_a_result_with_more_or_with_blanks_counts_as_well(long: Path, old: bytes, new: bytes) -> None:
    before = columns(long)
    rewrite(long, line_of(long, b'"trial_id":45,"state":1'), old, new)
    assert columns(long) == before
