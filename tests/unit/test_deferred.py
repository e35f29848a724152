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
from journaltune.journal import records
from journaltune.journal.fold import DeferredTrial
from journaltune.journal.upkeep.compact import compact
from journaltune.journal.upkeep.repair import repair
from journaltune.study import trials
from journaltune.study.open_study import open_study


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


def test_a_compacted_journal_remembers_requests_for_running_trials(path: Path) -> None:
    study = open_study(path)
    numbers = [ask(study).number for _ in range(3)]
    report(study, numbers[-1], 0, 0.5, request_id="r1")
    compact(path, f"{path}.compacted")
    compacted = open_study(f"{path}.compacted")
    assert compacted.state().requests == study.state().requests == {"report:r1": numbers[-1]}
