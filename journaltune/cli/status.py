"""``journaltune status``: how far a study is."""

from __future__ import annotations

import os

from journaltune.base.errors import NotFoundError
from journaltune.cli import output
from journaltune.cli.best import facts
from journaltune.cli.options import Command, Option, opened
from journaltune.cli.values import one_of
from journaltune.study.settings import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Opener, Options
    from journaltune.study import OpenStudy

MOST_RUNNING = 20  # trials that the text names
MOST_OF_SPACE, _LONGEST_SPEC = 12, 120  # lines on the space, and characters of each
_MOST_MODELLED = 300  # a model of 300 trials takes a third of a second

COMMAND = Command(
    "status",
    """Prints how far the study is: trials by state, the best so far, its settings, and the journal's size. In JSON,
"best" is the list of the Pareto front with several objectives; while there is none it is null, and "no_best" says why.
With two or three objectives "hypervolume" is the volume that the front dominates, up to "reference": the worst value of
each objective among the complete trials that keep their constraints. It is null where the front is very long.
"expected_gain" is what the model of auto and gp expects of ten more trials, null while it has too few results.""",
    (
        Option("--format", "format", "text|json", "how to print it (default text)", one_of("text", "json"), "text"),
        Option("--watch", "watch", None, "print it again each second, with how the search goes, until the last trial or Ctrl-C"),
    ),
    examples="""journaltune status
journaltune status --watch
journaltune status --format json | jq .trials.complete""",
)


def run(options: Options) -> int:
    output.require_open()
    if options["watch"]:
        from journaltune.cli.watch import watch

        watch(lambda: _page(options), options["format"] == "json")
    else:
        output.write(_page(options)[0])
    return 0


def _page(options: Options) -> tuple[str, bool]:
    """The page, and whether the study is over."""
    from journaltune.study.trials import is_over

    with opened(options) as study:
        known = _facts(study)
        if options["format"] == "json":
            return output.json_line(known) + "\n", is_over(study)
        from journaltune.cli.summary import too_slow

        lines = _text_lines(known, too_slow(study))
        if options["watch"]:
            from journaltune.cli import watch

            lines += watch.lines(study)
        return "\n".join(lines) + "\n", is_over(study)


def answer(options: Options, opener: Opener = opened) -> dict[str, Any]:
    with opener(options) as study:
        return _facts(study)


def _facts(study: OpenStudy) -> dict[str, Any]:
    from journaltune.engine.withdraw import withdrawn
    from journaltune.journal.upkeep.leftovers import stock_locks
    from journaltune.study.best import best_trials, front_volume, why_none
    from journaltune.study.environment import recorded
    from journaltune.study.trials import counts

    several = len(study.directions) > 1
    try:
        best = best_trials(study)
    except NotFoundError:
        best = []
    front = [facts(trial, several) for trial in best]
    volume, reference = study.look(lambda state: front_volume(state, best)) or (None, None)
    return {
        "study": study.name,
        "directions": list(study.directions),
        "objectives": list(study.objective_names),
        "space": study.space and study.space.to_config()["params"],
        "require": list(study.space.require) if study.space else [],
        "trials": counts(study),
        "running": _running(study),
        "best": front if several else next(iter(front), None),
        "no_best": None if front else study.look(why_none) or "no trial is complete yet",
        "hypervolume": volume,
        "reference": reference,
        **_outlook(study, bool(front) and not several),
        **{
            name: study.setting(name) if study.is_ours else None
            for name, setting in SETTINGS.items()
            if setting.status is not None
        },
        "withdrawn": withdrawn(study),
        "user_attrs": study.state().user_attrs,
        "environment": recorded(study.config, study.state().system_attrs),
        "journal": study.path,
        "locks": stock_locks(study.path),
        "size_bytes": os.stat(study.path).st_size,
    }


def _outlook(study: OpenStudy, has_best: bool) -> dict[str, Any]:
    """Which trial the study's own model holds best, and what it expects of more; None where it has no model, or one of so many
    trials that ``status`` would take long, unless a stop rule asks it anyway."""
    from journaltune.study.trials import counts
    from journaltune.suggest.samplers import WITH_MODEL

    is_quick = counts(study)["complete"] <= _MOST_MODELLED or study.setting("min_gain")
    if not has_best or study.sampler not in WITH_MODEL or not is_quick:
        return {"recommended": None, "expected_gain": None}
    from journaltune.engine.recommend import present_outlook

    found = present_outlook(study)
    return {"recommended": found.recommended, "expected_gain": found.gain}


def _running(study: OpenStudy) -> list[dict[str, Any]]:
    """Each running trial: who has it, for how long, and how much memory its processes had at most, where a `run` noted it."""
    from time import time

    from journaltune.engine.resume import pending

    peaks: dict[Any, dict[tuple[int, int], int | None]] = {}
    listed = []
    for number, holder, found in pending(study):
        owner = holder.owner or {}
        lock = owner.get("lock")
        if isinstance(lock, str) and lock not in peaks:
            peaks[lock] = _peaks(study, lock)
        listed.append(
            {
                "number": number,
                "attempt": holder.attempt,
                "owner": owner.get("pid"),
                "standing": found,
                "age_s": None if holder.since_us is None else round(time() - holder.since_us / 1e6, 3),
                "peak_bytes": peaks.get(lock, {}).get((number, holder.attempt)),
            }
        )
    return listed


def _peaks(study: OpenStudy, lock: str) -> dict[tuple[int, int], int | None]:
    """By number and attempt of the trials that a runner has; nothing of workers that are none."""
    from journaltune.engine.owners import workers_folder
    from journaltune.run import roster

    _, entries = roster.read(f"{workers_folder(study.path)}/{os.path.basename(lock)}")
    return {(entry.number, entry.attempt): entry.peak_bytes for entry in entries}


def _text_lines(known: dict[str, Any], slow: str | None) -> list[str]:
    """``slow``: what to say where suggestions take longer than trials."""
    objectives = [f"{way} {name or ''}".rstrip() for way, name in zip(known["directions"], known["objectives"], strict=True)]
    states = [f"{count} {state}" for state, count in known["trials"].items() if count]
    settings = [
        setting.status.format(known[name])
        for name, setting in SETTINGS.items()
        if setting.status and known[name] is not None and (setting.always or known[name] != setting.default)
    ]
    lines = [
        f"study      {known['study']}",
        f"journal    {known['journal']}, {known['size_bytes']:,} bytes",
        f"objective  {', '.join(objectives)}",
        f"sampler    {', '.join(settings) or 'not known: another program made the study'}",
        *_space_lines(known["space"], known["require"]),
        f"with       {', '.join(f'{name} {version}' for name, version in known['environment'].items()) or 'nothing recorded'}",
        f"trials     {', '.join(states) or 'none yet'}",
        *(f"           trial {number} is withdrawn: {reason}" for number, reason in known["withdrawn"].items()),
        *_running_lines(known["running"]),
        *_best_lines(known["best"], known["no_best"]),
        *_volume_lines(known["hypervolume"], known["reference"]),
        *_recommended_lines(known["best"], known["recommended"]),
        *_gain_lines(known["expected_gain"]),
        *([] if slow is None else [f"note       {slow}"]),
        *(f"lock       {lock}" for lock in known["locks"]),
    ]
    return [output.visible(line) for line in lines]


def _space_lines(space: dict[str, str] | None, require: list[str]) -> list[str]:
    """What is searched, and what each suggestion keeps; the first lines only."""
    from journaltune.base.errors import one_line

    if space is None:
        return ["space      none: another program made the study"]
    lines = [f"{name}: {spec}" for name, spec in space.items()] + [f"require: {constraint}" for constraint in require]
    rest = len(lines) - MOST_OF_SPACE
    shown = [one_line(line, _LONGEST_SPEC) for line in lines[:MOST_OF_SPACE]] + ([f"and {rest} more"] if rest > 0 else [])
    return [f"{'' if place else 'space':10} {line}" for place, line in enumerate(shown)]


def _recommended_lines(best: Any, recommended: int | None) -> list[str]:
    if recommended is None or recommended == best["number"]:
        return []
    return [f"           a model of all results holds trial {recommended} better: `journaltune best --recommended`"]


def _gain_lines(gain: float | None) -> list[str]:
    from journaltune.suggest.outlook import N_MORE

    return [] if gain is None else [f"           {N_MORE} more trials are expected to gain {gain:.3g}"]


def _volume_lines(volume: float | None, reference: list[float] | None) -> list[str]:
    if volume is None or reference is None:
        return []
    return [f"           hypervolume {volume:.6g}, up to the worst results: {', '.join(f'{value:g}' for value in reference)}"]


def _running_lines(running: list[dict[str, Any]]) -> list[str]:
    """One line a trial, the first ones only: who has it, and for how long."""
    from journaltune.cli.trials import duration_text
    from journaltune.run.memory import size_text

    lines = []
    for trial in running[:MOST_RUNNING]:
        who = "nobody said whose" if trial["owner"] is None else f"process {trial['owner']}, {trial['standing']}"
        again = f", attempt {trial['attempt']}" if trial["attempt"] > 1 else ""
        memory = f", up to {size_text(trial['peak_bytes'])}" if trial["peak_bytes"] else ""
        lines.append(f"           trial {trial['number']} runs for {duration_text(trial['age_s'])}{memory}{again} ({who})")
    rest = len(running) - len(lines)
    return lines + ([f"           and {rest} more"] if rest > 0 else [])


def _best_lines(best: Any, no_best: str | None) -> list[str]:
    from journaltune.cli.shell import text_of

    if not best:
        return [f"best       {no_best}"]
    if isinstance(best, list):
        return [f"best       {len(best)} trials on the Pareto front; `journaltune best` prints them"]
    lines = [f"best       trial {best['number']} with {text_of(best['value'])}"]
    return lines + [
        f"           {name} = {'null' if value is None else text_of(value)}" for name, value in best["params"].items()
    ]
