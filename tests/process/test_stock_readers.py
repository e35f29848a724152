"""Whatever journaltune writes, Optuna and Rustuna read, whoever opens the file first."""

from __future__ import annotations

import os
import subprocess
import sys
from math import inf, nan
from pathlib import Path
from typing import Any

import optuna
import pytest
import readers
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rustuna.storages import JournalFileStorage

from journaltune.base.errors import UsageError
from journaltune.engine.annotate import set_user_attrs
from journaltune.engine.ask import ask
from journaltune.engine.create import create, delete
from journaltune.engine.enqueue import enqueue
from journaltune.engine.tell import tell
from journaltune.space import space_from_params
from journaltune.study import OpenStudy

pytestmark = pytest.mark.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

SPACE = {
    "x": "float(-1e300, 1e300)",
    "step": "float(0, 1, step=0.125)",
    "l": "log(5e-324, 1)",
    "n": "int(-7, 9, step=2)",
    "größe 🎉": 'choice("", "a b", ü, "1", 1, 1.5, true, null)',
    "k": "int(1, 1024, log)",
}


def everything(path: Path) -> OpenStudy:
    """Each kind of record that there is, with the least usual values that are let through."""
    study = create(
        path,
        name="größe 🎉 \n\t\"'\\",
        space=space_from_params(SPACE),
        directions=["minimize", "maximize"],
        objectives=["fehler ü", None],
        sampler="tpe",
        sampler_options={"n_startup_trials": 2},
        seed=2**63 - 1,
    )
    attrs = {"ü\n": {"deep": [[[{"a": None, "b": [True, -(2**63), 2**63 - 1, 1e308, 5e-324, inf, -inf]}]]]}, " ": "\x00\x7f🎉"}
    for values in ([0.1, inf], [-inf, 5e-324], [-0.0, 1e308], [1, 2]):
        tell(study, ask(study).number, values, attrs=attrs, constraints={"größe": -inf, "b": inf, "c": 0.5})
    tell(study, ask(study).number, [nan, 1.0])
    tell(study, ask(study).number, state="fail", reason="außer Speicher", attrs=attrs)
    tell(study, ask(study).number, state="pruned")
    tell(study, ask(study).number, [1.0, inf], state="pruned")
    ask(study, owner_pid=os.getpid(), ttl_s=1e-9)
    enqueue(study, {"x": 0.5, "größe 🎉": None}, attrs=attrs)
    ask(study, ttl_s=60)
    enqueue(study, {"n": -7, "größe 🎉": True})
    # Without trials: after the deletion of some, Rustuna 0.2 counts later trials otherwise than Optuna does, and we.
    create(path, name="gone", space=space_from_params({"x": "float(0, 1)"}))
    delete(path, "gone")
    other = create(path, name="gone", directions="maximize", failures="ignore", seed=0)
    create(path, name="gone", space=space_from_params({"x": "float(0, 1)"}), sampler="random", exist_ok=True)
    tell(other, ask(other).number, 1e-300)
    return study


def test_optuna_and_rustuna_read_all_that_we_write(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    everything(path)
    expected = readers.by_us(path)
    assert [len(study["trials"]) for study in expected] == [11, 1]
    assert readers.by_optuna(path) == expected
    assert readers.plain_by_rustuna(path) == readers.plain_by_us(path)


def test_every_prefix_of_whole_lines_is_a_journal_to_all(tmp_path: Path) -> None:
    """A stock reader puts up with a bad last line until another one follows."""
    path = tmp_path / "s.journal"
    everything(path)
    lines = path.read_bytes().splitlines(keepends=True)
    for length in range(1, len(lines)):
        path.write_bytes(b"".join(lines[:length]))
        assert readers.by_optuna(path) == readers.by_us(path)
        assert readers.plain_by_rustuna(path) == readers.plain_by_us(path)


def test_no_line_holds_what_kills_a_stock_reader(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    everything(path)
    for line in path.read_bytes().split(b"\n")[:-1]:
        assert line.isascii()
        assert line.strip() == line != b""
        for word in (b"NaN", b"Infinity"):
            assert word not in line.replace(b'"' + word, b"")


@pytest.mark.parametrize("value", [nan, [nan], {"k": [1, nan]}])
def test_a_nan_in_an_attribute_is_a_word_to_stock_readers(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "s.journal"
    study = create(path, name="s", space=space_from_params({"x": "float(0, 1)"}), seed=1)
    tell(study, ask(study).number, 0.5, attrs={"k": value})
    enqueue(study, {"x": 0.5}, attrs={"k": value})
    set_user_attrs(study, {"k": value})
    assert b"NaN," not in path.read_bytes().replace(b'\\"', b'"').split(b'"jt"')[0]
    optunas = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
    expected = repr(value).replace("nan", "'NaN'")
    assert [repr(each.user_attrs["k"]) for each in (optunas, *optunas.trials)] == [expected] * 3
    ((_, trials),) = readers.plain_by_rustuna(path)
    assert len(trials) == 2


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "\ud800", {"\udfff": 1}, 1j, {1, 2}])
def test_what_a_stock_reader_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "s.journal"
    study = create(path, name="s", space=space_from_params({"x": "float(0, 1)"}), seed=1)
    number = ask(study).number
    before = path.read_bytes()
    with pytest.raises(UsageError):
        tell(study, number, 0.5, attrs={"k": value})
    with pytest.raises(UsageError):
        enqueue(study, {"x": 0.5}, attrs={"k": value})
    assert path.read_bytes() == before


@pytest.mark.parametrize("spec", ["float(0, inf)", "float(-inf, 0)", "float(nan, 1)", "log(1, 1e999)", "float(0, 1e999)"])
def test_a_space_that_rustuna_cannot_read_is_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(UsageError):
        space_from_params({"x": spec})


def test_readers_that_run_see_each_record_when_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    study = create(path, name="s", space=space_from_params(SPACE), seed=1, sampler="random")
    optunas = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
    rustunas = JournalFileStorage(str(path))
    for number in range(20):
        asked = ask(study)
        assert optunas.trials[number].params == asked.params
        assert rustunas.get_trials(0)[number].params == asked.params
        tell(study, number, float(number))
        assert optunas.trials[number].values == rustunas.get_trials(0)[number].values == [float(number)]
    assert optunas.best_trial.number == 0


def test_optunas_command_line_asks_and_tells_on_our_study(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    study = create(path, name="s", space=space_from_params({"x": "float(0, 1)"}), seed=1)
    tell(study, ask(study).number, 0.5)
    script = "import sys; from optuna.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script]
    storage = ["--storage", str(path), "--storage-class", "JournalFileBackend"]
    space = '{"x": {"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "log": false, "step": null}}}'
    for call in (
        ["ask", *storage, "--study-name", "s", "--search-space", space],
        ["tell", *storage, "--study-name", "s", "--trial-number", "1", "--values", "0.25"],
    ):
        subprocess.run([*command, *call], check=True, capture_output=True)
    assert readers.by_us(path) == readers.by_optuna(path)
    tell(study, ask(study).number, 0.125)
    assert [
        trial.value for trial in optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path)))).trials
    ] == [0.5, 0.25, 0.125]
