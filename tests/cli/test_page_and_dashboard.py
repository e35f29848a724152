"""`page` while a study goes on, and Optuna's dashboard on the journal of a loop."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_S = 60.0


def until(reached: Callable[[], object]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_a_watched_page_follows_the_study_and_ends_with_it(program: Any) -> None:
    pytest.importorskip("plotly", reason="plotly comes with the extra `plot`")
    (program.folder / "study.json").write_text(json.dumps({"params": {"x": "float(0, 1)"}, "trials": 2, "seed": 1}))
    program.out("create", "--space", "study.json")
    page = program.folder / "study.html"
    watching = program.start("page", "--watch", "--every", "0.1")
    until(page.exists)
    assert 'http-equiv="refresh"' in page.read_text(encoding="utf-8")
    for number in range(2):
        program.out("ask")
        program.out("tell", str(number), "0.5")
    _, errors = watching.communicate(timeout=WAIT_S)
    assert (watching.returncode, errors.splitlines()[-1]) == (0, b"journaltune: wrote study.html")
    text = page.read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' not in text
    assert "2 complete" in text
    assert [each.name for each in program.folder.iterdir() if each.name.endswith(".new")] == []


def test_a_page_tells_how_to_run_the_best_again_and_what_verify_found(told: Any) -> None:
    pytest.importorskip("plotly", reason="plotly comes with the extra `plot`")
    assert told.call("page", "-o", "page.html", "--verify").returncode == 0
    text = (told.folder / "page.html").read_text(encoding="utf-8")
    assert f"journaltune exec 1 -f {told.journal} --study study -- COMMAND" in text
    assert "5 suggestions, all the same bit for bit" in text


def test_a_page_that_can_not_be_written_leaves_the_old_one(told: Any) -> None:
    pytest.importorskip("plotly", reason="plotly comes with the extra `plot`")
    done = told.call("page", "-o", "missing/page.html")
    assert done.returncode == 7
    assert done.stderr.splitlines()[-1] == b"journaltune: cannot write missing/page.html: No such file or directory"


def fetched(address: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method="GET" if data is None else "PUT")
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return answer.read()


def test_the_dashboard_shows_a_loop_while_it_runs_and_writes_what_is_noted(program: Any) -> None:
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard comes with the extra `dashboard`")
    program.out("create", "--param", "x: float(0, 1)", "--minimize", "loss", "--seed", "1")
    serving = program.start("dashboard", "--port", "0")
    try:
        address = serving.stdout.readline().decode().strip()
        assert b"<title>" in fetched(f"{address}dashboard")
        (study,) = json.loads(fetched(f"{address}api/studies"))["study_summaries"]
        trials = f"{address}api/studies/{study['study_id']}?after=0"
        program.out("ask", "--owner", str(serving.pid))
        assert program.call("report", "0", "1", "0.75").returncode == 0  # it says that there is no pruner
        program.out("tell", "0", "0.5", "--constraint", "memory=-1", "--attr", 'note="by hand"')
        program.out("ask", "--owner", str(serving.pid))
        shown = json.loads(fetched(trials))
        assert [trial["state"] for trial in shown["trials"]] == ["Complete", "Running"]
        assert shown["trials"][1]["user_attrs"] == [{"key": "journaltune:owner", "value": f"process {serving.pid}, attempt 1"}]
        assert shown["objective_names"] == ["loss"]
        (first, _) = shown["trials"]
        assert (first["values"], [each["value"] for each in first["intermediate_values"]]) == ([0.5], [0.75])
        assert first["constraints"] == [-1.0]
        assert any(each["key"] == "note" and each["value"].strip('"') == "by hand" for each in first["user_attrs"])
        fetched(f"{address}api/studies/{study['study_id']}/note", {"body": "looks good", "version": 1})
        assert "looks good" in program.journal.read_text()
        program.out("tell", "1", "0.25")
        assert program.json("best")["value"] == 0.25
        program.out("check")
    finally:
        serving.send_signal(signal.SIGINT)
        _, errors = serving.communicate(timeout=WAIT_S)
    assert serving.returncode == -signal.SIGINT
    assert all(line.endswith(b" ...") for line in errors.splitlines())


def test_the_dashboard_makes_no_journal_where_none_is(program: Any) -> None:
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard comes with the extra `dashboard`")
    done = program.call("dashboard", "--port", "0")
    assert done.returncode == 3
    assert not program.journal.exists()
