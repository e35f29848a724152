"""The command line, one command a file: its options, its call of one verb, what it prints.

A new command is a file here and a row in ``commands``; other rooms touch ``main`` and ``command`` alone. Only the command that is
called is imported, because a shell loop pays for imports at every trial.
"""

from __future__ import annotations

import gc
import os
import sys

from journaltune.base import SSH
from journaltune.base.errors import JournaltuneError
from journaltune.cli.values import require_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

_IN_A_LOOP = ("ask", "tell", "report")  # what a shell calls for each trial does without the list of commands
EXIT_MACHINE = 7
EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE


def command() -> NoReturn:
    """The program ``journaltune``: run ``main`` and exit. The system frees the heap faster than Python would."""
    gc.disable()  # one command makes too little garbage to look for cycles in it
    exit_code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # output that matters was flushed before, and its errors were reported
            continue
    if exit_code == EXIT_INTERRUPTED:
        _die_of_interrupt()
    os._exit(exit_code)


def _die_of_interrupt() -> None:
    """As CPython itself does: a shell ends its loop at Ctrl-C only if the command died of the signal."""
    from signal import SIG_DFL, SIGINT, signal

    signal(SIGINT, SIG_DFL)
    os.kill(os.getpid(), SIGINT)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. An error becomes one line on stderr, never an exception."""
    _occupy_standard_descriptors()
    return answered(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def answered(call: Callable[[], int]) -> int:
    """The exit code of a command, or of what it does in another process."""
    try:
        return call()
    except (Exception, KeyboardInterrupt) as error:
        from journaltune.cli.output import note

        line, exit_code = explain(error)
        if line:
            note(line)
        return exit_code


def _run(arguments: list[str]) -> int:
    for place, text in enumerate(arguments, 1):
        require_text(f"argument {place}", text)
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if name == "--caller-is" and len(rest) > 1:
        from journaltune.cli.remote import check_caller

        check_caller(rest[0])
        name, rest = rest[1], rest[2:]
    if name.startswith("-") or name == "help":
        from journaltune.cli.help import answer

        return answer(name, rest)
    return _run_command(name, rest)


def _run_command(name: str, arguments: list[str]) -> int:
    from journaltune.cli.options import parse

    module = _module_of(name)
    options = parse(module.COMMAND, arguments)
    if options["help"]:
        from journaltune.cli.help import command_help
        from journaltune.cli.output import write

        write(command_help(module.COMMAND))
        return 0
    journal = options["journal"] or os.environ.get("JOURNALTUNE_JOURNAL", "")
    if journal.startswith(SSH):
        from journaltune.cli.remote import forward, is_forwarded

        if is_forwarded(module.COMMAND):
            return forward(module.COMMAND, options, journal, arguments)
    exit_code: int = module.run(options)
    return exit_code


def _module_of(name: str) -> Any:
    if name in _IN_A_LOOP:
        return __import__(f"journaltune.cli.{name}", fromlist=("run",))
    from journaltune.cli.commands import load

    return load(name)


def _occupy_standard_descriptors() -> None:
    """Open each of the descriptors 0 to 2 that is closed (``>&-``): a journal with such a number would receive the output."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def explain(error: BaseException) -> tuple[str, int]:
    """The line for stderr ("" for none) and the exit code of the error that is being handled."""
    if os.environ.get("JOURNALTUNE_DEBUG", "0") not in ("", "0"):
        import traceback

        from journaltune.cli.output import say

        say(traceback.format_exc())
    if isinstance(error, JournaltuneError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "", EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return "", EXIT_BROKEN_PIPE
    if isinstance(error, FileNotFoundError) and error.filename is None:  # only getcwd names no file
        return "the current folder was deleted; change to one that exists, and call again", EXIT_MACHINE
    if isinstance(error, OSError):
        return f"the machine refused: {error}", EXIT_MACHINE
    if isinstance(error, MemoryError):
        return "the machine has no memory left; free some, and see with `journaltune status` what was done", EXIT_MACHINE
    where = "please report it with what JOURNALTUNE_DEBUG=1 shows"
    return f"this is a bug in journaltune: {type(error).__name__}: {error}; {where}", EXIT_BUG
