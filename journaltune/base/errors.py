"""Every error that journaltune raises, each with the exit code of the command line."""


def one_line(text: str, limit: int = 80) -> str:
    """For messages: ``text`` on one line of bounded length."""
    line = text[: limit + 1]
    if not line.isprintable():
        line = ascii(line)[1:-1]
    return line if len(line) <= limit else line[:limit] + "..."


class JournaltuneError(Exception):
    """Base of all errors of this package.

    The command line exits with ``exit_code``. The message is one line: what is wrong, with which thing, and the next step.
    The constructor's arguments stay in ``args``, so every error pickles.
    """

    exit_code = 2


class UsageError(JournaltuneError):
    """The call is wrong: an option, a number, a value. Nothing was written."""


class SpaceError(UsageError):
    """A search space, or a parameter value for it, is wrong. Nothing was written."""


class SpecError(SpaceError):
    """The spec of parameter ``name`` is wrong, and what was probably meant is known: ``meant`` is the spec to write."""

    def __init__(self, what: str, name: str, meant: str) -> None:
        super().__init__(what, name, meant)
        self.what = what
        self.name = name
        self.meant = meant

    def __str__(self) -> str:
        return f"{self.what}; write {self.name}: {self.meant}"


class NotFoundError(JournaltuneError, KeyError):
    """There is no such journal, study or trial."""

    exit_code = 3

    def __str__(self) -> str:
        """The message; a KeyError would show it quoted."""
        return str(self.args[0])


class ConflictError(JournaltuneError):
    """The study exists already, or the trial is finished with another result, or was taken away from its owner."""

    exit_code = 4


class LockTimeoutError(JournaltuneError):
    """The lock did not become free in time. ``holder_pids`` are the processes that held it, as far as the kernel tells."""

    exit_code = 5

    def __init__(self, message: str, holder_pids: tuple[int, ...] = ()) -> None:
        super().__init__(message, holder_pids)
        self.holder_pids = holder_pids

    def __str__(self) -> str:
        return str(self.args[0])


class WaitTimeoutError(LockTimeoutError):
    """The result that an ask waits for did not come in time."""


class JournalDamagedError(JournaltuneError):
    """The journal holds bytes that no reader can apply. ``offset`` is the first such byte, ``way_out`` says what mends it."""

    exit_code = 6

    def __init__(self, path: str, offset: int, what: str, way_out: str = "") -> None:
        super().__init__(path, offset, what, way_out)
        self.path = path
        self.offset = offset
        self.what = what
        self.way_out = way_out or f"`journaltune repair -f {path}` mends it"

    def __str__(self) -> str:
        return f"{self.path} is damaged at byte {self.offset}: {self.what}; {self.way_out}"


class MachineError(JournaltuneError):
    """The machine refused: disk full, read-only, permission, network file system, or a failing disk."""

    exit_code = 7


class InDoubtError(MachineError):
    """The machine refused, but the records may be in the journal all the same. Repeat the call to make sure."""


class ExhaustedError(JournaltuneError):
    """Nothing is left to ask: the space is exhausted, or the study has reached its budget of trials."""

    exit_code = 11


class InfeasibleError(ExhaustedError):
    """No configuration was found that keeps to the conditions and constraints of the space."""
