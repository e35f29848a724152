"""A journal as journaltune and as Optuna read it, in lines of text that compare bit for bit."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import optuna
import readers

from journaltune.journal.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from journaltune.journal.state import JournalState

    # By name of a study: itself, and each of its trials by number.
    View = dict[str, list[str]]

optuna.logging.set_verbosity(optuna.logging.ERROR)


def ours(path: Path | str) -> View:
    """What we read. JournalDamagedError as it comes."""
    return _view(readers.by_us(path))


def stock(path: Path | str) -> View:
    """What stock Optuna reads; its own errors as they come."""
    return _view(readers.by_optuna(path))


def of_state(state: JournalState) -> View:
    return _view(readers.of_state(state))


def _view(studies: list[dict[str, Any]]) -> View:
    """Without the study's id: which of two was created first is no answer."""
    return {
        study["name"]: [readers.text({**study, "id": None, "trials": None}), *map(readers.text, study["trials"])]
        for study in studies
    }


def all_of(path: Path | str) -> list[Any]:
    """All that an answer of ours could depend on, also what stock Optuna doesn't read."""
    with closing(Journal(str(path))) as journal:
        state = journal.state
        studies = [(s.study_id, s.n_trials, readers.text([s.config, s.first_distributions])) for s in state.studies.values()]
        live = [
            (trial.trial_id, trial.state, readers.text([trial.metadata, trial.distributions])) for trial in state.live.values()
        ]
        return [of_state(state), studies, live, state.n_studies, state.n_trials]


def differs(path: Path | str, seen: View) -> str:
    """Whether stock Optuna reads something else; empty when it doesn't."""
    return "" if stock(path) == seen else "stock Optuna reads something else than we do"
