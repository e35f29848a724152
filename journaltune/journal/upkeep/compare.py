"""Whether two replayed states say the same."""

from __future__ import annotations

from journaltune.base.jsontext import dumps
from journaltune.journal.keys import KeyMaker, extended
from journaltune.journal.state import COLUMNS, LIVE_FIELDS, ODD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from journaltune.journal.state import JournalState, LiveTrial, StudyState

_PLAIN = (
    "name",
    "directions",
    "n_trials",
    "id_runs",
    "user_attrs",
    "system_attrs",
    "config",
)
_NOT_ODD = bytes(code & ~ODD for code in range(256))


def difference(one: JournalState, other: JournalState, *, places: bool = True) -> str | None:
    """In what the two differ first, in words; None when they are equal, bit for bit.

    Without ``places``, what depends on the records that led there may differ: how many there are, what asks saw of the journal,
    and whether a parameter was outside its distribution before it was set again.
    """
    return next(_differences(one, other, places), None)


def _differences(one: JournalState, other: JournalState, places: bool) -> Iterator[str]:
    for name in ("n_studies", "n_trials", "n_records")[: 3 if places else 2]:
        if getattr(one, name) != getattr(other, name):
            yield f"{name}: {getattr(one, name)} and {getattr(other, name)}"
    if list(one.studies) != list(other.studies):
        yield f"the studies: {list(one.studies)} and {list(other.studies)}"
    for study_id, study in one.studies.items():
        for what in _in_study(study, other.studies[study_id], places):
            yield f"study {study.name!r}, {what}"
    if list(one.live) != list(other.live):
        yield "the unfinished trials of all studies"


def _in_study(one: StudyState, other: StudyState, places: bool) -> Iterator[str]:
    for name in _PLAIN:
        if dumps(getattr(one, name)) != dumps(getattr(other, name)):
            yield name
    if one.requests != other.requests:
        yield "which requests were answered"
    if one.first_distributions != other.first_distributions:
        yield "what later distributions have to be compatible with"
    yield from _in_finished(one, other, places)
    if list(one.live) != list(other.live):
        yield "the unfinished trials"
    for number, trial in one.live.items():
        yield from _in_live(trial, other.live[number], places)


def _in_finished(one: StudyState, other: StudyState, places: bool) -> Iterator[str]:
    mine, its = one.finished, other.finished
    if len(mine) != len(its):
        yield f"finished trials: {len(mine)} and {len(its)}"
    for name, _ in COLUMNS:
        rows = [finished.column(name).tobytes() for finished in (mine, its)]
        if name == "codes" and not places:
            rows = [codes.translate(_NOT_ODD) for codes in rows]
        if rows[0] != rows[1]:
            yield f"column {name!r} of the finished trials"
    if (mine.column("keys") or its.column("keys")) and extended(mine, KeyMaker()) != extended(its, KeyMaker()):
        yield "which finished trials have the same parameters"
    if dumps(mine.shape_list) != dumps(its.shape_list):
        yield "the distributions of the finished trials"
    if mine.extras.keys() != its.extras.keys():
        yield "which finished trials have attributes"
    for number, extras in mine.extras.items():
        if dumps(extras) != dumps(its.extras[number]):
            yield f"attributes of trial {number}"


def _in_live(one: LiveTrial, other: LiveTrial, places: bool) -> Iterator[str]:
    for name in LIVE_FIELDS:
        mine, its = getattr(one, name), getattr(other, name)
        if name == "jt":
            mine, its = _noted(mine, places), _noted(its, places)
        if (places or name != "odd") and dumps(mine) != dumps(its):
            yield f"trial {one.number}, {name}"


def _noted(jt: dict[str, Any], places: bool) -> dict[str, Any]:
    skipped = () if places else ("at", "saw", "compacted", "id", "exact")
    return {key: jt[key] for key in sorted(jt) if key not in skipped}
