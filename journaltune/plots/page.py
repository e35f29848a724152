"""A study as one page that opens offline: whatever a journal says is shown as text, never as markup or script."""

from __future__ import annotations

import os
from html import escape
from string import Template

from journaltune.base import STATE_NAMES
from journaltune.base.errors import JournaltuneError
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps_unicode
from journaltune.base.words import text_of
from journaltune.plots.sample import failures
from journaltune.study.environment import recorded
from journaltune.study.settings import SETTINGS
from journaltune.study.trials import counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence
    from typing import Any

    from journaltune.base.model import Trial
    from journaltune.plots.picture import Picture
    from journaltune.study import OpenStudy

SECTIONS = {
    "history": "History",
    "pareto": "Pareto front",
    "importance": "Importance",
    "parallel": "Parallel coordinates",
    "slice": "Slices",
    "timeline": "Timeline",
    "intermediate": "Intermediate values",
}
_ALONE = {"contour": "Contours", "rank": "Ranks", "edf": "Distribution of values"}  # no sections of a page
_WIDE = 720  # a figure of many panels is at least so wide, and scrolled where the page is narrower
_FOLDER = os.path.dirname(__file__)


class Facts(Frozen):
    """What the page says besides the study: ``rerun`` gives a trial's command, ``verified`` the answer of `verify`, if it was
    asked, ``refresh_s`` how often a page that is being rewritten loads itself again."""

    rerun: Callable[[Trial], str]
    made: str
    verified: str | None = None
    refresh_s: int | None = None


def page(study: OpenStudy, picture: Picture, facts: Facts) -> str:
    """The whole page. ``picture`` is spelled for HTML."""
    figures, notes = _figures(picture)
    known = counts(study)
    parts = [
        f"<h1>{escape(study.name)}</h1>",
        _lead(study, known, facts),
        _section("best", "Best", _best(study, picture, facts)),
        _section("space", "Space", _space(study)),
        *(
            _section(kind, title, _holder(kind, figures, notes))
            for kind, title in SECTIONS.items()
            if kind in {**figures, **notes}
        ),
        _section("failures", "Failures by reason", _failures(study)),
        _section("trials", "Trials", _table_holder(picture)),
        _section("environment", "Environment and settings", _environment(study, facts)),
    ]
    return _filled(study.name, "\n".join(parts), figures, _rows(study, picture), facts.refresh_s)


def page_of_figure(kind: str, figure: Any, name: str) -> str:
    """One plot as a page; ``name`` is spelled for HTML."""
    figures = {kind: figure}
    section = _section(kind, {**SECTIONS, **_ALONE}[kind], _holder(kind, figures, {}))
    return _filled(kind, f"<h1>{name}</h1>{section}", figures, None, None)


def _filled(title: str, body: str, figures: dict[str, Any], rows: Any, refresh_s: int | None) -> str:
    from plotly.io import templates
    from plotly.offline import get_plotlyjs

    with open(f"{_FOLDER}/page.html", encoding="utf-8") as file:
        template = Template(file.read())
    plain = {name: figure.to_plotly_json() for name, figure in figures.items()}
    for figure in plain.values():
        figure["layout"].pop("template", None)
    looks = {name: templates[look].to_plotly_json() for name, look in (("light", "plotly_white"), ("dark", "plotly_dark"))}
    return template.substitute(
        title=escape(title),
        refresh="" if refresh_s is None else f'<meta http-equiv="refresh" content="{refresh_s}">',
        body=body,
        figures=_for_script({"figures": plain, "looks": looks}),
        rows=_for_script(rows),
        plotly=get_plotlyjs() if figures else "",
    )


def _for_script(value: Any) -> str:
    """JSON in which no character could end the script that holds it, or begin a comment in it."""
    from plotly.io.json import to_json_plotly

    text: str = to_json_plotly(value)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _section(name: str, title: str, content: str) -> str:
    return f'<section id="{name}"><h2>{escape(title)}</h2>\n{content}\n</section>'


def _figures(picture: Picture) -> tuple[dict[str, Any], dict[str, str]]:
    """The figures that the study has something for, and for others why there is none."""
    from journaltune.plots.figures import Wanted, interactive

    figures: dict[str, Any] = {}
    notes: dict[str, str] = {}
    for kind in SECTIONS:
        if (kind == "pareto" and len(picture.directions) == 1) or (kind == "intermediate" and not _has_steps(picture)):
            continue
        try:
            figures[kind] = interactive(kind, [picture], Wanted())
        except JournaltuneError as error:
            notes[kind] = str(error)
    return figures, notes


def _has_steps(picture: Picture) -> bool:
    return any(trial.intermediate_values for trial in picture.trials)


def _holder(kind: str, figures: dict[str, Any], notes: dict[str, str]) -> str:
    if kind not in figures:
        return f"<p>{escape(notes[kind])}</p>"
    layout = figures[kind].layout
    panels = max(sum(1 for key in layout.to_plotly_json() if key.startswith("xaxis")), 1)
    if kind == "slice":  # put into rows by the page
        panels = 1
    if kind == "parallel":
        panels = len(layout.xaxis.tickvals or ()) // 2
    if kind in ("contour", "rank"):  # a square of panels
        panels = round(panels**0.5)
    least = f"min-width:{max(_WIDE, 170 * panels)}px" if kind == "parallel" or panels > 2 else ""
    return f'<div class="scroll"><div class="figure" data-figure="{kind}" style="{least}"></div></div>'


def _lead(study: OpenStudy, known: dict[str, int], facts: Facts) -> str:
    goals = [f"{way} {name or ''}".rstrip() for way, name in zip(study.directions, study.objective_names, strict=True)]
    states = ", ".join(f"{count} {state}" for state, count in known.items() if count) or "no trials yet"
    return f"<p>{escape(', '.join(goals))}: {escape(states)}. <small>Made {escape(facts.made)}.</small></p>"


def _table(heads: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f'<th title="{escape(each)}">{escape(each)}</th>' for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(_cell(each))}</td>' for each in row)}</tr>\n" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else text_of(value)


def _best(study: OpenStudy, picture: Picture, facts: Facts) -> str:
    by_number = {trial.number: trial for trial in picture.sample.trials}
    best = [by_number[number] for number in picture.sample.best if number in by_number]
    if not best:
        return "<p>No trial is the best yet.</p>"
    names = list({name: None for trial in best for name in trial.params})
    has_spread = bool(picture.sample.spread)
    heads = ["trial", *_objectives(study), *(["± (replicates)"] if has_spread else []), *names, "peak memory", "run it again"]
    rows = []
    for trial in best:
        spread = picture.sample.spread.get(trial.number, [])
        replicates = (
            [f"{', '.join(f'{each:.3g}' for each in spread)} ({trial.user_attrs.get('replicates', 1)})"] if has_spread else []
        )
        params = [trial.params.get(name) for name in names]
        rows.append([trial.number, *(trial.values or []), *replicates, *params, _peak(trial), facts.rerun(trial)])
    again = f"<p>Run the {'first of these' if len(best) > 1 else 'best'} again: <code>{escape(facts.rerun(best[0]))}</code></p>"
    return again + _table(heads, rows)


def _objectives(study: OpenStudy) -> list[str]:
    several = len(study.directions) > 1
    return [name or (f"value {place}" if several else "value") for place, name in enumerate(study.objective_names)]


def _peak(trial: Trial) -> str:
    return _mebibytes((trial.usage or {}).get("peak_bytes"))


def _mebibytes(size_bytes: float | None) -> str:
    return "" if size_bytes is None else f"{size_bytes / 2**20:,.1f} MiB"


def _space(study: OpenStudy) -> str:
    space = study.space
    if space is None:
        return "<p>Another program made the study, so the journal has no space of ours.</p>"
    config = space.to_config()
    rows = [[name, spec] for name, spec in config["params"].items()] + [["require", each] for each in space.require]
    return _table(("parameter", "what it may be"), rows)


def _failures(study: OpenStudy) -> str:
    found = failures(study)
    if not found:
        return "<p>No trial failed.</p>"
    rows = [
        (
            each.reason,
            each.count,
            each.last_number,
            "" if each.longest_s is None else f"{each.longest_s:.1f} s",
            _mebibytes(each.peak_bytes),
        )
        for each in found
    ]
    return _table(("reason", "trials", "the last one", "longest", "most memory"), rows)


def _environment(study: OpenStudy, facts: Facts) -> str:
    settings = [
        (name, study.setting(name))
        for name, setting in SETTINGS.items()
        if study.is_ours
        and name != "space"
        and study.setting(name) not in (None, [], {})
        and (setting.always or study.setting(name) != setting.default)
    ]
    rows = [("journal", study.path), *settings, *recorded(study.config, study.state().system_attrs).items()]
    rows += [(f"attribute {key}", value) for key, value in study.state().user_attrs.items()]
    verified = facts.verified or "not asked; `journaltune verify` recomputes every suggestion"
    return _table(("what", "value"), [*rows, ("verified", verified)])


def _table_holder(picture: Picture) -> str:
    shown, there = len(picture.sample.trials), picture.sample.n_trials
    part = (
        "" if shown >= there else f" Of {there:,} trials {shown:,} are here, the best among them; `journaltune trials` has all."
    )
    known = [*STATE_NAMES.values(), *(["withdrawn"] if picture.sample.withdrawn else [])]
    states = "".join(f"<option>{state}</option>" for state in known)
    return (
        f'<p class="tools"><label>Filter <input id="filter" type="search" placeholder="text in any column"></label> '
        f'<label>State <select id="state"><option value="">any</option>{states}</select></label> '
        f'<span id="count" role="status"></span></p><p class="hint">Click a heading to sort.{part}</p>'
        f'<div class="scroll"><table id="rows"><thead></thead><tbody></tbody></table></div>'
        '<button id="more" hidden>Show more</button>'
    )


def _rows(study: OpenStudy, picture: Picture) -> dict[str, Any]:
    """The table of trials: names of columns, and a list for each trial. Numbers stay numbers, so that they are sorted as such."""
    trials = picture.sample.trials
    params = list({name: None for trial in trials for name in trial.fixed_params})
    attrs = list({name: None for trial in trials for name in trial.user_attrs})
    objectives = _objectives(study)
    heads = ["trial", "state", *objectives, *params, *attrs, "constraints", "seconds", "peak MiB", "attempt", "seed"]
    return {"heads": heads, "rows": [_row(trial, len(objectives), params, attrs, picture.sample.withdrawn) for trial in trials]}


def _row(trial: Trial, n_objectives: int, params: list[str], attrs: list[str], withdrawn: Container[int]) -> list[Any]:
    values = trial.values or []
    peak = (trial.usage or {}).get("peak_bytes")
    took = trial.duration
    return [
        trial.number,
        "withdrawn" if trial.number in withdrawn else STATE_NAMES[int(trial.state)],
        *(_sortable(value) for value in [*values, *[None] * n_objectives][:n_objectives]),
        *(_sortable(trial.fixed_params.get(name)) for name in params),
        *(_sortable(trial.user_attrs.get(name)) for name in attrs),
        _sortable(trial.constraints or None),
        None if took is None else took.total_seconds(),
        None if peak is None else round(peak / 2**20, 1),
        trial.attempt,
        trial.seed,
    ]


def _sortable(value: Any) -> Any:
    """A value that JSON has a number or a text for."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if value - value == 0 and abs(value) < 2**53 else str(value)
    return dumps_unicode(value)
