"""Plots in the terminal, by plotext."""

from __future__ import annotations

from journaltune.plots.figures import KINDS, MOST_AXES, importances, important, require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from optuna.trial import FrozenTrial

    from journaltune.plots.figures import Wanted
    from journaltune.plots.picture import Picture

_MOST_BARS = 40
_SLICE_LINES = 14
_COLORS = {"COMPLETE": "blue", "PRUNED": "orange", "FAIL": "red", "RUNNING": "green"}


def drawn(kind: str, pictures: Sequence[Picture], wanted: Wanted, width: int, height: int) -> str:
    """The plot as text with a line end: so many columns wide; a slice is as high as it has parameters. Errors as of figures."""
    require(kind, pictures, wanted)
    return _DRAWERS[kind](pictures, wanted, width, height)


def _fresh(width: int, height: int, title: str) -> Any:
    import plotext

    plotext.clear_figure()
    plotext.clear_color()
    plotext.limit_size(False, False)
    plotext.plotsize(width, height)
    plotext.title(title)
    return plotext


def _built(plotext: Any) -> str:
    import sys

    text = plotext.build()
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return f"{text if is_terminal else plotext.uncolorize(text)}\n"


def _history(pictures: Sequence[Picture], wanted: Wanted, width: int, height: int) -> str:
    first = pictures[0]
    plot = _fresh(width, height, f"{first.objectives[wanted.objective]} by trial")
    for each in pictures:
        whose = f" of {each.name}" if len(pictures) > 1 else ""
        fine, broken, best = _history_lines(each, wanted.objective)
        if fine:  # plotext takes no empty list
            plot.scatter(*_columns(fine), label=f"value{whose}", marker="dot")
        if broken:
            plot.scatter(*_columns(broken), label=f"infeasible{whose}", marker="x")
        if best:
            plot.plot(*_columns(best), label=f"best{whose}")
    plot.xlabel("trial")
    return _built(plot)


def _columns(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _history_lines(picture: Picture, place: int) -> tuple[list[tuple[float, float]], ...]:
    """Feasible and infeasible values by trial, and the best so far, in steps."""
    better = max if picture.directions[place] == "maximize" else min
    fine, broken, best = list[tuple[float, float]](), list[tuple[float, float]](), list[tuple[float, float]]()
    for trial, value in _values(picture, KINDS["history"].most, place):
        if any(constraint > 0 for constraint in trial.constraints.values()):
            broken.append((trial.number, value))
            continue
        fine.append((trial.number, value))
        if best and better(best[-1][1], value) == best[-1][1]:
            best.append((trial.number, best[-1][1]))
        else:
            best += [(trial.number, best[-1][1]), (trial.number, value)] if best else [(trial.number, value)]
    return fine, broken, best


def _values(picture: Picture, most: int, place: int) -> list[tuple[FrozenTrial, float]]:
    complete = (trial for trial in picture.study(most).trials if trial.state.name == "COMPLETE" and trial.values)
    known = ((trial, trial.values[place]) for trial in complete)
    return [(trial, value) for trial, value in known if value - value == 0]


def _importance(pictures: Sequence[Picture], wanted: Wanted, width: int, height: int) -> str:
    weights = importances(pictures[0], wanted.params or None)
    shown = sorted(weights.items(), key=lambda item: item[1])[-_MOST_BARS:]
    plot = _fresh(width, len(shown) * 2 + 4, f"importance for {', '.join(pictures[0].objectives)}")
    plot.bar([name for name, _ in shown], [weight for _, weight in shown], orientation="horizontal", width=0.5)
    return _built(plot)


def _slice(pictures: Sequence[Picture], wanted: Wanted, width: int, height: int) -> str:
    picture = pictures[0]
    names = list(wanted.params) or important(picture, picture.axes, MOST_AXES)
    points = _values(picture, KINDS["slice"].most, wanted.objective)
    return "".join(_one_slice(picture, wanted, points, name, width) for name in names)


def _one_slice(picture: Picture, wanted: Wanted, points: list[tuple[FrozenTrial, float]], name: str, width: int) -> str:
    at = [(trial, value) for trial, value in points if name in trial.params]
    if not at:
        return ""
    known = at[0][0].distributions[name]
    plot = _fresh(width, _SLICE_LINES, f"{picture.objectives[wanted.objective]} by {name}")
    choices = getattr(known, "choices", None)
    if choices is not None:
        plot.xticks(range(len(choices)), [str(choice)[:20] for choice in choices])
        plot.xlim(-0.5, len(choices) - 0.5)
        x = [choices.index(trial.params[name]) for trial, _ in at]
    else:
        if getattr(known, "log", False):
            plot.xscale("log")
        x = [trial.params[name] for trial, _ in at]
    plot.scatter(x, [value for _, value in at], marker="dot")
    return _built(plot)


def _timeline(pictures: Sequence[Picture], wanted: Wanted, width: int, height: int) -> str:
    from datetime import datetime

    now = datetime.now()
    bars = [
        (trial.number, trial.state.name, trial.datetime_start, trial.datetime_complete or now)
        for trial in pictures[0].recent().trials
        if trial.datetime_start is not None
    ]
    if not bars:
        return f"none of the {len(pictures[0].trials)} trials has a time\n"
    first = min(start for _, _, start, _ in bars)
    plot = _fresh(width, height, f"trials by seconds since {first:%Y-%m-%d %H:%M:%S}")
    for state, color in _COLORS.items():
        of_state = [bar for bar in bars if bar[1] == state]
        for place, (number, _, *span) in enumerate(of_state):
            seconds = [(moment - first).total_seconds() for moment in span]
            plot.plot(seconds, [number] * 2, color=color, label=state.lower() if place == 0 else None)
    plot.ylabel("trial")
    return _built(plot)


_DRAWERS: dict[str, Callable[[Sequence[Picture], Wanted, int, int], str]] = {
    "history": _history,
    "importance": _importance,
    "slice": _slice,
    "timeline": _timeline,
}
