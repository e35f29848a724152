"""``journaltune plot``: one picture of a study."""

from __future__ import annotations

import os

from journaltune.base.errors import MachineError, UsageError
from journaltune.cli import output
from journaltune.cli.options import Argument, Command, Option, access, journal_path, opened
from journaltune.cli.values import one_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from journaltune.cli.options import Options
    from journaltune.plots.figures import Wanted
    from journaltune.plots.picture import Picture
    from journaltune.study import OpenStudy

KINDS = ("history", "importance", "parallel", "slice", "contour", "rank", "pareto", "timeline", "edf", "intermediate")
IN_TERMINAL = ("history", "importance", "slice", "timeline")
IMAGES, PAGES = ("png", "svg", "pdf"), ("html", "htm")
_SLOW_S = 1.0

COMMAND = Command(
    "plot",
    f"""Draws a study, by Optuna's own plots. The file's ending says how: {", ".join(IMAGES)} an image, html a page that opens
offline, where the pointer shows each trial. Without -o it is drawn in the terminal: {", ".join(IN_TERMINAL)}.

Parameters are those that are handed out, derived ones too; of a permutation it is the place of each item, of a simplex
each part. With replicates a configuration is shown by its mean, in history with the standard deviation. Trials that
violate a constraint are marked. Of a study with very many trials the best ones are shown, and of the others a part.

Needs the extra `plot`: pip install 'journaltune[plot]'.""",
    (
        Option("-o --output", "output", "FILE", "the file to write, replaced as a whole"),
        Option(
            "--param", "params", "NAME", "a parameter to show (default all; contour and rank: the important ones)", repeats=True
        ),
        Option("--objective", "objective", "NAME", "of several objectives, the one to show (default the first)"),
        Option("--with", "others", "STUDY|FILE", "another study in the same picture: history and edf", repeats=True),
    ),
    (Argument("KIND", "kind", one_of(*KINDS)),),
    examples="""journaltune plot history
journaltune plot importance -o importance.png
journaltune plot slice --param lr --param momentum -o slice.html
journaltune plot history --with baseline --with other.journal -o both.svg""",
    usage="KIND [-o FILE] [--param NAME]... [--objective NAME] [--with STUDY|FILE]...",
)


def run(options: Options) -> int:
    kind, path = options["kind"], options["output"]
    form = _form(kind, path)
    if path is None:
        output.require_open()
    with Slow(f"loading Optuna and {LIBRARY[form]}, and reading trials"):
        require_extra("plot", "optuna", LIBRARY[form])
        pictures, wanted = _pictures(options, SPELLINGS[form]())
        _note_thinned(pictures)
        if path is None:
            _print(kind, pictures, wanted)
        else:
            write_file(path, _DRAWERS[form](kind, pictures, wanted, path))
    return 0


def _form(kind: str, path: str | None) -> str:
    if path is None:
        if kind not in IN_TERMINAL:
            raise UsageError(f"plot: {kind} is too fine for a terminal; name a file, such as -o {kind}.png or -o {kind}.html")
        return "text"
    ending = os.path.splitext(path)[1][1:].lower()
    if ending not in IMAGES + PAGES:
        known = ", ".join(f".{each}" for each in (*IMAGES, "html"))
        raise UsageError(f"plot: -o {path}: the ending says what to write, and it is none of {known}")
    return "html" if ending in PAGES else "image"


LIBRARY = {"text": "plotext", "image": "matplotlib", "html": "plotly"}


def require_extra(extra: str, *libraries: str) -> None:
    """UsageError that names the extra, unless the libraries can be imported."""
    for library in libraries:
        try:
            __import__(library)
        except ImportError:
            raise UsageError(f"{library} is not installed; `pip install 'journaltune[{extra}]'` brings it") from None


def _pictures(options: Options, spell: Callable[[str], str]) -> tuple[list[Picture], Wanted]:
    from journaltune.plots.figures import Wanted, n_needed
    from journaltune.plots.picture import picture

    most = n_needed(options["kind"])
    with opened(options) as study:
        names = [name or f"objective {place}" for place, name in enumerate(study.objective_names)]
        chosen = options["objective"]
        if chosen is not None and chosen not in names:
            raise UsageError(f"plot: there is no objective {chosen!r}; the study has {', '.join(names)}")
        place = 0 if chosen is None else names.index(chosen)
        pictures = [picture(study, spell, None, most)]
    for other, title in _others(options):
        with other:
            if len(other.directions) <= place:
                raise UsageError(f"plot: study {other.name!r} has no objective {place}")
            pictures.append(picture(other, spell, title, most))
    return pictures, Wanted(tuple(map(spell, options["params"])), place)


def _others(options: Options) -> Iterator[tuple[OpenStudy, str]]:
    """Each other study, and what to call it: a file's only study, or a study of the same journal."""
    from journaltune.study import open_study

    for name in options["others"]:
        if os.path.isfile(name):
            study = open_study(name, None, **access(options))
            yield study, f"{study.name} ({os.path.basename(name)})"
        else:
            yield open_study(journal_path(options), name, **access(options)), name


def _note_thinned(pictures: list[Picture]) -> None:
    for each in pictures:
        if len(each.trials) < each.sample.n_trials:
            output.note(f"plot: at most {len(each.trials):,} of {each.sample.n_trials:,} trials are shown, the best among them")


def _html_spelling() -> Callable[[str], str]:
    from html import escape

    return lambda text: escape(text, quote=False)


SPELLINGS: dict[str, Callable[[], Callable[[str], str]]] = {
    "text": lambda: output.visible,
    "image": lambda: lambda text: output.visible(text).replace("$", r"\$"),  # else matplotlib reads it as mathematics
    "html": _html_spelling,
}


def _print(kind: str, pictures: list[Picture], wanted: Wanted) -> None:
    import shutil

    from journaltune.plots.terminal import drawn

    size = shutil.get_terminal_size((100, 30))
    output.write(drawn(kind, pictures, wanted, size.columns, min(size.lines - 1, 30)))


def _image(kind: str, pictures: list[Picture], wanted: Wanted, path: str) -> bytes:
    import io
    from warnings import catch_warnings

    from journaltune.plots.figures import image

    file = io.BytesIO()
    with catch_warnings(record=True) as warnings:
        image(kind, pictures, wanted).savefig(file, format=path.rpartition(".")[2].lower(), dpi=120, bbox_inches="tight")
    if any("missing from font" in str(each.message) for each in warnings):
        output.note(f"plot: no installed font has all letters of the names; -o {kind}.html shows them by the browser's fonts")
    return file.getvalue()


def _html(kind: str, pictures: list[Picture], wanted: Wanted, path: str) -> bytes:
    from journaltune.plots.figures import interactive
    from journaltune.plots.page import page_of_figure

    return page_of_figure(kind, interactive(kind, pictures, wanted), pictures[0].name).encode()


_DRAWERS = {"image": _image, "html": _html}


def write_file(path: str, content: bytes) -> None:
    """Replace a file as a whole: nobody reads half of it. MachineError where the machine refuses."""
    temporary = f"{path}.{os.getpid()}.new"
    try:
        with open(temporary, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        try:
            os.unlink(temporary)
        except (OSError, ValueError):
            pass
        raise MachineError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error


class Slow:
    """Says on stderr what a command is at, if that takes more than a second."""

    def __init__(self, what: str) -> None:
        from threading import Timer

        self._timer = Timer(_SLOW_S, output.note, (f"{what} ...",))
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
