"""What a journal's bytes say, read without any code of the package: what the checker of histories holds clients' logs against.

It applies records by the rules of Optuna's JournalStorage, and notes of each effect the offset that it has in the log.
"""

from __future__ import annotations

import json
from binascii import crc32
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

OURS = "journaltune"
NAN_STEP = "journaltune:nan_step"
HIDDEN_REASONS = (
    "interrupted",
    "owner-died",
)  # a failure for one of them says nothing of the parameters, and counts for no budget
RUNNING, WAITING = 0, 4
FINAL = (1, 2, 3)
_SEALED = len(',"crc":"') + 16 + 2


@dataclass(slots=True)
class Start:
    """A record that made a trial a running one.

    ``token`` is the time to live that its ask gave, which tells asks apart; ``saw`` how much of the journal the sampler saw, and
    ``meant`` for which number it suggested.
    """

    offset: int
    ours: bool
    token: float | None
    saw: int
    meant: int | None


def _start(record: dict[str, Any], offset: int, ours: bool) -> Start:
    known = record.get("jt", {})
    return Start(offset, ours, known.get("ttl_s"), known.get("saw", offset), known.get("n"))


@dataclass(slots=True)
class Finish:
    """A record that finishes a trial, whether or not it was the first; ``at``: the offset that its writer had read up to.

    ``request`` is the request id, here and in a trial: of its enqueue, and by step of its reports.
    """

    offset: int
    ours: bool
    at: int
    state: int
    values: list[Any] | None
    request: str | None


@dataclass(slots=True)
class Trial:
    """A trial. ``born_waiting``: it was enqueued, with ``born_attrs``. ``params`` are external values."""

    number: int
    trial_id: int
    offset: int
    ours: bool
    at: int
    state: int
    born_waiting: bool
    params: dict[str, Any] = field(default_factory=dict)
    born_attrs: dict[str, Any] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)
    intermediate: dict[int, float] = field(default_factory=dict)
    starts: list[Start] = field(default_factory=list)
    finishes: list[Finish] = field(default_factory=list)
    values: list[Any] | None = None
    request: str | None = None
    report_requests: dict[int, str | None] = field(default_factory=dict)
    # Records of ours by what they say: attributes, reports, and the names of parameters; and where the first of each is.
    written: Counter[str] = field(default_factory=Counter)
    written_at: dict[str, int] = field(default_factory=dict)
    last_at: dict[str, int] = field(default_factory=dict)  # a tell that was killed may have written the same before

    @property
    def finish(self) -> Finish | None:
        return self.finishes[0] if self.finishes else None

    def waits_at(self, offset: int) -> bool:
        """Whether it is enqueued and nobody took it, in what stands before ``offset``."""
        taken = min([offset, *(start.offset for start in self.starts), *(finish.offset for finish in self.finishes)])
        return self.born_waiting and self.offset < offset == taken

    def counts_at(self, offset: int) -> bool:
        """Whether it counts for a budget in what stands before ``offset``."""
        finish = self.finish
        hidden = finish is not None and finish.state == 3 and self.user_attrs.get("fail_reason") in HIDDEN_REASONS
        return self.offset < offset and not self.waits_at(offset) and not (finish and hidden and finish.offset < offset)


@dataclass(slots=True)
class Study:
    """A study; ``deleted`` is the offset of the record that deleted it, or None."""

    name: str
    directions: list[int]
    offset: int
    seed: int | None = None
    deleted: int | None = None
    trials: list[Trial] = field(default_factory=list)


class Evidence:
    """All that a journal says. ``faults`` are its records that can't be as they are, whoever asked for them."""

    def __init__(self, data: bytes) -> None:
        self.studies: list[Study] = []
        self.faults: list[tuple[str, str]] = []
        self.foreign = 0
        self._trials: list[tuple[Study, Trial]] = []
        self._batch_at = -1
        self._own_starts: list[tuple[int, int, int]] = []  # start, where written for, end of each record of ours
        offset = 0
        for line in data.split(b"\n")[:-1]:
            self._line(line, offset)
            offset += len(line) + 1

    def named(self, name: str) -> list[Study]:
        """The studies that ever had a name, oldest first; all but the last one are deleted."""
        return [study for study in self.studies if study.name == name]

    def _line(self, line: bytes, offset: int) -> None:
        text = line.lstrip(b" ")
        start = offset + len(line) - len(text)
        try:
            record = json.loads(text)
            ours = record["worker_id"] == OURS
            at = record["jt"]["at"] if ours else start
            if ours:
                at = self._read_up_to(text, offset, start, at)
            self.foreign += not ours
            self._apply(record, start, ours, at)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self.faults.append(("wrong", f"the line at byte {offset} is no record ({error!r}): {line[:120]!r}"))

    def _read_up_to(self, text: bytes, offset: int, start: int, at: int) -> int:
        """What the writer of a record had read, which for all records of a batch is the same.

        Nothing of ours may stand between there and the record; and its checksum is right.
        """
        if int(text[-18:-10], 16) != crc32(text[:-_SEALED]):
            self.faults.append(("wrong", f"the record at byte {start} is not as its checksum says"))
        last = self._own_starts[-1] if self._own_starts else (-1, -1, -1)
        of_batch = last[2] == offset and at == last[1] + last[2] - last[0]
        if at > start:
            self.faults.append(("lost", f"the record at byte {start} was written for byte {at}: {at - start} bytes are gone"))
        elif at < offset and not of_batch and last[0] >= at:
            what = f"the record of ours at byte {start} was written for byte {at}, but another of ours is at byte {last[0]}"
            self.faults.append(("doubled", what))
        self._batch_at = self._batch_at if of_batch else at
        self._own_starts.append((start, at, start + len(text) + 1))
        return self._batch_at

    def _apply(self, record: dict[str, Any], start: int, ours: bool, at: int) -> None:
        op_code = record["op_code"]
        if op_code == 0:
            if not any(study.name == record["study_name"] and study.deleted is None for study in self.studies):
                seed = record.get("jt", {}).get("config", {}).get("seed")
                self.studies.append(Study(record["study_name"], record["directions"], start, seed))
        elif op_code == 1:
            study = self.studies[record["study_id"]]
            study.deleted = start if study.deleted is None else study.deleted
        elif op_code == 4:
            self._create_trial(record, start, ours, at)
        elif 5 <= op_code <= 9:
            study, trial = self._trials[record["trial_id"]]
            if study.deleted is None:
                self._change(trial, record, start, ours, at)

    def _create_trial(self, record: dict[str, Any], start: int, ours: bool, at: int) -> None:
        study, state = self.studies[record["study_id"]], record.get("state", RUNNING)
        if study.deleted is not None:
            return
        trial = Trial(len(study.trials), len(self._trials), start, ours, at, state, state == WAITING)
        trial.params = {name: _external(record["distributions"][name], v) for name, v in (record.get("params") or {}).items()}
        trial.born_attrs, trial.system_attrs = record.get("user_attrs") or {}, record.get("system_attrs") or {}
        trial.user_attrs = {**trial.born_attrs}
        trial.values, trial.request = record.get("values"), record.get("jt", {}).get("id")
        if state == RUNNING:
            trial.starts.append(_start(record, start, ours))
        study.trials.append(trial)
        self._trials.append((study, trial))

    def _change(self, trial: Trial, record: dict[str, Any], start: int, ours: bool, at: int) -> None:
        op_code: int = record["op_code"]
        state: int = record.get("state", -1)
        finished = trial.state in FINAL
        if op_code == 6 and state in FINAL:
            trial.finishes.append(Finish(start, ours, at, state, record["values"], record.get("jt", {}).get("id")))
        if op_code == 6 and state == RUNNING and ours and any(known.ours for known in trial.starts):
            self.faults.append(("doubled", f"trial {trial.number} is claimed again at byte {start}"))
        if finished or (op_code == 6 and state == RUNNING == trial.state):
            return
        if ours:
            self._written(trial, record, start)
        if op_code == 5:
            trial.params[record["param_name"]] = _external(record["distribution"], record["param_value_internal"])
        elif op_code == 6:
            trial.state = state
            trial.values = record["values"] if record["values"] is not None else trial.values
            if state == RUNNING:
                trial.starts.append(_start(record, start, ours))
        elif op_code == 7:
            self._reported(trial, record, record["step"], record["intermediate_value"])
        elif op_code == 8:
            trial.user_attrs.update(record["user_attr"])
        else:
            trial.system_attrs.update(record["system_attr"])
            if "nan_step" in record.get("jt", {}):
                self._reported(trial, record, record["jt"]["nan_step"], float("nan"))

    @staticmethod
    def _reported(trial: Trial, record: dict[str, Any], step: int, value: float) -> None:
        trial.intermediate[step] = value
        trial.report_requests[step] = record.get("jt", {}).get("id")

    def _written(self, trial: Trial, record: dict[str, Any], start: int) -> None:
        op_code = record["op_code"]
        said = [op_code, record.get("param_name", record.get("user_attr", record.get("system_attr", record.get("step"))))]
        if op_code != 6:
            text = as_text(said)
            trial.written[text] += 1
            trial.written_at.setdefault(text, start)
            trial.last_at[text] = start
        if op_code == 5 and trial.state != WAITING:
            self.faults.append(
                ("wrong", f"the record at byte {start} sets a parameter of trial {trial.number} after it was handed out")
            )


_ENCODER = json.JSONEncoder(sort_keys=True)


def as_text(value: Any) -> str:
    """JSON data with its types and with all bits of its numbers."""
    return _ENCODER.encode(value)  # `json.dumps` would make an encoder for each call


def _external(distribution: str, value: float) -> Any:
    kind = json.loads(distribution)
    if kind["name"] == "FloatDistribution":
        return float(value)
    if value != int(value):
        raise ValueError(f"{value!r} is no value of a {kind['name']}")
    return int(value) if kind["name"] == "IntDistribution" else kind["attributes"]["choices"][int(value)]
