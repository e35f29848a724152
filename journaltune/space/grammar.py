"""The grammar of a parameter's spec, such as ``log(1e-5, 1)`` or ``adam | sgd``: text to distribution. ``spelling`` goes back."""

from __future__ import annotations

from journaltune.base.errors import SpaceError, SpecError, one_line
from journaltune.space.distributions import (
    Distribution,
    categorical_distribution,
    float_distribution,
    int_distribution,
    ordered_distribution,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from journaltune.space.parameters import Parameter

    Choice = None | bool | int | float | str

MAX_NAME_CHARS = 1000
MAX_SPEC_CHARS = 100_000
CONSTANTS: dict[str, Choice] = {"true": True, "false": False, "null": None}
NOT_BARE = frozenset("()|,=\"'[]{} \t\r\n")
NUMBER_START = frozenset("+-.0123456789")
_NUMBER_CHARS = frozenset("+-.0123456789eE")
_PUNCTUATION = "()|,="
_BLANKS = " \t\r\n"
# The journal holds every value as a float. Up to here floats hold each integer, and the distance of any two.
_EXACT_INT = 2**52

# With more steps, rounding moves values so far off their grid that Optuna (and `Distribution.contains`) refuses them.
_MAX_STEPS = 10_000_000


def check_name(name: object) -> None:
    """Raises SpaceError unless ``name`` can name a parameter: text on one line that UTF-8 can hold."""
    if not isinstance(name, str):
        raise SpaceError(f"a parameter's name is text, not a {type(name).__name__}; quote it")
    if not name or len(name) > MAX_NAME_CHARS:
        raise SpaceError(f"{one_line(name)!r}: a parameter's name has 1 to {MAX_NAME_CHARS} characters; choose another")
    if not name.isprintable() and any(map(breaks_lines, name)):
        raise SpaceError(f"{one_line(name)}: a parameter's name can't have control characters or half surrogates; choose another")


def breaks_lines(char: str) -> bool:
    return char < " " or "\x7f" <= char <= "\x9f" or char in "\u2028\u2029" or is_surrogate(char)


def is_surrogate(char: str) -> bool:
    return "\ud800" <= char <= "\udfff"


def parse_spec(name: str, text: str) -> Distribution | Parameter:
    """What ``text`` specifies for the parameter ``name``: a distribution, or a Parameter that is more than that.

    Expressions are kept as text: only the whole space can say what their words stand for. SpaceError, one line, for text that is
    not a spec: SpecError where it is plain what was meant.
    """
    _check_text(name, text)
    return _Parser(name, text).parse()


def parse_stored(name: str, text: str) -> Distribution | Parameter:
    """A spec as a study's configuration holds it. There a word alone is a choice of one, as versions before wrote it."""
    _check_text(name, text)
    return _Parser(name, text, is_strict=False).parse()


def is_spec(text: str) -> bool:
    """Whether ``text`` can be read. It says nothing otherwise: for texts that nobody has written yet."""
    try:
        _Parser("x", text, is_trial=True).parse()
    except SpaceError:
        return False
    return True


def _check_text(name: str, text: str) -> None:
    check_name(name)
    if not isinstance(text, str):
        raise SpaceError(f"{one_line(name)}: a spec is text, such as log(1e-5, 1) or adam | sgd, not a {type(text).__name__}")
    if len(text) > MAX_SPEC_CHARS:
        raise SpaceError(f"{one_line(name)}: the spec has more than {MAX_SPEC_CHARS} characters; shorten it")


class _Parser:
    """One spec, read token by token. It never recurses, so no input is too deep.

    ``kind`` is "word", "string", "end" or a punctuation character. Tokens are read one at a time because an expression follows
    `if`, which has tokens of its own. A strict parser refuses one bare value. A trial gives neither warnings nor hints.
    """

    __slots__ = ("at", "is_strict", "is_trial", "kind", "name", "text", "value")

    def __init__(self, name: str, text: str, is_strict: bool = True, is_trial: bool = False) -> None:
        self.name, self.is_strict, self.is_trial = name, is_strict, is_trial
        self.text = text
        self.at = 0
        self.kind = ""
        self.value = ""
        self.advance()

    def fail(self, what: str, instead: str = "") -> NoReturn:
        """``instead`` is the way out in general, for want of a better one: where that is plain, what was meant is shown."""
        spec = one_line(self.text.strip())
        what = f"{one_line(self.name)}: {spec}: {what}" if spec else f"{one_line(self.name)}: {what}"
        if instead and not self.is_trial:
            from journaltune.space.meant import meant

            better = meant(self.text)
            if better is not None:
                raise SpecError(what, one_line(self.name), better)
        raise SpaceError(f"{what}; {instead}" if instead else what)

    def _token(self) -> str:
        """For messages: the token that stands there."""
        return "the end" if self.kind == "end" else one_line(self.value)

    def advance(self) -> None:
        text, at, size = self.text, self.at, len(self.text)
        while at < size and text[at] in _BLANKS:
            at += 1
        self.at = at
        if at == size:
            self.kind = self.value = "end"
        elif text[at] in _PUNCTUATION:
            self.kind = self.value = text[at]
            self.at = at + 1
        elif text[at] in "\"'":
            self._read_string()
        else:
            self._read_word()

    def _read_word(self) -> None:
        text, start = self.text, self.at
        at, size = start, len(text)
        while at < size and text[at] not in NOT_BARE:
            at += 1
        if at == start:
            self.fail(f"{text[at]} has no meaning here", "quote a choice that has it, or write adam | sgd for a list")
        self.kind, self.value, self.at = "word", text[start:at], at
        if not self.value.isprintable():
            self.fail("a bare word has a character that can't be printed; quote it")

    def _read_string(self) -> None:
        from journaltune.space.spelling import quoted_text  # few specs have quotes

        try:
            self.value, self.at = quoted_text(self.text, self.at)
        except ValueError as error:
            self.fail(str(error))
        self.kind = "string"

    def parse(self) -> Distribution | Parameter:
        if self.kind == "end":
            self.fail("the spec is empty; write one such as float(0, 1), int(1, 8) or adam | sgd")
        if self.kind == "=":
            return self._derived()
        function = self.value if self.kind == "word" else ""
        first = self._choice()
        is_call = function != "" and self.kind == "("
        parameter = self._call(function) if is_call else self._alternatives(first)
        condition = self._condition()
        if self.kind != "end":
            self.fail(f"{self._token()} is not expected there", "quote a choice that has spaces or punctuation")
        if self.is_strict and not is_call and isinstance(parameter, Distribution) and parameter.single:
            self._refuse_single(first)
        return _under(condition, parameter) if condition else parameter

    def _condition(self) -> str:
        """The text behind `if`, which is the rest of the spec; "" where there is no `if`."""
        if self.kind != "word" or self.value != "if":
            return ""
        condition = self.text[self.at :].strip()
        if not condition:
            self.fail("the condition is missing behind if; write one, such as if opt == sgd")
        self.kind = "end"
        return condition

    def _derived(self) -> Parameter:
        expression = self.text[self.at :].strip()
        if not expression:
            self.fail("the expression is missing behind =; write one, such as = 2 ** batch_pow or = 27")
        from journaltune.space.parameters import Derived

        return Derived("", expression)

    def _refuse_single(self, value: Choice) -> NoReturn:
        word = _literal(value, 60)
        self.fail("one value leaves nothing to search", f"write choice({word}) if that is meant, or {word} | ANOTHER")

    def _choice(self) -> Choice:
        value: Choice = self.value
        if self.kind == "word":
            try:
                value = word_value(self.value)
            except ValueError as error:
                self.fail(str(error))
        elif self.kind != "string":
            self.fail(f"a value is missing before {self._token()}", "write one, or quote it")
        self.advance()
        return value

    def _alternatives(self, first: Choice) -> Distribution:
        choices = [first]
        while self.kind == "|":
            self.advance()
            choices.append(self._choice())
        return self._categorical(choices)

    def _call(self, function: str) -> Distribution | Parameter:
        if function not in _USAGE:
            self.fail(f"there is no {one_line(function)}(...)", "write float, log, int or choice")
        positional, options = self._arguments(labels=function == "choice")
        if function in _RANGES:
            return self._range(function, positional, options)
        if options and (function != "choice" or positional):
            self._refuse_usage(function)
        if function in ("choice", "ordered") and not options:
            distribution = self._categorical(positional)
            return distribution if function == "choice" else ordered_distribution(distribution.choices)
        from journaltune.space.parameters import built

        try:
            return built(function, positional, options, self._categorical)
        except ValueError as error:
            self.fail(str(error), f"write {_USAGE[function]}")

    def _refuse_usage(self, function: str) -> NoReturn:
        self.fail("that is not how to write it", f"write {_USAGE[function]}")

    def _arguments(self, labels: bool) -> tuple[list[Choice], dict[Choice, Any]]:
        """Values, and those behind a name and an equals sign. With ``labels`` these are JSON, and anything may be a name."""
        positional: list[Choice] = []
        options: dict[Choice, Any] = {}
        while True:
            self.advance()
            key = value = self._choice()
            if self.kind != "=":
                positional.append(value)
            elif key in options:
                self.fail(f"{one_line(str(key))} is given twice; leave one out")
            elif labels:
                options[key] = self._json()
            else:
                self.advance()
                options[key] = self._choice()
            if self.kind == ")":
                self.advance()
                return positional, options
            if self.kind != ",":
                self.fail(f"a comma or ) is missing before {self._token()}", "write it, or quote a choice that has spaces")

    def _json(self) -> Any:
        """The JSON value that begins after the token, which is read too; or a bare word, which is text."""
        from journaltune.base.jsontext import scan

        at = self.at
        while self.text[at : at + 1] in tuple(_BLANKS):
            at += 1
        try:
            value, self.at = scan(self.text, at)
        except (ValueError, RecursionError):
            self.advance()
            return self._choice()
        self.advance()
        return value

    def _categorical(self, choices: list[Choice]) -> Distribution:
        seen = set()
        for choice in choices:
            if isinstance(choice, int) and not -(2**63) <= choice < 2**63:
                self.fail(f"{one_line(str(choice))} has more than 64 bits; quote it to make it a string")
            if (type(choice), choice) in seen:
                self.fail(f"the choice {_literal(choice)} is there twice; leave one out")
            seen.add((type(choice), choice))
        return categorical_distribution(choices)

    def _range(self, function: str, positional: list[Choice], options: dict[Choice, Any]) -> Distribution:
        log = function == "log" or (function == "int" and positional[2:] == ["log"])
        if len(positional) != (3 if log and function == "int" else 2) or not options.keys() <= (set() if log else {"step"}):
            self._refuse_usage(function)
        low, high = self._bound(positional[0]), self._bound(positional[1])
        step = self._bound(options["step"]) if options else None
        found = self._built(function, low, high, log, step)
        if found.high != high and not self.is_trial:
            from journaltune.space.warning import warn_of_high

            warn_of_high(self.name, high, found)
        return found

    def _built(self, function: str, low: float, high: float, log: bool, step: float | None) -> Distribution:
        try:
            if function == "int":
                return int_distribution(self._integer(low), self._integer(high), log, 1 if step is None else self._integer(step))
            return self._checked(float_distribution(float(low), float(high), log, None if step is None else float(step)))
        except OverflowError:
            self.fail("a bound is too large for a float; write a smaller one")
        except ArithmeticError:
            self.fail("the step is too small for the range; write a larger one")
        except ValueError as error:
            self.fail(str(error))

    def _bound(self, value: Choice) -> int | float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.fail(f"{_literal(value)} is not a finite number", "write one such as 0.5 or 1e-5")
        return value

    def _integer(self, value: int | float) -> int:
        if value != int(value):
            self.fail(f"{value!r} is not an integer", "write one, or float(...)")
        if abs(value) > _EXACT_INT:
            self.fail(f"{one_line(repr(value))} is beyond 2**52, where floats begin to skip integers; write a smaller bound")
        return int(value)

    def _checked(self, given: Distribution) -> Distribution:
        """Refuses ranges that Optuna takes but can't search."""
        if given.high - given.low == float("inf"):
            self.fail("the range is wider than the largest float; write a smaller one")
        if given.step is None:
            return given
        if max(abs(given.low), abs(given.high)) / given.step > _MAX_STEPS:
            self.fail("the step is too small for the range; write a larger one, or leave it out")
        # Optuna moves the upper bound to the grid each time it reads a distribution; here it would move again and again.
        if float_distribution(given.low, given.high, step=given.step).high != given.high:
            self.fail("the grid's last value is not exact; write the step or the lower bound with fewer digits")
        return given


_RANGES = ("float", "log", "int")
_USAGE = {
    "float": "float(LOW, HIGH) or float(LOW, HIGH, step=S)",
    "log": "log(LOW, HIGH)",
    "int": "int(LOW, HIGH), int(LOW, HIGH, step=S) or int(LOW, HIGH, log)",
    "choice": "choice(a, b, c) or choice(small=[64], large=[64, 64])",
    "ordered": "ordered(16, 32, 64)",
    "permutation": "permutation(a, b, c) or permutation(5)",
    "simplex": "simplex(3) or simplex(a, b, c)",
    "normal": "normal(MEAN, SD) or normal(MEAN, SD, LOW, HIGH)",
    "lognormal": "lognormal(MEAN, SD) or lognormal(MEAN, SD, LOW, HIGH), MEAN and SD of the logarithm",
}


def _under(condition: str, parameter: Distribution | Parameter) -> Parameter:
    if not isinstance(parameter, Distribution):
        return parameter.but(condition=condition)
    from journaltune.space.parameters import Conditional

    return Conditional(condition, parameter)


def _literal(value: Choice, limit: int = 80) -> str:
    """For messages."""
    from journaltune.space.spelling import literal_text

    return one_line(literal_text(value), limit)


def word_value(word: str) -> Choice:
    """The value of an unquoted word: a constant, a number or the word. ValueError for a number that is likely a mistake."""
    if word in CONSTANTS:
        return CONSTANTS[word]
    if word[:1] not in NUMBER_START or not _NUMBER_CHARS.issuperset(word):
        return word
    digits = word[1:] if word[0] in "+-" else word
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        raise ValueError(f'{one_line(word)} begins with a zero; write the number without it, or the string "{one_line(word)}"')
    if len(word) > 400:
        raise ValueError(f"{one_line(word)} is too long for a number; quote it to make it a string")
    return int(word) if digits.isdigit() else _float_or_word(word)


def _float_or_word(word: str) -> float | str:
    try:
        number = float(word)
    except ValueError:
        return word
    if number - number != 0:
        raise ValueError(f"{one_line(word)} is too large for a float; write a smaller number, or quote it to make it a string")
    return number
