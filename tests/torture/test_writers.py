"""Stock Optuna, Rustuna, threads, forks, the command line and a clock that goes back, on one journal at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import journaltune
from journaltune.journal.journal import Journal


def test_all_kinds_of_writers_at_once(clean: Callable[..., Any]) -> None:
    assert clean("writers", 9).counts["calls acknowledged"] > 200


def test_only_a_claim_keeps_stock_optuna_out_while_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna may claim the same trial, and would get our parameters into its own trial."""
    path, append, held = tmp_path / "s.journal", Journal.append, list[bool]()

    def watched(self: Journal, batch: Any) -> Any:
        held.append(os.path.lexists(f"{path}.lock"))
        return append(self, batch)

    study = journaltune.create_study(path, params={"x": "float(0, 1)"}, sampler="random")
    monkeypatch.setattr(Journal, "append", watched)
    study.enqueue({"x": 0.5})
    claimed, asked = study.ask(), study.ask()
    study.tell(claimed, 1.0)
    assert (claimed.params, asked.number) == ({"x": 0.5}, 1)
    assert held == [False, True, False, False]
    assert not os.path.lexists(f"{path}.lock")


def test_a_claim_does_not_wait_for_the_lock_of_a_killed_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from journaltune.journal import stock_lock

    path = tmp_path / "s.journal"
    study = journaltune.create_study(path, params={"x": "float(0, 1)"}, sampler="random")
    study.enqueue({"x": 0.5})
    stock_lock.take(str(path), 0)
    assert Path(f"{path}.lock").resolve() == path
    monkeypatch.setattr(stock_lock, "GRACE_S", float("inf"))
    assert study.ask().params == {"x": 0.5}
