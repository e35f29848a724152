"""Labels of a drawn figure, so short that they leave room for what it shows: the middle of a long name is left out."""

from __future__ import annotations

from html import escape, unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MOST_LETTERS = 30
_LEGEND_LETTERS, _TICK_LETTERS, _BEHIND = 40, 18, 0.4
_MOST_TICKS = 12  # categories whose names have room on an axis
_PANELS_ACROSS = 5


def short(text: str, most: int = MOST_LETTERS) -> str:
    """Its beginning and its end, where names differ, with an ellipsis between; at most so many characters."""
    if len(text) <= most:
        return text
    n_behind = int(most * _BEHIND)
    return f"{text[: most - n_behind - 1]}…{text[len(text) - n_behind :]}"


def _short_html(text: str, most: int = MOST_LETTERS) -> str:
    """The same of text that is spelled for HTML: no character reference is cut."""
    plain = unescape(text)
    return text if len(plain) <= most else escape(short(plain, most), quote=False)


def shorten_plotly(figure: Any) -> None:
    """Shorten titles of axes and colour bars, legends, categories, and notes beside axes. What the pointer shows stays whole."""
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        _shorten_title(axis)
        if axis.ticktext:
            axis.ticktext = [_short_html(text, _TICK_LETTERS) for text in axis.ticktext]
    _thin_notes(figure.layout)
    for trace in figure.data:
        if trace.name:
            trace.name = _short_html(trace.name, _LEGEND_LETTERS)
        for holder in (trace, getattr(trace, "marker", None)):
            if holder is not None and "colorbar" in holder:
                _shorten_title(holder.colorbar)
        _shorten_categories(figure, trace)


def _thin_notes(layout: Any) -> None:
    """Shorten the notes, which are the ticks of parallel coordinates; of one axis keep so many as can be read."""
    beside: dict[Any, list[Any]] = {}
    for note in layout.annotations:
        note.text = _short_html(note.text or "", _TICK_LETTERS)
        beside.setdefault(note.x, []).append(note)
    if any(len(notes) > _MOST_TICKS for notes in beside.values()):
        layout.annotations = [note for notes in beside.values() for note in notes[:: -(-len(notes) // _MOST_TICKS)]]


def _shorten_title(holder: Any) -> None:
    if holder.title.text:
        holder.title.text = _short_html(holder.title.text)


def _shorten_categories(figure: Any, trace: Any) -> None:
    for letter in "xy":
        shown = getattr(trace, letter, None)
        texts = [] if shown is None else [each for each in shown if isinstance(each, str)]
        if any(len(text) > _TICK_LETTERS for text in texts):
            axis = figure.layout[f"{letter}axis{(getattr(trace, f'{letter}axis') or letter)[1:]}"]
            known = list(dict.fromkeys([*(axis.categoryarray if axis.categoryarray is not None else ()), *texts]))
            is_bar = trace.type == "bar"
            most = MOST_LETTERS if is_bar else _TICK_LETTERS
            values = known if is_bar or len(known) <= _MOST_TICKS else []
            axis.update(tickvals=values, ticktext=[_short_html(text, most) for text in values])


def shorten_matplotlib(figure: Any) -> None:
    """The same of an image."""
    for axes in figure.axes:
        axes.set_title(short(axes.get_title(), 2 * MOST_LETTERS))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_label_text(short(axis.get_label_text()))
            _shorten_ticks(axis)
        legend = axes.get_legend()
        for text in legend.get_texts() if legend is not None else ():
            text.set_text(short(text.get_text(), _LEGEND_LETTERS))


def _shorten_ticks(axis: Any) -> None:
    from matplotlib.category import StrCategoryFormatter

    ticks = axis.get_ticklocs()
    is_parallel = axis.axis_name == "y" and not isinstance(axis.get_major_formatter(), StrCategoryFormatter)
    if has_names(axis) and is_parallel and len(ticks) > _MOST_TICKS:
        axis.set_ticks(ticks[:: -(-len(ticks) // _MOST_TICKS)])
    relabel(axis, lambda text: short(text, _TICK_LETTERS))


def has_names(axis: Any) -> bool:
    """Whether an axis of matplotlib's has texts for ticks, not numbers or times."""
    from matplotlib.category import StrCategoryFormatter
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    return isinstance(axis.get_major_formatter(), StrCategoryFormatter | FixedFormatter | FuncFormatter)


def relabel(axis: Any, change: Callable[[str], str]) -> None:
    """Change the texts of an axis of matplotlib's that has texts."""
    if has_names(axis):
        known = axis.get_major_formatter()
        axis.set_major_formatter(lambda value, place: change(known(value, place)))


def arrange(figure: Any, panels: list[Any]) -> None:
    """Panels of a slice in rows, each with its own ticks; whatever else there is, the colour bar, stands at the right. ``panels``
    are ``matplotlib.axes.Axes``."""
    from matplotlib.ticker import NullFormatter

    n_rows, n_columns = rows_of(len(panels))
    grid = figure.add_gridspec(n_rows, n_columns, left=0.06, right=0.9, top=0.93, bottom=0.1, wspace=0.12, hspace=0.55)
    for place, axes in enumerate(panels):
        axes.set_subplotspec(grid[place])
        axes.tick_params(labelleft=place % n_columns == 0)
        axes.set_ylabel(panels[0].get_ylabel() if place % n_columns == 0 else "")
        axes.set_xlabel(short(axes.get_xlabel(), _TICK_LETTERS + 6), fontsize="small")
        axes.xaxis.set_minor_formatter(NullFormatter())
        if axes.xaxis.have_units():  # categories
            fits = len(axes.get_xticks()) <= _MOST_TICKS
            axes.tick_params(axis="x", labelrotation=45, labelsize="x-small", labelbottom=fits)
    for other in figure.axes:
        if other not in panels:
            other.set_position([0.92, 0.1, 0.015, 0.83])


def rows_of(n_panels: int) -> tuple[int, int]:
    """How many rows of panels, and how many panels in each."""
    n_columns = min(n_panels, _PANELS_ACROSS)
    return -(-n_panels // n_columns), n_columns


def fonts() -> list[str]:
    """The usual font, and behind it installed ones for what it lacks, such as Chinese, Japanese and Korean."""
    from matplotlib.font_manager import fontManager

    wide = ("Noto Sans CJK", "Source Han Sans", "WenQuanYi", "Droid Sans Fallback", "IPAGothic", "NanumGothic", "Unifont")
    installed = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *sorted(name for name in installed if name.startswith(wide))]
