"""Files of other tools: whose a file or a parameter is, and what their readers share.

What a tool says of the search is written in our grammar, or refused by name: it is neither dropped nor guessed.
"""

from __future__ import annotations

from fractions import Fraction

from journaltune.base.errors import SpaceError, one_line
from journaltune.base.words import near
from journaltune.space.distributions import shown_value
from journaltune.space.grammar import is_spec
from journaltune.space.mappings import YAML_BOOLEANS, BareWord, labelled
from journaltune.space.meant import called as meant_by
from journaltune.space.spelling import literal_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Any, NoReturn

    from journaltune.space.study_file import StudyFile

WANDB, NNI, HYDRA, CONFIGSPACE = "Weights & Biases", "NNI", "Hydra's Optuna sweeper", "ConfigSpace"
_EXPRESSION_WORDS = frozenset(
    [
        *("and", "or", "not", "in", "if", "true", "false", "null"),
        *("min", "max", "abs", "round", "floor", "ceil", "log", "log2", "exp", "sqrt"),
    ]
)
_MOST_LISTED = 100  # values of an uneven grid


def reader_of(data: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], StudyFile] | None:
    """The reader of a file with this content; None where it is no other tool's."""
    if "params" in data:
        return None
    if isinstance(data.get("parameters"), dict):
        from journaltune.space.wandb import read as read_wandb

        return read_wandb
    hydra = data.get("hydra")
    if (isinstance(hydra, dict) and "sweeper" in hydra) or "hydra.sweeper" in data:
        from journaltune.space.hydra import read as read_hydra

        return read_hydra
    if isinstance(data.get("searchSpace"), dict) or (data and all(map(is_nni, data.values()))):
        from journaltune.space.nni import read as read_nni

        return read_nni
    return None


def is_nni(given: object) -> bool:
    return isinstance(given, dict) and "_type" in given


def tool_of_parameter(given: Mapping[str, Any]) -> str | None:
    """Whose mapping for one parameter this is."""
    if "_type" in given:
        return NNI
    if not given.keys().isdisjoint({"distribution", "values", "value", "mu"}):
        return WANDB
    return CONFIGSPACE if "lower" in given and "type" in given else None


def translated(name: str, given: Mapping[str, Any]) -> str | None:
    """The spec that says the same as a mapping of another tool's, where that is plain."""
    tool = tool_of_parameter(given)
    try:
        if tool == NNI:
            from journaltune.space.nni import spec_of as of_nni

            return of_nni(name, yaml_11(given))
        if tool == WANDB:
            from journaltune.space.wandb import spec_of as of_wandb

            return of_wandb(name, yaml_11(given))
    except SpaceError:
        return None
    return _with_bounds(given)


def _with_bounds(given: Mapping[str, Any]) -> str | None:
    """A mapping of nobody's, such as {type: real, lower: 0, upper: 1, log: true}."""
    options = {key: plain for key, plain in given.items() if key not in ("distribution", "type", "name")}
    whole = all(isinstance(bound, int) for key, bound in options.items() if key in ("min", "max", "low", "high"))
    spec = meant_by(str(given.get("type", "int" if whole else "float")), [], options)
    return spec if spec is not None and is_spec(spec) else None


class Reading:
    """The parameters of a file as they are read one by one, and what of them is refused: a file is named whole, not to its first
    fault. ``names``: of the parameters, which an expression takes for themselves."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = set(names)
        self.params: dict[str, str] = {}
        self.notes: list[str] = []
        self.refused: list[str] = []

    def add(self, name: str, make: Callable[..., str], *arguments: object, condition: str = "") -> None:
        """A parameter, whose spec ``make`` returns for these arguments."""
        try:
            text = make(*arguments) + condition
            if self.params.get(name, text) != text:
                refuse(name, "it is there twice, with different values; rename one")
            self.params[name] = text
        except SpaceError as error:
            self.refused.append(str(error))

    def leave(self, keys: Iterable[str], what: str = "nothing of the search") -> None:
        """Keys that are not taken, in one note."""
        named = ", ".join(map(one_line, keys))
        if named:
            self.notes.append(f"{named}: not taken ({what})")


def refuse(name: str, what: str) -> NoReturn:
    raise SpaceError(f"{one_line(str(name))}: {what}")


def check_keys(name: str, given: Collection[str], known: Sequence[str], tool: str) -> None:
    """SpaceError for a key that the tool does not have, too: it may be a slip that would change the search."""
    for key in given:
        if key not in known:
            word = near(str(key), known)
            hint = f"did you mean {word}?" if word else f"there are {', '.join(known)}"
            raise SpaceError(f"{name}{one_line(str(key))} is not a part of a file of {tool}; {hint}")


def yaml_11(value: Any) -> Any:
    """A value as YAML 1.1 has it, which these tools read: there ``yes``, ``on`` and ``True`` are booleans, and ``~`` is null."""
    if isinstance(value, BareWord):
        if value.lower() in YAML_BOOLEANS:
            return YAML_BOOLEANS[value.lower()]
        return None if value.lower() in ("null", "~", "") else str(value)
    if isinstance(value, dict):
        return {key: yaml_11(item) for key, item in value.items()}
    return list(map(yaml_11, value)) if isinstance(value, list) else value


def number(name: str, what: str, value: object) -> float:
    """A finite number. SpaceError for text, which some tools would take for one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value - value != 0:
        text = f"the text {shown_value(value)}" if isinstance(value, str) else shown_value(value)
        refuse(name, f"{what} is {text}; write a number without quotes, such as 0.5 or 1e-5")
    return value


def whole(name: str, what: str, value: object) -> int:
    found = number(name, what, value)
    if found != int(found):
        refuse(name, f"{what} is {found!r}; write a whole number")
    return int(found)


def text_of_number(value: float) -> str:
    """The shortest spelling that our grammar reads as this number: 1e-5, 500."""
    if isinstance(value, int) or (value == int(value) and abs(value) < 2**52):
        return str(int(value))
    return repr(value).replace("e-0", "e-").replace("e+", "e")


def called(function: str, *values: float, rest: str = "") -> str:
    return f"{function}({', '.join(map(text_of_number, values))}{rest})"


def stepped(name: str, low: float, high: float, step: float, is_clipped: bool) -> str:
    """The multiples of ``step`` from ``low`` to ``high``. ``is_clipped``: the tool takes the bounds, too, if they are none."""
    if step <= 0:
        refuse(name, f"the step is {step!r}; write one above 0")
    exact_low, exact_high, unit = (Fraction(str(each)) for each in (low, high, step))
    if exact_low % unit == 0 and (exact_high % unit == 0 or not is_clipped):
        return called("float", low, high, rest=f", step={text_of_number(step)}")
    first, last = -(-exact_low // unit), exact_high // unit
    if is_clipped and exact_low < exact_high and last - first < _MOST_LISTED:
        inner = [float(place * unit) for place in range(first, last + 1)]
        return called("ordered", *dict.fromkeys([low, *inner, high]))
    spec = f"float({text_of_number(float(first * unit))}, {text_of_number(high)}, step={text_of_number(step)})"
    return refuse(name, f"{low!r} is no multiple of the step {step!r}; write it below params, such as {one_line(name)}: {spec}")


def log_range(name: str, low: float, high: float, step: float | None = None) -> str:
    """A range in its logarithm. A step of 1 makes it one of integers; another step has no word in our grammar."""
    if step is None:
        return called("log", low, high)
    if step == 1 and low == int(low) and high == int(high):
        return called("int", low, high, rest=", log")
    return refuse(name, f"a log range with the step {step!r} can't be kept; write log(LOW, HIGH), or int(LOW, HIGH, log)")


def listed(name: str, values: object) -> str:
    """A list of values. Numbers have an order, words have none; lists and mappings get a label each."""
    if not isinstance(values, list) or not values:
        refuse(name, f"the values are {shown_value(values)}; write a list such as [a, b]")
    try:
        if any(isinstance(value, (list, dict)) for value in values):
            return labelled(name, values)
        words = list(map(literal_text, values))
    except (ValueError, TypeError) as error:
        refuse(name, str(error))
    if len(values) > 1 and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        words = list(map(literal_text, sorted(values)))
        return f"ordered({', '.join(words)})"
    return f"choice({', '.join(words)})"


def constant(name: str, value: object) -> str:
    """One value on purpose."""
    if isinstance(value, (list, dict)):
        return listed(name, [value])
    try:
        return f"= {quoted(value)}"
    except ValueError as error:
        refuse(name, str(error))


def quoted(value: object) -> str:
    """A value in an expression: text always in quotes, where a bare word would be a parameter."""
    text = literal_text(value)
    return f'"{text}"' if isinstance(value, str) and text[:1] != '"' else text


def as_name(name: str) -> str:
    """A parameter's name in an expression."""
    is_word = name.isascii() and name.isidentifier() and name not in _EXPRESSION_WORDS
    return name if is_word else "`" + name.replace("`", "``") + "`"


def as_choice(value: object, params: Collection[str]) -> str:
    """A choice in an expression: a bare word where that is one and no parameter's name."""
    is_word = isinstance(value, str) and as_name(value) == value and value not in params
    return str(value) if is_word else quoted(value)


def equals(name: str, value: object, params: Collection[str]) -> str:
    """A comparison with a choice."""
    return f"{as_name(name)} == {as_choice(value, params)}"
