"""Files that say what a study is to search: YAML, TOML, JSON and .pcs. Nothing in a file is run or expanded."""

from __future__ import annotations

from journaltune.base.errors import SpaceError, one_line
from journaltune.space.study_file import StudyFile, no_parameters, read_own, refuse_slips

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from journaltune.space.space import Space

    T = TypeVar("T")

MAX_FILE_BYTES = 1_000_000
# Python's TOML reader takes the square of the time for some inputs, and PyYAML without libyaml reads 40,000 bytes a second.
_MAX_BYTES_OF_A_SLOW_READER = 100_000


def load(path: str) -> Space:
    """See `journaltune.space.load_space_file`."""
    file = read(path)
    with_path(path, lambda: refuse_slips(file.rest))
    return with_path(path, lambda: whole(file).space())


def read(path: str) -> StudyFile:
    """What a file says, whichever tool it was written for: its content tells. SpaceError, one line, where it can't be read.

    What can't be kept is in ``refused``: see ``whole``.
    """
    return with_path(path, lambda: _read(str(path)))


def with_path(path: str, call: Callable[[], T]) -> T:
    """What ``call`` returns. A SpaceError of its begins with the path."""
    try:
        return call()
    except SpaceError as error:
        raise SpaceError(f"{one_line(str(path), 4096)}: {error}") from None


def whole(file: StudyFile) -> StudyFile:
    """The file, of which nothing is refused. SpaceError otherwise."""
    if not file.refused:
        return file
    more = len(file.refused) - 1
    rest = f" ({more} more: `journaltune space FILE` lists what is refused)" if more else ""
    raise SpaceError(f"{file.refused[0]}{rest}")


def _read(path: str) -> StudyFile:
    text, ending = _text_of(path), path.lower().rpartition(".")[2]
    if ending == "pcs":
        from journaltune.space.pcs import read_pcs

        return read_pcs(text)
    data = _parse(ending, text)
    if not isinstance(data, dict):
        raise no_parameters({})
    return _of_content(data, text)


def _of_content(data: Mapping[str, Any], text: str) -> StudyFile:
    optunas = list(map(_is_optuna, data.values()))
    if data and (all(optunas) or (any(optunas) and "params" not in data)):  # a wrong one among them is named by its parameter
        return StudyFile(data)
    if isinstance(data.get("hyperparameters"), list):
        from journaltune.space.configspace import read_json

        return read_json(data)
    from journaltune.space.foreign import reader_of

    reader = reader_of(data)
    return read_own(data) if reader is None else reader(data)


def _text_of(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SpaceError(f"can't be read: {what}; name a YAML, TOML or JSON file") from None
    _check_size(len(content), MAX_FILE_BYTES)
    return text


def _check_size(n_bytes: int, most: int) -> None:
    if n_bytes > most:
        raise SpaceError(f"it has more than {most} bytes; shorten it")


def _parse(ending: str, text: str) -> Any:
    parsers = {"yaml": _parse_yaml, "yml": _parse_yaml, "toml": _parse_toml, "json": _parse_json}
    if ending not in parsers:
        raise SpaceError("its ending is not .yaml, .yml, .toml, .json or .pcs; rename it")
    try:
        return parsers[ending](text)
    except RecursionError:
        raise SpaceError("it is nested too deeply; flatten it") from None
    except ValueError as error:
        raise SpaceError(f"it is not {ending.upper()}: {one_line(' '.join(str(error).split()), 200)}; mend it") from None


def _parse_json(text: str) -> Any:
    import json

    return json.loads(text, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for key, value in pairs:
        if key in named:
            raise SpaceError(f"{one_line(key)} is there twice; leave one out")
        named[key] = value
    return named


def _parse_toml(text: str) -> Any:
    import tomllib

    _check_size(len(text), _MAX_BYTES_OF_A_SLOW_READER)
    # tomllib takes the square of the time for a dotted key: minutes within the size that a file may have.
    if any(line.count(".") > 1000 for line in text.splitlines()):
        raise SpaceError("a line has more than 1000 dots; split it, or write the file as JSON")
    return tomllib.loads(text)


def _parse_yaml(text: str) -> Any:
    try:
        from journaltune.space.yaml_reader import IS_FAST, read_yaml
    except ImportError:
        raise SpaceError("YAML needs PyYAML; install journaltune[yaml], or write the file as TOML or JSON") from None
    if not IS_FAST:
        _check_size(len(text), _MAX_BYTES_OF_A_SLOW_READER)
    return read_yaml(text)


def _is_optuna(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"name", "attributes"} and isinstance(value["attributes"], dict)
