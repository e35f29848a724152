"""What a replayed journal amounts to: studies, live trials, and finished trials packed into columns."""

from __future__ import annotations

from itertools import accumulate, islice

from journaltune.base import RUNNING, UTC, array, bisect_right, counted, datetime, deque, itemgetter, timedelta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from journaltune.journal.extras import Extras
    from journaltune.journal.fold import Packer
    from journaltune.journal.replay import Familiar
    from journaltune.journal.snapshot import Sections
    from journaltune.journal.steps import Steps

    # Of trials with the same distributions: parameters one after the other, values, when they began and ended.
    PlainRows = tuple[Familiar, Iterable[float], Sequence[list[float] | None], Iterable[int], Iterable[int]]

STATE_MASK = 0x0F
HIDDEN = 0x10  # a failure that says nothing about its parameters, or a result that was withdrawn: no sampler sees it
HAS_VALUES = 0x20
HAS_EXTRAS = 0x40
ODD = 0x80  # a value outside its own distribution, which stock Optuna only warns of
OWNER_ATTR = "journaltune:owner"  # system attribute: who has a running trial that changed hands
HIDDEN_REASONS = ("interrupted", "owner-died")
NO_TIME = -(2**63)
COLUMNS = (("numbers", "q"), ("codes", "B"), ("shapes", "q"), ("params", "d"), ("values", "d"), ("began", "q"), ("ended", "q"))
KEYS = ("keys", "Q")  # not a column of all rows: see ``Finished``
_PENDING = 8192
PACKED_AT_ONCE = 32  # half a millisecond
_ITEMS_READ_AS_FAST = 4096  # in a long stretch of a column as one row of it alone
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MOMENTS = range(*[(moment.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND for moment in (datetime.min, datetime.max)])

Shape = tuple[tuple[str, str], ...]
Bounds = tuple[float, float, bool]  # of a distribution's internal values, and whether they are indexes of categories


class LiveTrial:
    """A trial that is not finished. ``params`` are internal values, ``distributions`` Optuna's JSON, by name.

    ``metadata`` is what our record says beside Optuna's fields (its key ``jt``), of the ask or of the claim that came last.
    """

    __slots__ = (
        "began",
        "distributions",
        "ended",
        "intermediate",
        "metadata",
        "number",
        "odd",
        "params",
        "state",
        "study",
        "system_attrs",
        "trial_id",
        "user_attrs",
        "values",
    )

    def __init__(self, study: StudyState, trial_id: int, number: int) -> None:
        self.study = study
        self.trial_id = trial_id
        self.number = number
        self.state, self.odd = RUNNING, 0
        self.params: dict[str, float] = {}
        self.distributions: dict[str, str] = {}
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}
        self.intermediate: dict[int, float] = {}
        self.values: list[float] | None = None
        self.began = self.ended = NO_TIME
        self.metadata: dict[str, Any] = {}

    def decode(self) -> None:
        """Nothing to do before fields are set; a ``DeferredTrial`` makes its fields."""

    def plain_rows(self, trials: Sequence[LiveTrial], n_objectives: int) -> PlainRows | None:
        """What rows of columns hold of finished trials, this one first, that ``DeferredTrial`` never decoded; None for others."""
        return None

    @property
    def holder(self) -> Mapping[str, Any]:
        """What the latest record that gave the trial to somebody says: the ask's, or that of who took it up later."""
        noted = self.system_attrs.get(OWNER_ATTR)
        return noted if isinstance(noted, dict) else self.metadata

    def may_have_owner(self) -> bool:
        """Whether its records say who works on it, or until when."""
        return OWNER_ATTR in self.system_attrs or "owner" in self.metadata or "ttl_s" in self.metadata


LIVE_FIELDS = tuple(name for name in LiveTrial.__slots__ if name != "study")


class Finished:
    """Finished trials of a study in the order in which they finished, one row each, in columns of packed numbers.

    Trials that finished after the snapshot wait in ``pending`` as they are, so that a process that only tells never reads the
    columns. ``params`` is flat: a row has as many values as its shape has names. ``extras`` holds, by number, fields that few
    trials have. ``keys`` tells sets of parameters apart, and covers the first rows only: see ``keys.extended``.
    """

    __slots__ = (
        "_base",
        "_columns",
        "_ends",
        "_extras",
        "_packer",
        "_row_of",
        "n_objectives",
        "n_packed",
        "pending",
        "sections",
        "shape_ids",
        "shape_list",
        "steps",
    )

    def __init__(self, n_objectives: int, sections: Sections | None = None, n_packed: int = 0) -> None:
        self.n_objectives = n_objectives
        self.pending: deque[LiveTrial] = deque()
        self.shape_list: list[Shape] = []
        self.shape_ids: dict[Shape, int] = {}
        self.n_packed = n_packed
        self.sections = sections
        # What the snapshot holds and nobody has asked for yet.
        self._base = {name for name, _ in (*COLUMNS, KEYS)} | {"extras"} if sections else set()
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in (*COLUMNS, KEYS)}
        self._extras: Extras | None = None  # until a trial has some
        self.steps: Steps | None = None  # see ``steps.steps_of``
        self._ends = array("q")
        self._packer: Packer | None = None
        self._row_of: dict[int, int] = {}

    def __len__(self) -> int:
        return self.n_packed + len(self.pending)

    def add(self, trial: LiveTrial) -> None:
        """Append a row. Only some are packed here: all processes would pack many at the same record, and all would wait."""
        self.pending.append(trial)
        if len(self.pending) >= _PENDING + PACKED_AT_ONCE:
            self._pack(PACKED_AT_ONCE)

    def column(self, name: str) -> array[Any]:
        """All rows of one column. The first call after a snapshot was opened reads it."""
        if self.pending:
            self._pack(len(self.pending))
        if name in self._base and self.sections is not None:
            whole: array[Any] = self.sections.load(name)
            whole.extend(self._columns[name])
            self._columns[name] = whole
            self._base.discard(name)
        return self._columns[name]

    def _some_params(self, start: int, end: int) -> array[float]:
        """Some of the parameters, which lie in the snapshot or behind it: the rest of them is not read."""
        if "params" in self._base and self.sections is not None and not self.pending:
            length = self.sections.length("params")
            if end <= length:
                return self.sections.some("params", start, end)
            if start >= length:
                return self._columns["params"][start - length : end - length]
        return self.column("params")[start:end]

    def several(self, rows: Sequence[int]) -> Iterator[tuple[Shape, list[float], int]]:
        """What ``parameters`` gives for each of these rows."""
        if self.sections is not None and self.sections.length("params") < len(rows) * _ITEMS_READ_AS_FAST:
            self.column("params")
        return map(self.parameters, rows)

    @property
    def extras(self) -> Extras:
        """Attributes, intermediate values and irregular fields by trial number, for the trials that have any."""
        if self.pending:
            self._pack(len(self.pending))
        if "extras" in self._base and self.sections is not None:
            self._extras = self._own_extras().over(self.sections.load("extras"))
            self._base.discard("extras")
        return self._own_extras()

    def has_extras(self) -> bool:
        """Whether any trial has some."""
        return any(code & HAS_EXTRAS for code in counted(self.column("codes").tobytes()))

    def _own_extras(self) -> Extras:
        if self._extras is None:
            from journaltune.journal.extras import Extras  # few trials have any

            self._extras = Extras()
        return self._extras

    def ends(self) -> array[int]:
        """Where each row's parameters end in the flat ``params`` column."""
        shapes = self.column("shapes")
        if len(self._ends) == len(shapes):
            return self._ends
        widths, end = [len(shape) for shape in self.shape_list], self._ends[-1] if self._ends else 0
        self._ends.extend(islice(accumulate(map(widths.__getitem__, shapes[len(self._ends) :]), initial=end), 1, None))
        return self._ends

    def row_of(self, number: int) -> int:
        """The row of a finished trial. KeyError when that number is not finished."""
        numbers = self.column("numbers")
        if 0 <= number < len(numbers) and numbers[number] == number:  # as where one process does all: no table is needed
            return number
        for row in range(len(self._row_of), len(numbers)):
            self._row_of[numbers[row]] = row
        return self._row_of[number]

    def start_of(self, row: int) -> int:
        """Where a row's parameters begin in the flat ``params`` column."""
        if self.pending:
            self._pack(len(self.pending))
        widths = {len(shape) for shape in self.shape_list}
        if len(widths) == 1:  # no need to walk through all rows before it
            return row * widths.pop()
        return self.ends()[row - 1] if row else 0

    def rows(self, skip: int = 0) -> Iterator[tuple[int, int, Shape, list[float]]]:
        """Number, code, shape and internal parameter values of each row, in order, from row ``skip`` on."""
        ends, start = self.ends(), self.start_of(skip)
        numbers, codes, shapes, params = (self.column(name) for name in ("numbers", "codes", "shapes", "params"))
        for row in range(skip, len(ends)):
            end = ends[row]
            yield numbers[row], codes[row], self.shape_list[shapes[row]], params[start:end].tolist()
            start = end

    def parameters(self, row: int) -> tuple[Shape, list[float], int]:
        """Shape and internal parameter values of a row, and whether one of them is ODD."""
        start = self.start_of(row)
        shape = self.shape_list[self.column("shapes")[row] if len(self.shape_list) > 1 else 0]
        return shape, self._some_params(start, start + len(shape)).tolist(), self.column("codes")[row] & ODD

    def packed_values(self, row: int) -> list[float]:
        """The objective values of a row that has regular ones."""
        values: list[float] = self.column("values")[row * self.n_objectives : (row + 1) * self.n_objectives].tolist()
        return values

    def row_values(self, row: int) -> list[float] | None:
        """Objective values of a row, or None."""
        code = self.column("codes")[row]
        if code & HAS_EXTRAS:
            irregular = self.extras[self.column("numbers")[row]].get("values")
            if irregular is not None:
                return list(irregular)
        if not code & HAS_VALUES:
            return None
        return self.packed_values(row)

    def _pack(self, n_rows: int) -> None:
        if self._packer is None:
            from journaltune.journal.fold import Packer  # which builds on this file

            self._packer = Packer(self)
        self._packer.pack(self.pending, n_rows)

    def append(self, numbers: Sequence[int], *others: Iterable[float]) -> None:
        """Packed rows: the items of ``COLUMNS``, in their order. Codes: a state, and what is said of it above; shapes: ids."""
        for (name, _), items in zip(COLUMNS, (numbers, *others), strict=True):
            self._columns[name].extend(items)
        self.n_packed += len(numbers)

    def note_extras(self, number: int, extras: dict[str, Any]) -> None:
        """What the trial of a row has beside its columns."""
        self._own_extras()[number] = extras

    def id_of(self, shape: Shape) -> int:
        shape_id = self.shape_ids.get(shape)
        if shape_id is None:
            shape_id = self.shape_ids[shape] = len(self.shape_list)
            self.shape_list.append(shape)
        return shape_id


_last_second = ("", 0)  # as a time of ours begins, with the dot behind the second; and its microseconds


def to_microseconds(text: str | None) -> int:
    """Microseconds since 1970 (UTC) of an ISO time; one without a zone is local time, as stock readers take it.

    ValueError, TypeError or OverflowError for anything else, as for a time that lies before the year 1 or after 9999 in UTC:
    stock Optuna can't read it.
    """
    global _last_second
    if text is None:
        return NO_TIME
    if text[:20] == _last_second[0] and text[26:] == "+00:00" and text[20:26].isdecimal() and text.isascii():
        return _last_second[1] + int(text[20:26])
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.astimezone()
    microseconds = (moment - _EPOCH) // _MICROSECOND
    if microseconds not in _MOMENTS:
        raise OverflowError(f"the time {text} is out of range")
    if text[26:] == "+00:00" and text[19] == ".":
        _last_second = text[:20], microseconds - moment.microsecond
    return microseconds


def to_moment(microseconds: int) -> datetime | None:
    """The time in UTC; None where there is no time."""
    return None if microseconds == NO_TIME else _EPOCH + timedelta(microseconds=microseconds)


class StudyState:
    """One study.

    ``live`` holds its unfinished trials by number, ``first_distributions`` the ones that later ones have to be compatible with,
    ``withdrawn`` the numbers of trials whose results count no more, ``requests`` the trial that a request was for, by kind and
    request id (``tell:4711``).
    """

    __slots__ = (
        "config",
        "directions",
        "familiar",
        "finished",
        "first_distributions",
        "id_runs",
        "live",
        "n_trials",
        "name",
        "requests",
        "study_id",
        "system_attrs",
        "user_attrs",
        "withdrawn",
    )

    def __init__(self, study_id: int, name: str, directions: list[int]) -> None:
        self.study_id = study_id
        self.name = name
        self.directions = directions
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}
        self.withdrawn: set[int] = set()
        self.config: dict[str, Any] | None = None
        self.n_trials = 0
        self.live: dict[int, LiveTrial] = {}
        self.finished = Finished(len(directions))
        self.familiar: Familiar | None = None
        self.first_distributions: dict[str, tuple[int, str]] = {}
        self.requests: dict[str, int] = {}
        self.id_runs: list[tuple[int, int]] = []  # where ids and numbers of trials run in parallel: the first number, its id

    def enrol(self, trial_id: int) -> int:
        """The number of a trial that is created. Ids count the trials of all studies, so most studies have one run of them."""
        number, self.n_trials = self.n_trials, self.n_trials + 1
        if not self.id_runs or trial_id - number != self.id_runs[-1][1] - self.id_runs[-1][0]:
            self.id_runs.append((number, trial_id))
        return number

    def id_of(self, number: int) -> int:
        """The id of the trial with that number. IndexError when there is none."""
        if not 0 <= number < self.n_trials:
            raise IndexError(number)
        first, trial_id = self.id_runs[bisect_right(self.id_runs, number, key=itemgetter(0)) - 1]
        return trial_id + number - first

    def number_of(self, trial_id: int) -> int | None:
        """The number of the trial with that id; None when it belongs to no trial of this study."""
        place = bisect_right(self.id_runs, trial_id, key=itemgetter(1)) - 1
        if place < 0:
            return None
        number = self.id_runs[place][0] + trial_id - self.id_runs[place][1]
        end = self.id_runs[place + 1][0] if place + 1 < len(self.id_runs) else self.n_trials
        return number if number < end else None


class JournalState:
    """Everything that a journal says, up to some offset."""

    __slots__ = ("known_distributions", "live", "n_records", "n_studies", "n_trials", "studies")

    def __init__(self) -> None:
        self.studies: dict[int, StudyState] = {}
        self.live: dict[int, LiveTrial] = {}
        self.n_studies = self.n_trials = self.n_records = 0
        self.known_distributions: dict[str, Bounds] = {}

    def study_named(self, name: str) -> StudyState | None:
        return next((study for study in self.studies.values() if study.name == name), None)
