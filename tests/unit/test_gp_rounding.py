"""Suggestions are the same on other processors, and `verify` tells what was rounded otherwise from what is another suggestion."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from journaltune import create_study
from journaltune.engine.verify import verify
from journaltune.space.grammar import parse_spec
from journaltune.suggest.samplers.gp.scale import alike
from journaltune.suggest.samplers.gp.threads import _call, one_blas_thread

N_TRIALS = 14
SPACE = {"x": "float(0, 1)", "lr": "log(1e-5, 1e-1)", "n": "int(1, 9)", "opt": "a | b"}


@pytest.fixture(scope="module", params=["gp", "tpe"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    """A journal, and the sampler of its trials."""
    path = tmp_path_factory.mktemp("made") / "study.journal"
    study = create_study(path, params=SPACE, seed=5, sampler=request.param)
    for _ in range(N_TRIALS):
        trial = study.ask()
        study.tell(trial, (trial.params["x"] - 0.3) ** 2 + trial.params["n"] / 9 + (trial.params["opt"] == "a"))
    return path.read_bytes(), request.param


@pytest.fixture
def study_of(made: tuple[bytes, str], tmp_path: Path) -> tuple[Path, str]:
    journal, sampler = made
    path = tmp_path / "study.journal"
    path.write_bytes(journal)
    return path, sampler


def changed(path: Path, name: str, by: float) -> None:
    """One parameter of the last trial another value, as if it had been asked elsewhere; the checksums are gone."""
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    for record in records:
        record.pop("crc", None)
    asked = [record for record in records if record["op_code"] == 4][-1]
    value = asked["params"][name]
    asked["params"][name] = round(value + (by if value + by <= parse_spec(name, SPACE[name]).high else -by), 9)
    texts = [json.dumps(record, separators=(",", ":")).encode() for record in records]
    path.write_bytes(
        b"".join(text.rjust(len(line)) + b"\n" for text, line in zip(texts, path.read_bytes().splitlines(), strict=True))
    )


def test_a_value_next_to_the_recomputed_one_was_rounded_otherwise(study_of: tuple[Path, str]) -> None:
    path, sampler = study_of
    changed(path, "x", 1e-4)
    verdict = verify(path)
    if sampler == "gp":
        assert (verdict.difference, verdict.n_verified, verdict.n_rounded, verdict.n_foreign) == (None, N_TRIALS - 1, 1, 0)
    else:
        assert verdict.difference is not None
        assert verdict.n_rounded == 0


@pytest.mark.parametrize(("name", "by"), [("x", 1e-3), ("n", 1.0)])
def test_any_other_value_is_another_suggestion(study_of: tuple[Path, str], name: str, by: float) -> None:
    path, _ = study_of
    changed(path, name, by)
    verdict = verify(path)
    assert verdict.difference is not None
    assert verdict.difference.what == f"parameter {name!r}"
    assert (verdict.n_verified, verdict.n_rounded) == (N_TRIALS - 1, 0)


@pytest.mark.parametrize(
    ("spec", "one", "other", "expected"),
    [
        ("float(0, 1)", 0.5, 0.5001, True),
        ("float(0, 1)", 0.5, 0.5002, False),
        ("float(0, 1)", None, 0.5, False),
        ("float(0, 1)", 1.0001, 1.0, False),
        ("log(1e-5, 1e-1)", 0.001, 0.001001, True),
        ("log(1e-5, 1e-1)", 0.001, 0.0011, False),
        ("int(0, 100000)", 500.0, 505.0, True),
        ("int(0, 9)", 5.0, 6.0, False),
        ("a | b", 0.0, 1.0, False),
        ("a | b", 1.0, 1.0, True),
    ],
)
def test_what_is_alike(spec: str, one: float | None, other: float, expected: bool) -> None:
    assert alike(parse_spec("x", spec), one, other) is expected


# Other processors: their kernels of OpenBLAS, and NumPy without what this processor has.

PROGRAM = """
import sys
from journaltune.engine.verify import verify
found = verify(sys.argv[1])
print(found.n_verified, found.n_rounded, found.difference)
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of a search by the Gaussian process, on this processor."""
    path = tmp_path_factory.mktemp("searched") / "study.journal"
    study = create_study(path, params={"x": "float(0, 1)", "y": "log(1e-5, 1)", "opt": "a | b"}, seed=3, sampler="gp")
    for number in range(20):
        trial = study.ask()
        value = (trial.params["x"] - 0.3) ** 2 + np.sin(9 * trial.params["x"]) / 9 + (np.log10(trial.params["y"]) + 2) ** 2
        study.tell(trial, **({"state": "fail"} if number % 11 == 5 else {"values": float(value) + (trial.params["opt"] == "a")}))
    return path


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names the kernels of one kind of processor")
@pytest.mark.parametrize(
    "elsewhere",
    [{"OPENBLAS_CORETYPE": "Prescott"}, {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "X86_V3"}],
    ids=["Prescott", "Nehalem, no AVX2"],
)
def test_other_processors_suggest_the_same(searched: Path, elsewhere: dict[str, str]) -> None:
    command = [sys.executable, "-c", PROGRAM, str(searched)]
    done = subprocess.run(command, env={**os.environ, **elsewhere}, capture_output=True, text=True, check=True)
    n_verified, n_rounded, difference = done.stdout.split(maxsplit=2)
    assert difference.strip() == "None"
    assert int(n_verified) + int(n_rounded) == 20
    assert int(n_rounded) <= 2


def test_one_blas_thread_for_the_suggestion_and_the_same_number_as_before_after_it() -> None:
    count, limit = _call("get_num_threads"), _call("set_num_threads")
    if count is None or limit is None:
        pytest.skip("this NumPy is not built on OpenBLAS")
    before = count()
    try:
        limit(2)
        with one_blas_thread():
            assert count() == 1
        assert count() == 2
        with pytest.raises(KeyboardInterrupt), one_blas_thread():
            raise KeyboardInterrupt
        assert count() == 2
    finally:
        limit(before)


def test_suggestions_of_several_threads_are_those_of_one(tmp_path: Path) -> None:
    """Each has a study of its own; the number of BLAS threads is the process's."""
    found: dict[int, list[str]] = {}

    def search(at: int, name: str) -> None:
        study = create_study(tmp_path / name, params={"x": "float(0, 1)", "y": "float(0, 1)"}, seed=2, sampler="gp")
        for _ in range(12):
            trial = study.ask()
            study.tell(trial, (trial.params["x"] - 0.3) ** 2 + trial.params["y"])
        found[at] = [repr(trial.params) for trial in study.trials]

    threads = [threading.Thread(target=search, args=(at, f"{at}.journal")) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == found[2]
