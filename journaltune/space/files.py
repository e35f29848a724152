"""Space files: YAML, TOML and JSON. Nothing in a file is run or expanded."""

from __future__ import annotations

from journaltune.base.errors import SpaceError
from journaltune.base.words import near
from journaltune.space.literals import one_line
from journaltune.space.space import Space, space_from_params

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

# PyYAML reads about 40,000 bytes a second. A space of a thousand parameters has half of this size.
MAX_FILE_BYTES = 100_000
_OF_A_STUDY = (
    *("minimize", "maximize", "directions", "sampler", "sampler_options", "pruner", "seed", "trials", "start", "command"),
    *("failures", "duplicates", "replicates", "lag", "attempts"),
)


def load(path: str) -> Space:
    """See `journaltune.space.load_space_file`."""
    try:
        return space_from_params(_declared(_parse(str(path), _read(path))))
    except SpaceError as error:
        raise SpaceError(f"{one_line(str(path), 4096)}: {error}") from None


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SpaceError(f"can't be read: {what}; name a YAML, TOML or JSON file") from None
    if len(content) > MAX_FILE_BYTES:
        raise SpaceError(f"it has more than {MAX_FILE_BYTES} bytes; shorten it")
    return text


def _parse(path: str, text: str) -> Any:
    ending = path.lower().rpartition(".")[2]
    parsers = {"yaml": _parse_yaml, "yml": _parse_yaml, "toml": _parse_toml, "json": _parse_json}
    if ending == "pcs":
        raise SpaceError(
            "a .pcs file (ConfigSpace, SMAC, irace) is not read yet; write its parameters below params in a YAML file"
        )
    if ending not in parsers:
        raise SpaceError("its ending is not .yaml, .yml, .toml or .json; rename it")
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

    # tomllib takes the square of the time for a dotted key: minutes within the size that a file may have.
    if any(line.count(".") > 1000 for line in text.splitlines()):
        raise SpaceError("a line has more than 1000 dots; split it, or write the file as JSON")
    return tomllib.loads(text)


def _parse_yaml(text: str) -> Any:
    try:
        from journaltune.space.yaml_reader import read_yaml
    except ImportError:
        raise SpaceError("YAML needs PyYAML; install journaltune[yaml], or write the file as TOML or JSON") from None
    return read_yaml(text)


def _declared(data: Any) -> dict[str, Any]:
    """The parameters of a space file, ours or Optuna's, by name."""
    if not isinstance(data, dict):
        _fail()
    optunas = list(map(_is_optuna, data.values()))
    if data and (all(optunas) or (any(optunas) and "params" not in data)):  # a wrong one among them is named by its parameter
        return data
    from journaltune.space.foreign import is_foreign

    foreign = is_foreign(data)
    if foreign is not None:
        raise SpaceError(foreign)
    for key in data:
        if key not in ("params", "require"):
            _refuse_key(str(key))
    if data.get("require"):
        raise SpaceError("require is not supported yet; leave it out")
    params = data.get("params")
    return params if isinstance(params, dict) else _fail()


def _refuse_key(key: str) -> NoReturn:
    if key in _OF_A_STUDY:
        raise SpaceError(f"{key} is not read from a file yet; leave it out, and give it to create")
    word = near(key, ("params", "require", *_OF_A_STUDY))
    hint = f"did you mean {word}?" if word else "put parameters below params"
    raise SpaceError(f"{one_line(key)} is not a part of a space file; {hint}")


def _is_optuna(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"name", "attributes"} and isinstance(value["attributes"], dict)


def _fail() -> NoReturn:
    raise SpaceError("it has no parameters by name; write params, and below it lines such as lr: log(1e-5, 1e-1)")
