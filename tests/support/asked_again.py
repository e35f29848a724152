"""A trial that nobody heard of is handed out by the next ask."""

from __future__ import annotations

import json
from typing import Any


def assert_asked_again(program: Any, number: int) -> None:
    """Trial ``number`` is the last one, still runs, and is the next one to be asked, with the same parameters."""
    *_, last = program.json("trials", "--format", "json")
    assert (last["number"], last["state"]) == (number, "running")
    again = json.loads(program.out("ask"))
    assert again == {"number": number, "params": last["params"], "seed": last["seed"], "attempt": 2}
