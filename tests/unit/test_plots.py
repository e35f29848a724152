"""Plots: each kind as an image, as a page and in the terminal, over every kind of parameter."""

from __future__ import annotations

import builtins
import math
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pictured
import pytest
from lazily import Library

from journaltune.cli import main
from journaltune.cli.plot import IN_TERMINAL, KINDS
from journaltune.plots.sample import failures, places_shown, sample
from journaltune.study import open_study

if TYPE_CHECKING:
    from pathlib import Path

for library in ("matplotlib", "plotly", "plotext"):
    Library(library, reason=f"{library} comes with the extra `plot`")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plots")
    pictured.make_rich(folder)
    pictured.make_pareto(folder)
    pictured.make_replicates(folder)
    return folder


def journal_for(kind: str, folder: Path) -> str:
    return str(folder / ("pareto.journal" if kind == "pareto" else "rich.journal"))


def pictures(path: str) -> list[Any]:
    from journaltune.plots.picture import picture

    with open_study(path, None) as study:
        return [picture(study, str)]


def refusal(capsys: pytest.CaptureFixture[str], exit_code: int, *call: str) -> str:
    assert main(call) == exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = [line for line in captured.err.splitlines() if not line.endswith(" ...")]
    return line


def test_the_command_and_the_room_know_the_same_kinds() -> None:
    from journaltune.plots import figures, terminal

    assert tuple(figures.KINDS) == KINDS
    assert tuple(terminal._DRAWERS) == IN_TERMINAL


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_an_image(folder: Path, kind: str) -> None:
    path = folder / f"{kind}.png"
    some = ["--param=opt", "--param=momentum"] if kind == "contour" else []  # a panel of each pair takes long
    assert main(["plot", kind, "-f", journal_for(kind, folder), "-o", str(path), *some]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("ending", ["svg", "pdf"])
def test_images_are_of_the_kind_that_the_ending_says(folder: Path, ending: str) -> None:
    path = folder / f"importance.{ending}"
    assert main(["plot", "importance", "-f", journal_for("importance", folder), "-o", str(path)]) == 0
    assert {"svg": b"<svg", "pdf": b"%PDF"}[ending] in path.read_bytes()[:1000]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_page_without_markup_of_the_journals(folder: Path, kind: str) -> None:
    path = folder / f"{kind}.html"
    assert main(["plot", kind, "-f", journal_for(kind, folder), "-o", str(path)]) == 0
    page = path.read_text(encoding="utf-8")
    assert "Plotly.react(" in page
    assert all(text not in page for text in (pictured.HOSTILE_NAME, pictured.HOSTILE_CATEGORY, pictured.HOSTILE_OBJECTIVE))


@pytest.mark.parametrize("kind", IN_TERMINAL)
def test_plots_in_the_terminal_have_its_width_and_no_colours_in_a_file(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert main(["plot", kind, "-f", journal_for(kind, folder)]) == 0
    text = capsys.readouterr().out
    assert {len(line) for line in text.splitlines() if "┤" in line} == {72}
    assert "\x1b" not in text
    assert (pictured.HOSTILE_OBJECTIVE if kind != "timeline" else "complete") in text


def test_axes_are_parameters_as_they_are_handed_out(folder: Path) -> None:
    (picture,) = pictures(journal_for("slice", folder))
    places = [f"order: place of {item}" for item in "abc"]
    assert picture.axes == [
        *("lr", "opt", "momentum", "size", "layers", *places, "mix.x", "mix.y", "width", "double"),
        *(pictured.HOSTILE_NAME, "cost$_a$"),
    ]
    assert set(picture.axes) - set(picture.searched) == {"double"}
    with open_study(journal_for("slice", folder), None) as study:
        handed_out = {trial.number: trial.params for trial in sample(study).trials}
    for trial in picture.trials:
        given = handed_out[trial.number]
        assert ("momentum" in trial.params) == (given["opt"] == "sgd")
        assert trial.params["double"] == 2 * given["size"]
        assert given["layers"] == {"tiny": [64], "small": [64, 64]}[trial.params["layers"]]
        assert [given["order"][trial.params[place] - 1] for place in places] == ["a", "b", "c"]
        assert trial.params["mix.x"] + trial.params["mix.y"] == pytest.approx(1)


def test_infeasible_trials_are_marked_and_never_the_best(folder: Path) -> None:
    from journaltune.plots.figures import Wanted, interactive

    (picture,) = pictures(journal_for("history", folder))
    infeasible = {trial.number for trial in picture.trials if trial.constraints.get("memory", 0) > 0}
    assert infeasible
    assert not infeasible & set(picture.sample.best)
    figure = interactive("history", [picture], Wanted())
    marked = next(trace for trace in figure.data if trace.name == "Infeasible Trial")
    assert set(marked.x) == infeasible


def test_replicates_are_shown_by_mean_and_spread(folder: Path) -> None:
    from journaltune.plots.figures import Wanted, image, interactive

    (picture,) = pictures(str(folder / "replicates.journal"))
    assert {trial.number: trial.values for trial in picture.trials} == {3 * i: [10 * i + 2.0] for i in range(5)}
    assert picture.sample.spread == {3 * i: [1.0] for i in range(5)}
    figure = interactive("history", [picture], Wanted())
    bars = next(trace for trace in figure.data if trace.name == "Standard deviation")
    assert list(bars.x) == [0, 3, 6, 9, 12]
    assert list(bars.error_y.array) == [1.0] * 5
    assert image("history", [picture], Wanted()).axes[0].containers


def test_failures_are_counted_by_reason(folder: Path) -> None:
    with open_study(journal_for("timeline", folder), None) as study:
        (only,) = failures(study)
    assert (only.reason, only.count, only.last_number) == ("oom", 5, 35)


@pytest.mark.parametrize("ending", ["png", "html"])
def test_several_studies_stand_in_one_picture(folder: Path, ending: str) -> None:
    path = folder / f"both.{ending}"
    other = str(folder / "replicates.journal")
    assert main(["plot", "edf", "-f", journal_for("edf", folder), "--with", other, "-o", str(path)]) == 0
    if ending == "html":
        assert "replicates (replicates.journal)" in path.read_text(encoding="utf-8")


def test_one_of_several_objectives_is_chosen_by_name(folder: Path) -> None:
    path = folder / "accuracy.html"
    call = ["plot", "slice", "-f", str(folder / "pareto.journal"), "-o", str(path)]
    assert main([*call, "--objective", "accuracy"]) == 0
    assert '"text":"accuracy"' in path.read_text(encoding="utf-8")
    assert main([*call, "--objective", "speed"]) == 2


@pytest.mark.parametrize(
    ("call", "exit_code", "says"),
    [
        (["contour"], 2, "name a file, such as -o contour.png"),
        (["history", "-o", "x.gif"], 2, ".png, .svg, .pdf, .html"),
        (["histoyr"], 2, "did you mean history?"),
        (["slice", "--param", "nope"], 2, "there is no parameter 'nope'"),
        (["contour", "--param", "lr", "-o", "x.png"], 2, "name two or more"),
        (["pareto", "-o", "x.png"], 2, "two or three objectives"),
        (["slice", "--with", "rich", "-o", "x.png"], 2, "history and edf take several"),
        (["history", "--with", "nope", "-o", "x.png"], 3, "nope"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_calls_are_refused_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], call: list[str], exit_code: int, says: str
) -> None:
    assert says in refusal(capsys, exit_code, "plot", *call, "-f", journal_for("history", folder))


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_without_results_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    path, goals = str(tmp_path / "new.journal"), (["--minimize", "a", "--minimize", "b"] if kind == "pareto" else [])
    assert main(["create", "-f", path, "--param", "x: float(0, 1)", *goals]) == 0
    capsys.readouterr()
    assert "study 'new' has " in refusal(capsys, 3, "plot", kind, "-f", path, "-o", str(tmp_path / "x.png"))


@pytest.mark.parametrize(
    ("call", "library", "extra"),
    [
        (["plot", "history"], "plotext", "plot"),
        (["plot", "history", "-o", "x.png"], "matplotlib", "plot"),
        (["plot", "history", "-o", "x.html"], "plotly", "plot"),
        (["page"], "plotly", "plot"),
        (["dashboard"], "optuna_dashboard", "dashboard"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_missing_extra_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, call: list[str], library: str, extra: str
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == library:
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    line = refusal(capsys, 2, *call, "-f", journal_for("history", folder))
    assert f"{library} is not installed; `pip install 'journaltune[{extra}]'`" in line


def test_of_many_trials_the_records_the_wanted_and_a_part_of_the_others_are_shown() -> None:
    losses = [float(n) if n % 1000 else 100_000.0 - n for n in range(10_000, 110_000)]
    kept = places_shown(losses, 500, {77_777})
    records = [place for place, loss in enumerate(losses) if all(loss < other for other in losses[max(0, place - 1) : place])]
    assert len(kept) <= 1_000
    assert 77_777 in kept
    best = min(range(len(losses)), key=losses.__getitem__)
    assert best in kept
    assert best in records
    assert max(b - a for a, b in pairwise(kept)) < 1_000
    assert places_shown(losses[:500], 500) == list(range(500))


def test_a_long_study_is_thinned_and_its_best_line_is_the_right_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import journaltune
    from journaltune.plots import picture as pictures_of
    from journaltune.plots.figures import Wanted, interactive

    path = str(tmp_path / "long.journal")
    study = journaltune.create_study(path, params={"x": "float(0, 1)"}, seed=1, sampler="random")
    values = []
    for trial in (study.ask() for _ in range(200)):
        values.append(trial.params["x"])
        study.tell(trial, values[-1])
    monkeypatch.setattr(pictures_of, "sample", lambda opened, most: sample(opened, 40))
    monkeypatch.setattr("journaltune.plots.sample.N_RECENT", 20)
    (picture,) = pictures(path)
    assert len(picture.trials) < 100
    assert [trial.number for trial in picture.trials][-20:] == list(range(180, 200))  # for a timeline
    assert picture.sample.best == sorted(range(200), key=values.__getitem__)[:10]
    line = next(trace for trace in interactive("history", [picture], Wanted()).data if trace.name == "Best Value")
    at = dict(zip(line.x, line.y, strict=True))
    assert all(at[number] == min(values[: number + 1]) for number in at)
    assert min(values) in at.values()


def told_study(folder: Path, values: list[float], direction: str = "minimize", **more: Any) -> Any:
    import journaltune

    params = {"x": "float(0, 1)", "y": "int(1, 9)"}
    study = journaltune.create_study(str(folder / "told.journal"), params=params, seed=1, sampler="random", directions=direction)
    for value in values:
        study.tell(study.ask(), value, **more)
    return study


def test_a_withdrawn_result_is_never_the_best(tmp_path: Path) -> None:
    from journaltune.plots.figures import Wanted, interactive
    from journaltune.plots.sample import best_so_far

    study = told_study(tmp_path, [3.0, 1.0, 2.0])
    study.withdraw(1, reason="wrong data")
    path = str(tmp_path / "told.journal")
    (picture,) = pictures(path)
    assert picture.sample.best == [2, 0]
    assert picture.sample.withdrawn == {1}
    line = next(trace for trace in interactive("history", [picture], Wanted()).data if trace.name == "Best Value")
    assert min(line.y) == 2.0
    with open_study(path, None) as opened:
        assert best_so_far(opened) == [3.0, 2.0]
    assert main(["page", "-f", path, "-o", str(tmp_path / "told.html")]) == 0
    assert '[1,"withdrawn",1.0,' in (tmp_path / "told.html").read_text(encoding="utf-8")


def test_with_replicates_the_best_has_all_of_them(tmp_path: Path) -> None:
    import journaltune

    study = journaltune.create_study(str(tmp_path / "r.journal"), params={"x": "float(0, 1)"}, replicates=2, seed=1)
    for value in (5.0, 6.0, 1.0):  # the second configuration was told once
        study.tell(study.ask(), value)
    (picture,) = pictures(str(tmp_path / "r.journal"))
    assert picture.sample.best == [0]
    assert study.best_trial.number == 0


@pytest.mark.parametrize(
    ("values", "more"),
    [
        ([0.5], {}),
        ([0.5, float("inf"), -float("inf"), 1e30], {}),
        ([1.0, 1.0, 1.0], {}),
        ([0.5, 0.25], {"constraints": {"memory": 1.0}}),
    ],
    ids=["one trial", "infinities", "all the same", "all infeasible"],
)
@pytest.mark.parametrize("ending", [".png", ".html", None])
def test_a_history_of_odd_values_is_drawn(tmp_path: Path, values: list[float], more: dict[str, Any], ending: str | None) -> None:
    told_study(tmp_path, values, **more)
    output = [] if ending is None else ["-o", str(tmp_path / f"history{ending}")]
    assert main(["plot", "history", "-f", str(tmp_path / "told.journal"), *output]) == 0


@pytest.mark.parametrize(("kind", "says"), [("edf", "have the same value"), ("contour", "fewer than two parameters that differ")])
def test_an_empty_picture_is_refused_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, says: str
) -> None:
    import journaltune

    path = str(tmp_path / "same.journal")
    study = journaltune.create_study(path, params={"x": "float(0, 1)", "y": "choice(a)"}, seed=1, sampler="random")
    for _ in range(3):
        study.tell(study.ask(), 1.0)
    assert says in refusal(capsys, 3, "plot", kind, "-f", path, "-o", str(tmp_path / "x.png"))


def test_an_image_of_a_thinned_history_has_the_trials_numbers(tmp_path: Path) -> None:
    from journaltune.plots.figures import Wanted, image

    told_study(tmp_path, [float(100 - n) if n % 10 else 1000.0 for n in range(60)])
    with open_study(str(tmp_path / "told.journal"), None) as study:
        from journaltune.plots.picture import picture

        drawn = picture(study, str)
    numbers = [trial.number for trial in drawn.trials if trial.number % 7 == 0]
    part = drawn.but(trials=[trial for trial in drawn.trials if trial.number in numbers])
    (axes,) = image("history", [part], Wanted()).axes
    assert axes.collections[0].get_offsets()[:, 0].tolist() == numbers
    assert axes.lines[0].get_xdata().tolist() == numbers


def test_long_labels_lose_their_middle_and_no_reference_is_cut() -> None:
    from journaltune.plots.labels import _short_html, short

    assert short("learning_rate") == "learning_rate"
    assert short("model.encoder.layers.11.dropout_1", 20) == "model.encod…ropout_1"
    assert _short_html("&lt;" * 40, 10) == "&lt;" * 5 + "…" + "&lt;" * 4


def test_names_of_many_letters_leave_room_in_each_picture(tmp_path: Path) -> None:
    import journaltune
    from journaltune.plots.figures import Wanted, image, interactive

    name, choices = (
        "a name of very many letters that goes on and on",
        [f"category number {n} of nine, in words" for n in range(9)],
    )
    study = journaltune.create_study(str(tmp_path / "l.journal"), params={name: choices, "x": "float(0, 1)"}, seed=1)
    for _ in range(20):
        study.tell(study.ask(), 1.0)
    (picture,) = pictures(str(tmp_path / "l.journal"))
    page = interactive("slice", [picture], Wanted()).layout
    assert {len(text) for text in page.xaxis.ticktext} == {18}
    assert page.xaxis.title.text == "a name of very ma…es on and on"
    panel = image("slice", [picture], Wanted()).axes[0]
    assert max(len(panel.xaxis.get_major_formatter()(place, None)) for place in panel.get_xticks()) == 18


def test_importances_do_without_scikit_learn(folder: Path, warm_env: dict[str, str]) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn comes with the extra `examples`")
    call = f"main(['plot', 'importance', '-f', {journal_for('importance', folder)!r}])"
    program = f"import sys; from journaltune.cli import main; code = {call}; print(code, 'sklearn' in sys.modules)"
    done = subprocess.run(["python", "-c", program], env=warm_env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"


def test_objectives_have_their_names_in_an_image(folder: Path) -> None:
    from journaltune.plots.figures import Wanted, image

    (picture,) = pictures(str(folder / "pareto.journal"))
    axis = image("parallel", [picture], Wanted()).axes[0].xaxis
    known = axis.get_major_formatter()
    assert [known(place, None) for place in axis.get_ticklocs()][:2] == ["loss", "accuracy"]


@pytest.mark.parametrize("kind", ["history", "slice"])
def test_a_result_that_is_far_away_does_not_hide_the_others(tmp_path: Path, kind: str) -> None:
    from journaltune.plots.figures import Wanted, image, interactive

    told_study(tmp_path, [1e30, *(float(n) for n in range(20))])
    (picture,) = pictures(str(tmp_path / "told.journal"))
    axis = interactive(kind, [picture], Wanted()).layout.yaxis
    assert axis.range[1] < 50
    assert axis.title.text == "value (1 far away)"
    axes = image(kind, [picture], Wanted()).axes[0]
    assert axes.get_ylim()[1] < 50
    assert axes.get_ylabel() == "value (1 far away)"


@pytest.mark.parametrize("sign", [1, -1], ids=["minimize", "maximize"])
@pytest.mark.parametrize("kind", ["contour", "parallel", "edf"])
def test_a_result_that_is_far_away_is_drawn_where_the_others_end(tmp_path: Path, kind: str, sign: int) -> None:
    from journaltune.plots.figures import Wanted, interactive

    losses = [1e30, math.inf, *map(float, range(20))]
    told_study(tmp_path, [sign * loss for loss in losses], "minimize" if sign == 1 else "maximize")
    (picture,) = pictures(str(tmp_path / "told.journal"))
    figure = interactive(kind, [picture], Wanted())
    first, last = figure.data[0], figure.data[-1]
    shown, said = {
        "contour": lambda: ([value for row in first.z for value in row if not math.isnan(value)], first.colorbar.title.text),
        "parallel": lambda: (last.marker.color, last.marker.colorbar.title.text),
        "edf": lambda: (first.x, figure.layout.xaxis.title.text),
    }[kind]()
    assert said == "value (1 far away)"
    assert max(abs(value) for value in shown) < 50
    assert {trial.values[0] for trial in picture.trials if trial.values} >= {sign * 1e30, sign * math.inf}  # as it was recorded
