"""What a run says at its end: how many trials, what failed, the best one, and the command that runs it again."""

from __future__ import annotations

from journaltune.base.errors import NotFoundError
from journaltune.base.words import quote, quoted, text_of
from journaltune.cli.options import DEFAULT_JOURNAL
from journaltune.cli.output import visible
from journaltune.cli.progress import failures_text, number_text, params_text
from journaltune.study import space_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.base.model import Trial
    from journaltune.run.plan import Plan
    from journaltune.study import OpenStudy


def summary(study: OpenStudy, plan: Plan) -> str:
    """Lines for stderr."""
    from journaltune.study.best import best_trials, why_none

    lines = [_counts(study)]
    try:
        best = best_trials(study)
    except NotFoundError:
        lines.append(f"best     {study.look(why_none) or 'no trial is complete'}")
    else:
        lines += _best(study, plan, best[0]) if len(study.directions) == 1 else [_front(study, len(best))]
    slow = too_slow(study)
    lines += [] if slow is None else [f"note     {slow}"]
    return "".join(f"{visible(part)}\n" for line in lines for part in line.split("\n"))


def _counts(study: OpenStudy) -> str:
    from journaltune.engine.resume import n_orphans
    from journaltune.run.tally import tally_of
    from journaltune.study.trials import counts

    known, tally = counts(study), tally_of(study)
    parts = [f"{known[name]} {name}" for name in ("complete", "pruned") if known[name]]
    parts += [failures_text(tally.reasons)] if tally.reasons else []
    n_free = n_orphans(study)
    n_elsewhere = known["running"] - n_free
    parts += [f"{n_free} to be made again"] if n_free else []
    parts += [f"{n_elsewhere} running elsewhere"] if n_elsewhere else []
    return f"trials   {tally.n_finished}: {', '.join(parts) or 'none finished'}"


def too_slow(study: OpenStudy) -> str | None:
    """What to say where trials are shorter than the suggestions of a Gaussian process; else None."""
    from journaltune.study.trials import counts, median_duration_s
    from journaltune.suggest.samplers import WITH_MODEL
    from journaltune.suggest.samplers.auto import MOST_TRIALS, typical_s

    n_results = counts(study)["complete"] if study.sampler in WITH_MODEL and len(study.directions) == 1 else 0
    took_s = study.look(median_duration_s) if n_results > 10 and (study.sampler == "gp" or n_results <= MOST_TRIALS) else None
    if took_s is None or took_s >= typical_s(n_results):
        return None
    return (
        f"a trial takes {took_s:.2g} s, and a suggestion of {study.sampler} about {typical_s(n_results):.2g} s: sampler tpe is "
        f"faster (journaltune create --exist-ok --sampler tpe{_place(study)})"
    )


def _front(study: OpenStudy, size: int) -> str:
    trials = "1 trial is" if size == 1 else f"{size} trials are"
    return f"best     {trials} on the Pareto front: journaltune best{_place(study)}"


def _best(study: OpenStudy, plan: Plan, trial: Trial) -> list[str]:
    return [
        f"best     {number_text(trial.value)}, trial {trial.number}: {params_text(trial.params)}",
        f"command  {_command(study, plan, trial)}",
        f"again    journaltune exec best{_place(study)}",
    ]


def _command(study: OpenStudy, plan: Plan, trial: Trial) -> str:
    """What runs the trial again: its command, behind what the trainer finds in its environment only."""
    from journaltune.base import trainer_seed
    from journaltune.run.folders import folder_of
    from journaltune.run.placeholders import Filling

    folder, seed, command = (
        folder_of(study.local_path, study.study_id, trial.number),
        trainer_seed(study.config, trial.number),
        plan.command,
    )
    names = space_of(study).shell_names()
    variables = {} if "seed" in command.names else {"JT_SEED": str(seed)}
    variables |= {names[name]: text_of(trial.params[name]) for name in command.hides(trial.params) if name in names}
    words = command.fill(Filling(trial.number, seed, 1, 0, folder.path, folder.params, trial.params))
    return " ".join([*(f"{name}={quote(value)}" for name, value in variables.items()), quoted(words)])


def _place(study: OpenStudy) -> str:
    """The options that name the study, where it is not the one that is meant without them."""
    import os

    here = study.path == os.path.abspath(DEFAULT_JOURNAL)
    several = len(study.journal.state.studies) > 1
    return ("" if here else f" -f {quote(study.path)}") + (f" --study {quote(study.name)}" if several else "")
