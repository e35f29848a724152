"""``journaltune best``: the best trial, or the Pareto front."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.cli import output
from journaltune.cli.options import Command, Option, opened
from journaltune.cli.values import one_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.base.model import Trial
    from journaltune.cli.options import Opener, Options
    from journaltune.study import OpenStudy

COMMAND = Command(
    "best",
    """Prints the best finished trial as one JSON object. With several objectives there is one line for each trial of
the Pareto front, with "values" in the study's order. NaN and infinities are the strings "nan", "inf", "-inf".
Exits 3 while no trial is complete, or all break their constraints.

In a study made with --replicates it is the configuration with the best mean: "value" is that mean, "spread" the
standard deviation, and "replicates" how many trials it has.

A trial of `run` has "usage" too: wall_s, cpu_s, and peak_bytes, the most memory that its processes had.

--format sh prints JT_TRIAL, JT_SEED, JT_ATTEMPT, JT_VALUE and JT_NAME for each
parameter, quoted for eval; --format args prints --NAME VALUE for each parameter.""",
    (
        Option("--format", "format", "json|sh|args", "how to print it (default json)", one_of("json", "sh", "args"), "json"),
        Option(
            "--recommended",
            "recommended",
            None,
            "the trial that a model of all results holds best: where they are noisy, the best observed one was lucky",
        ),
    ),
    examples="""journaltune best
{"number": 17, "value": 0.031, "params": {"lr": 0.0042}, "seed": 1730217811}

best=$(journaltune best --format sh) && eval "$best" && ./train --lr "$JT_lr"
journaltune best | jq .params.lr
journaltune best --recommended                # of noisy results""",
)


def run(options: Options) -> int:
    with opened(options) as study:
        if options["format"] != "json":
            _require_single_objective(study, options["format"])
        trials = _chosen(study, options["recommended"])
        if options["format"] == "sh":
            output.write(_assignments(study, trials[0]))
        elif options["format"] == "args":
            from journaltune.base.words import arguments_of, quoted

            output.write(quoted(arguments_of(trials[0].params)) + "\n")
        else:
            several = len(study.directions) > 1
            output.write("".join(output.json_line(facts(trial, several)) + "\n" for trial in trials))
    return 0


def answer(options: Options, opener: Opener = opened) -> dict[str, Any] | list[dict[str, Any]]:
    """The best trial; with several objectives the list of the Pareto front."""
    with opener(options) as study:
        several = len(study.directions) > 1
        front = [facts(trial, several) for trial in _chosen(study, options["recommended"])]
    return front if several else front[0]


def _chosen(study: OpenStudy, is_recommended: bool) -> list[Trial]:
    if is_recommended:
        from journaltune.engine.recommend import recommended_trial

        return [recommended_trial(study)]
    from journaltune.study.best import best_trials

    return best_trials(study)


def facts(trial: Trial, several: bool) -> dict[str, Any]:
    """The facts that ``best`` and ``status`` print of a trial, for one objective or several."""
    result = {"values": trial.values} if several else {"value": trial.value}
    known = {"number": trial.number, **result, **_replicates(trial, several), "params": trial.params, "seed": trial.seed}
    return known if trial.usage is None else {**known, "usage": trial.usage}


def _replicates(trial: Trial, several: bool) -> dict[str, Any]:
    """For a configuration that was asked several times: how often, and the standard deviation of its values."""
    if "replicates" not in trial.user_attrs:
        return {}
    spread = trial.user_attrs["spread"]
    return {"replicates": trial.user_attrs["replicates"], "spread": spread if several else spread[0]}


def _require_single_objective(study: OpenStudy, form: str) -> None:
    if len(study.directions) > 1:
        raise UsageError(f"study {study.name!r} has several objectives, so no single best for --format {form}; use --format json")


def _assignments(study: OpenStudy, trial: Trial) -> str:
    from journaltune.cli.shell import assignments, variable_names

    names = variable_names(study.space, trial.params)
    fixed = {"JT_TRIAL": trial.number, "JT_SEED": trial.seed, "JT_ATTEMPT": trial.attempt, "JT_VALUE": trial.value}
    return assignments(fixed, trial.params, names)
