"""A value on a grid has one spelling, its shortest decimal; studies from before that was so keep the values that they have."""

from __future__ import annotations

import json
import shutil
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from searching import needs_scipy

from journaltune import UsageError, create_study, load_study
from journaltune.api.study import Study
from journaltune.base import WAITING
from journaltune.cli import main
from journaltune.journal import records
from journaltune.space import parse_spec, space_from_params
from journaltune.suggest.history import History
from journaltune.suggest.samplers import make

OLD = Path(__file__).parent.parent / "data" / "grid_by_value.journal"  # made by the version before grids went by index
OLD_STUDIES = {"random": 9, "tpe": 16, "nsgaii": 12, "lag": 8, "resample": 7, "replicates": 6, "grid": 4, "optuna": 5}
GRID = {"x": "float(0, 0.7, step=0.1)", "y": "float(0.86, 0.98, step=0.02)"}
THIRD = 0.1 + 0.2  # 0.30000000000000004


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.journal"


@pytest.fixture
def old(path: Path) -> Path:
    shutil.copy(OLD, path)
    return path


def written(path: Path, name: str) -> list[float]:
    """Every value of a parameter that the records of asks hold."""
    values = []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record["op_code"] == records.CREATE_TRIAL and name in record["params"]:
            values.append(record["params"][name])
        if record["op_code"] == records.SET_TRIAL_PARAM and record["param_name"] == name:
            values.append(record["param_value_internal"])
    return values


def is_shortest(value: float, spec: str) -> bool:
    known = parse_spec("x", spec)
    steps = (Decimal(repr(value)) - Decimal(repr(known.low))) / Decimal(repr(known.step))
    return steps == round(steps)


class TestOldStudies:
    @pytest.mark.parametrize(("name", "count"), OLD_STUDIES.items())
    def test_an_old_study_verifies(self, old: Path, name: str, count: int) -> None:
        verdict = load_study(old, name).verify()
        assert (verdict.difference, verdict.n_verified, verdict.n_foreign) == (None, count, 0)

    @pytest.mark.parametrize("name", OLD_STUDIES)
    def test_an_old_study_goes_on_and_verifies(self, old: Path, name: str) -> None:
        study = load_study(old, name)
        for trial in study.get_trials(states="running"):
            study.tell(trial.number, 1.0)
        count = 0 if name == "grid" else 4
        for _ in range(count):
            study.tell(study.ask(), 2.0)
        verdict = load_study(old, name).verify()
        assert (verdict.difference, verdict.n_verified) == (None, OLD_STUDIES[name] + count)

    def test_an_old_study_keeps_its_arithmetic_when_its_settings_change(self, old: Path) -> None:
        study = create_study(old, study_name="random", seed=9, exist_ok=True)
        assert "grid" not in study._study.config
        before = len(written(old, "x"))
        for _ in range(60):
            study.ask()
        assert 0.7 not in written(old, "x")[before:]  # which it never reaches
        assert study.verify().difference is None

    def test_old_values_are_shown_in_their_one_spelling(self, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert THIRD in written(old, "x")
        trials = load_study(old, "random").trials
        assert {0.3, 0.6} <= {trial.params.get("x") for trial in trials}
        assert all(is_shortest(trial.params["x"], GRID["x"]) for trial in trials if "x" in trial.params)
        for form in ("csv", "json", "jsonl", "table"):
            assert main(["trials", "-f", str(old), "--study", "random", "--format", form]) == 0
        assert main(["best", "-f", str(old), "--study", "random", "--format", "sh"]) == 0
        assert main(["lookup", "-f", str(old), "--study", "random", "1"]) in (0, 1)
        printed = capsys.readouterr().out
        shown = [line.split('"fixed_params"')[0] for line in printed.splitlines()]
        assert "0.3" in printed
        assert not [line for line in shown if '"params": {"x": 0.30000000000000004' in line or ",0.30000000000000004," in line]

    def test_what_an_old_study_asks_is_printed_in_its_one_spelling(self, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ask", "-f", str(old), "--study", "random", "-n", "30"]) == 0
        asked = [json.loads(line)["params"]["x"] for line in capsys.readouterr().out.splitlines()]
        assert all(is_shortest(x, GRID["x"]) for x in asked)
        assert THIRD in written(old, "x")[-30:]


class TestNewStudies:
    @pytest.mark.parametrize(
        ("sampler", "options"),
        [
            ("random", {}),
            ("tpe", {"n_startup_trials": 5}),
            ("nsgaii", {"population_size": 4}),
            ("grid", {}),
            ("grid", {"search_space": {"x": [THIRD, 0.7], "y": [0.8600000000000001, 0.9199999999999999, 0.98]}}),
            ("bruteforce", {}),
            ("optuna.RandomSampler", {}),
            ("optuna.TPESampler", {"n_startup_trials": 5}),
            pytest.param("qmc", {}, marks=needs_scipy),
        ],
    )
    def test_every_sampler_gives_the_one_spelling(self, path: Path, sampler: str, options: dict[str, Any]) -> None:
        study = create_study(path, params=GRID, sampler=sampler, sampler_options=options, seed=3)
        for _ in range(6 if "search_space" in options else 20):
            trial = study.ask()
            study.tell(trial, trial.params["x"])
        for name, spec in GRID.items():
            assert all(is_shortest(value, spec) for value in written(path, name))
            assert [trial.params[name] for trial in study.trials] == written(path, name)
        assert study.verify().difference is None

    @pytest.mark.parametrize("duplicates", ["reuse", "resample"])
    def test_grids_are_searched_whole(self, path: Path, duplicates: str) -> None:
        study = create_study(path, params={"x": GRID["x"]}, sampler="random", duplicates=duplicates, seed=1)
        for _ in range(8):
            study.tell(study.ask(), 1.0)
        values = {trial.params["x"] for trial in study.trials}
        assert values == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}
        assert study.verify().difference is None

    def test_a_grid_of_given_values_comes_to_its_end_however_they_are_spelled(self, path: Path) -> None:
        study = create_study(path, params={"x": GRID["x"]}, sampler="grid", sampler_options={"search_space": {"x": [THIRD, 0.7]}})
        assert sorted(trial.params["x"] for trial in study.trials_iter(5) if study.tell(trial, 1.0)) == [0.3, 0.7]

    def test_a_study_says_that_its_grids_go_by_index(self, path: Path) -> None:
        assert create_study(path, params=GRID)._study.config["grid"] == "index"

    def test_a_study_of_optunas_is_new_when_it_becomes_ours(self, path: Path) -> None:
        optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="a")
        study = create_study(path, study_name="a", params={"x": GRID["x"]}, sampler="random", seed=1, exist_ok=True)
        assert 0.7 in [study.ask().params["x"] for _ in range(60)]

    def test_tpe_draws_at_random_while_there_is_no_result_to_learn_from(self, path: Path) -> None:
        study = create_study(path, params={"n": "int(1, 8, log)"}, sampler="tpe", sampler_options={"n_startup_trials": 2}, seed=1)
        for _ in range(4):  # pruned trials are observed, but have no value yet that could be imputed
            study.tell(study.ask(), state="pruned")
        history, space = History(study._study.state(), "worst"), study._study.varied
        assert history.n_observed() == 4
        for seed in range(50):
            drawn = make("random", {}).suggest(history, space, 4, seed, 0)
            assert make("tpe", {"n_startup_trials": 2}).suggest(history, space, 4, seed, 0) == drawn

    def test_a_setting_of_a_newer_version_is_refused(self, path: Path) -> None:
        study = create_study(path, params=GRID)._study
        attr = {records.CONFIG_ATTR: {**study.config, "grid": "lattice"}}
        with study.journal.locked():
            study.journal.append([records.study_record(records.SET_STUDY_SYSTEM_ATTR, study.study_id, system_attr=attr)])
        with pytest.raises(UsageError, match="needs a newer journaltune: its setting grid is 'lattice'"):
            load_study(path).ask()


class TestOtherSpellings:
    """Of the same value, by users and by other programs."""

    def enqueue_as_optuna(self, path: Path, params: dict[str, Any]) -> None:
        optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path)))).enqueue_trial(params)

    @pytest.fixture
    def study(self, path: Path) -> Study:
        return create_study(path, study_name="s", params=GRID, sampler="random", seed=1)

    def test_enqueued_values_get_the_one_spelling(self, path: Path, study: Study) -> None:
        study.enqueue({"x": THIRD, "y": 0.9199999999999999})
        self.enqueue_as_optuna(path, {"x": 0.6000000000000001})
        assert [study.ask().params["x"] for _ in range(2)] == [0.3, 0.6]
        assert written(path, "x") == [0.3, 0.6]
        assert written(path, "y")[0] == 0.92
        assert study.verify().difference is None

    def test_a_parameter_that_a_waiting_trial_has_already_is_written_again(self, path: Path, study: Study) -> None:
        opened = study._study
        texts = {"x": opened.stored_distributions["x"]}
        record = records.create_trial(opened.study_id, texts, {"x": 0.6000000000000001}, WAITING)
        with opened.journal.locked():
            opened.journal.append([record])
        assert study.ask().params["x"] == 0.6
        assert written(path, "x") == [0.6000000000000001, 0.6]
        assert study.verify().difference is None
        storage = JournalStorage(JournalFileBackend(str(path)))
        assert storage.get_all_trials(0)[0].params["x"] == 0.6

    @pytest.mark.parametrize("spelling", [THIRD, 0.3])
    def test_look_ups_take_either_spelling(self, path: Path, study: Study, spelling: float) -> None:
        worker = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
        texts = study._study.stored_distributions
        native = {name: optuna.distributions.json_to_distribution(text) for name, text in texts.items()}
        worker.add_trial(optuna.trial.create_trial(params={"x": THIRD, "y": 0.92}, distributions=native, value=1.0))
        study.enqueue({"x": 0.3, "y": 0.92})
        study.tell(study.ask(), 2.0)
        found = study.lookup({"x": spelling, "y": 0.9199999999999999})
        assert [(trial.number, trial.params) for trial in found] == [(1, {"x": 0.3, "y": 0.92}), (0, {"x": 0.3, "y": 0.92})]
        assert study.enqueue({"x": spelling, "y": 0.92}, skip_if_exists=True) is None

    @pytest.mark.parametrize("spelling", [THIRD, 0.3])
    def test_a_waiting_trial_is_the_same_in_either_spelling(self, path: Path, study: Study, spelling: float) -> None:
        self.enqueue_as_optuna(path, {"x": THIRD})
        assert study.enqueue({"x": spelling}, skip_if_exists=True) is None
        number = study.enqueue({"y": 0.9199999999999999}, request_id="r")
        assert study.enqueue({"y": 0.92}, request_id="r") == number

    def test_values_beside_the_grid_stay(self, path: Path, study: Study) -> None:
        worker = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
        native = optuna.distributions.FloatDistribution(0, 0.7, step=0.1)
        trial = optuna.trial.create_trial(params={"x": 0.3}, distributions={"x": native}, value=1.0)
        trial._params = {"x": 0.35000000000000003}
        worker._storage.create_new_trial(worker._study_id, template_trial=trial)
        assert study.trials[0].params == {"x": 0.35000000000000003}


decimals = st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False, places=4)


@given(decimals, st.decimals("0.0001", 10, places=4), st.integers(0, 10_000), st.integers(-20, 20))
def test_the_spelling_is_the_nearest_float_to_the_decimal(low: Decimal, step: Decimal, count: int, exponent: int) -> None:
    low, step = low.scaleb(exponent), step.scaleb(exponent)
    text = f"float({float(low)!r}, {float(low + count * step)!r}, step={float(step)!r})"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            known = parse_spec("x", text)
        except UsageError:  # too many steps for the size of the numbers
            return
    for index in {0, 1, count // 2, (known.cardinality or 1) - 1}:
        value = known.value_at(index)
        assert value == float(Decimal(str(known.low)) + index * Decimal(str(known.step)))
        if known.contains(value):
            assert known.canonical(value) == value
            off = value + 1e-12 * known.step
            assert not known.contains(off) or known.canonical(off) == value
    assert known.value_at((known.cardinality or 1) - 1) == known.high


class TestRangesThatAreNotWholeSteps:
    CASES = (("float(0, 1, step=0.3)", "from 0.0 to 1 is", "0.9"), ("int(1, 10, step=4)", "from 1 to 10 is", "9"))

    @pytest.mark.parametrize(("spec", "bounds", "high"), CASES)
    def test_python_warns_where_the_range_is_declared(self, path: Path, spec: str, bounds: str, high: str) -> None:
        message = f"x: the range {bounds} not divisible by the step .*; the search ends at {high}"
        with pytest.warns(UserWarning, match=message) as caught:
            create_study(path, params={"x": spec})
        assert [caught.filename for caught in caught] == [__file__]

    @pytest.mark.parametrize(("spec", "bounds", "high"), CASES)
    def test_create_says_it_in_one_line(
        self, path: Path, spec: str, bounds: str, high: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["create", "-f", str(path), "--param", f"x: {spec}", "--param", "y: float(0, 1)"]) == 0
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith(f"journaltune: create: x: the range {bounds} not divisible")
        assert lines[0].endswith(f"; the search ends at {high}")

    def test_a_distribution_of_optunas_and_a_space_file_are_told_of_too(self, tmp_path: Path) -> None:
        data = {"name": "IntDistribution", "attributes": {"log": False, "step": 4, "low": 1, "high": 10}}
        with pytest.warns(UserWarning, match="the search ends at 9"):
            space_from_params({"x": data})
        (tmp_path / "space.toml").write_text('params.x = "float(0, 1, step=0.3)"\n')
        with pytest.warns(UserWarning, match=r"the search ends at 0\.9"):
            create_study(tmp_path / "a.journal", space=tmp_path / "space.toml")

    def test_nothing_is_said_of_whole_steps_nor_of_what_is_stored(self, path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            create_study(path, params={"x": "float(0, 1, step=0.3)"}).close()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert load_study(path).ask().params["x"] <= 0.9
            space_from_params({**GRID, "n": "int(1, 9, step=4)", "m": "int(1, 9, log)", "u": "float(0, 1)", "c": "a | b"})
