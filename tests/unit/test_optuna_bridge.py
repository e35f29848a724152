"""``journaltune.storage``: one file for Optuna's studies and ours, and what it does where Optuna's suite has no opinion."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import readers
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from rustuna.storages import JournalFileStorage

import journaltune
from journaltune.base.errors import NotFoundError, UsageError
from journaltune.engine.tell import tell
from journaltune.journal import system
from journaltune.study import open_study, trials

pytestmark = pytest.mark.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

NAN, INF = float("nan"), float("inf")
MINIMIZE = [StudyDirection.MINIMIZE]
X = FloatDistribution(0, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.fixture
def storage(path: Path) -> BaseStorage:
    return journaltune.storage(path)


def stock(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path)))


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -1, 1)
    n = trial.suggest_int("n", 1, 64, log=True)
    opt = trial.suggest_categorical("opt", ["adam", "sgd", None, True, 1])
    if opt == "sgd":
        x += trial.suggest_float("momentum", 0, 0.99, step=0.01)
    trial.set_user_attr("seen", [n, opt])
    trial.report(x, 1)
    if x < -0.8:
        raise optuna.TrialPruned
    if x > 0.9:
        return NAN
    return x**2 + n


def our_study(path: Path) -> journaltune.Study:
    """A study of ours with a trial in each state."""
    study = journaltune.create_study(
        path, params={"x": "log(1e-3, 1)", "n": "int(1, 9)", "opt": "adam | 1 | true | null"}, seed=3
    )
    study.tell(study.ask(), 0.5, constraints={"size": -1.0}, attrs={"note": {"deep": [1, None]}})
    study.tell(study.ask(), state="fail", reason="oom")
    pruned = study.ask()
    pruned.report(0.25, 3)
    study.tell(pruned, state="pruned")
    study.tell(study.ask(), INF)
    study.ask().report(-INF, 1)
    study.enqueue({"x": 0.125})
    return study


def test_trials_of_ours_are_what_stock_optuna_reads(path: Path, storage: BaseStorage) -> None:
    our_study(path).close()
    journaltune.create_study(path, study_name="two", params={"a": "float(0, 1)"}, directions=["minimize", "maximize"]).close()
    assert [study.study_name for study in storage.get_all_studies()] == ["study", "two"]
    seen = storage.get_all_trials(0)
    assert seen == stock(path).get_all_trials(0)
    assert [trial.state.name for trial in seen] == ["COMPLETE", "FAIL", "PRUNED", "COMPLETE", "RUNNING", "WAITING"]
    assert seen[0].system_attrs["constraints:size"] == -1.0
    assert seen[1].user_attrs == {"fail_reason": "oom"}
    assert storage.get_study_directions(1) == [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]


def test_trials_of_optuna_are_what_stock_optuna_and_we_read(path: Path, storage: BaseStorage) -> None:
    study = optuna.create_study(storage=storage, study_name="a", sampler=optuna.samplers.RandomSampler(seed=2))
    study.optimize(objective, n_trials=40)
    study.enqueue_trial({"x": 0.5})
    study.add_trial(create_trial(value=-1.0, params={"x": 0.5}, distributions={"x": X}, intermediate_values={7: 0.5}))
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED", "FAIL", "WAITING"}
    assert study.trials == stock(path).get_all_trials(0)
    assert readers.by_us(path) == readers.by_optuna(path)
    assert readers.plain_by_us(path) == readers.plain_by_rustuna(path)
    ours = journaltune.load_study(path)
    for our_trial, trial in zip(ours.trials, study.trials, strict=True):
        expected = {name: readers.on_grid(value, trial.distributions.get(name)) for name, value in trial.params.items()}
        assert our_trial.params == expected
    assert ours.best_value == study.best_value == -1.0


def test_every_reader_sees_the_same_of_several_studies_in_turns(path: Path) -> None:
    dice, ids = random.Random(1), {}
    storages = [journaltune.storage(path), journaltune.storage(path), stock(path)]
    for name in "abc":
        ids[name] = dice.choice(storages).create_new_study(MINIMIZE, name)
    for step in range(60):
        name = dice.choice("abc")
        trial_id = dice.choice(storages).create_new_trial(ids[name])
        dice.choice(storages).set_trial_param(trial_id, "x", dice.random(), X)
        if dice.random() < 0.8:
            dice.choice(storages).set_trial_state_values(trial_id, TrialState.COMPLETE, [dice.random()])
        if step == 40:
            storages[0].delete_study(ids["b"])
            ids["b"] = ids["a"]
    storages.append(journaltune.storage(path))
    storages[0].remove_session()
    storages[0]._journal.save_snapshot()
    storages.append(journaltune.storage(path))
    expected = stock(path)
    for own in storages:
        for study_id in (ids["a"], ids["c"]):
            trials = expected.get_all_trials(study_id)
            assert own.get_all_trials(study_id) == trials
            for trial in trials:
                assert own.get_trial(trial._trial_id) == trial
                assert own.get_trial_number_from_id(trial._trial_id) == trial.number
                assert own.get_trial_id_from_study_id_trial_number(study_id, trial.number) == trial._trial_id


def test_a_trial_that_optuna_asked_for_can_be_told_here(path: Path, storage: BaseStorage) -> None:
    study = optuna.create_study(storage=storage, study_name="a")
    trial = study.ask({"x": X})
    ours = open_study(path)
    assert tell(ours, trial.number, 0.25) == TrialState.COMPLETE
    assert study.trials[0].value == 0.25
    with pytest.raises(ValueError, match="COMPLETE"):
        study.tell(trial, 0.5)
    assert trials.counts(ours)["complete"] == 1


def test_a_trial_that_was_asked_for_here_can_be_told_by_optuna(path: Path, storage: BaseStorage) -> None:
    ours = journaltune.create_study(path, params={"x": "float(0, 1)"})
    asked = ours.ask()
    study = optuna.load_study(study_name="study", storage=storage)
    study.tell(asked.number, 0.5)
    assert ours.best_trial.params == asked.params == study.best_params


@pytest.mark.parametrize(
    "value", [NAN, [1, NAN, {"a": NAN}], {"NaN": "NaN", "b": [NAN]}], ids=["plain", "list", "beside-the-word"]
)
def test_a_nan_in_an_attribute_is_one_here_and_stops_no_reader(path: Path, storage: BaseStorage, value: Any) -> None:
    study_id = storage.create_new_study(MINIMIZE, "a")
    trial_id = storage.create_new_trial(study_id)
    storage.set_study_user_attr(study_id, "k", value)
    storage.set_study_system_attr(study_id, "k", value)
    storage.set_trial_user_attr(trial_id, "k", value)
    storage.set_trial_system_attr(trial_id, "k", value)
    template = create_trial(value=1, user_attrs={"k": value}, system_attrs={"k": value}, intermediate_values={1: NAN, 2: 0.5})
    storage.create_new_trial(study_id, template)
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [1])
    storage._journal.save_snapshot()
    for own in (storage, journaltune.storage(path)):
        held = [own.get_study_user_attrs(study_id), own.get_study_system_attrs(study_id)]
        for trial in own.get_all_trials(study_id):
            held += [trial.user_attrs, trial.system_attrs]
        assert [repr(attrs["k"]) for attrs in held] == [repr(value)] * 6
        assert repr(own.get_trial(trial_id + 1).intermediate_values) == "{1: nan, 2: 0.5}"
    assert [trial.value for trial in stock(path).get_all_trials(study_id)] == [1, 1]
    assert b"NaN," not in path.read_bytes().replace(b'\\"', b'"').split(b'"jt"')[0]
    assert [trial.state.name for trial in JournalFileStorage(str(path)).get_trials(study_id)] == ["COMPLETE", "COMPLETE"]


def test_an_intermediate_nan_is_one_here_until_a_number_takes_its_step(path: Path, storage: BaseStorage) -> None:
    study_id = storage.create_new_study(MINIMIZE, "a")
    trial_id = storage.create_new_trial(study_id)
    for step, value in enumerate([0.5, NAN, NAN, INF]):
        storage.set_trial_intermediate_value(trial_id, step, value)
    storage.set_trial_intermediate_value(trial_id, 0, NAN)
    storage.set_trial_intermediate_value(trial_id, 1, 0.25)
    seen = journaltune.storage(path).get_trial(trial_id).intermediate_values
    assert repr(dict(sorted(seen.items()))) == "{0: nan, 1: 0.25, 2: nan, 3: inf}"
    assert stock(path).get_trial(trial_id).intermediate_values == {0: 0.5, 1: 0.25, 3: INF}
    assert JournalFileStorage(str(path)).get_trials(study_id)[0].intermediate_values == {0: 0.5, 1: 0.25, 3: INF}


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda s: s.set_trial_state_values(0, TrialState.COMPLETE, [NAN]), ValueError),
        (lambda s: s.set_trial_state_values(0, TrialState.COMPLETE), ValueError),
        (lambda s: s.set_trial_state_values(0, TrialState.COMPLETE, ["much"]), ValueError),
        (lambda s: s.set_trial_intermediate_value(0, -1, 0.5), ValueError),
        (lambda s: s.set_trial_intermediate_value(0, 2**63, 0.5), ValueError),
        (lambda s: s.set_trial_param(0, "c", 3, CategoricalDistribution(["a", "b"])), ValueError),
        (lambda s: s.set_trial_param(0, "c", NAN, X), ValueError),
        (lambda s: s.set_trial_param(0, "x", 1, CategoricalDistribution(["a", "b"])), ValueError),
        (lambda s: s.set_trial_user_attr(0, "deep", nested(100)), ValueError),
        (lambda s: s.set_trial_user_attr(0, "object", object()), TypeError),
        (lambda s: s.set_study_user_attr(0, "object", {1, 2}), TypeError),
        (lambda s: s.create_new_study(MINIMIZE, "a"), optuna.exceptions.DuplicatedStudyError),
        (lambda s: s.create_new_trial(7), KeyError),
        (lambda s: s.set_study_user_attr(7, "k", 1), KeyError),
        (lambda s: s.set_trial_user_attr(7, "k", 1), KeyError),
        (lambda s: s.create_new_trial(0, create_trial(state=TrialState.PRUNED, intermediate_values={-3: 1.0})), ValueError),
        (lambda s: s.set_trial_user_attr(1, "k", 1), optuna.exceptions.UpdateFinishedTrialError),
        (lambda s: s.set_trial_state_values(1, TrialState.RUNNING), optuna.exceptions.UpdateFinishedTrialError),
    ],
)
def test_what_is_refused_is_not_written_and_leaves_the_storage_as_it_was(
    path: Path, storage: BaseStorage, call: Callable[[BaseStorage], object], error: type[Exception]
) -> None:
    storage.create_new_study(MINIMIZE, "a")
    storage.set_trial_param(storage.create_new_trial(0), "x", 0.5, X)
    storage.set_trial_state_values(storage.create_new_trial(0), TrialState.FAIL)
    before, trials = path.read_bytes(), storage.get_all_trials(0, deepcopy=False)
    with pytest.raises(error):
        call(storage)
    assert path.read_bytes() == before
    assert all(now is then for now, then in zip(storage.get_all_trials(0, deepcopy=False), trials, strict=True))


def test_what_a_caller_changes_changes_nothing_in_the_storage(path: Path, storage: BaseStorage) -> None:
    study_id = storage.create_new_study(MINIMIZE, "a")
    running, done = storage.create_new_trial(study_id), storage.create_new_trial(study_id)
    for trial_id in (running, done):
        given = [1, {"a": 2}]
        storage.set_trial_user_attr(trial_id, "k", given)
        storage.set_trial_param(trial_id, "c", 0, CategoricalDistribution(["a"]))
        given.append(3)
    storage.set_trial_state_values(done, TrialState.COMPLETE, [1])
    storage.set_study_user_attr(study_id, "k", [1])
    storage.get_study_user_attrs(study_id)["k"].append(2)
    storage.get_all_studies()[0].user_attrs["k"].append(2)
    for trial in [*storage.get_all_trials(study_id), storage.get_trial(running)]:
        trial.user_attrs["k"][1]["a"] = trial.params["c"] = trial.distributions["d"] = trial.intermediate_values[0] = 9
    assert storage.get_study_user_attrs(study_id) == {"k": [1]}
    assert (
        storage.get_all_trials(study_id)
        == journaltune.storage(path).get_all_trials(study_id)
        == stock(path).get_all_trials(study_id)
    )
    assert storage.get_trial(running).user_attrs == {"k": [1, {"a": 2}]}


def test_a_finished_trial_is_built_once(storage: BaseStorage) -> None:
    study_id = storage.create_new_study(MINIMIZE, "a")
    done = storage.create_new_trial(study_id)
    storage.set_trial_state_values(done, TrialState.COMPLETE, [1])
    running = storage.create_new_trial(study_id)
    first = storage.get_all_trials(study_id, deepcopy=False)
    assert storage.get_trial(done) is first[0] is storage.get_best_trial(study_id)
    assert storage.get_all_trials(study_id, deepcopy=False)[1] is first[1]
    storage.set_trial_param(running, "x", 0.5, X)
    second = storage.get_all_trials(study_id, deepcopy=False)
    assert second[0] is first[0]
    assert (first[1].params, second[1].params) == ({}, {"x": 0.5})
    storage.set_trial_intermediate_value(running, 0, 1.0)
    storage.set_trial_intermediate_value(running, 0, 2.0)
    assert storage.get_all_trials(study_id, deepcopy=False)[1].intermediate_values == {0: 2.0}


@pytest.fixture
def fsyncs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    made: list[str] = []

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        made.append(name)
        return function(*arguments)

    monkeypatch.setattr(system, "fault", fault)
    return made


def test_results_and_studies_are_on_disk_when_a_call_returns_and_running_trials_need_not_be(
    storage: BaseStorage, fsyncs: list[str]
) -> None:
    def synced(call: Callable[[], object]) -> int:
        fsyncs.clear()
        call()
        return sum(name in ("fsync", "fdatasync") for name in fsyncs)

    assert synced(lambda: storage.create_new_study(MINIMIZE, "a")) == 1
    assert synced(lambda: storage.set_study_user_attr(0, "k", 1)) == 1
    assert synced(lambda: storage.create_new_trial(0)) == 0
    assert synced(lambda: storage.set_trial_param(0, "x", 0.5, X)) == 0
    assert synced(lambda: storage.set_trial_user_attr(0, "k", 1)) == 0
    assert synced(lambda: storage.set_trial_intermediate_value(0, 0, 1)) == 0
    assert synced(lambda: storage.set_trial_state_values(0, TrialState.COMPLETE, [1])) == 1
    assert synced(lambda: storage.create_new_trial(0, create_trial(state=TrialState.WAITING))) == 1
    assert synced(lambda: storage.create_new_trial(0, create_trial(value=1))) == 1
    assert synced(lambda: storage.get_all_trials(0)) == 0
    assert synced(lambda: storage.delete_study(0)) == 1


def test_an_enqueued_trial_goes_to_one_of_two_workers(path: Path, storage: BaseStorage) -> None:
    study_id = storage.create_new_study(MINIMIZE, "a")
    trial_id = storage.create_new_trial(study_id, create_trial(state=TrialState.WAITING))
    other = journaltune.storage(path)
    assert other.get_trial(trial_id).datetime_start is None
    assert storage.set_trial_state_values(trial_id, TrialState.RUNNING) is True
    before = path.read_bytes()
    assert other.set_trial_state_values(trial_id, TrialState.RUNNING) is False
    assert path.read_bytes() == before
    assert other.get_trial(trial_id).datetime_start is not None


@pytest.mark.parametrize("direction", [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE])
def test_the_best_trial_is_the_one_that_optuna_finds(storage: BaseStorage, direction: StudyDirection) -> None:
    dice, study_id = random.Random(4), storage.create_new_study([direction], "a")
    ids = [storage.create_new_trial(study_id) for _ in range(40)]
    dice.shuffle(ids)
    for trial_id in ids:
        storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [dice.choice([-INF, -1.0, 0.0, 0.5, INF])])
        assert storage.get_best_trial(study_id) == BaseStorage.get_best_trial(storage, study_id)


def test_a_journal_that_may_only_be_read_can_be_read(path: Path, storage: BaseStorage) -> None:
    our_study(path).close()
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only for root")
    path.chmod(0o444)
    assert len(journaltune.storage(path).get_all_trials(0)) == 6


def test_an_unpickled_storage_makes_no_new_journal(path: Path, storage: BaseStorage) -> None:
    packed = pickle.dumps(storage)
    assert pickle.loads(packed).get_all_studies() == []
    path.unlink()
    with pytest.raises(NotFoundError):
        pickle.loads(packed)
    assert not path.exists()


def test_an_interrupt_leaves_nothing_half_done(path: Path, storage: BaseStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    study_id = storage.create_new_study(MINIMIZE, "a")
    trial_id = storage.create_new_trial(study_id)
    storage.set_trial_state_values(storage.create_new_trial(study_id), TrialState.COMPLETE, [1])

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        function(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(system, "fault", fault)
    with pytest.raises(KeyboardInterrupt):
        storage.set_trial_user_attr(trial_id, "k", 1)
    monkeypatch.setattr(system, "fault", None)
    assert storage.get_trial(trial_id).user_attrs == {"k": 1}
    assert len(storage.get_all_trials(study_id)) == 2
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [2])
    assert storage.get_all_trials(study_id) == stock(path).get_all_trials(study_id)


def test_a_process_that_uses_a_long_journal_for_a_while_leaves_a_snapshot_for_the_next_one(
    path: Path, storage: BaseStorage
) -> None:
    study_id = storage.create_new_study(MINIMIZE, "a")
    for _ in range(30):
        storage.create_new_trial(study_id, create_trial(value=1, user_attrs={"k": "x" * 4000}))
    assert not Path(f"{path}.d").exists()
    other = journaltune.storage(path)
    for _ in range(100):
        other.get_all_studies()
    assert Path(f"{path}.d", "snapshot").exists()
    assert journaltune.storage(path).get_all_trials(study_id) == stock(path).get_all_trials(study_id)


def test_a_storage_that_is_done_leaves_a_snapshot_for_the_next_one(path: Path, storage: BaseStorage) -> None:
    storage.create_new_trial(storage.create_new_study(MINIMIZE, "a"), create_trial(value=1, user_attrs={"k": "x" * 100_000}))
    storage.remove_session()
    assert Path(f"{path}.d", "snapshot").exists()
    assert storage.get_all_trials(0) == journaltune.storage(path).get_all_trials(0)


def test_threads_share_a_storage(path: Path, storage: BaseStorage) -> None:
    study = optuna.create_study(storage=storage, study_name="a", sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=60, n_jobs=4)
    assert [trial.number for trial in study.trials] == list(range(60))
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert study.trials == stock(path).get_all_trials(0)


def test_the_names_of_a_study_are_optunas(storage: BaseStorage) -> None:
    assert optuna.create_study(storage=storage).study_name.startswith("no-name-")
    study = optuna.create_study(storage=storage, study_name="größe 🎉", directions=["minimize", "maximize"])
    study.set_metric_names(["loss", "speed"])
    assert optuna.load_study(study_name="größe 🎉", storage=storage).metric_names == ["loss", "speed"]
    with pytest.raises(RuntimeError):
        storage.get_best_trial(study._study_id)
    optuna.delete_study(study_name="größe 🎉", storage=storage)
    assert len(optuna.get_all_study_names(storage)) == 1


def test_a_sampler_that_exists_is_refused_for_its_seed(path: Path) -> None:
    study = journaltune.create_study(path, params={"x": "float(0, 1)"})
    with pytest.raises(UsageError, match="function that makes one from a seed"):
        study.to_optuna(sampler=optuna.samplers.RandomSampler())  # type: ignore[arg-type]
