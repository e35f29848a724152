"""Python as people write it for Optuna: what is the same here, and errors that show the line to write."""

from __future__ import annotations

import copy
import pickle
import random
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial
from searching import tell_there

import journaltune
from journaltune import AskedTrial, FixedTrial, NotFoundError, SpaceError, UsageError, create_study, load_study
from journaltune.api.study import Study

INF = float("inf")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": {"x": "float(0, 1)"}, "seed": 1, "sampler": "random", **options})


def stock(path: Path) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(str(path))))


class TestCreating:
    def test_the_space_takes_optunas_distributions_and_lists(self, path: Path) -> None:
        space = {
            "lr": FloatDistribution(1e-5, 1e-1, log=True),
            "drop": FloatDistribution(0, 0.5, step=0.1),
            "n": IntDistribution(1, 9, step=2),
            "width": IntDistribution(16, 1024, log=True),
            "opt": CategoricalDistribution(["adam", "sgd"]),
        }
        trial = create_study(path, params={**space, "flag": [True, 1, None], "pair": ("a", "b"), "x": "float(0, 1)"}).ask()
        plain = {"flag": CategoricalDistribution([True, 1, None]), "pair": CategoricalDistribution(["a", "b"])}
        assert trial.distributions == {**space, **plain, "x": FloatDistribution(0, 1)}
        assert trial.params.keys() == trial.distributions.keys()

    def test_direction_is_for_one_objective(self, path: Path) -> None:
        study = make(path, direction="maximize")
        assert (study.direction, study.directions) == ("maximize", ("maximize",))
        assert make(path.with_name("b"), direction=optuna.study.StudyDirection.MINIMIZE).direction == "minimize"
        with pytest.raises(UsageError, match="leave one out"):
            make(path.with_name("c"), direction="minimize", directions=["minimize"])
        assert not path.with_name("c").exists()
        with pytest.raises(UsageError, match="use directions"):
            _ = make(path.with_name("d"), directions=["minimize", "maximize"]).direction

    def test_what_is_written_otherwise_here_is_shown_as_the_line_to_write(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(UsageError) as caught:
            create_study(
                storage="sqlite:///x.db",
                study_name="digits",
                load_if_exists=True,
                direction="maximize",
                params={"x": "float(0, 1)"},
                sampler=optuna.samplers.TPESampler(seed=4, n_startup_trials=20),  # type: ignore[arg-type]
                pruner=optuna.pruners.MedianPruner(n_warmup_steps=3),  # type: ignore[arg-type]
            )
        message = str(caught.value)
        assert "a pruner is named, so that the journal can hold it" in message
        monkeypatch.chdir(path.parent)
        eval(message.partition("; write ")[2], {"journaltune": journaltune})
        study = load_study("digits.journal", "digits")
        assert (study.direction, study._study.sampler) == ("maximize", "optuna.TPESampler")
        assert study._study.setting("sampler_options") == {"n_startup_trials": 20}
        assert (study._study.setting("pruner"), study._study.setting("pruner_options")) == ("median", {"n_warmup_steps": 3})

    @pytest.mark.parametrize(
        ("given", "line"),
        [
            ({"load_if_exists": True}, "journaltune.create_study('study.journal', exist_ok=True)"),
            ({"storage": "runs/a.journal"}, "journaltune.create_study('runs/a.journal')"),
            ({"study_name": "a"}, "journaltune.create_study('study.journal', study_name='a')"),
            (
                {"sampler": optuna.samplers.CmaEsSampler},
                "journaltune.create_study('study.journal', sampler='optuna.CmaEsSampler')",
            ),
            (
                {"pruner": optuna.pruners.ThresholdPruner(upper=2.0)},
                "journaltune.create_study('study.journal', pruner='threshold', pruner_options={'upper': 2.0})",
            ),
            ({"pruner": optuna.pruners.NopPruner}, "journaltune.create_study('study.journal', pruner='none')"),
        ],
        ids=lambda given: str(given)[:40],
    )
    def test_each_of_these_words_has_its_line(self, given: dict[str, Any], line: str) -> None:
        with pytest.raises(UsageError) as caught:
            create_study(**given)
        assert str(caught.value).endswith(f"; write {line}")
        assert "\n" not in str(caught.value)

    def test_an_optuna_storage_names_its_file(self, path: Path) -> None:
        for storage in (JournalStorage(JournalFileBackend(str(path))), journaltune.storage(path)):
            with pytest.raises(UsageError) as caught:
                create_study(storage=storage)
            assert str(caught.value).endswith(f"; write journaltune.create_study({str(path)!r})")

    def test_a_study_is_loaded_by_its_path(self, path: Path) -> None:
        with pytest.raises(UsageError) as caught:
            load_study(study_name="d", storage="sqlite:///x.db", sampler=optuna.samplers.TPESampler())
        assert str(caught.value).endswith("; write journaltune.load_study('d.journal', study_name='d')")

    def test_what_is_not_there_is_a_key_error_too(self, path: Path) -> None:
        make(path)
        with pytest.raises(KeyError) as caught:
            load_study(path, "other")
        assert isinstance(caught.value, NotFoundError)
        assert str(caught.value) == f"there is no study 'other' in {path}; it has 'study'"
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


class TestAnObjectiveThatDeclaresItsSpace:
    @staticmethod
    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 1e-3, 1, log=True) + trial.suggest_float("y", 0, 0.5, step=0.1)
        n = trial.suggest_int("n", 1, 9)
        if trial.suggest_categorical("opt", ["adam", "sgd"]) == "adam":
            trial.report(x, 0)
        return float(x + n)

    def test_the_error_shows_the_parameters_that_it_would_need(self, path: Path) -> None:
        study = create_study(path, seed=1)
        with pytest.raises(SpaceError) as caught:
            study.optimize(self.objective, 3)
        assert study.trials == []
        line = str(caught.value).partition("; write ")[2]
        eval(line, {"journaltune": journaltune}).optimize(self.objective, 3)
        assert study.counts()["complete"] == 3

    def test_an_objective_that_asks_for_nothing_gets_the_form(self, path: Path) -> None:
        with pytest.raises(SpaceError, match=r"params=\{'NAME': 'SPEC'\}"):
            create_study(path).optimize(lambda trial: float(trial.params["x"]), 1)

    def test_one_more_parameter_is_shown_too(self, path: Path) -> None:
        with pytest.raises(SpaceError, match=r"declare it: .*params=\{'n': 'int\(1, 9\)'\}"):
            make(path).ask().suggest_int("n", 1, 9)


class TestStudy:
    def test_attributes_of_the_study(self, path: Path) -> None:
        study = make(path)
        assert study.user_attrs == {}
        study.set_user_attr("data", {"rows": [1, float("nan"), INF]})
        before = path.read_bytes()
        study.set_user_attr("data", {"rows": [1, float("nan"), INF]})
        assert path.read_bytes() == before
        study.user_attrs["data"]["rows"].clear()
        assert repr(load_study(path).user_attrs) == "{'data': {'rows': [1, nan, inf]}}"
        assert stock(path).user_attrs == {"data": {"rows": [1, "NaN", INF]}}
        stock(path).set_user_attr("theirs", 1)
        assert study.user_attrs["theirs"] == 1
        with pytest.raises(UsageError):
            study.set_user_attr("a", object())

    def test_names_of_objectives_go_both_ways(self, path: Path) -> None:
        study = make(path, directions=["minimize", "maximize"])
        assert study.metric_names is None
        study.set_metric_names(["loss", "accuracy"])
        assert stock(path).metric_names == study.metric_names == ["loss", "accuracy"]
        with pytest.warns(optuna.exceptions.ExperimentalWarning):
            stock(path).set_metric_names(["a", "b"])
        assert study.metric_names == ["a", "b"]
        with pytest.raises(UsageError, match="2 objectives, not 1"):
            study.set_metric_names(["a"])
        named = make(path.with_name("named"), metric_names=["loss"])
        assert stock(path.with_name("named")).metric_names == named.metric_names == ["loss"]

    def test_trials_are_enqueued_and_added(self, path: Path) -> None:
        study = make(path)
        study.enqueue_trial({"x": 0.5}, {"why": "known"}, skip_if_exists=True)
        study.enqueue_trial({"x": 0.5}, skip_if_exists=True)
        trial = study.ask()
        assert (trial.params, trial.user_attrs) == ({"x": 0.5}, {"why": "known"})
        study.tell(trial, 0.25, constraints={"c": -1.0}, attrs={"a": [1]})
        other = make(path.with_name("other"), params={"x": "float(0, 0.4)"})
        theirs = optuna.create_study()
        theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), 2)
        other.add_trials([*study.trials, *theirs.trials])
        other.optimize(lambda trial: float(trial.params["x"]), 3)
        mine = other.trials
        assert [trial.value for trial in mine[:3]] == [0.25, *(trial.value for trial in theirs.trials)]
        first, given = mine[0], study.trials[0]
        for name in ("params", "user_attrs", "constraints", "datetime_start", "datetime_complete", "duration"):
            assert getattr(first, name) == getattr(given, name)
        verdict = other.verify()
        assert (verdict.n_verified, verdict.n_foreign, verdict.difference) == (3, 3, None)

    @pytest.mark.parametrize(
        "trial",
        [
            create_trial(params={"y": 1.0}, distributions={"y": FloatDistribution(0, 1)}, value=1.0),
            create_trial(params={}, value=1.0),
            create_trial(params={"x": 1}, distributions={"x": IntDistribution(0, 1)}, value=1.0),
            create_trial(params={"x": 0.1}, distributions={"x": FloatDistribution(0, 1)}, value=-INF),
            create_trial(params={"x": 0.1}, distributions={"x": FloatDistribution(0, 1)}, values=[1.0, 2.0]),
            {"x": 0.1},
        ],
        ids=["other parameter", "no parameter", "other kind", "infinity", "two values", "no trial"],
    )
    def test_a_trial_that_does_not_fit_is_refused(self, path: Path, trial: Any) -> None:
        study = make(path)
        before = path.read_bytes()
        with pytest.raises(UsageError):
            study.add_trial(trial)
        assert path.read_bytes() == before

    def test_the_data_frame_is_optunas(self, path: Path) -> None:
        pandas = pytest.importorskip("pandas")
        study = make(path, metric_names=["loss"])
        study.optimize(lambda trial: float(trial.params["x"]), 3)
        for options in ({}, {"multi_index": True}, {"attrs": ("number", "params")}):
            ours, theirs = study.trials_dataframe(**options), stock(path).trials_dataframe(**options)
            pandas.testing.assert_frame_equal(ours, theirs)
        assert list(study.trials_dataframe()["params_x"]) == [trial.params["x"] for trial in study.trials]

    def test_without_pandas_the_error_says_so(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pandas", None)
        with pytest.raises(UsageError, match="needs pandas"):
            make(path).trials_dataframe()


class TestTrials:
    def test_callbacks_read_what_optuna_has(self, path: Path) -> None:
        study, seen = make(path), list[Any]()

        def callback(study: Any, trial: Any) -> None:
            study.set_user_attr("last", trial.number)
            seen.append((study.user_attrs, trial.duration, trial.last_step, trial.distributions))

        def objective(trial: Any) -> float:
            trial.report(0.5, 3)
            return float(trial.params["x"])

        study.optimize(objective, 1, callbacks=[callback])
        ((attrs, duration, last_step, distributions),) = seen
        assert (attrs, last_step, distributions) == ({"last": 0}, 3, {"x": FloatDistribution(0, 1)})
        assert duration == stock(path).trials[0].duration > timedelta(0)
        study.ask()
        running = study.trials[1]
        assert (running.duration, running.last_step, running.distributions) == (None, None, {"x": FloatDistribution(0, 1)})

    def test_fixed_trials_give_the_type_that_was_asked_for(self) -> None:
        trial = FixedTrial({"n": 2.0, "x": 1})
        assert repr((trial.suggest_int("n", 1, 3), trial.suggest_float("x", 0, 2))) == "(2, 1.0)"

    def test_an_artifact_can_be_uploaded_for_a_running_trial(self, path: Path) -> None:
        folder = path.with_name("artifacts")
        folder.mkdir()
        path.with_name("model.txt").write_text("weights")
        study = make(path)
        trial, store = study.ask(), FileSystemArtifactStore(str(folder))
        name = upload_artifact(artifact_store=store, file_path=str(path.with_name("model.txt")), study_or_trial=trial)  # type: ignore[arg-type]
        study.tell(trial, 0.5)
        (found,) = get_all_artifact_meta(stock(path).trials[0], storage=stock(path)._storage)
        assert (found.artifact_id, found.filename) == (name, "model.txt")
        assert (folder / name).read_text() == "weights"
        assert type(pickle.loads(pickle.dumps(trial))) is AskedTrial
        assert type(copy.copy(trial)) is AskedTrial

    @pytest.mark.parametrize("executor", [False, True])
    def test_calls_at_the_same_time_have_different_slots(self, path: Path, executor: bool) -> None:
        study = make(path)
        if executor:
            with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
                study.optimize(slot_of, 8, n_jobs=2, executor=pool)
        else:
            study.optimize(slot_of, 8, n_jobs=2)
        times = sorted((t.datetime_start, t.datetime_complete, t.user_attrs["slot"]) for t in study.trials)  # type: ignore[type-var]
        assert {slot for _, _, slot in times} <= {0, 1}
        for (_, end, slot), (begin, _, other) in pairwise(times):
            assert begin >= end or slot != other  # type: ignore[operator]

    def test_python_and_numpy_draw_by_the_trials_seed_in_children(self, path: Path) -> None:
        study = make(path)
        study.optimize(lambda trial: random.random(), 4, n_jobs=2)
        assert [trial.value for trial in study.trials] == [random.Random(trial.seed).random() for trial in study.trials]

    def test_a_trial_goes_to_another_process_and_is_told_there(self, path: Path) -> None:
        study = make(path)
        asked = [study.ask() for _ in range(3)]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(tell_there, asked))
            finished = list(pool.map(copy.deepcopy, study.trials))
        assert found == [(trial.number, trial.params, trial.seed, 0) for trial in asked]
        assert finished == study.trials
        assert [trial.value for trial in finished] == [trial.params["x"] for trial in asked]


def slot_of(trial: Any) -> float:
    trial.set_user_attr("slot", trial.slot)
    return float(trial.params["x"])
