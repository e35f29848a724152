"""What a file says of a study, whichever tool it was written for; and the reading of our own files."""

from __future__ import annotations

from journaltune.base.errors import SpaceError, one_line
from journaltune.base.frozen import Frozen
from journaltune.base.words import near
from journaltune.space.distributions import shown_value
from journaltune.space.mappings import BareWord
from journaltune.space.space import Space, space_from_params

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

_OF_THE_SPACE = ("params", "require", "start")


class StudyFile(Frozen):
    """A file that was read. Nothing of it is lost: what is not among the other fields stands in ``notes`` or ``refused``.

    ``params``: specs by name, as texts, lists or mappings. ``require``: expressions. ``settings``: by the names of
    ``study.settings``, and ``directions`` and ``objectives``. ``start``: parameters that are to be asked first. ``rest``: the
    other keys of a file of ours, as they are there. ``notes``: what says nothing of the search, and was not taken. ``refused``:
    what says something of the search that can't be kept.
    """

    params: Mapping[str, Any]
    require: tuple[str, ...] = ()
    settings: Mapping[str, Any] = {}
    start: tuple[Mapping[str, Any], ...] = ()
    rest: Mapping[str, Any] = {}
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def space(self) -> Space:
        """The search space. SpaceError for a parameter or an expression that the grammar refuses."""
        return space_from_params(self.params, self.require)


def read_own(data: Mapping[str, Any]) -> StudyFile:
    """A file of ours. SpaceError for a part that is of the wrong type; ``rest`` is for who knows the settings of a study."""
    params = data.get("params")
    if not isinstance(params, dict):
        raise no_parameters(data)
    rest = {key: value for key, value in data.items() if key not in _OF_THE_SPACE}
    return StudyFile(params, tuple(_expressions(data.get("require", []))), {}, tuple(_start(data.get("start", []))), rest)


def no_parameters(data: Mapping[str, Any]) -> SpaceError:
    """For a file without ``params``: the key that was meant for it, if there is one."""
    if "params" not in data:
        for key in data:
            if near(str(key), _OF_THE_SPACE) == "params":
                return SpaceError(f"{one_line(str(key))} is not a part of a space file; did you mean params?")
    if data and "params" not in data and not data.keys() & {"require", "start"}:
        return SpaceError(f"{one_line(str(next(iter(data))))} is not a part of a space file; put parameters below params")
    return SpaceError("it has no parameters by name; write params, and below it lines such as lr: log(1e-5, 1e-1)")


def refuse_unknown(rest: Collection[str], known: Sequence[str]) -> None:
    """SpaceError for the first key that is none of a study's, with the nearest that is."""
    for key in rest:
        if key not in known:
            word = near(key, (*_OF_THE_SPACE, *known))
            hint = f"did you mean {word}?" if word else "put parameters below params"
            raise SpaceError(f"{one_line(key)} is not a part of a space file; {hint}")


def refuse_slips(rest: Collection[str]) -> None:
    """SpaceError for a key that was probably meant to be ``require``: for who reads the space alone."""
    for key in rest:
        if near(key, _OF_THE_SPACE) is not None:
            refuse_unknown([key], ())


def wrong_type(what: str, value: object, instead: str) -> SpaceError:
    text = f"the text {shown_value(str(value))}" if isinstance(value, str) else shown_value(value)
    return SpaceError(f"{one_line(what)} is {text}; write {instead}")


def plain(value: Any) -> Any:
    """A value of a file without what YAML's reader knows of its spelling."""
    if isinstance(value, BareWord):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return list(map(plain, value)) if isinstance(value, list) else value


def _expressions(given: object) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list):
        raise wrong_type("require", given, "a list of expressions, such as [layers * width <= 4096]")
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise wrong_type("require", text, "an expression as text, such as layers * width <= 4096")
    return list(map(str, texts))


def _start(given: object) -> list[dict[str, Any]]:
    if not isinstance(given, list):
        raise wrong_type("start", given, "a list of parameters, such as [{lr: 0.1, opt: adam}]")
    for params in given:
        if not isinstance(params, dict):
            raise wrong_type("start", params, "parameters by name, such as {lr: 0.1, opt: adam}")
    return [plain(params) for params in given]
