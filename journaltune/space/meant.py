"""What was probably meant by a spec that is none: ranges and functions as other tools and people write them.

A guess is offered in an error message, never taken: each is read by the grammar before it is shown.
"""

from __future__ import annotations

import re

from journaltune.base.words import near
from journaltune.space.grammar import is_spec, word_value
from journaltune.space.spelling import literal_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST = 150
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_BETWEEN = r"\s*(?:\.\.+|[:;,~–—-]|\bto\b|\s)\s*"
_RANGE = re.compile(
    rf"[\[({{]?\s*({_NUMBER}){_BETWEEN}({_NUMBER})(?:\s*(?:\.\.+|[:;,]|\bstep\b|\bby\b)\s*({_NUMBER}))?\s*[\])}}]?"
)
_LIST = re.compile(r"[\[({]\s*([^\[\](){}]+?)\s*[\])}]")
_CALL = re.compile(r"\s*([A-Za-z][\w.]*)\s*[\[( ]\s*(.*?)\s*[\])]?\s*", re.DOTALL)
_TAGGED = re.compile(r"\s*tag\(\s*(log|int)\s*,\s*(.*)\)\s*", re.DOTALL)

# What others call a kind of range, in small letters, without "suggest", "distribution", "values" and underscores.
_KINDS = {
    "float": "float uniform real double interval continuous number quniform discreteuniform uniformfloat floatuniform",
    "log": "log loguniform floatlog logfloat loguniformfloat logreal qloguniform reciprocal logscale logarithmic",
    "int": "int integer randint uniformint intuniform qint qrandint qintuniform discreteint",
    "intlog": "intlog logint intloguniform loguniformint lograndint qlograndint loginteger",
    "range": "range randrange",
    "choice": "choice choices categorical category cat select enum oneof pick options discrete sample grid list",
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}
# For the name of a kind alone; words that may well be a choice ("list", "sample") are not among them.
_EXAMPLES = {
    **dict.fromkeys(("float", "uniform", "real", "double"), "float(0, 1)"),
    **dict.fromkeys(("log", "loguniform"), "log(1e-5, 1)"),
    **dict.fromkeys(("int", "integer", "randint", "intuniform", "uniformint"), "int(1, 8)"),
    **dict.fromkeys(("choice", "choices", "categorical"), "choice(a, b)"),
    **dict.fromkeys(("bool", "boolean"), "true | false"),
}
_BOUNDS = {"low", "high", "lower", "upper", "min", "max", "start", "stop", "end"}
_STEPS = {"step", "q"}
_SCALES = {"log", "scale", "prior"}
_LOGS, _LINEARS = {"log", "true", "loguniform", "log-uniform"}, {"false", "linear", "uniform"}
_IS_NUMBER = re.compile(_NUMBER).fullmatch
_DECADES = 100  # a range of floats that spans so much is meant in its logarithm, as nearly every one that people write
_INT_DECADES = 1000


def meant(text: str) -> str | None:
    """The spec that ``text`` was probably meant to be; None where nothing is near."""
    if len(text) > _LONGEST or not text.isprintable():
        return None
    text = text.strip()
    guesses = (guess for read in (_word, _range, _tagged, _call, _list) for guess in read(text))
    return next((guess for guess in guesses if len(guess) < 2 * _LONGEST and is_spec(guess)), None)


def called(function: str, arguments: Sequence[object], options: Mapping[str, object] | None = None) -> str | None:
    """The spec that a function of some other tool means, if it is known."""
    kind = _kind_of(function)
    if kind is None:
        return None
    try:
        words = [value if isinstance(value, str) and kind != "choice" else literal_text(value) for value in arguments]
        given = {key: literal_text(value) for key, value in (options or {}).items()}
    except ValueError:  # values that no spec can hold
        return None
    spec = _spec(kind, words, given)
    return spec if spec is not None and is_spec(spec) else None


def between(low: str, high: str, step: str | None = None) -> str:
    """The range from ``low`` to ``high``, numbers as they are written: of ints, floats, or the logarithm of either."""
    whole = all(number.lstrip("+-").isdigit() for number in (low, high, step or "1")) and (low, high) != ("0", "1")
    kind = "int" if whole else "float"
    if step is not None:
        return f"{kind}({low}, {high}, step={step})"
    bottom, top = float(low), float(high)
    if bottom > 0 and top / bottom >= (_INT_DECADES if whole else _DECADES):
        return f"int({low}, {high}, log)" if whole else f"log({low}, {high})"
    return f"{kind}({low}, {high})"


def _word(text: str) -> list[str]:
    """The name of a kind alone: ``float``, ``bool``."""
    example = _EXAMPLES.get(_normal(text))
    return [example] if example else []


def _range(text: str) -> list[str]:
    """``0.1..1``, ``32-256``, ``1e-5:1e-1``, ``[0, 1]``, ``1 to 8``; with a third number as the step."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return []
    low, high, step = found.groups()
    if text[0] == "{" and ".." not in text:
        return [f"choice({', '.join(filter(None, (low, high, step)))})"]
    if text[0] == "[" and step is not None:
        return [f"choice({low}, {high}, {step})"]
    return [between(low, high, step)]


def _tagged(text: str) -> list[str]:
    """Hydra's ``tag(log, interval(0.0001, 1))``."""
    found = _TAGGED.fullmatch(text)
    call = found and _CALL.fullmatch(found[2])
    if not (found and call):
        return []
    words, options = _arguments(call[2])
    return list(filter(None, [_spec(found[1], words, options)]))


def _call(text: str) -> list[str]:
    """A function under another name, in other case or with a slip, or with other arguments than ours takes."""
    found = _CALL.fullmatch(text)
    kind = found and _kind_of(found[1])
    if not (found and kind):
        return []
    words, options = _arguments(found[2])
    if len(words) == 1:  # ``float(0..1)``, ``int 1-8``
        bounds = _RANGE.fullmatch(words[0])
        words = list(filter(None, bounds.groups())) if bounds else words
    kinds = (kind, "float") if kind == "int" else (kind,)  # int(0.5, 3)
    return list(filter(None, [_spec(each, words, options) for each in kinds]))


def _list(text: str) -> list[str]:
    """``[adam, sgd]``, ``{a, b}``, ``a, b``, ``a or b``, ``a b``."""
    found = _LIST.fullmatch(text)
    inner = found[1] if found else text
    separator = next((each for each in (",", ";", " or ", " ") if each in inner), None)
    words = [word.strip() for word in inner.split(separator)]
    mixed = separator == " " and len({word[0].isdigit() for word in words if word}) > 1
    if not all(words) or mixed or any(not set("()[]{}=").isdisjoint(word) for word in words) or (len(words) == 1 and not found):
        return []
    return [f"choice({', '.join(map(_choice, words))})"]


def _choice(word: str) -> str:
    if word[:1] in "\"'":
        return word
    try:
        return literal_text(word_value(word))
    except ValueError:
        return literal_text(word)


def _kind_of(function: str) -> str | None:
    word = _normal(function)
    return _KIND_OF.get(word) or _KIND_OF.get(near(word, _KIND_OF) or "")


def _normal(function: str) -> str:
    word = function.lower().rpartition(".")[2].replace("_", "").replace("-", "")
    for part in ("suggest", "distribution", "values"):
        word = word.replace(part, "") or word
    return word


def _arguments(text: str) -> tuple[list[str], dict[str, str]]:
    """Positional arguments and options, as they are written. Commas, semicolons or blanks separate."""
    separator = next((char for char in ",;" if char in text), None)
    words: list[str] = []
    options: dict[str, str] = {}
    for part in text.strip("[]{}() ").split(separator):
        key, equals, value = part.partition("=")
        if equals:
            options[key.strip().lower()] = value.strip()
        elif part.strip():
            words.append(part.strip())
    return words, options


def _spec(kind: str, words: list[str], options: Mapping[str, str]) -> str | None:
    """A spec in our grammar, if it can hold all that is written. Options may name the bounds, or say that a range is a log."""
    if kind == "choice" and words and options:
        return None
    if kind == "choice":
        given = options.get("choices", "") if not words else ", ".join(map(_choice, words))
        return f"choice({given.strip('[]()')})"
    bounds = [*words[:2], *(value for key, value in options.items() if key in _BOUNDS)]
    steps = [*filter(_IS_NUMBER, words[2:]), *(value for key, value in options.items() if key in _STEPS)]
    scales = {word for word in words[2:] if not _IS_NUMBER(word)} | {value for key, value in options.items() if key in _SCALES}
    scales = {word.strip("\"'").lower() for word in scales}
    if len(bounds) != 2 or len(steps) > 1 or not scales <= _LOGS | _LINEARS or not options.keys() <= _BOUNDS | _STEPS | _SCALES:
        return None
    if kind in ("log", "intlog") or not scales.isdisjoint(_LOGS):
        logs = f"int({bounds[0]}, {bounds[1]}, log)" if kind.startswith("int") else f"log({bounds[0]}, {bounds[1]})"
        return None if steps else logs
    if kind == "range":
        return _python_range(bounds, steps)
    return f"{kind}({bounds[0]}, {bounds[1]}{f', step={steps[0]}' if steps else ''})"


def _python_range(bounds: Sequence[str], steps: Sequence[str]) -> str | None:
    """``range(2, 9)``, in which 9 is not included."""
    try:
        numbers = range(int(bounds[0]), int(bounds[1]), int(steps[0] if steps else 1))
    except ValueError:
        return None
    if not numbers:
        return None
    return f"int({numbers[0]}, {numbers[-1]}{f', step={numbers.step}' if numbers.step != 1 else ''})"
