"""``journaltune space``: what a file says of a study, in our grammar."""

from __future__ import annotations

from journaltune.base.errors import SpaceError
from journaltune.cli import output
from journaltune.cli.options import Argument, Command, Option
from journaltune.cli.values import one_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Options
    from journaltune.space import Space
    from journaltune.space.study_file import StudyFile

COMMAND = Command(
    "space",
    """Prints what is understood of a file that `create --space` takes: each parameter as 'NAME: SPEC', what is required, the
settings, the configurations to ask first, and how many points the space has, if it is finite.
stderr gets what is not taken, and each thing that is refused; then it exits 2, as `create` would. Nothing is written.

Read are YAML, TOML and JSON of our own, of Weights & Biases, Hydra's Optuna sweeper, NNI, Optuna and ConfigSpace, told by
their content, and .pcs files of SMAC.""",
    (Option("--format", "format", "text|json", "how to print it (default text)", one_of("text", "json"), "text"),),
    (Argument("FILE", "file", plain),),
    examples="""journaltune space sweep.yaml
journaltune space params.pcs
journaltune space search_space.json --format json""",
)


def run(options: Options) -> int:
    from warnings import catch_warnings, simplefilter

    from journaltune.space.files import read
    from journaltune.study.study_file import described

    output.require_open()
    path, refused = options["file"], list[str]()
    file = read(path)
    space: Space | None = None
    with catch_warnings(record=True) as warnings:
        simplefilter("always")
        try:
            file = described(path, file)
        except SpaceError as error:
            refused.append(str(error).removeprefix(f"{path}: "))
        try:
            space = file.space()
        except SpaceError as error:
            refused.append(str(error))
    shown = _shown(file, space)
    output.write(output.json_line(shown) + "\n" if options["format"] == "json" else _text(shown))
    for line in (*file.notes, *(str(warning.message) for warning in warnings)):
        output.note(f"space: {line}")
    for line in (*file.refused, *refused):
        output.note(f"space: refused: {line}")
    return 2 if file.refused or refused else 0


def _shown(file: StudyFile, space: Space | None) -> dict[str, Any]:
    """What the file says, as a study file has it; specs as the study would keep them, where the space can be made."""
    params: dict[str, Any] = {name: spec for name, spec in file.params.items() if isinstance(spec, str)}
    if space is not None:
        params = space.to_config()["params"]
    settings = dict(file.settings)
    ways, names = settings.pop("directions", ()), settings.pop("objectives", None)
    goals: dict[str, list[Any]] = {}
    for way, name in zip(ways, names or [None] * len(ways), strict=True):
        goals.setdefault(way, []).append(True if name is None else name)
    shown: dict[str, Any] = {"params": params, "require": list(file.require)}
    shown |= {way: listed[0] if len(listed) == 1 else listed for way, listed in goals.items()} | settings
    return {**shown, "start": list(file.start)} | ({"points": space.n_points()} if space is not None else {})


def _text(shown: dict[str, Any]) -> str:
    """Each parameter on a line."""
    lines = [f"{name}: {spec}" for name, spec in shown["params"].items()]
    lines += [f"require: {text}" for text in shown["require"]]
    for key, value in shown.items():
        if key not in ("params", "require", "start", "points"):
            lines.append(f"{key}: {value if isinstance(value, str) else output.json_line(value)}")
    lines += [f"start: {output.json_line(params)}" for params in shown["start"]]
    if "points" in shown:
        lines.append(f"points: {'not finite, or too many to count' if shown['points'] is None else shown['points']}")
    return "".join(f"{output.visible(line)}\n" for line in lines)
