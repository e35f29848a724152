"""What `ask` promises: dense numbers, declared spaces, stable seeds, exact budgets, and records that say what was handed out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base import trainer_seed
from journaltune.base.errors import (
    ConflictError,
    ExhaustedError,
    JournaltuneError,
    MachineError,
    NotFoundError,
    SpaceError,
    UsageError,
)
from journaltune.engine.create import delete
from journaltune.journal import file as files
from journaltune.study import trials
from journaltune.suggest.samplers.from_rustuna import RustunaSampler

MIXED = {
    "lr": "log(1e-5, 1e-1)",
    "x": "float(-1, 1)",
    "rate": "float(0, 1, step=0.25)",
    "layers": "int(1, 8)",
    "width": "int(16, 512, log)",
    "even": "int(0, 10, step=2)",
    "opt": "adam | sgd",
    "only": "choice(fixed)",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": {"x": "float(0, 1)"}, "sampler": "tpe", "seed": 1, **options})


def replace_space(path: Path, params: dict[str, str]) -> None:
    space = load_study(path)._study.space
    drop = [] if space is None else [name for name in space.distributions if name not in params]
    create_study(path, params=params, exist_ok=True, drop=drop).close()


def refused(study: Study, error: type[JournaltuneError], **options: Any) -> JournaltuneError:
    before = Path(study._study.path).read_bytes()
    with pytest.raises(error) as caught:
        study.ask(**options)
    assert Path(study._study.path).read_bytes() == before
    return caught.value


def test_numbers_count_up_from_zero_and_params_have_the_declared_kinds_and_ranges(path: Path) -> None:
    study = make(path, params=MIXED, sampler_options={"n_startup_trials": 4})
    for number in range(12):
        trial = study.ask()
        params = trial.params
        assert trial.number == number
        assert list(params) == list(MIXED)
        assert {name: type(value) for name, value in params.items()} == {
            **dict.fromkeys(("lr", "x", "rate"), float),
            **dict.fromkeys(("layers", "width", "even"), int),
            **dict.fromkeys(("opt", "only"), str),
        }
        assert 1e-5 <= params["lr"] <= 1e-1
        assert -1 <= params["x"] <= 1
        assert params["rate"] in (0, 0.25, 0.5, 0.75, 1)
        assert params["layers"] in range(1, 9)
        assert params["width"] in range(16, 513)
        assert params["even"] in range(0, 11, 2)
        assert (params["opt"] in ("adam", "sgd"), params["only"]) == (True, "fixed")
        study.tell(trial, params["x"])


def test_the_journal_holds_what_was_handed_out(path: Path) -> None:
    study = make(path, params=MIXED)
    asked = [study.ask() for _ in range(5)]
    assert [trial.params for trial in load_study(path).trials] == [trial.params for trial in asked]


def test_an_ask_is_one_line_in_the_journal(path: Path) -> None:
    study = make(path, params=MIXED)
    lines = path.read_bytes().count(b"\n")
    study.ask()
    assert path.read_bytes().count(b"\n") == lines + 1


def test_the_trainers_seed_is_31_bits_and_the_same_in_every_version(path: Path) -> None:
    study = make(path, seed=42)
    # Pinned: a study that was begun with an older version has to go on with the same seeds.
    assert [study.ask().seed for _ in range(3)] == [1310986398, 259635979, 971935958]
    assert [trial.seed for trial in load_study(path).trials] == [1310986398, 259635979, 971935958]
    assert [trainer_seed({"seed": 42}, number) for number in range(3)] == [3458470046, 2407119627, 971935958]


def test_trainers_seeds_of_trials_and_studies_differ(path: Path) -> None:
    seeds = set()
    for seed in (0, 1, 2**63 - 1):
        study = make(path, study_name=f"s{seed}", seed=seed)._study
        seeds |= {trainer_seed(study.config, number) for number in range(300)}
    assert len(seeds) == 900
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_studies_with_other_seeds_get_other_params(path: Path) -> None:
    asked = [make(path, study_name=f"s{seed}", seed=seed).ask().params["x"] for seed in range(20)]
    assert len(set(asked)) == 20


def test_a_study_without_a_seed_draws_one_and_keeps_it(path: Path) -> None:
    one = make(path, study_name="one", seed=None)
    two = make(path, study_name="two", seed=None)
    assert one.seed != two.seed
    assert load_study(path, "one").seed == one.seed


def test_the_budget_counts_running_and_finished_trials(path: Path) -> None:
    study = make(path)
    for _ in range(3):
        study.ask(max_trials=3)
    study.tell(0, 1.0)
    study.tell(1, state="pruned")
    study.tell(2, state="fail", reason="oom")
    error = refused(study, ExhaustedError, max_trials=3)
    assert error.exit_code == 11
    assert study.ask(max_trials=4).number == 3
    assert study.ask().number == 4


def test_the_budget_counts_neither_interrupted_nor_enqueued_trials(path: Path) -> None:
    study = make(path)
    for reason in ("interrupted", "owner-died"):
        study.tell(study.ask(), state="fail", reason=reason)
    study.enqueue({"x": 0.5})
    assert [study.ask(max_trials=2).number for _ in range(2)] == [2, 3]
    refused(study, ExhaustedError, max_trials=2)


def test_an_exhausted_budget_leaves_enqueued_trials_waiting(path: Path) -> None:
    study = make(path)
    study.ask()
    study.enqueue({"x": 0.5})
    refused(study, ExhaustedError, max_trials=1)
    assert study.counts()["waiting"] == 1
    assert study.ask(max_trials=2).number == 1


def test_a_budget_of_none_at_all_is_exhausted_at_once(path: Path) -> None:
    refused(make(path), ExhaustedError, max_trials=0)


def test_a_study_without_a_space_says_how_to_give_it_one(path: Path) -> None:
    study = create_study(path)
    assert "create --exist-ok" in str(refused(study, SpaceError))
    replace_space(path, {"x": "float(0, 1)"})
    assert study.ask().number == 0


def test_an_error_of_the_sampler_writes_nothing_and_frees_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(RustunaSampler, "suggest", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            study.ask()
    assert path.read_bytes() == before
    assert load_study(path, lock_timeout_s=0).ask().number == 0
    assert study.ask().number == 1


def test_a_full_disk_writes_nothing_and_the_study_goes_on_afterwards(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("journaltune.journal.system.write", full)
        assert refused(study, MachineError).exit_code == 7
    assert study.ask().number == 0


def test_the_owner_and_the_time_limit_are_recorded(path: Path) -> None:
    import os

    study = make(path)
    study.ask(owner_pid=os.getpid(), ttl_s=90.0)
    (record,) = [trial.metadata for trial in load_study(path)._study.state().live.values()]
    assert (record["owner"]["pid"], record["ttl_s"]) == (os.getpid(), 90.0)


@pytest.mark.parametrize("options", [{"owner_pid": 2**22 + 1}, {"owner_pid": 0}, {"owner_pid": -1}, {"owner_pid": "me"}])
def test_an_owner_that_is_no_process_is_refused(path: Path, options: dict[str, Any]) -> None:
    refused(make(path), UsageError, **options)


@pytest.mark.parametrize("ttl_s", [float("nan"), float("inf"), -1.0, "soon"])
def test_a_time_limit_that_is_no_duration_is_refused(path: Path, ttl_s: Any) -> None:
    refused(make(path), UsageError, ttl_s=ttl_s)


def test_a_study_that_was_deleted_meanwhile_takes_nothing_more(path: Path) -> None:
    study, other = make(path, study_name="doomed"), make(path, study_name="other")
    study.ask()
    study.enqueue({"x": 0.5})
    delete(path, "doomed")
    before = path.read_bytes()
    for call in (
        study.ask,
        lambda: study.tell(0, 1.0),
        lambda: study.enqueue({"x": 0.1}),
        lambda: study.trials,
        study.counts,
        lambda: study.best_trial,
        lambda: study.directions,
    ):
        with pytest.raises(NotFoundError, match="deleted"):
            call()
    assert path.read_bytes() == before
    assert other.ask().number == 0


def test_a_study_of_the_same_name_is_not_the_deleted_one(path: Path) -> None:
    study = make(path, study_name="a")
    study.ask()
    delete(path, "a")
    again = make(path, study_name="a")
    with pytest.raises(NotFoundError):
        study.ask()
    assert again.ask().number == 0
    assert len(again.trials) == 1


class TestSpaceChangedMidStudy:
    @pytest.mark.parametrize("sampler", ["tpe", "random", "optuna.TPESampler", "optuna.RandomSampler"])
    @pytest.mark.parametrize("params", [{"x": "float(5, 6)"}, {"y": "int(0, 3)"}, {"x": "float(0, 1)", "y": "a | b"}])
    def test_the_next_asks_follow_the_new_space(self, path: Path, sampler: str, params: dict[str, str]) -> None:
        study = make(path, sampler=sampler)
        for number in range(12):
            study.tell(study.ask(), float(number))
        study.ask()
        before = study.trials
        replace_space(path, params)
        space = load_study(path)._study.space
        assert space is not None
        for number in range(13, 27):
            trial = study.ask()
            assert trial.number == number
            space.encode(trial.params)
            study.tell(trial, float(number))
        assert study.trials[:13] == before
        assert study.best_value == 0.0

    @pytest.mark.parametrize("queued", [False, True])
    def test_while_the_sampler_computes(self, path: Path, monkeypatch: pytest.MonkeyPatch, queued: bool) -> None:
        study = make(path, params={"x": "float(0, 1)", "z": "float(0, 1)"})
        if queued:
            study.enqueue({"z": 0.5})
        suggest = RustunaSampler.suggest

        def meanwhile(self: RustunaSampler, *arguments: Any) -> dict[str, float]:
            monkeypatch.setattr(RustunaSampler, "suggest", suggest)
            replace_space(path, {"y": "float(0, 1)", "z": "float(0, 1)"})
            return suggest(self, *arguments)

        monkeypatch.setattr(RustunaSampler, "suggest", meanwhile)
        trial = study.ask()
        assert list(trial.params) == ["z", "y"]
        assert [found.params for found in load_study(path).trials] == [trial.params]

    @pytest.mark.parametrize("sampler", ["tpe", "random", "optuna.TPESampler", "optuna.RandomSampler"])
    @pytest.mark.parametrize(("old", "new"), [("a | b", "x | y"), ("a | b", "b | a | c"), ("float(0, 9)", "int(0, 9)")])
    @pytest.mark.parametrize("queued", [False, True])
    def test_to_another_kind_or_other_choices(self, path: Path, sampler: str, old: str, new: str, queued: bool) -> None:
        """Such a study is refused as a whole, or its journal holds what was handed out."""
        study = make(path, params={"c": old, "x": "float(0, 1)"}, sampler=sampler)
        for number in range(11):
            study.tell(study.ask(), float(number))
        before = path.read_bytes()
        try:
            replace_space(path, {"c": new, "x": "float(0, 1)"})
        except (UsageError, ConflictError):
            assert path.read_bytes() == before
            return
        asked = []
        for number in range(11, 14):
            if queued:
                study.enqueue({"x": 0.5})
            asked.append(study.ask())
            study.tell(asked[-1], float(number))
        assert [trial.params for trial in load_study(path).trials[11:]] == [trial.params for trial in asked]


def test_a_stock_worker_that_creates_trials_faster_than_the_sampler_suggests_does_not_starve_an_ask(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make(path)
    worker = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))
    suggest, created = RustunaSampler.suggest, []

    def overtaken(self: RustunaSampler, *arguments: Any) -> dict[str, float]:
        if len(created) < 20:
            created.append(worker.ask().number)
        return suggest(self, *arguments)

    monkeypatch.setattr(RustunaSampler, "suggest", overtaken)
    asked = study.ask()
    assert asked.number == len(created) < 20
    assert load_study(path).trials[asked.number].params == asked.params
    assert asked.seed == trainer_seed(study._study.config, asked.number)


def test_a_number_that_a_stock_worker_takes_between_our_lock_and_our_write_is_its_own(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, append = make(path), files.append
    worker = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))

    def meanwhile(*arguments: Any) -> None:
        monkeypatch.undo()
        assert worker.ask().number == 0
        append(*arguments)

    monkeypatch.setattr(files, "append", meanwhile)
    asked = study.ask()
    assert (asked.number, asked.seed) == (1, trainer_seed(study._study.config, 1))
    assert [trial.params for trial in load_study(path).trials] == [{}, asked.params]


def test_a_suggestion_for_a_number_that_is_taken_meanwhile_is_thrown_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, other = make(path, params=MIXED), load_study(path)
    suggest = RustunaSampler.suggest

    def overtaken(self: RustunaSampler, *arguments: Any) -> dict[str, float]:
        monkeypatch.setattr(RustunaSampler, "suggest", suggest)
        other.enqueue({"opt": "sgd"})
        return suggest(self, *arguments)

    monkeypatch.setattr(RustunaSampler, "suggest", overtaken)
    first, second = study.ask(), study.ask()
    assert (first.number, first.params["opt"], second.number) == (0, "sgd", 1)
    undisturbed = make(path.with_name("b.journal"), params=MIXED)
    undisturbed.enqueue({"opt": "sgd"})
    assert [undisturbed.ask().params for _ in range(2)] == [first.params, second.params]


def test_counts_and_trials_agree(path: Path) -> None:
    study = make(path)
    for _ in range(6):
        study.ask()
    study.enqueue({"x": 0.25})
    study.tell(0, 1.0)
    study.tell(1, 2.0)
    study.tell(2, state="pruned")
    study.tell(3, state="fail")
    expected = {"running": 2, "waiting": 1, "complete": 2, "pruned": 1, "fail": 1}
    assert study.counts() == expected
    for state, count in expected.items():
        assert len(study.get_trials([state])) == count
        assert len(trials.trials(study._study, state)) == count
    assert [trial.number for trial in study.trials] == list(range(7))
