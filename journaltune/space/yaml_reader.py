"""YAML as plain data. Tags, aliases and duplicate keys are refused: a space does not need them."""

from __future__ import annotations

import yaml  # type: ignore[import-untyped, unused-ignore]

from journaltune.base.errors import SpaceError
from journaltune.space.literals import one_line, word_value
from journaltune.space.mappings import BareWord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_PREFIX = "tag:yaml.org,2002:"
_MAX_DEPTH = 20


def read_yaml(text: str) -> Any:
    """Mappings, lists and scalars. A plain scalar means the same as in a spec: ``1e-5`` is a number, ``on`` a BareWord.

    Raises ValueError when the text is not YAML, SpaceError for what is refused.
    """
    try:
        _check(text)
        # BaseLoader builds nodes only and resolves no tags: nothing that the text names is ever constructed.
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, OverflowError) as error:
        raise ValueError(str(error)) from None
    return None if root is None else _plain(root)


def _check(text: str) -> None:
    """Refuses aliases, which can multiply without end, and deep nesting, for which PyYAML takes the square of the time."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        if isinstance(event, yaml.AliasEvent):
            _refuse(event, "an alias (*) is used; write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            _refuse(event, "it is nested too deeply; flatten it")


def _plain(node: Any) -> Any:
    if node.tag not in (f"{_PREFIX}str", f"{_PREFIX}seq", f"{_PREFIX}map"):
        _refuse(node, f"the tag {one_line(node.tag)} is used; leave it out")
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.style else _scalar(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return _mapping(node)


def _scalar(word: str) -> Any:
    try:
        value = word_value(word)
    except ValueError:
        return BareWord(word)
    return BareWord(value) if isinstance(value, str) else value


def _mapping(node: Any) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            _refuse(key, "a key is not text; quote it")
        if key.value in mapping:
            _refuse(key, f"{one_line(key.value)} is there twice; leave one out")
        mapping[key.value] = _plain(value)
    return mapping


def _refuse(node: Any, what: str) -> NoReturn:
    raise SpaceError(f"line {node.start_mark.line + 1}: {what}")
