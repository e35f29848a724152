"""What Python callers pass by mistake: one of our errors, in one line, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import journaltune
from journaltune import UsageError, create_study, load_study
from journaltune.api.study import Study
from journaltune.cli import main

NAN = float("nan")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = create_study(tmp_path / "s.journal", params={"x": "float(0, 1)"}, sampler="random", seed=1)
    made.ask()
    return made


@pytest.mark.parametrize("wrong", [5, None, ["s.journal"], 1.5])
def test_a_path_is_text_or_a_path(wrong: Any) -> None:
    for call in (load_study, lambda path: create_study(path, params={"x": "float(0, 1)"})):
        with pytest.raises(UsageError, match="a journal's path is text or a path, not"):
            call(wrong)


def test_a_path_in_bytes_is_a_path(study: Study) -> None:
    assert load_study(study._study.path.encode()).study_name == "s"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.ask(max_trials="3"),
        lambda s: s.ask(max_trials=-1),
        lambda s: s.ask(max_trials=1.5),
        lambda s: s.ask(wait_s="x"),
        lambda s: s.ask(wait_s=NAN),
        lambda s: s.ask(wait_s=-1),
        lambda s: s.tell(0, 1.0, attrs=[1]),
        lambda s: s.tell(0, 1.0, attrs="ab"),
        lambda s: s.tell(0, 1.0, constraints=[1]),
        lambda s: s.enqueue(None),
        lambda s: s.enqueue([("x", 0.5)]),
        lambda s: s.enqueue("x"),
        lambda s: s.enqueue({"x": 0.5}, attrs=[1]),
        lambda s: s.lookup("x"),
        lambda s: load_study(s._study.path, lock_timeout_s=NAN),
        lambda s: load_study(s._study.path, lock_timeout_s=-1),
        lambda s: load_study(s._study.path, lock_timeout_s=None),
        lambda s: create_study(s._study.path, lock_timeout_s="1", exist_ok=True),
        lambda s: create_study(s._study.path, space=5, exist_ok=True),
        lambda s: create_study(s._study.path, drop=5, exist_ok=True),
        lambda s: create_study(s._study.path, drop=[5], exist_ok=True),
    ],
)
def test_a_wrong_type_is_a_wrong_call(study: Study, call: Any) -> None:
    before = Path(study._study.path).read_bytes()
    with pytest.raises(UsageError) as caught:
        call(study)
    assert type(caught.value) is not journaltune.SpaceError
    assert len(str(caught.value).splitlines()) == 1
    assert Path(study._study.path).read_bytes() == before


@pytest.mark.parametrize("value", ["１", "٣", "1٣", "𝟏"])
def test_numbers_are_written_in_plain_digits(study: Study, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    for call in (["tell", "0", value], ["report", "0", "1", value], ["tell", "0", "1", "--constraint", f"c={value}"]):
        assert main([*call, "-f", study._study.path]) == 2
    assert "must be a number" in capsys.readouterr().err
    assert study.counts()["running"] == 1


@pytest.mark.parametrize("odd", [5, "abc", [1]])
def test_trials_shows_whatever_another_program_enqueued(study: Study, odd: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(study._study.path))
    theirs = optuna.load_study(study_name="s", storage=storage)
    theirs.enqueue_trial({"x": 0.5})
    storage.set_trial_system_attr(theirs.trials[-1]._trial_id, "fixed_params", odd)
    for wanted in ("table", "csv", "json", "jsonl"):
        assert main(["trials", "--format", wanted, "-f", study._study.path]) == 0
        assert "waiting" in capsys.readouterr().out
