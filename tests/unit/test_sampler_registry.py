"""The table of samplers: every row can be made, and reading the table loads no sampler."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from journaltune.base.errors import UsageError
from journaltune.suggest import samplers


@pytest.mark.parametrize("row", samplers.ROWS, ids=lambda row: row.name)
def test_a_row_names_a_class_beside_the_registry_and_an_extra_for_what_it_needs(row: samplers.Row) -> None:
    module, _, name = row.factory.partition(":")
    assert callable(getattr(import_module(f"journaltune.suggest.samplers.{module}"), name))
    assert bool(row.extra) == bool(row.needs)


def test_the_help_has_one_line_for_each_sampler() -> None:
    lines = samplers.help_text().splitlines()
    assert [line.split()[0] for line in lines] == [*samplers.names(), "or"]
    assert [row.name for row, line in zip(samplers.ROWS, lines, strict=False) if "needs journaltune[" in line] == [
        "qmc",
        "cmaes",
    ]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"take one of tpe, random, nsgaii, .*, optuna\.CLASSNAME such as") as caught:
        samplers.make("annealing", {})
    assert all(name in str(caught.value) for name in samplers.names())


def test_reading_the_table_loads_no_sampler() -> None:
    code = (
        "import sys; before = set(sys.modules); from journaltune.suggest.samplers import help_text, names; "
        "help_text(), names(); print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("journaltune")}
    assert loaded <= {
        "journaltune",
        "journaltune.base",
        "journaltune.base.errors",
        "journaltune.base.frozen",
        "journaltune.suggest",
        "journaltune.suggest.samplers",
    }
    assert not {"typing", "re", "enum", "dataclasses"} & set(done.stdout.split())
