"""Templates: a file in which ``{name}`` stands for a parameter and ``{{`` and ``}}`` for braces."""

from __future__ import annotations

import re

from journaltune.base.errors import MachineError, UsageError
from journaltune.cli.shell import text_of
from journaltune.cli.values import did_you_mean, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

FIXED = ("trial", "seed", "attempt")
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}\n]*)\}|[{}]")


class Template:
    """A template whose placeholders are known to exist. ``names_trial`` tells whether ``{trial}`` is among them."""

    __slots__ = ("names_trial", "pieces")

    def __init__(self, text: str, path: str, params: Collection[str]) -> None:
        """UsageError, with the line, for a brace or a placeholder that means nothing."""
        self.pieces: list[tuple[str, str | None]] = []  # literal text, then a placeholder's name
        end = 0
        for token in _TOKEN.finditer(text):
            literal = text[end : token.start()]
            name: str | None = None
            if token[0] in ("{{", "}}"):
                literal += token[0][0]
            else:
                if problem := _problem(token, params):
                    line = text.count("\n", 0, token.start()) + 1
                    raise UsageError(f"{path}, line {line}: {problem}")
                name = token[1].strip()
            self.pieces.append((literal, name))
            end = token.end()
        self.pieces.append((text[end:], None))
        self.names_trial = any(name == "trial" for _, name in self.pieces)

    def fill(self, fixed: Mapping[str, object], params: Mapping[str, object]) -> str:
        """The text with values in place; a parameter that the trial doesn't have leaves nothing. ``fixed``: see ``FIXED``."""
        values = {**params, **fixed}
        return "".join(literal + ("" if name is None else text_of(values.get(name))) for literal, name in self.pieces)


def _problem(token: re.Match[str], params: Collection[str]) -> str | None:
    """The fault of a brace or a placeholder; None when it is right."""
    if token[1] is None:
        return f"a lone {token[0]}; write {token[0] * 2} for a brace"
    name = token[1].strip()
    if name in FIXED and name in params:
        return f"{{{name}}} could be the parameter or the trial's own {name}; rename the parameter"
    if name not in FIXED and name not in params:
        known = (*params, *FIXED)
        hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
        return f"{shown(name)} is not a parameter of the study{hint} (write {{{{ for a brace)"
    return None


def read(path: str) -> str:
    """The file's text. Bytes that are not UTF-8 and all line ends pass through ``fill`` unchanged."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except ValueError as error:  # it holds a NUL byte
        raise UsageError(f"{path!r} is not a file name: {error}") from None
    except FileNotFoundError:
        raise UsageError(f"there is no template {path!r}; --template names an existing file") from None
    except IsADirectoryError:
        raise UsageError(f"the template {path!r} is a folder; --template names a file") from None
    except OSError as error:
        raise MachineError(f"cannot read the template {path!r}: {error.strerror}") from error
