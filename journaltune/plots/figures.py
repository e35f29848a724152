"""Which plots there are, each by Optuna's own visualization: plotly for pages, matplotlib for images."""

from __future__ import annotations

from math import isfinite

from journaltune.base.errors import NotFoundError, UsageError
from journaltune.base.frozen import Frozen
from journaltune.plots.labels import relabel, rows_of
from journaltune.plots.sample import N_RECENT
from journaltune.study.best import signs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any

    from journaltune.plots.picture import Picture


class Kind(Frozen):
    """One plot: the name of Optuna's function, and how many trials it shows at most.

    ``axes``: which parameters it has when the caller names none, "all" (of many the ones that matter most), the few "important"
    ones, or those that were "searched";
    "" if it has no parameters. ``several``: it can show several studies. ``objective``: it shows one objective, and needs to be
    told which where there are several; the others show all.
    """

    function: str
    about: str
    most: int
    axes: str = ""
    several: bool = False
    objective: bool = False


KINDS = {
    "history": Kind("plot_optimization_history", "values by trial, and the best so far", 5_000, several=True, objective=True),
    "importance": Kind("plot_param_importances", "how much each parameter matters", 2_000, "searched"),
    "parallel": Kind("plot_parallel_coordinate", "each trial as a line through its parameters", 300, "all"),
    "slice": Kind("plot_slice", "values by each parameter", 1_000, "all", objective=True),
    "contour": Kind("plot_contour", "values over pairs of parameters", 1_000, "important", objective=True),
    "rank": Kind("plot_rank", "ranks of values over pairs of parameters", 1_000, "important", objective=True),
    "pareto": Kind("plot_pareto_front", "two or three objectives against each other", 5_000),
    "timeline": Kind("plot_timeline", "when each of the last trials ran, and what came of it", N_RECENT),
    "edf": Kind("plot_edf", "how values are distributed", 5_000, several=True, objective=True),
    "intermediate": Kind("plot_intermediate_values", "intermediate values by step", 200),
}
N_IMPORTANT, N_PAIR = 3, 2
MOST_AXES = 10
_MOST_LABELS = 12
_USUAL, _FAR = 0.9, 1_000.0
# How results that are far away are left out: the axis of values ends before them, or they are drawn where it would end.
_ENDED, _CUT = ("history", "slice"), ("contour", "parallel", "edf")
_ENOUGH = 2  # complete trials, before which importances and slices say nothing


def n_needed(kind: str) -> int:
    """How many trials to take of a large study: importances choose the parameters of every kind that has some."""
    return KINDS["importance" if KINDS[kind].axes else kind].most


class Wanted(Frozen):
    """What the caller chose: parameters by name (none: by the kind), and the place of the objective."""

    params: tuple[str, ...] = ()
    objective: int = 0


def interactive(kind: str, pictures: Sequence[Picture], wanted: Wanted) -> Any:
    """A ``plotly.graph_objects.Figure``. UsageError or NotFoundError where the study has nothing that this plot could show."""
    import optuna.visualization

    from journaltune.plots.labels import shorten_plotly

    figure = _drawn(optuna.visualization, kind, pictures, wanted)
    shorten_plotly(figure)
    return figure


def image(kind: str, pictures: Sequence[Picture], wanted: Wanted) -> Any:
    """A ``matplotlib.figure.Figure``, of a backend that needs no screen. Errors as `interactive`."""
    import matplotlib
    import numpy

    matplotlib.use("Agg")
    import optuna.visualization.matplotlib

    from journaltune.plots import labels

    matplotlib.rcParams["font.sans-serif"] = labels.fonts()
    axes = numpy.ravel(_drawn(optuna.visualization.matplotlib, kind, pictures, wanted))
    legend = axes[0].get_legend()
    if legend is not None and len(legend.get_texts()) > _MOST_LABELS:
        legend.remove()
    figure = axes[0].figure
    if kind == "parallel":
        axes[0].set_title("")  # its place is the legend's
        for each in figure.axes[1:]:
            each.grid(False)  # it would cross out the lines
    labels.shorten_matplotlib(figure)
    if kind == "slice":
        labels.arrange(figure, list(axes))
    figure.set_size_inches(*_inches(kind, len(figure.axes) if kind == "parallel" else axes.size))
    return figure


def _inches(kind: str, n_panels: int) -> tuple[float, float]:
    if kind == "slice":
        n_rows, n_columns = rows_of(n_panels)
        return max(3.0 * n_columns, 8.0), 1.0 + 3.5 * n_rows
    if kind == "parallel":  # an axis of its own for each parameter, and one for the colours
        return max(1.3 * n_panels, 10.0), 6.0
    return (13.0, 10.0) if n_panels > 1 else (9.0, 5.5)


def _drawn(library: ModuleType, kind: str, pictures: Sequence[Picture], wanted: Wanted) -> Any:
    from journaltune.plots.picture import quiet

    first, about = pictures[0], KINDS[kind]
    require(kind, pictures, wanted)
    names = _names(about, first, wanted)
    shows_one = about.objective or len(first.directions) == 1
    far = _far(pictures, wanted.objective) if shows_one and kind in (*_ENDED, *_CUT) else None
    if far is not None and kind in _CUT:
        pictures = [each.cut(wanted.objective, far.worst, far.title) for each in pictures]
        first = pictures[0]
    studies = [_study(kind, each, names) for each in pictures]
    if kind == "importance":
        _load_importance()
    with quiet():
        figure = getattr(library, about.function)(studies if len(studies) > 1 else studies[0], **_how(kind, first, names, wanted))
        if kind == "history":
            _number(figure, [[trial.number for trial in each.shown(about.most)] for each in pictures])
            _add_spread(figure, pictures, wanted)
        if far is not None and kind in _ENDED:
            _leave_out_far(figure, far)
        if len(first.directions) > 1 and kind in ("importance", "parallel"):
            _name_objectives(figure, first.objectives)
        return figure


def _study(kind: str, picture: Picture, names: list[str] | None) -> Any:
    if kind == "timeline":
        return picture.recent()
    most = KINDS[kind].most
    return picture.numbered(most) if kind == "history" else picture.study(most, names)


def _how(kind: str, picture: Picture, names: list[str] | None, wanted: Wanted) -> dict[str, Any]:
    about, place = KINDS[kind], wanted.objective
    how: dict[str, Any] = {}
    if names is not None:
        how["params"] = names
    if about.objective or (kind in ("importance", "parallel") and len(picture.directions) == 1):
        how["target_name"] = picture.objectives[place]
    if about.objective and len(picture.directions) > 1:
        how["target"] = lambda trial: trial.values[place]
    if kind == "pareto":
        how["target_names"] = picture.objectives
    return how


def _names(about: Kind, picture: Picture, wanted: Wanted) -> list[str] | None:
    if not about.axes:
        return None
    if wanted.params:
        return list(wanted.params)
    complete = {name for trial in picture.trials if trial.state.name == "COMPLETE" for name in trial.params}
    if about.axes == "searched":
        return [name for name in picture.searched if name in complete]
    names = [name for name in picture.axes if name in complete]
    if about.axes == "important":  # pairs with one that is everywhere the same are empty
        names = [name for name in names if picture.differs(name)]
    most = N_IMPORTANT if about.axes == "important" else MOST_AXES
    return important(picture, names, most) if len(names) > most else names


def important(picture: Picture, names: Sequence[str], most: int) -> list[str]:
    """So many of these parameters, those that matter most, in their own order."""
    weights = importances(picture, [name for name in names if name in picture.searched])
    chosen = set(sorted(names, key=lambda name: -weights.get(name, 0.0))[:most])
    return [name for name in names if name in chosen]


def importances(picture: Picture, names: Sequence[str] | None = None) -> dict[str, float]:
    """Each parameter's part of what makes results differ, by Optuna's PED-ANOVA: they sum to 1."""
    _load_importance()
    from optuna.importance import get_param_importances

    from journaltune.plots.picture import quiet

    names = _names(KINDS["importance"], picture, Wanted()) if names is None else names
    with quiet():
        return get_param_importances(picture.study(KINDS["importance"].most), params=list(names or ()))


def _load_importance() -> None:
    """Optuna's importances import scikit-learn where it is installed, a second's work, for evaluators that nobody uses here."""
    import sys

    if "optuna.importance" in sys.modules or "sklearn" in sys.modules:
        return
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # so its import fails, and Optuna does without
    try:
        import optuna.importance  # noqa: F401
    finally:
        del sys.modules["sklearn"]


def require(kind: str, pictures: Sequence[Picture], wanted: Wanted) -> None:
    """UsageError for what the kind can't show, NotFoundError where the study has nothing to show yet."""
    first, about = pictures[0], KINDS[kind]
    n, n_objectives = sum(trial.state.name == "COMPLETE" for trial in first.trials), len(first.directions)
    if len(pictures) > 1 and not about.several:
        several = " and ".join(name for name, each in KINDS.items() if each.several)
        raise UsageError(f"plot: {kind} shows one study; {several} take several")
    if kind == "pareto" and n_objectives not in (2, 3):
        raise UsageError(f"plot: pareto shows two or three objectives, and study {first.name!r} has {n_objectives}")
    if kind == "intermediate" and not any(trial.intermediate_values for trial in first.trials):
        raise NotFoundError(f"study {first.name!r} has no intermediate values yet; `journaltune report` records them")
    if kind == "timeline" and not first.trials:
        raise NotFoundError(f"study {first.name!r} has no trials yet; `journaltune ask` makes one")
    least = _ENOUGH if about.axes else 1
    if kind not in ("timeline", "intermediate") and n < least:
        raise NotFoundError(
            f"study {first.name!r} has {n} complete trial{'s' * (n != 1)}, and {kind} needs {least}; tell more first"
        )
    _require_names(first, wanted)
    if kind == "edf" and not any(_differ(each, wanted.objective) for each in pictures):
        raise NotFoundError(f"all complete trials of study {first.name!r} have the same value, so edf has nothing to show")
    if about.axes == "important" and not wanted.params and sum(map(first.differs, first.axes)) < N_PAIR:
        raise NotFoundError(f"study {first.name!r} has fewer than two parameters that differ, and {kind} is of pairs")
    if about.axes == "important" and len(wanted.params) == 1:
        raise UsageError(f"plot: {kind} is of pairs of parameters; name two or more")


def _differ(picture: Picture, place: int) -> bool:
    return len({trial.values[place] for trial in picture.trials if trial.state.name == "COMPLETE"}) > 1


def _require_names(picture: Picture, wanted: Wanted) -> None:
    unknown = next((name for name in wanted.params if name not in picture.axes), None)
    if unknown is not None:
        raise UsageError(f"plot: there is no parameter {unknown!r} to show; there are {', '.join(picture.axes)}")


def _add_spread(figure: Any, pictures: Sequence[Picture], wanted: Wanted) -> None:
    """The standard deviations of replicates, as error bars."""
    for each in pictures:
        values = {trial.number: trial.values[wanted.objective] for trial in each.trials if trial.values}
        spread = {number: row[wanted.objective] for number, row in each.sample.spread.items() if number in values}
        if not spread:
            continue
        x, y, bars = list(spread), [values[number] for number in spread], list(spread.values())
        if hasattr(figure, "add_scatter"):
            bar = {"type": "data", "array": bars, "color": "#8888cc", "thickness": 1}
            look = {"mode": "markers", "marker": {"size": 1, "color": "#8888cc"}, "hoverinfo": "skip"}
            figure.add_scatter(x=x, y=y, error_y=bar, name="Standard deviation", **look)
        else:
            figure.errorbar(x, y, yerr=bars, fmt="none", ecolor="#8888cc", elinewidth=1, label="Standard deviation", zorder=0)
            figure.legend(bbox_to_anchor=(1.05, 1.0), loc="upper left")


class _Far(Frozen):
    """``limits`` of an axis that ends before results that are far away, with a title that tells how many there are; ``worst`` is
    the limit at their side."""

    limits: list[float]
    worst: float
    title: str


def _far(pictures: Sequence[Picture], place: int) -> _Far | None:
    """Where a few results are worse than the others by more than a thousand times what these differ by, nothing else could be
    told apart with them."""
    sign = signs_of(pictures[0].directions)[place]
    complete = (trial.values for each in pictures for trial in each.trials if trial.state.name == "COMPLETE")
    losses = sorted(loss for values in complete if isfinite(loss := sign * values[place]))
    usual = losses[: max(int(len(losses) * _USUAL), 1)]
    room = usual[-1] - usual[0] if usual else 0.0
    if room <= 0 or losses[-1] - usual[-1] <= _FAR * room:
        return None
    best, worst = usual[0] - room / 10, usual[-1] + room / 2
    n_far = sum(loss > worst for loss in losses)
    title = f"{pictures[0].objectives[place]} ({n_far} far away)"
    return _Far(sorted((sign * best, sign * worst)), sign * worst, title)


def _leave_out_far(figure: Any, far: _Far) -> None:
    if hasattr(figure, "add_scatter"):
        figure.layout.yaxis.update(range=far.limits, title={"text": far.title})
        return
    import numpy

    for axes in numpy.ravel(figure):
        axes.set_ylim(far.limits)
    numpy.ravel(figure)[0].set_ylabel(far.title)


def _number(figure: Any, numbers: Sequence[Sequence[int]]) -> None:
    """Trials' own numbers for the places that a history was drawn with, in the marks and lines of each study in turn."""
    if hasattr(figure, "add_scatter"):
        for own, traces in zip(numbers, _shares(figure.data, len(numbers)), strict=True):
            for trace in traces:
                trace.x = [own[place] for place in trace.x]
        return
    import numpy

    for own, marks in zip(numbers, _shares(figure.collections, len(numbers)), strict=True):
        for each in marks:
            points = numpy.ma.array(each.get_offsets()).reshape(-1, 2)  # what is not finite is masked
            points[:, 0] = numpy.take(own, points.data[:, 0].astype(int))
            each.set_offsets(points)
    for own, lines in zip(numbers, _shares(figure.lines, len(numbers)), strict=True):
        for line in lines:
            line.set_xdata(numpy.take(own, line.get_xdata().astype(int)))
    last = max(own[-1] for own in numbers)
    figure.set_xlim(-0.03 * last - 0.5, 1.03 * last + 0.5)


def _shares(parts: Sequence[Any], n: int) -> list[Sequence[Any]]:
    each = len(parts) // n
    return [parts[place * each : (place + 1) * each] for place in range(n)]


def _name_objectives(figure: Any, names: Sequence[str]) -> None:
    """The objectives' names in the place of "Objective 0" and "Objective Value 0": Optuna knows none here."""
    known = {f"{word} {place}": name for place, name in enumerate(names) for word in ("Objective", "Objective Value")}
    if hasattr(figure, "add_scatter"):
        for trace in figure.data:
            trace.name = known.get(trace.name, trace.name)
        figure.layout.xaxis.ticktext = [known.get(text, text) for text in figure.layout.xaxis.ticktext or ()] or None
        return
    for label in figure.get_legend().get_texts() if figure.get_legend() else ():
        label.set_text(known.get(label.get_text(), label.get_text()))
    for axes in figure.figure.axes:
        relabel(axes.xaxis, lambda text: known.get(text, text))
