"""Every suggestion recomputed from the journal; what differs is found and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from journaltune import JournalDamagedError, create_study, load_study
from journaltune.engine.verify import verify
from journaltune.journal import records
from journaltune.journal.upkeep.repair import repair

SPACE = {"x": "float(0, 1)", "kind": "a | b"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two loops that overlap, enqueued trials, failures, another study in the file, a changed space and sampler."""
    found = tmp_path / "study.journal"
    study = create_study(found, params=SPACE, study_name="study", seed=3, sampler_options={"n_startup_trials": 4}, sampler="tpe")
    other = create_study(found, params=SPACE, study_name="other", seed=4)
    study.enqueue({"x": 0.125})
    other.enqueue({"kind": "b"})
    asked = []
    for number in range(16):
        asked.append(study.ask())
        other.tell(other.ask(), 1.0)
        if number == 8:
            study = create_study(found, params={**SPACE, "x": "float(0, 2)"}, study_name="study", exist_ok=True)
        if len(asked) == 3:
            trial = asked.pop(1)
            study.tell(trial, trial.params["x"]) if number % 4 else study.tell(trial, state="fail", reason="oom")
    study.enqueue({"x": 0.5, "kind": "a"})
    return found


def unseal(path: Path) -> list[dict[str, Any]]:
    """The records without their checksums, as a program writes them that rewrites the file."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for record in found:
        record.pop("crc", None)
    return found


def put(path: Path, found: list[dict[str, Any]]) -> None:
    """The same journal with other contents; offsets stay true, as blanks fill what got shorter."""
    lines = path.read_bytes().splitlines()
    texts = [json.dumps(record, separators=(",", ":")).encode() for record in found]
    path.write_bytes(b"".join(text.rjust(len(line)) + b"\n" for text, line in zip(texts, lines, strict=True)))


def test_every_suggestion_comes_out_the_same(path: Path) -> None:
    for name in ("study", "other"):
        study = load_study(path, name)
        verdict = study.verify()
        assert verdict.difference is None
        assert verdict.environment_changes in ({}, {0: []})
        assert verdict.n_verified == 16
        assert verdict.n_foreign == (1 if name == "study" else 0)


def test_a_changed_parameter_is_found_by_its_checksum(path: Path) -> None:
    data = path.read_bytes()
    place = data.rindex(b'"x":0.') + len(b'"x":0.')
    path.write_bytes(data[:place] + (b"1" if data[place : place + 1] != b"1" else b"2") + data[place + 1 :])
    with pytest.raises(JournalDamagedError):
        verify(path, "study")


@pytest.mark.parametrize("which", [0, 5, 15])
def test_a_changed_parameter_is_found_where_the_checksums_are_gone(path: Path, which: int) -> None:
    found = unseal(path)
    asks = [r for r in found if r["op_code"] == records.CREATE_TRIAL and r["study_id"] == 0 and r["params"]]
    claims = [r for r in found if r["op_code"] == records.SET_TRIAL_PARAM and r["param_name"] == "kind"]
    target, key = (claims[0], "param_value_internal") if which == 0 else (asks[which - 1]["params"], "x")
    before = target[key]
    target[key] = 1 - before if which == 0 else 0.0
    put(path, found)
    difference = verify(path, "study").difference
    assert difference is not None
    assert difference.what == ("parameter 'kind'" if which == 0 else "parameter 'x'")
    assert (difference.found, difference.recomputed) == (target[key], before)
    assert path.read_bytes()[difference.offset :].lstrip().startswith(b'{"op_code"')


@pytest.fixture
def claimed(tmp_path: Path) -> Path:
    """A study whose sampler counts its trials, the enqueued ones too, and in which somebody's attribute came before a claim."""
    path = tmp_path / "study.journal"
    study = create_study(path, params=SPACE, seed=3, sampler="nsgaii", sampler_options={"population_size": 2})
    for number in range(8):
        if number % 2:
            study.enqueue({"x": number / 8} if number < 5 else {"x": number / 8, "kind": "a"})
        trial = study.ask()
        study.tell(trial, trial.params["x"], constraints={"c": 1.0}, attrs={"host": "a"})
    return path


def noted_by_claims(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the sampler noted of claimed trials; constraints came with their results."""
    of_trials = [r for r in found if r["op_code"] == records.SET_TRIAL_SYSTEM_ATTR]
    return [r for r in of_trials if not any(name.startswith("constraints:") for name in r["system_attr"])]


def test_what_the_sampler_noted_of_enqueued_trials_comes_out_the_same(claimed: Path) -> None:
    assert len(noted_by_claims(unseal(claimed))) >= 4
    verdict = verify(claimed)
    assert (verdict.n_verified, verdict.difference) == (8, None)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("change", ["value", "name", "writer"])
def test_a_changed_note_of_an_enqueued_trial_is_found(claimed: Path, which: int, change: str) -> None:
    found = unseal(claimed)
    target = noted_by_claims(found)[which]
    (name, value), *_ = target["system_attr"].items()
    if change == "value":
        target["system_attr"] = {name: "7" if isinstance(value, str) else {"place": 5, "attrs": {}}}
    elif change == "name":
        target["system_attr"] = {"g": value}
    else:
        target["worker_id"] = "other"
    put(claimed, found)
    difference = verify(claimed).difference
    assert difference is not None
    assert (difference.what, difference.recomputed[name]) == ("what the sampler noted", value)
    assert difference.found.get(name) == {"value": target["system_attr"].get(name)}.get(change)


def test_a_note_of_a_claim_that_broke_off_counts_for_nothing(claimed: Path) -> None:
    study = load_study(claimed)
    number = study.enqueue({"x": 0.5})
    trial_id = study._study.state().id_of(number)
    left = records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial_id, system_attr={"generation": "99"})
    with study._study.journal.locked():
        study._study.journal.append([left])
    study.tell(study.ask(), 1.0)
    verdict = study.verify()
    assert (verdict.n_verified, verdict.difference) == (9, None)


def test_a_changed_result_changes_what_follows(path: Path) -> None:
    found = unseal(path)
    tells = [r for r in found if r["op_code"] == records.SET_TRIAL_STATE_VALUES and r["state"] == 1 and r["values"] != [1.0]]
    for record in tells[:6]:
        record["values"] = [-record["values"][0]]
    put(path, found)
    assert verify(path, "study").difference is not None
    assert verify(path, "other").difference is None


def test_another_environment_is_named_with_the_first_trial_that_had_it(path: Path) -> None:
    found = unseal(path)
    for record in found:
        if record["op_code"] == records.CREATE_STUDY:
            record["jt"]["config"]["environment"]["optuna"] = "4.9"
    put(path, found)
    verdict = verify(path, "study")
    assert list(verdict.environment_changes) == [0, 9]
    assert verdict.environment_changes[9] == [], "the settings that were laid over it hold the environment too"
    assert verdict.environment_changes[0][0].startswith("optuna 4.9 -> ")
    assert verdict.environment["optuna"] == optuna.__version__
    assert verdict.difference is None


def test_a_study_of_another_program_has_nothing_to_verify(tmp_path: Path) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = tmp_path / "stock.journal"
    study = optuna.create_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    verdict = verify(path)
    assert (verdict.n_verified, verdict.n_foreign, verdict.difference) == (0, 3, None)


@pytest.mark.parametrize("put_in", [b"\xef\xbb\xbf", b"\n", b"garbage\n", b"as long as an ask"])
def test_asks_that_a_repair_left_elsewhere_than_they_were_written_are_not_taken_for_different(path: Path, put_in: bytes) -> None:
    """Garbage may be as long as an ask: what later asks saw of the journal ends at the end of a line again."""
    lines = path.read_bytes().splitlines(keepends=True)
    place = 0 if put_in.startswith(b"\xef") else len(lines) // 2
    put_in = b"x" * (len(lines[place - 1]) - 1) + b"\n" if put_in == b"as long as an ask" else put_in
    path.write_bytes(b"".join([*lines[:place], put_in, *lines[place:]]))
    assert repair(str(path))
    verdict = verify(path, "study")
    assert verdict.difference is None
    assert verdict.n_verified + verdict.n_foreign == 17
    assert (verdict.n_verified > 0) == (place > 0)
    study = load_study(path, "study")
    for _ in range(2):
        study.ask()
    assert verify(path, "study").n_verified == verdict.n_verified + 2, "what is asked for afterwards can be verified"
