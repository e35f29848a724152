"""YAML as plain data. Tags, aliases and duplicate keys are refused: a space does not need them."""

from __future__ import annotations

import yaml  # type: ignore[import-untyped, unused-ignore]

from journaltune.base.errors import SpaceError, one_line
from journaltune.space.grammar import word_value
from journaltune.space.mappings import BareWord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

# Parsers only: no tag is resolved, so nothing that a text names is ever constructed. libyaml's is 20 times as fast.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
IS_FAST = _LOADER is not yaml.BaseLoader
_PREFIX = "tag:yaml.org,2002:"
_TAGS = {None, "!", f"{_PREFIX}seq", f"{_PREFIX}map"}
# Tags of scalars that say no more than how to read them; W&B's manual has people write !!float 1e-5.
_CASTS = {f"{_PREFIX}str": str, f"{_PREFIX}int": int, f"{_PREFIX}float": float}
_MAX_DEPTH = 20
_TOO_DEEP = "it is nested too deeply; flatten it"


def read_yaml(text: str) -> Any:
    """Mappings, lists and scalars. A plain scalar means the same as in a spec: ``1e-5`` is a number, ``on`` a BareWord.

    Raises ValueError when the text is not YAML, SpaceError for what is refused.
    """
    try:
        events = yaml.parse(text, Loader=_LOADER)
        value = _document(events)
        if any(isinstance(event, yaml.DocumentStartEvent) for event in events):
            raise ValueError("there is more than one document")
    except (yaml.YAMLError, OverflowError) as error:
        if "nesting depth" in str(error):  # libyaml has a limit of its own, and reads ahead
            raise SpaceError(_TOO_DEEP) from None
        raise ValueError(str(error)) from None
    return value


def _document(events: Iterator[Any]) -> Any:
    """The value of the first document; None when there is none."""
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            value = _value(next(events), events, 0)
            next(events)
            return value
    return None


def _value(event: Any, events: Iterator[Any], depth: int) -> Any:
    """The value that begins with this event. The parser takes the square of the time for deep nesting, so depth is limited."""
    if isinstance(event, yaml.AliasEvent):
        _refuse(event, "an alias (*) is used; write the value out")  # they can multiply without end
    if event.tag in _CASTS and isinstance(event, yaml.ScalarEvent):
        return _cast(event)
    if event.tag not in _TAGS:
        _refuse(event, f"the tag {one_line(event.tag)} is used; leave it out")
    if isinstance(event, yaml.ScalarEvent):
        return event.value if event.style else _scalar(event.value)
    if depth == _MAX_DEPTH:
        _refuse(event, _TOO_DEEP)
    return (_items if isinstance(event, yaml.SequenceStartEvent) else _mapping)(events, depth + 1)


def _cast(event: Any) -> Any:
    try:
        return _CASTS[event.tag](event.value)
    except ValueError:
        return _refuse(event, f"{one_line(event.value)} is not what its tag says; leave the tag out")


def _scalar(word: str) -> Any:
    try:
        value = word_value(word)
    except ValueError:
        return BareWord(word)
    return BareWord(value) if isinstance(value, str) else value


def _items(events: Iterator[Any], depth: int) -> list[Any]:
    items = []
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            break
        items.append(_value(event, events, depth))
    return items


def _mapping(events: Iterator[Any], depth: int) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        if isinstance(event, yaml.AliasEvent):
            _refuse(event, "an alias (*) is used; write the value out")
        if not isinstance(event, yaml.ScalarEvent):
            _refuse(event, "a key is not text; quote it")
        if event.value in mapping:
            _refuse(event, f"{one_line(event.value)} is there twice; leave one out")
        mapping[event.value] = _value(next(events), events, depth)
    return mapping


def _refuse(event: Any, what: str) -> NoReturn:
    raise SpaceError(f"line {event.start_mark.line + 1}: {what}")
