"""What conditions, derived values and constraints make of a configuration: which parameters it has, and whether it is allowed.

Parameters are looked at in an order in which each comes after those that it reads. A condition that reads an absent parameter is
false, a constraint that does holds, and a derived value that does is absent. What can't be computed, such as a division by zero,
makes a condition false, and a configuration with such a derived value or constraint is not allowed.
"""

from __future__ import annotations

from itertools import compress

from journaltune.base.errors import SpaceError, one_line
from journaltune.space.distributions import Distribution
from journaltune.space.evaluation import UNKNOWN, Uncomputable
from journaltune.space.expressions import parse
from journaltune.space.parameters import Derived, Labelled, Parameter, known_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from journaltune.space.evaluation import Expression

    Known = dict[str, tuple[Any, ...] | str | None]


class Step:
    """One parameter, its columns, and the expression that it stands under or is computed by."""

    __slots__ = ("_decoder", "columns", "condition", "decoders", "derived", "distributions", "is_read", "name", "parameter")

    def __init__(self, name: str, parameter: Distribution | Parameter, expression: Expression | None, is_read: bool) -> None:
        self.name, self.parameter, self.is_read = name, parameter, is_read
        is_derived = isinstance(parameter, Derived)
        self.condition: Expression | None = None if is_derived else expression
        self.derived: Expression | None = expression if is_derived else None
        columns = {name: parameter} if isinstance(parameter, Distribution) else parameter.columns(name)
        self.columns, self.distributions = tuple(columns), tuple(columns.values())
        self.decoders = tuple([known.decoder for known in self.distributions])
        # Of a parameter that is the value of its one column, or has a label there: the short way of `value`.
        self._decoder = self.decoders[0] if self.columns == (name,) else None

    @property
    def reads(self) -> tuple[str, ...]:
        """The parameters that its expression reads."""
        expression = self.condition or self.derived
        return () if expression is None else expression.names

    @property
    def is_number(self) -> bool:
        """Whether expressions see a number, the internal value of its one column."""
        return self.columns == (self.name,) and not self.distributions[0].choices

    def is_in(self, columns: Mapping[str, Any]) -> bool:
        """Whether all its columns are there."""
        return self.name in columns if self._decoder else all(column in columns for column in self.columns)

    def value(self, internal: Mapping[str, float]) -> Any:
        """The value that expressions see, from internal values of the columns: of a labelled choice the label."""
        return self._decoder(internal[self.name]) if self._decoder else self.seen(self.external(internal))

    def seen(self, columns: Sequence[Any]) -> Any:
        """The same from external values of the columns."""
        if isinstance(self.parameter, Distribution | Labelled):
            return columns[0]
        return self.parameter.decode(columns)

    def external(self, internal: Mapping[str, float]) -> list[Any]:
        return [decode(internal[column]) for decode, column in zip(self.decoders, self.columns, strict=True)]


class Rules:
    """The rules of one space. ``optional``: columns that a condition may leave out; ``parents``: columns that conditions read."""

    __slots__ = (
        *("_always", "_deciding", "_names", "_require", "columns", "constants", "decided"),
        *("groups", "optional", "parents", "require", "steps"),
    )

    def __init__(self, names: Sequence[str], steps: Sequence[Step], require: Sequence[Expression]) -> None:
        """``steps`` stand in an order in which each comes after those that it reads, ``names`` in declared order."""
        self._names, self.steps, self.require = list(names), list(steps), list(require)
        by_name = {step.name: step for step in steps}
        self.columns = [column for name in names for column in by_name[name].columns]
        self.optional = frozenset([column for step in steps if step.condition is not None for column in step.columns])
        singles = [pair for step in steps for pair in zip(step.columns, step.distributions, strict=True) if pair[1].single]
        self.constants = {column: float(known.low) for column, known in singles}
        self.groups = _groups(steps)
        self.parents = _parents(steps)
        # The steps that `present` has to look at: the other ones decide nothing, and are always there.
        parents = set(self.parents)
        decides = [bool(step.condition or step.derived) or not parents.isdisjoint(step.columns) for step in steps]
        self._deciding = list(compress(steps, decides))
        self._always = [column for step, each in zip(steps, decides, strict=True) if not each for column in step.columns]
        # By step: the constraints that can be looked at once its value is known.
        places = {step.name: place for place, step in enumerate(steps)}
        self.decided: list[list[Expression]] = [[] for _ in steps]
        self._require = [each for each in require if not each.names]
        for each in require:
            if each.names:
                self.decided[max(places[name] for name in each.names)].append(each)

    @property
    def restricts(self) -> bool:
        """Whether some configurations lack parameters, or are not allowed."""
        return bool(self.optional or self.require)

    def settled(self, internal: Mapping[str, float]) -> dict[str, float] | None:
        """See ``Space.settled``. A column that is missing is taken for absent, but for constants."""
        internal = {**self.constants, **internal}
        values: dict[str, Any] = {}
        kept: dict[str, float] = {}
        if self.allows_nothing():
            return None
        for step, constraints in zip(self.steps, self.decided, strict=True):
            if step.derived is not None:
                if not self.enter_derived(step, values):
                    return None
            elif self.is_present(step, values) and step.is_in(internal):
                for column in step.columns:
                    kept[column] = internal[column]
                if step.is_read:
                    values[step.name] = step.value(internal)
            if constraints and not _all_hold(constraints, values):
                return None
        return {column: kept[column] for column in self.columns if column in kept}

    def is_present(self, step: Step, values: Mapping[str, Any]) -> bool:
        """Whether a parameter is there, given the values of those that its condition reads."""
        return step.condition is None or _holds(step.condition, values)

    def enter_derived(self, step: Step, values: dict[str, Any]) -> bool:
        """Add the value of a derived parameter, if it has one; False where it can't be computed. Others are left as they are."""
        if step.derived is not None:
            try:
                value = step.derived.value(values)
            except Uncomputable:
                return False
            if value is not UNKNOWN:
                values[step.name] = value
        return True

    def allows(self, place: int, values: Mapping[str, Any]) -> bool:
        """Whether the constraints hold that can be looked at since the step at ``place``."""
        return _all_hold(self.decided[place], values)

    def allows_nothing(self) -> bool:
        """Whether a constraint that reads no parameter is broken."""
        return bool(self._require) and not _all_hold(self._require, {})

    def is_whole(self, internal: Mapping[str, float]) -> bool:
        """See ``Space.is_whole``."""
        walk = Walk(self, internal)
        return not walk.missing and not walk.misplaced and self.settled(internal) is not None

    def present(self, parents: Mapping[str, float]) -> set[str]:
        """The columns that are there with these internal values of the parents, absent ones among them; constants may be left
        out."""
        parents = {**self.constants, **parents}
        values: dict[str, Any] = {}
        found = set(self._always)
        for step in self._deciding:
            if step.derived is not None:
                self.enter_derived(step, values)
            elif step.condition is None or _holds(step.condition, values):
                found.update(step.columns)
                if step.is_read and step.is_in(parents):
                    values[step.name] = step.value(parents)
        return found

    def values(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """What a trainer gets, from the external values of columns: each parameter that has all of its columns, and what is
        computed from these, in declared order."""
        seen: dict[str, Any] = {}
        found: dict[str, Any] = {}
        for step in self.steps:
            if step.derived is not None:
                self.enter_derived(step, seen)
                if step.name in seen:
                    found[step.name] = seen[step.name]
            elif step.is_in(columns):
                given = [columns[column] for column in step.columns]
                if step.is_read:
                    seen[step.name] = step.seen(given)
                decoded = given[0] if isinstance(step.parameter, Distribution) else step.parameter.decode(given)
                found[step.name] = decoded
        return {name: found[name] for name in self._names if name in found}

    def encode(self, params: Mapping[str, Any], partial: bool, bounded: bool) -> dict[str, float]:
        """See ``Space.encode``."""
        internal: dict[str, float] = {}
        absent = {name for name, value in params.items() if value is None}
        for step in self.steps:
            if step.name not in params or step.derived is not None:
                continue
            try:
                internal |= zip(step.columns, _encoded(step.parameter, params[step.name], bounded), strict=True)
                absent.discard(step.name)
            except SpaceError as error:
                if step.name not in absent or step.condition is None:
                    raise SpaceError(f"{one_line(step.name)}: {error}") from None
        walk = Walk(self, internal, absent)
        walk.check(absent if partial else None)
        self._check_computed(params, walk, bounded)
        return {column: internal[column] for column in self.columns if column in internal}

    def check_columns(self, internal: Mapping[str, float]) -> None:
        """See ``Space.check_columns``."""
        Walk(self, internal).check()

    def _check_computed(self, params: Mapping[str, Any], walk: Walk, bounded: bool) -> None:
        """SpaceError for derived values that are given otherwise, and for a broken constraint, as far as the values say."""
        for step in self.steps:
            value = walk.values.get(step.name, UNKNOWN)
            if step.derived is None or step.name not in params:
                continue
            if step.name in walk.undecided and params[step.name] is not None:
                read = ", ".join(map(one_line, step.reads))
                raise SpaceError(f"{one_line(step.name)} is computed, so it can't be given alone; give {read}")
            if value is UNKNOWN and params[step.name] is not None:
                raise SpaceError(f"{one_line(step.name)} is absent here, as what it is computed from is; leave it out")
            if value is not UNKNOWN and value != params[step.name]:
                raise SpaceError(f"{one_line(step.name)} is computed, and is {value!r} here; leave it out")
        for each in self.require if bounded else ():
            if walk.undecided.isdisjoint(each.names) and not _all_hold([each], walk.values):
                raise SpaceError(f"require: {_text(each)} does not hold; change {_any(each.names)}")

    def n_points(self) -> int | None:
        """See ``Space.n_points``."""
        from journaltune.space.counting import n_points

        return n_points(self)


class Walk:
    """Some columns, as far as they say what a configuration is.

    ``missing``: parameters that are there under their conditions and not given; ``misplaced``: given ones that are not there;
    ``undecided``: the names of those of which too little is given to say; ``absent``: of those that are given as null.
    """

    def __init__(self, rules: Rules, internal: Mapping[str, float], absent: set[str] | frozenset[str] = frozenset()) -> None:
        self.values: dict[str, Any] = {}
        self.missing: list[Step] = []
        self.misplaced: list[Step] = []
        self.undecided: set[str] = set()
        self.absent = absent
        for step in rules.steps:
            self._look_at(rules, step, internal)

    def check(self, only: Collection[str] | None = None) -> None:
        """SpaceError for what is misplaced, and for what is missing, or just for those of these names."""
        for step in self.misplaced:
            raise SpaceError(f"{one_line(step.name)} is absent where {_text(step.condition)} does not hold; leave it out")
        for step in self.missing:
            if step.name in self.absent and step.condition is not None:
                where = f"there where {_text(step.condition)} holds"
                raise SpaceError(f"{one_line(step.name)} is null, and {where}; give {step.parameter.allowed()}")
            if only is None or step.name in only:
                raise SpaceError(f"{one_line(step.name)} is missing; give {step.parameter.allowed()}")

    def _look_at(self, rules: Rules, step: Step, internal: Mapping[str, float]) -> None:
        given = bool(step.columns) and step.is_in(internal)
        if step.condition is not None and not _holds(step.condition, self.values):
            if not self.undecided.isdisjoint(step.condition.names) and _is_open(step.condition, self.values):
                self.undecided.add(step.name)
            elif given:
                self.misplaced.append(step)
            return
        if step.derived is not None:
            rules.enter_derived(step, self.values)
            if step.name not in self.values and not self.undecided.isdisjoint(step.derived.names):
                self.undecided.add(step.name)
        elif given:
            if step.is_read:
                self.values[step.name] = step.value(internal)
        else:
            self.missing.append(step)
            if step.name not in self.absent:
                self.undecided.add(step.name)


def rules_of(parameters: Mapping[str, Distribution | Parameter], require: Sequence[str]) -> Rules:
    """Parse every expression. SpaceError for one that can't be read, and for parameters that wait for each other."""
    known: Known = {name: known_of(each) if isinstance(each, Distribution) else each.known() for name, each in parameters.items()}
    derived = {name: each.expression for name, each in parameters.items() if isinstance(each, Derived)}
    expressions = {name: parse(name, text, known) for name, text in derived.items()}
    for name, expression in expressions.items():
        known[name] = expression.known
    if any(known[name] != "number" for name in derived):  # now that it is known what each computes
        expressions = {name: parse(name, text, known) for name, text in derived.items()}
    for name, each in parameters.items():
        if isinstance(each, Parameter) and each.condition:
            expressions[name] = parse(name, each.condition, known, truth=True)
    constraints = [parse("require", text, known, truth=True) for text in require]
    read = {name for each in (*expressions.values(), *constraints) for name in each.names}
    order = _sorted(list(parameters), {name: each.names for name, each in expressions.items()})
    # What nothing reads comes last: whoever goes through the steps sees a broken constraint before.
    order.sort(key=lambda name: name not in read and name not in derived)
    steps = [Step(name, parameters[name], expressions.get(name), name in read) for name in order]
    return Rules(list(parameters), steps, constraints)


def _sorted(names: Sequence[str], reads: Mapping[str, Sequence[str]]) -> list[str]:
    """Each name after those that it reads, else as declared. SpaceError where that is impossible."""
    order: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        ready = [name for name in waiting if all(other in order for other in reads.get(name, ()))]
        if not ready:
            shown = ", ".join(map(one_line, waiting[:5]))
            raise SpaceError(f"{shown}: these read each other, or themselves, so none of them can come first; change one")
        order |= dict.fromkeys(ready)
        waiting = [name for name in waiting if name not in order]
    return list(order)


def _groups(steps: Sequence[Step]) -> list[list[str]]:
    """Columns that are always there together: those without a condition, and those of each condition."""
    groups: dict[str, list[str]] = {"": []}
    for step in steps:
        groups.setdefault(_text(step.condition), []).extend(step.columns)
    return [group for group in groups.values() if group]


def _parents(steps: Sequence[Step]) -> list[str]:
    """The columns that conditions read, also by way of derived values."""
    by_name = {step.name: step for step in steps}
    wanted = [name for step in steps if step.condition is not None for name in step.condition.names]
    found: dict[str, None] = {}
    while wanted:
        step = by_name[wanted.pop()]
        if step.derived is not None:
            wanted += step.derived.names
        found |= dict.fromkeys(step.columns)
    return [column for step in steps for column in step.columns if column in found]


def _holds(condition: Expression, values: Mapping[str, Any]) -> bool:
    try:
        return condition.holds(values) is True
    except Uncomputable:
        return False


def _is_open(condition: Expression, values: Mapping[str, Any]) -> bool:
    """Whether the values leave open what the condition is."""
    try:
        return condition.holds(values) is None
    except Uncomputable:
        return False


def _all_hold(constraints: Sequence[Expression], values: Mapping[str, Any]) -> bool:
    try:
        return all(each.holds(values) is not False for each in constraints)
    except Uncomputable:
        return False


def _encoded(parameter: Distribution | Parameter, value: object, bounded: bool) -> list[float]:
    if isinstance(parameter, Distribution):
        return [parameter.to_internal(value, bounded)]
    return parameter.encode(value, bounded)


def _any(names: Sequence[str]) -> str:
    shown = ", ".join(map(one_line, names))
    return f"one of {shown}" if len(names) > 1 else shown


def _text(expression: Expression | None) -> str:
    return "" if expression is None else one_line(expression.text)
