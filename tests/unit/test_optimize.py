"""``study.optimize`` in this process: limits, outcomes, callbacks, and what it lets go of."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import MaxTrialsCallback

import journaltune
from journaltune import ConflictError, SpaceError, UsageError, create_study, load_study
from journaltune.api.study import Study
from journaltune.base.model import TrialState

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": {"x": "float(0, 1)"}, "seed": 1, "sampler": "random", **options})


def x_of(trial: Any) -> float:
    return float(trial.params["x"])


def raiser(error: BaseException) -> Callable[[Any], float]:
    def objective(trial: Any) -> float:
        raise error

    return objective


class Wrong(Exception):
    pass


@pytest.fixture
def no_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class TestLimits:
    def test_n_trials_is_so_many_more(self, path: Path) -> None:
        study = make(path)
        study.optimize(x_of, 3)
        study.optimize(x_of, n_trials=2)
        study.optimize(x_of, n_trials=0)
        assert [trial.value for trial in study.trials] == [trial.params["x"] for trial in study.trials]
        assert study.counts()["complete"] == 5

    def test_total_trials_is_so_many_in_all(self, path: Path) -> None:
        study = make(path)
        study.optimize(x_of, 2)
        study.optimize(x_of, 9, total_trials=5)
        study.optimize(x_of, 9, total_trials=5)
        assert study.counts()["complete"] == 5

    def test_interrupted_trials_dont_count_for_total_trials(self, path: Path) -> None:
        study = make(path)
        study.tell(study.ask(), state="fail", reason="interrupted")
        study.optimize(x_of, 9, total_trials=3)
        assert study.counts() == {"running": 0, "waiting": 0, "complete": 3, "pruned": 0, "fail": 1}

    def test_nothing_starts_after_the_timeout(self, path: Path) -> None:
        study = make(path)
        study.optimize(x_of, timeout=0.0)
        assert study.trials == []
        study.optimize(lambda trial: threading.Event().wait(0.3) or 1.0, timeout=0.2)
        assert study.counts()["complete"] == 1

    def test_an_exhausted_space_ends_it(self, path: Path) -> None:
        study = make(path, params={"x": "1 | 2 | 3"}, sampler="grid")
        study.optimize(x_of)
        assert sorted(trial.params["x"] for trial in study.trials) == [1, 2, 3]

    def test_enqueued_trials_come_first(self, path: Path) -> None:
        study = make(path)
        study.enqueue({"x": 0.25}, attrs={"mine": [1]})
        seen = []
        study.optimize(lambda trial: seen.append(trial.user_attrs) or x_of(trial), 1)
        assert study.best_value == 0.25
        assert seen == [{"mine": [1]}]

    def test_the_trial_that_runs_has_an_owner(self, path: Path) -> None:
        study = make(path)
        study.optimize(x_of, 1)
        assert '"owner"' in path.read_text()

    def test_a_study_with_a_lag_is_searched(self, path: Path) -> None:
        study = make(path, lag=1)
        study.optimize(x_of, 5)
        assert study.counts()["complete"] == 5


class TestOutcomes:
    @pytest.mark.parametrize(
        ("returned", "reason"),
        [
            (NAN, "nan"),
            (-INF, "nan"),
            (None, "result"),
            ("0.5", "result"),
            ([1.0, 2.0], "result"),
            (object(), "result"),
            ({}, "result"),
        ],
    )
    def test_what_is_no_result_fails_the_trial_and_the_search_goes_on(self, path: Path, returned: Any, reason: str) -> None:
        study = make(path)
        study.optimize(lambda trial: returned, 2)
        for trial in study.trials:
            assert (trial.state, trial.user_attrs["fail_reason"]) == (TrialState.FAIL, reason)
            assert trial.user_attrs["fail_message"]

    def test_several_objectives(self, path: Path) -> None:
        study = make(path, directions=["minimize", "maximize"])
        answers = iter([(1, 2), [1.0, NAN], 3.0])
        study.optimize(lambda trial: next(answers), 3)
        assert [trial.values for trial in study.trials] == [[1.0, 2.0], None, None]
        assert [trial.user_attrs.get("fail_reason") for trial in study.trials] == [None, "nan", "result"]

    @pytest.mark.parametrize("pruned", [journaltune.TrialPruned, optuna.TrialPruned, optuna.exceptions.TrialPruned])
    def test_a_pruned_trial_keeps_its_last_value(self, path: Path, pruned: type[Exception]) -> None:
        study = make(path)

        def objective(trial: Any) -> float:
            trial.report(0.5, 0)
            trial.report(0.25, 1)
            raise pruned

        study.optimize(objective, 2)
        assert [(trial.state, trial.value) for trial in study.trials] == [(TrialState.PRUNED, 0.25)] * 2

    def test_pruning_does_not_import_optuna(self, path: Path) -> None:
        program = (
            "import sys, journaltune\n"
            "study = journaltune.create_study(sys.argv[1], params={'x': 'float(0, 1)'})\n"
            "def objective(trial): raise journaltune.TrialPruned\n"
            "study.optimize(objective, 2)\n"
            "assert study.counts()['pruned'] == 2\n"
            "assert not {'optuna', 'numpy', 'tqdm'} & set(sys.modules), sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", program, str(path)], check=True)

    @pytest.mark.parametrize("catch", [Wrong, (Wrong,), [KeyError, Wrong], Exception])
    def test_what_is_caught_fails_its_trial_only(self, path: Path, catch: Any) -> None:
        study = make(path)
        study.optimize(raiser(Wrong("no\nway")), 2, catch=catch)
        assert [trial.user_attrs["fail_message"].endswith("Wrong: no\nway") for trial in study.trials] == [True] * 2
        assert {trial.user_attrs["fail_reason"] for trial in study.trials} == {"exit"}

    def test_what_is_not_caught_fails_its_trial_and_is_raised(self, path: Path) -> None:
        study = make(path)
        error = Wrong("this")
        called = []
        with pytest.raises(Wrong) as caught:
            study.optimize(raiser(error), 5, catch=(KeyError,), callbacks=[lambda *_: called.append(1)])
        assert caught.value is error
        assert caught.traceback[-1].name == "objective"
        assert [(trial.state, trial.user_attrs["fail_reason"]) for trial in study.trials] == [(TrialState.FAIL, "exit")]
        assert called == [], "as in Optuna, which raises before it calls back"

    @pytest.mark.parametrize("text", ["\ud800", "x" * 100_000, "\0", ""])
    def test_any_message_can_be_kept(self, path: Path, text: str) -> None:
        study = make(path)
        study.optimize(raiser(Wrong(text)), 1, catch=Wrong)
        assert len(load_study(path).trials[0].user_attrs["fail_message"]) < 1100

    def test_exit_fails_the_trial_and_propagates(self, path: Path) -> None:
        study = make(path)
        with pytest.raises(SystemExit):
            study.optimize(raiser(SystemExit()), 5, catch=Exception)
        assert [trial.user_attrs["fail_reason"] for trial in study.trials] == ["exit"]

    def test_ctrl_c_propagates_and_the_next_search_has_the_same_trial_again(self, path: Path) -> None:
        study, seen = make(path), list[Any]()
        with pytest.raises(KeyboardInterrupt):
            study.optimize(raiser(KeyboardInterrupt()), 5, catch=Exception)
        (running,) = study.trials
        study.optimize(lambda trial: seen.append((trial.number, trial.params, trial.attempt)) or 0.5, 1)
        assert seen == [(0, running.params, 2)]
        assert [trial.state.name for trial in study.trials] == ["COMPLETE"]

    def test_a_real_memory_error_is_told_as_oom(self, path: Path) -> None:
        study = make(path)
        study.optimize(lambda trial: float(len(bytearray(1 << 62))), 2, catch=MemoryError)
        assert [trial.user_attrs["fail_reason"] for trial in study.trials] == ["oom", "oom"]
        with pytest.raises(MemoryError):
            study.optimize(lambda trial: float(len(bytearray(1 << 62))), 2)

    @pytest.mark.parametrize(
        ("module", "name"),
        [("torch", "OutOfMemoryError"), ("torch.cuda", "OutOfMemoryError"), ("cupy.cuda.memory", "OutOfMemoryError")],
    )
    def test_a_devices_memory_error_is_told_as_oom(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
    ) -> None:
        error = type(name, (RuntimeError,), {})
        monkeypatch.setitem(sys.modules, module, type("Module", (), {name: error}))  # type: ignore[arg-type]
        study = make(path)
        study.optimize(raiser(error("CUDA out of memory")), 1, catch=RuntimeError)
        with pytest.raises(error), study.ask():
            raise error
        assert [trial.user_attrs["fail_reason"] for trial in study.trials] == ["oom", "oom"]

    def test_attributes_and_constraints_are_told_with_the_result(self, path: Path) -> None:
        study = make(path)

        def objective(trial: Any) -> float:
            trial.set_user_attr("epochs", 3)
            trial.set_constraint("memory", 0.5)
            trial.set_constraint("memory", -1.0)
            if trial.number == 1:
                raise Wrong
            return 1.0

        study.optimize(objective, 2, catch=Wrong)
        assert [trial.user_attrs["epochs"] for trial in study.trials] == [3, 3]
        assert [trial.constraints for trial in study.trials] == [{"memory": 0.5}] * 2

    def test_an_attribute_that_no_journal_holds_is_refused_where_it_is_set(self, path: Path) -> None:
        with pytest.raises(UsageError, match="attribute 'a'"):
            make(path).optimize(lambda trial: trial.set_user_attr("a", object()) or 1.0, 1)

    def test_a_trial_that_was_told_otherwise_meanwhile_ends_the_search(self, path: Path) -> None:
        study = make(path)
        with pytest.raises(ConflictError):
            study.optimize(lambda trial: study.tell(trial, 2.0) and 1.0, 5)
        study.optimize(lambda trial: study.tell(trial, 2.0) and 2.0, 2)
        assert [trial.value for trial in study.trials] == [2.0] * 3


class TestFrames:
    """Nothing that a failed call held stays, without a run of the garbage collector."""

    class Big:
        def __init__(self) -> None:
            self.data = bytearray(1000)

    def objective(self, error: type[BaseException], seen: list[Any], *, cycle: bool) -> Callable[[Any], float]:
        def inner(trial: Any) -> float:
            big = TestFrames.Big()
            seen.append(weakref.ref(big))
            kept = None
            try:
                raise error("inner")
            except error as found:
                kept = found if cycle else None
                if not cycle:
                    raise error("outer") from found
            raise error("later, without a word of the first", len(big.data), bool(kept))

        return inner

    @pytest.mark.parametrize("error", [Wrong, MemoryError, journaltune.TrialPruned])
    @pytest.mark.parametrize("cycle", [False, True])
    def test_of_what_is_caught(self, path: Path, no_gc: None, error: type[Exception], cycle: bool) -> None:
        seen: list[Any] = []
        make(path).optimize(self.objective(error, seen, cycle=cycle), 3, catch=Exception)
        assert [ref() for ref in seen] == [None] * 3

    @pytest.mark.parametrize("error", [Wrong, MemoryError, KeyboardInterrupt])
    def test_of_what_propagates_once_the_caller_has_dealt_with_it(
        self, path: Path, no_gc: None, error: type[BaseException]
    ) -> None:
        seen: list[Any] = []
        study = make(path)
        try:
            study.optimize(self.objective(error, seen, cycle=False), 3)
        except error:
            assert seen[0]() is not None, "the caller may look at the frames"
        assert [ref() for ref in seen] == [None]

    @pytest.mark.parametrize("error", [Wrong, MemoryError])
    def test_of_a_block(self, path: Path, no_gc: None, error: type[Exception]) -> None:
        seen: list[Any] = []
        study = make(path)
        try:
            with study.ask() as trial:
                self.objective(error, seen, cycle=False)(trial)
        except error:
            pass
        assert [ref() for ref in seen] == [None]


class TestCallbacks:
    def test_they_get_the_study_and_the_finished_trial(self, path: Path) -> None:
        study = make(path)
        seen: list[Any] = []
        study.optimize(x_of, 3, callbacks=[lambda *both: seen.append(both)])
        assert [trial for _, trial in seen] == study.trials
        assert all(each is study for each, _ in seen)

    @pytest.mark.parametrize("states", [(optuna.trial.TrialState.COMPLETE,), None, (TrialState.COMPLETE,)])
    def test_optunas_max_trials_callback(self, path: Path, states: Any) -> None:
        study = make(path)
        study.optimize(x_of, 20, callbacks=[MaxTrialsCallback(4, states=states)])
        assert len(study.trials) == 4

    def test_max_trials_of_another_state(self, path: Path) -> None:
        study = make(path)
        answers = iter([1.0, NAN, 1.0, NAN, 1.0])
        study.optimize(lambda _: next(answers), callbacks=[MaxTrialsCallback(2, states=(optuna.trial.TrialState.FAIL,))])
        assert len(study.trials) == 4

    def test_an_error_of_a_callback_propagates(self, path: Path) -> None:
        study = make(path)

        def callback(*_: object) -> None:
            raise Wrong

        with pytest.raises(Wrong):
            study.optimize(x_of, 5, callbacks=[callback], catch=Wrong)
        assert study.counts()["complete"] == 1

    def test_stop_in_an_objective_lets_it_finish(self, path: Path) -> None:
        study = make(path)
        study.optimize(lambda trial: trial.study.stop() or 1.0, 5)
        assert study.counts()["complete"] == 1
        study.optimize(x_of, 2)
        assert study.counts()["complete"] == 3

    def test_stop_elsewhere_and_a_search_in_a_search_are_refused(self, path: Path) -> None:
        study = make(path)
        with pytest.raises(RuntimeError, match="stop"):
            study.stop()
        with pytest.raises(RuntimeError, match="inside of itself"):
            study.optimize(lambda trial: study.optimize(x_of, 1), 2)
        with pytest.raises(RuntimeError, match="stop"):
            study.stop()

    @pytest.mark.parametrize(
        ("options", "collected"),
        [({}, False), ({"gc_after_trial": True}, True), ({"callbacks": [journaltune.GarbageCollector()]}, True)],
    )
    def test_gc_after_trial_collects(self, path: Path, no_gc: None, options: dict[str, Any], collected: bool) -> None:
        class Node:
            def __init__(self) -> None:
                self.me = self

        seen: list[Any] = []
        study = make(path)
        study.optimize(lambda _: seen.append(weakref.ref(Node())) or 1.0, 3, **options)
        assert [ref() is None for ref in seen] == [collected] * 3


class TestWrongCalls:
    @pytest.mark.parametrize(
        "options",
        [
            {"n_jobs": 0},
            {"n_jobs": -2},
            {"n_jobs": 1.5},
            {"n_trials": "1"},
            {"n_trials": -1},
            {"total_trials": 0.5},
            {"timeout": "soon"},
            {"catch": "ValueError"},
            {"catch": (3,)},
            {"isolate": True, "executor": object()},
        ],
    )
    def test_they_write_nothing(self, path: Path, options: dict[str, Any]) -> None:
        study = make(path)
        before = path.read_bytes()
        with pytest.raises(UsageError):
            study.optimize(x_of, **options)
        with pytest.raises(UsageError):
            study.optimize(3.0, 1)  # type: ignore[arg-type]
        assert path.read_bytes() == before

    def test_a_study_without_a_space(self, path: Path) -> None:
        storage = journaltune.storage(path)
        optuna.create_study(storage=storage, study_name="theirs")
        with pytest.raises(SpaceError, match="no search space"):
            load_study(path).optimize(x_of, 1)


def test_the_order_of_the_arguments_is_optunas() -> None:
    from inspect import Parameter, signature

    ours, theirs = signature(Study.optimize).parameters, signature(optuna.Study.optimize).parameters
    positional = [name for name, parameter in ours.items() if parameter.kind is not Parameter.KEYWORD_ONLY]
    assert positional[2:] == list(theirs)[2:]


@pytest.mark.parametrize("options", [{"n_trials": 3}, {"total_trials": 3}, {"timeout": 0.2}, {"n_trials": 2, "timeout": 60}])
def test_a_progress_bar_is_shown(path: Path, capfd: pytest.CaptureFixture[str], options: dict[str, Any]) -> None:
    study = make(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm's, of a terminal that it does not know
        study.optimize(x_of, show_progress_bar=True, **options)
    assert f"Best trial: {study.best_trial.number}" in capfd.readouterr().err


def test_a_line_for_each_trial_is_logged_where_the_program_asks_for_it(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    study, values = make(path), iter([0.5, 0.7, None, float("nan"), 0.25])

    def objective(trial: Any) -> float:
        value = next(values)
        if value is None:
            raise journaltune.TrialPruned
        return value

    study.optimize(objective, n_trials=1)
    assert not caplog.records
    caplog.set_level("INFO", "journaltune")
    study.optimize(objective, n_trials=4)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
    assert [line.partition(": {")[0] for line in lines] == [
        "trial 1 is complete with 0.7",
        "trial 2 is pruned",
        "trial 3 is fail (nan)",
        "trial 4 is complete with 0.25",
    ]
    assert [line.endswith("; better than all before") for line in lines] == [False, False, False, True]
