"""Whether two replayed states say the same."""

from __future__ import annotations

from itertools import zip_longest

from journaltune.base.jsontext import dumps
from journaltune.journal.keys import KeyMaker, extended
from journaltune.journal.state import COLUMNS, LIVE_FIELDS, ODD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from journaltune.journal.state import JournalState, LiveTrial, StudyState

_FIELDS = ("directions", "n_trials", "id_runs", "user_attrs", "system_attrs", "config")
_OF_ONE_FILE = ("at", "saw", "compacted", "id", "requests", "exact")
_NOT_ODD = bytes(code & ~ODD for code in range(256))


def difference(one: JournalState, other: JournalState, *, places: bool = True) -> str | None:
    """In what the two differ first, in words; None when they are equal, bit for bit.

    Without ``places``, what depends on the records that led there may differ: how many there are, what asks saw of the journal,
    and whether a parameter was outside its distribution before it was set again.
    """
    looked_up = any(study.finished.column("keys") for state in (one, other) for study in state.studies.values())
    facts = [_facts(state, places, looked_up) for state in (one, other)]
    return next((what for (what, mine), (_, its) in zip_longest(*facts, fillvalue=("", None)) if mine != its), None)


def _facts(state: JournalState, places: bool, looked_up: bool) -> Iterator[tuple[str, object]]:
    """All that a state says, in an order that is the same for equal states. NaN equals NaN in JSON text."""
    yield "the studies", list(state.studies)
    for name in ("n_studies", "n_trials", *(("n_records",) if places else ())):
        yield name, getattr(state, name)
    yield "the unfinished trials of all studies", list(state.live)
    for study in state.studies.values():
        for what, value in _in_study(study, places, looked_up):
            yield f"study {study.name!r}, {what}", value


def _in_study(study: StudyState, places: bool, looked_up: bool) -> Iterator[tuple[str, object]]:
    yield "its name", study.name
    for name in _FIELDS:
        yield name, dumps(getattr(study, name))
    yield "which requests were answered", study.requests
    yield "what later distributions have to be compatible with", study.first_distributions
    finished = study.finished
    for name, _ in COLUMNS:
        data = finished.column(name).tobytes()
        yield f"column {name!r} of the finished trials", data.translate(_NOT_ODD) if name == "codes" and not places else data
    if looked_up:
        yield "which finished trials have the same parameters", extended(finished, KeyMaker())
    yield "the distributions of the finished trials", dumps(finished.shape_list)
    yield "which finished trials have attributes", sorted(finished.extras)
    for number in sorted(finished.extras):
        yield f"attributes of trial {number}", dumps(finished.extras[number])
    yield "the unfinished trials", list(study.live)
    for trial in study.live.values():
        for name in LIVE_FIELDS:
            if places or name != "odd":
                yield (
                    f"trial {trial.number}, {name}",
                    dumps(_lasting(trial, places) if name == "metadata" else getattr(trial, name)),
                )


def _lasting(trial: LiveTrial, places: bool) -> dict[str, Any]:
    skipped = () if places else _OF_ONE_FILE
    return {key: trial.metadata[key] for key in sorted(trial.metadata) if key not in skipped}
