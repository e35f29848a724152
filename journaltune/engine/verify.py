"""verify: recompute every suggestion of a study from the journal alone."""

from __future__ import annotations

from collections import deque

from journaltune.base import WAITING
from journaltune.base.constraints import is_constraint
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps
from journaltune.engine.resume import in_words, pending
from journaltune.journal import records
from journaltune.journal.fold import Fold
from journaltune.journal.journal import Journal
from journaltune.journal.state import JournalState
from journaltune.study import OpenStudy, environment, resolve, space_of
from journaltune.study.queue import fixed_internal
from journaltune.suggest.choose import choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from journaltune.suggest.choose import Choice

_ATTRS = {records.SET_TRIAL_USER_ATTR: "user_attr", records.SET_TRIAL_SYSTEM_ATTR: "system_attr"}
_OURS = b',"worker_id":"journaltune"'
_LOOKED_AT = (b'{"op_code":4' + _OURS, b'{"op_code":5', b'{"op_code":6', b'{"op_code":8' + _OURS, b'{"op_code":9' + _OURS)

_ROUNDS = ("auto", "gp")  # samplers whose arithmetic is not the same on every processor


class Difference(Frozen):
    """A suggestion that differs: the journal has ``found`` at ``offset``, where ``recomputed`` should stand."""

    number: int
    offset: int
    what: str
    found: Any
    recomputed: Any


class Verdict(Frozen):
    """What ``verify`` found.

    ``n_verified`` suggestions are the same, bit for bit; ``n_rounded`` differ by what another processor's arithmetic rounds.
    ``n_foreign`` trials can't be verified: other programs made them, they
    wait to be asked for, or their records no longer say what their asks saw; ``compact`` leaves them so, and ``repair`` where
    bytes before them were added or taken out. ``difference`` is the first suggestion that differs, or None.

    ``running`` says in words who has each trial that still runs, by number: ``verify`` can't see what becomes of them.

    ``environment`` is the last one on record, and ``environment_changes`` says in words how each that was on record differs from
    this one, by the number of the first trial that was asked for in it.
    """

    n_verified: int
    n_foreign: int
    difference: Difference | None
    environment_changes: dict[int, list[str]]
    running: dict[int, str]
    n_rounded: int
    environment: dict[str, str]


def verify(
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    lock_timeout_s: float = 60.0,
    allow_network_fs: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Recompute every suggestion of a study, and stop at the first one that differs.

    Each is computed from the prefix of the journal that its ask saw; all together take about as long as a loop of asks.
    ``progress(n, total)`` is called after each. Nothing is locked, and records that are written meanwhile are left out.

    Raises NotFoundError, UsageError when there are several studies and no name, JournalDamagedError when the journal was changed
    in a way that its checksums show.
    """
    journal = Journal(str(path), lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    try:
        return _Verification(journal, resolve(journal, name).study_id, progress).run()
    finally:
        journal.close()


class _Prefix:
    """The part of a journal that ``OpenStudy`` reads, with the state of an earlier moment."""

    def __init__(self, path: str, state: JournalState) -> None:
        self.path, self.state = path, state


class _Verification:
    """Reads the journal once and replays it twice: ``_ahead`` up to the record of an ask, ``_behind`` up to what that ask saw."""

    def __init__(self, journal: Journal, study_id: int, progress: Callable[[int, int], None] | None) -> None:
        self._journal, self._study_id, self._progress = journal, study_id, progress
        self._n_trials = journal.state.studies[study_id].n_trials
        self._reader = records.RecordReader()
        self._ahead = Fold(journal.path, records.RecordReader(), JournalState(), records.Chain())
        self._behind = Fold(journal.path, records.RecordReader(), JournalState(), records.Chain())
        self._lines: deque[bytes] = deque()
        self._study: OpenStudy | None = None
        self._claimed: dict[int, dict[str, float]] = {}
        self._noted: dict[int, list[tuple[int, str, dict[str, Any]]]] = {}
        self._environment = environment.describe()
        self._looked_for: tuple[Mapping[str, Any], dict[str, str]] | None = None
        self._changes: dict[int, list[str]] = {}
        self._n_verified = self._n_rounded = 0

    def run(self) -> Verdict:
        difference = next(filter(None, map(self._look_at, self._read())), None)
        n_foreign = self._n_trials - self._n_verified - self._n_rounded if difference is None else 0
        state = self._journal.state.studies[self._study_id]
        on_record = dict(environment.recorded(state.config or {}, state.system_attrs))
        return Verdict(self._n_verified, n_foreign, difference, self._changes, self._running(), self._n_rounded, on_record)

    def _running(self) -> dict[int, str]:
        study = OpenStudy(self._journal, self._journal.state.studies[self._study_id])
        return {number: in_words(holder, found) for number, holder, found in pending(study)}

    def _read(self) -> Iterator[tuple[int, bytes]]:
        at = 0
        for data in self._journal.chunks():
            for line in data.split(b"\n")[:-1]:
                yield at, line
                self._lines.append(line)
                self._ahead.line(line)
                at += len(line) + 1

    def _look_at(self, place: tuple[int, bytes]) -> Difference | None:
        """Verify the record of an ask; pass over any other."""
        offset, line = place
        text = line.lstrip(b" ")
        if not text.startswith(_LOOKED_AT):
            return None
        record = self._reader.decode(text)
        metadata = record.get("jt") or {}
        if record["op_code"] == records.SET_TRIAL_PARAM:
            self._claimed.setdefault(record["trial_id"], {})[record["param_name"]] = record["param_value_internal"]
        elif record["op_code"] in _ATTRS:
            self._note(record, offset)
        elif "saw" in metadata and metadata["saw"] <= offset:
            difference = self._verify(record, metadata, offset)
            # A record that was moved in the file no longer says what its ask saw, so it proves nothing.
            return difference if metadata.get("at", offset) == offset else None
        return None

    def _verify(self, record: Mapping[str, Any], metadata: Mapping[str, Any], offset: int) -> Difference | None:
        if record["op_code"] == records.CREATE_TRIAL:
            return self._verify_new(record, metadata, offset) if record["study_id"] == self._study_id else None
        trial = self._ahead.state.live.get(record["trial_id"])
        if trial is not None and trial.study.study_id == self._study_id:
            return self._verify_claim(record, metadata, offset)
        return None

    def _note(self, record: Mapping[str, Any], offset: int) -> None:
        """Keep an attribute of a trial that waits: a claim writes attributes before it makes the trial a running one."""
        trial = self._ahead.state.live.get(record["trial_id"])
        if trial is not None and trial.state == WAITING and trial.study.study_id == self._study_id:
            kind = _ATTRS[record["op_code"]]
            self._noted.setdefault(record["trial_id"], []).append((offset, kind, record[kind]))

    def _prefix(self, saw: int) -> OpenStudy | None:
        """The study at offset ``saw``; None when no line ends there."""
        if saw < self._behind.offset:
            return None
        while self._behind.offset < saw and self._lines:
            self._behind.line(self._lines.popleft())
        state = self._behind.state.studies.get(self._study_id)
        if self._behind.offset != saw or state is None:
            return None
        if self._study is None:
            self._study = OpenStudy(_Prefix(self._journal.path, self._behind.state), state)  # type: ignore[arg-type]
        return self._study

    def _verify_new(self, record: Mapping[str, Any], metadata: Mapping[str, Any], offset: int) -> Difference | None:
        study, number = self._prefix(metadata["saw"]), metadata["n"]
        if study is None:
            return Difference(number, offset, "the place that it saw", metadata["saw"], None)
        choice = choose(study, number)
        difference = _compare_notes(number, offset, record.get("system_attrs", {}), record.get("user_attrs", {}), choice)
        return difference or self._compare(number, offset, record["params"], choice.internal)

    def _verify_claim(self, record: Mapping[str, Any], metadata: Mapping[str, Any], offset: int) -> Difference | None:
        study, number = self._prefix(metadata["saw"]), metadata["n"]
        waiting = study.state().live.get(number) if study is not None else None
        if study is None or waiting is None or waiting.state != WAITING:
            return Difference(number, offset, "the place that it saw", metadata["saw"], None)
        choice = choose(study, number, fixed_internal(waiting, space_of(study)))
        claimed = {**waiting.params, **self._claimed.pop(record["trial_id"], {})}
        recorded = {name: claimed.get(name) for name in choice.internal}
        noted: dict[str, dict[str, Any]] = {kind: {} for kind in _ATTRS.values()}
        for at, kind, attr in self._noted.pop(record["trial_id"], ()):
            if at >= metadata["saw"]:  # earlier ones belong to a claim that broke off
                noted[kind] |= attr
        difference = _compare_notes(number, offset, noted["system_attr"], noted["user_attr"], choice)
        return difference or self._compare(number, offset, recorded, choice.internal)

    def _compare(self, number: int, offset: int, found: Mapping[str, Any], recomputed: dict[str, float]) -> Difference | None:
        self._note_environment(number)
        same = dumps(found) == dumps(recomputed)
        if not same and not self._is_rounded(found, recomputed):
            for name in [*recomputed, *found]:
                if dumps(found.get(name)) != dumps(recomputed.get(name)):
                    return Difference(number, offset, f"parameter {name!r}", found.get(name), recomputed.get(name))
            return Difference(number, offset, "the order of the parameters", list(found), list(recomputed))
        self._n_verified += same
        self._n_rounded += not same
        if self._progress is not None:
            self._progress(self._n_verified + self._n_rounded, self._n_trials)
        return None

    def _is_rounded(self, found: Mapping[str, Any], recomputed: Mapping[str, float]) -> bool:
        """Whether the sampler is one that calculates with what processors round, and that alone may be the difference."""
        from journaltune.suggest.samplers.gp.scale import alike

        study = self._study
        if study is None or study.sampler not in _ROUNDS or list(found) != list(recomputed):
            return False
        known = space_of(study).distributions
        return all(alike(known[name], found[name], value) for name, value in recomputed.items())

    def _additions(self, config: Mapping[str, Any]) -> dict[str, str]:
        """What the study's user wants on record, as it is now; worked out once for each configuration."""
        if self._looked_for is None or self._looked_for[0] is not config:
            named = (config.get(name) or () for name in ("record", "record_file"))
            self._looked_for = config, environment.additions(*(name if isinstance(name, list) else () for name in named))
        return self._looked_for[1]

    def _note_environment(self, number: int) -> None:
        study = self._ahead.state.studies[self._study_id]  # an ask records a changed environment right before itself
        then = environment.recorded(study.config or {}, study.system_attrs)
        lock = {name: value for name, value in then.items() if name == "lock_file"}
        now = self._environment | lock | self._additions(study.config or {})
        changes = environment.differences(then, now) if then else []
        if changes != next(reversed(self._changes.values()), []):
            self._changes[number] = changes


def _compare_notes(
    number: int, offset: int, system_attrs: Mapping[str, Any], user_attrs: Mapping[str, Any], choice: Choice
) -> Difference | None:
    attrs = {name: value for name, value in system_attrs.items() if name in choice.attrs or not is_constraint(name)}
    for what, found, recomputed in (
        ("what the sampler noted", attrs, choice.attrs),
        ("whose duplicate it is", user_attrs, choice.user_attrs),
    ):
        if dumps(found) != dumps(recomputed):
            return Difference(number, offset, what, found, recomputed)
    return None
