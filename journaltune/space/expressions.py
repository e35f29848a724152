"""Conditions, constraints and derived values, such as ``layers * width <= 4096``: text to closures, never run as code.

Python's operators and precedence. What stands there is checked as far as it shows before any trial: words that are no
parameters, values that are no choices, numbers where a condition belongs.
"""

from __future__ import annotations

from journaltune.base.errors import SpaceError, one_line
from journaltune.space import evaluation
from journaltune.space.evaluation import UNKNOWN, Expression, Uncomputable, constant, same, why
from journaltune.space.spelling import literal_text
from journaltune.space.tokens import Misread, one_line_of, tokens_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from journaltune.space.evaluation import Known, Run

__all__ = ("UNKNOWN", "Expression", "Uncomputable", "parse")

MAX_CHARS = 10_000
MAX_DEPTH = 100
_NUMBER, _TRUTH, _TEXT, _NULL, _OTHER = 1, 2, 4, 8, 16  # kinds of values, as bits: choices may be of several
_NOUNS = {_NUMBER: "a number", _TRUTH: "true or false", _TEXT: "a text", _NULL: "null"}
_KINDS: dict[type, int] = {int: _NUMBER, float: _NUMBER, bool: _TRUTH, str: _TEXT, type(None): _NULL}
_ABSENT = "an absent parameter is not null: what is compared with it is neither true nor false"
# How tight an operator binds, as in Python.
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _POWER = range(1, 9)
_LEVELS = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(("in", "not in", *evaluation.COMPARISONS), _COMPARE),
    **dict.fromkeys(("+", "-"), _SUM),
    **dict.fromkeys(("*", "/", "//", "%"), _PRODUCT),
    "**": _POWER,
}


def parse(name: str, text: str, known: Mapping[str, Known], truth: bool = False) -> Expression:
    """The expression in ``text``, a condition if ``truth``. ``known`` tells of each parameter that is declared.

    SpaceError, one line that begins with ``name``, for anything else.
    """
    if not isinstance(text, str):
        raise SpaceError(f"{one_line(name)}: an expression is text, such as layers * width <= 4096, not a {type(text).__name__}")
    if len(text) > MAX_CHARS:
        raise SpaceError(f"{one_line(name)}: the expression has more than {MAX_CHARS} characters; shorten it")
    parser = _Parser(name, text, known)
    node = parser.whole()
    is_truth = truth or node.kinds == _TRUTH
    run = parser.truth(node, "that") if is_truth else node.run
    names = tuple(parser.names)
    source = (name, text, {each: known[each] for each in names}, is_truth)
    return Expression(source, one_line_of(text, parser.tokens), names, "number" if node.choices is None else node.choices, run)


class _Node:
    """What was read: its closure, and what is known of its value. ``choices`` is None where it may be any number.

    ``name`` is that of a parameter. ``word`` is one that is no parameter, so that what it is compared with tells what it is.
    """

    __slots__ = ("at", "choices", "height", "is_constant", "kinds", "name", "run", "word")

    def __init__(self, at: int, run: Run, kinds: int, choices: tuple[Any, ...] | None, height: int = 0) -> None:
        self.at, self.run, self.kinds, self.choices, self.height = at, run, kinds, choices, height
        self.is_constant = False
        self.name: str | None = None
        self.word: str | None = None


def _constant(at: int, value: Any) -> _Node:
    node = _Node(at, constant(value), _KINDS[type(value)], (value,))
    node.is_constant = True
    return node


class _Parser:
    __slots__ = ("depth", "index", "known", "name", "names", "text", "tokens")

    def __init__(self, name: str, text: str, known: Mapping[str, Known]) -> None:
        self.name, self.text, self.known = name, text, known
        self.names: dict[str, None] = {}
        self.index = self.depth = 0
        try:
            self.tokens = tokens_of(text)
        except Misread as error:
            self.fail(error.what, error.at, error.instead)

    def fail(self, what: str, at: int, instead: str = "") -> NoReturn:
        """``instead`` is the way out, for want of a better one: quotes where ``at`` stands in a name or a choice."""
        from journaltune.space.misread import unquoted

        instead = unquoted(self.text, at, self.known, self.names) or instead
        line = one_line(self.text.strip())
        raise SpaceError(f"{one_line(self.name)}: {line + ': ' if line else ''}{what}{instead and '; '}{instead}")

    def whole(self) -> _Node:
        if len(self.tokens) == 1:
            self.fail("the expression is empty", 0, "write one such as layers * width <= 4096")
        node = self._expression(_OR)
        if self.tokens[self.index][0] != "end":
            self._refuse_token()
        if node.word is not None:
            self._refuse_word(node)
        return node

    def _refuse_token(self, missing: str = "") -> NoReturn:
        from journaltune.space.misread import keyword_instead, token_instead

        kind, value, start, end = self.tokens[self.index]
        token = "the end" if kind == "end" else f"`{one_line(self.text[start:end])}`"
        if missing:
            before = self.tokens[self.index - 1][1] if self.index else ""
            self.fail(f"{missing} is missing before {token}", start, keyword_instead(before, self.known))
        follows = self.tokens[self.index + 1][1] if kind != "end" else ""
        self.fail(f"{token} is not expected there", start, token_instead(value, follows, self.known))

    def _refuse_word(self, node: _Node, other: _Node | None = None) -> NoReturn:
        from journaltune.space.misread import word_instead

        choices = other.choices if other is not None and other.name is not None else None
        what = f"{one_line(node.word or '')} is not a parameter"
        if choices is not None and other is not None:
            what += f" and not a choice of {one_line(other.name or '')}"
        self.fail(what, node.at, word_instead(node.word or "", self.known, self.names, choices))

    def _expression(self, level: int) -> _Node:
        """Reads operators that bind at least as tight as ``level``."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"it is nested more than {MAX_DEPTH} levels deep; write it flatter", self.tokens[self.index][2])
        node = self._operand(level)
        while True:
            found = _LEVELS.get(self.tokens[self.index][0], 0)
            if found < max(level, _OR):
                break
            node = self._operators(found, node)
            if node.height > MAX_DEPTH:
                self.fail(f"it is nested more than {MAX_DEPTH} levels deep; write it flatter", node.at)
        self.depth -= 1
        return node

    def _operators(self, level: int, first: _Node) -> _Node:
        """Reads what follows ``first``: all operators of one level, so that a long sum is one node."""
        nodes = [first]
        signs: list[str] = []
        while _LEVELS.get(self.tokens[self.index][0]) == level:
            sign = self.tokens[self.index][0]
            if sign in ("in", "not in"):
                return self._membership(sign, first, bool(signs))
            signs.append(sign)
            self.index += 1
            nodes.append(self._expression(_SIGN if level == _POWER else level + 1))
        if level == _COMPARE:
            return self._comparison(signs, nodes)
        if level <= _AND:
            runs = [self.truth(node, f"what `{signs[0]}` joins") for node in nodes]
            return self._made(first.at, evaluation.every(runs, level == _OR), nodes, _TRUTH)
        runs = [self.number(node) for node in nodes]
        for sign, node in zip(signs, nodes[1:], strict=True):
            if sign in ("/", "//", "%") and node.is_constant and node.choices == (0,):
                self.fail("it divides by zero", node.at)
        return self._made(
            first.at, evaluation.chain(runs[0], [evaluation.ARITHMETIC[sign] for sign in signs], runs[1:]), nodes, _NUMBER
        )

    def _made(self, at: int, run: Run, nodes: list[_Node], kinds: int) -> _Node:
        """A node over others. If these are constants it is one too, so that what it can't compute shows at once."""
        if not all(node.is_constant for node in nodes):
            height = max([node.height for node in nodes]) + 1
            return _Node(at, run, kinds, (True, False) if kinds == _TRUTH else None, height)
        try:
            return _constant(at, run({}))
        except (ArithmeticError, TypeError, ValueError) as error:
            self.fail(f"{one_line(self.text[at : self.tokens[self.index][2]].strip(), 40)} can't be computed: {why(error)}", at)

    def _operand(self, level: int) -> _Node:
        kind, value, at, _ = self.tokens[self.index]
        self.index += 1
        if kind == "word":
            if self.tokens[self.index][0] == "(" and (value in evaluation.FUNCTIONS or value not in self.known):
                return self._call(value, at)
            return self._name(value, at, is_quoted=False)
        if kind in ("number", "string", "constant"):
            return _constant(at, value)
        if kind == "name":
            return self._name(value, at, is_quoted=True)
        if kind == "(":
            node = self._expression(_OR)
            self._expect(")")
            node.at = at
            return node
        if kind in ("+", "-"):
            node = self._expression(_SIGN)
            run = self.number(node)
            return self._made(at, evaluation.negative(run) if kind == "-" else run, [node], _NUMBER)
        if kind == "not" and level <= _NOT:
            node = self._expression(_NOT)
            return self._made(at, evaluation.opposite(self.truth(node, "what follows `not`")), [node], _TRUTH)
        self.index -= 1
        if kind == "not":
            self.fail("`not` binds less than what stands before it", at, "put round brackets around it")
        if kind == "[":
            self.fail("a list has no meaning here", at, "lists follow `in`, as in opt in [adam, sgd]")
        return self._refuse_token("a value")

    def _expect(self, sign: str) -> None:
        if self.tokens[self.index][0] != sign:
            if self.tokens[self.index][0] == "end":
                self._refuse_token(sign)
            self._refuse_token()
        self.index += 1

    def _name(self, name: str, at: int, is_quoted: bool) -> _Node:
        if name not in self.known:
            node = _Node(at, constant(None), 0, None)
            node.word = name
            if is_quoted:
                self._refuse_word(node)
            return node
        known = self.known[name]
        if known is None:
            self.fail(f"{one_line(name)} is a permutation or a simplex, which an expression can't read", at, "leave it out")
        self.names[name] = None
        if isinstance(known, str):
            node = _Node(at, evaluation.read(name), _NUMBER, None)
        else:
            kinds = 0
            for choice in known:
                kinds |= _KINDS.get(type(choice), _OTHER)
            node = _Node(at, evaluation.read(name), kinds, known)
        node.name = name
        return node

    def _call(self, function: str, at: int) -> _Node:
        if function not in evaluation.FUNCTIONS:
            from journaltune.space.misread import function_instead

            self.fail(f"there is no {one_line(function)}(...)", at, function_instead(function))
        arguments = self._items(")")
        found, least, most = evaluation.FUNCTIONS[function]
        if not least <= len(arguments) <= most:
            from journaltune.space.misread import usage

            self.fail(f"that is not how to write {function}", at, f"write {usage(function)}")
        return self._made(at, evaluation.called(found, [self.number(node) for node in arguments]), arguments, _NUMBER)

    def _items(self, closing: str) -> list[_Node]:
        """Reads a list, from its opening bracket on."""
        self.index += 1
        items = []
        while self.tokens[self.index][0] != closing:
            items.append(self._expression(_OR))
            if self.tokens[self.index][0] != ",":
                break
            self.index += 1
        self._expect(closing)
        return items

    def truth(self, node: _Node, what: str) -> Run:
        """The closure of a node that has to be a condition."""
        if node.word is not None:
            self._refuse_word(node)
        if node.kinds != _TRUTH:
            value = one_line(node.name) + " alone" if node.name is not None else _NOUNS.get(node.kinds, "a value")
            self.fail(f"{what} is not a condition but {value}", node.at, "compare it with something, as in layers > 3")
        return node.run if node.name is None else evaluation.read_truth(node.name)

    def number(self, node: _Node) -> Run:
        """The closure of a node that has to be a number."""
        if node.word is not None:
            self._refuse_word(node)
        if node.kinds == _NUMBER:
            return node.run if node.name is None else evaluation.read_number(node.name)
        if node.name is None:
            self.fail(f"{_NOUNS[node.kinds]} stands where a number belongs", node.at)
        return self.fail(f"{one_line(node.name)} is not always a number: it is one of {self._listed(node)}", node.at)

    def _listed(self, node: _Node) -> str:
        from journaltune.space.misread import listed

        return listed(node.choices or ())

    def _comparison(self, signs: list[str], nodes: list[_Node]) -> _Node:
        runs = [constant(None)] * len(nodes)
        for i, sign in enumerate(signs):
            if sign in ("==", "!="):
                self._resolve(nodes, i, i + 1)
                runs[i], runs[i + 1] = _value(nodes[i]), _value(nodes[i + 1])
            else:
                runs[i], runs[i + 1] = self.number(nodes[i]), self.number(nodes[i + 1])
        table = evaluation.STRICT if _mixes(nodes) else evaluation.COMPARISONS
        return self._made(nodes[0].at, evaluation.comparison([table[sign] for sign in signs], runs), nodes, _TRUTH)

    def _membership(self, sign: str, left: _Node, is_chained: bool) -> _Node:
        start = self.tokens[self.index][2]
        self.index += 1
        if is_chained:
            self.fail(f"`{sign}` follows another comparison", start, "put round brackets around one of them")
        closing = {"(": ")", "[": "]"}.get(self.tokens[self.index][0])
        if closing is None:
            self.fail(f"`{sign}` takes a list", self.tokens[self.index][2], "write one such as (adam, sgd)")
        nodes = [left, *self._items(closing)]
        if len(nodes) == 1:
            self.fail("the list is empty", self.tokens[self.index - 1][2])
        if _LEVELS.get(self.tokens[self.index][0]) == _COMPARE:
            self.fail(f"`{sign}` precedes another comparison", start, "put round brackets around one of them")
        for i in range(1, len(nodes)):
            self._resolve(nodes, 0, i)
        items = nodes[1:]
        if all(node.is_constant for node in items) and not _mixes(nodes):
            run = evaluation.among(_value(nodes[0]), tuple([(node.choices or ())[0] for node in items]))
        else:
            run = evaluation.contained(_value(nodes[0]), [_value(node) for node in items])
        return self._made(left.at, run if sign == "in" else evaluation.opposite(run), nodes, _TRUTH)

    def _resolve(self, nodes: list[_Node], one: int, other: int) -> None:
        """Makes constants of words that are choices of the other side, and checks that both can be equal."""
        for here, there in ((one, other), (other, one)):
            word, choices = nodes[here].word, nodes[there].choices
            if word is not None:
                if nodes[there].name is None or choices is None or word not in choices:
                    self._refuse_word(nodes[here], nodes[there])
                nodes[here] = _constant(nodes[here].at, word)
        left, right = nodes[one], nodes[other]
        self._check_choice(left, right)
        self._check_choice(right, left)
        if not left.kinds & right.kinds or _are_apart(left, right):
            nouns = [one_line(node.name) if node.name is not None else _NOUNS.get(node.kinds, "that") for node in (left, right)]
            instead = _ABSENT if _NULL in (left.kinds, right.kinds) else _quoted(left, right) or _quoted(right, left)
            self.fail(f"{nouns[0]} is never equal to {nouns[1]}", right.at, instead)

    def _check_choice(self, node: _Node, value: _Node) -> None:
        if node.name is None or node.choices is None or not value.is_constant or value.choices is None:
            return
        if not any(same(value.choices[0], choice) for choice in node.choices):
            shown = one_line(literal_text(value.choices[0]), 40)
            self.fail(f"{shown} is not a choice of {one_line(node.name)}", value.at, f"it is one of {self._listed(node)}")


def _quoted(node: _Node, other: _Node) -> str:
    is_choice = node.name is not None and other.name is not None and node.name in (other.choices or ())
    return f'to mean the choice, write {literal_text(node.name + " ")[:-2]}"' if is_choice and node.name else ""


def _are_apart(left: _Node, right: _Node) -> bool:
    """Whether both are parameters with choices, and none in common."""
    if left.name is None or right.name is None or left.choices is None or right.choices is None:
        return False
    return {(type(each) is bool, each) for each in left.choices}.isdisjoint((type(each) is bool, each) for each in right.choices)


def _mixes(nodes: list[_Node]) -> bool:
    """Whether a number may meet true or false, to which Python's 1 and 0 are equal."""
    kinds = 0
    for node in nodes:
        kinds |= node.kinds
    return kinds & (_NUMBER | _TRUTH) == _NUMBER | _TRUTH


def _value(node: _Node) -> Run:
    """The closure of an operand of ``==``, ``!=`` and `in`."""
    return evaluation.definite(node.run) if node.kinds == _TRUTH and node.name is None and not node.is_constant else node.run
