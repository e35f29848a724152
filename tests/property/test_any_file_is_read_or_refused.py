"""Whatever stands in a file of parameters or rows: it is read, or refused with one line."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journaltune import create_study
from journaltune.base.errors import JournaltuneError, SpaceError
from journaltune.space.files import read
from journaltune.study.study_file import described

WANDB = """
method: bayes
metric: {name: loss, goal: minimize}
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  b: {values: [32, 64, a, [1, 2], null]}
  w: {distribution: q_uniform, min: 32, max: 256, q: 32}
  net: {parameters: {depth: {min: 1, max: 6}, act: {value: relu}}}
"""
HYDRA = """
hydra:
  sweeper:
    direction: [maximize, minimize]
    n_trials: 40
    sampler: {seed: 1}
    search_space: {wd: {type: float, low: 0.0, high: 1, step: 0.25}}
    params: {lr: 'tag(log, int(interval(1, 0x2)))', d: 'range(2, 9, step=3)', a: 'choice(relu, "t,h", [1, {a: b}])', bs: 64}
"""
NNI = """{"lr": {"_type": "quniform", "_value": [1e-5, 0.1, 0.3]}, "d": {"_type": "randint", "_value": [1, 5]},
"c": {"_type": "choice", "_value": [{"_name": "none"}, {"_name": "sep", "k": {"_type": "choice", "_value": [3, 5]}}, "x"]}}"""
PCS = """algo {greedy, anneal, 07} [greedy] # a
steps [10, 1000] [100] i log
x real [1e-3, 2] [1.5] log
x | algo in {anneal} && steps > 50 || steps != 10
{algo=07, steps=10}
"""
OURS = """
params: {lr: 'log(1e-5, 1e-1)', opt: [adam, sgd], n: {type: int, low: 1, high: 9}}
require: [lr < 1]
minimize: [loss, time]
seed: 42
sampler_options: {a: yes}
start: [{lr: 1e-3}]
command: ./train {lr}
"""
FILES = {"wandb.yaml": WANDB, "hydra.yaml": HYDRA, "nni.json": NNI, "solver.pcs": PCS, "ours.yaml": OURS}
PIECES = [
    *string.punctuation,
    "\n",
    " ",
    "\t",
    "0",
    "-1",
    "1e999",
    "nan",
    "null",
    "true",
    "é",
    "\x00",
    "\ud7ff",
    "9" * 400,
    "a" * 400,
]
EDIT = st.tuples(st.integers(0, 600), st.integers(0, 12), st.lists(st.sampled_from(PIECES), max_size=4).map("".join))
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    for place, n_removed, new in edits:
        at = place % (len(text) + 1)
        text = text[:at] + new + text[at + n_removed :]
    return text


@pytest.mark.parametrize("name", FILES)
@MANY
@given(edits=st.lists(EDIT, min_size=1, max_size=3))
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path: Path, name: str, edits: list[tuple[int, int, str]]) -> None:
    path = tmp_path / name
    path.write_text(edited(FILES[name], edits), encoding="utf-8")
    try:
        file = described(str(path), read(str(path)))
    except SpaceError as error:
        said = str(error)
    else:
        said = f"{path}: {file.refused}"
    assert said.startswith(f"{path}: ")
    assert "\n" not in said


TABLES = ("lr,opt,n,loss,state\n0.01,adam,3,0.5,complete\n0.1,,4,,fail\n", '{"lr": 0.01, "opt": null, "n": 3, "loss": 0.5}\n' * 2)


@pytest.mark.parametrize("table", TABLES, ids=["csv", "jsonl"])
@MANY
@given(edits=st.lists(EDIT, min_size=1, max_size=3))
def test_a_damaged_table_is_imported_or_refused(tmp_path: Path, table: str, edits: list[tuple[int, int, str]]) -> None:
    path, journal = tmp_path / "t.txt", tmp_path / "study.journal"
    params = {"lr": "float(0, 1)", "opt": "adam | null | 3", "n": "int(1, 9)"}
    study = create_study(journal, params=params, metric_names=["loss"], seed=1, exist_ok=True)
    path.write_text(edited(table, edits), encoding="utf-8")
    before = len(study.trials)
    try:
        done = study.import_trials(str(path))
    except JournaltuneError as error:
        n_imported, said = 0, [str(error)]
    else:
        n_imported, said = done.n_imported, list(done.refused + done.notes)
    assert len(study.trials) == before + n_imported
    assert all("\n" not in line for line in said)
