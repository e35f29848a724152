"""Situations of a journal's files and folders, each with one call. A situation says what is wrong with what came of it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

from journaltune.base.errors import JournaltuneError, MachineError
from journaltune.engine.ask import ask
from journaltune.engine.enqueue import enqueue
from journaltune.engine.report import report
from journaltune.engine.tell import tell
from journaltune.journal import records, snapshot, stock_lock
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep.repair import repair
from journaltune.study import open_study
from journaltune.study.best import best_trials
from journaltune.study.trials import trials
from torture import journals, views
from torture.calls import call, complaint, obey_modes
from torture.plants import PLANTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from journaltune.study import OpenStudy

    # By name: puts a journal into the situation, calls, and answers what is wrong.
    Situations = dict[str, Callable[[Path], str]]

_GRACE_S = 0.05  # in place of the 30 s after which a lock of Optuna's that did not change hands is one of the dead
_TORN = b'{"op_code":8,"worker_id":"k'
_READS: tuple[tuple[str, ...], ...] = (("status",), ("trials",), ("best",), ("studies",))
_WRITES: tuple[tuple[str, ...], ...] = (
    ("ask", "-n", "2"),  # a claim, and a new trial
    ("tell", "2", "0.5"),
    ("enqueue", "--params", "{}"),
    ("report", "2", "1", "0.5"),
    ("delete", journals.NAME),
    ("create", "--study", journals.NAME, "--exist-ok", "--param", "new: float(0, 1)"),
)
_NEW = ("create", "--study", "new", "--param", "x: float(0, 1)")


def situations() -> Situations:
    return under_an_open_study() | read_only() | planted() | clocks()


def under_an_open_study() -> Situations:
    uses: dict[str, Callable[[OpenStudy], Any]] = {
        "ask": ask,
        "tell": lambda study: tell(study, 2, 0.5),
        "report": lambda study: report(study, 2, 1, 0.5),
        "enqueue": lambda study: enqueue(study, {"x": 0.5}),
        "trials": trials,
        "best": best_trials,
    }
    changes: dict[str, Callable[[Path], object]] = {
        "moved": lambda path: path.rename(path.with_name("moved")),
        "deleted": lambda path: path.unlink(),
        "cut to nothing": lambda path: os.truncate(path, 0),
        "cut in a line": lambda path: os.truncate(path, 1500),
        "replaced": _replaced,
        "emptied": lambda path: _in_place(path, lambda path: path.touch()),
        "its folder moved": lambda path: path.parent.rename(path.parent.with_name("moved")),
    }
    changes |= {f"now {kind}": partial(_in_place, plant=plant) for kind, plant in PLANTS.items() if kind != "a file"}
    return {
        f"{use} of an open study whose journal was {change}": partial(_use_changed, change=changes[change], use=uses[use])
        for change in changes
        for use in uses
    }


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    journals.make(other, 77)
    other.rename(path)


def _in_place(path: Path, plant: Callable[[Path], object]) -> None:
    path.unlink()
    plant(path)


def _use_changed(path: Path, change: Callable[[Path], object], use: Callable[[OpenStudy], Any]) -> str:
    """The call is refused, and what stands there now is as it was put there; put back, the journal goes on."""
    study = open_study(path)
    whole = path.read_bytes()
    change(path)
    put = path.read_bytes() if path.is_file() else None
    try:
        use(study)
        return "the call went through"
    except JournaltuneError:
        pass
    if put is not None and path.read_bytes() != put:
        return "what was put in the journal's place was changed"
    _put_back(path, whole)
    number = ask(open_study(path)).number
    return "" if number == 4 else f"the journal that was put back goes on with trial {number}"


def _put_back(path: Path, whole: bytes) -> None:
    if not path.parent.exists():
        path.parent.mkdir()
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    elif os.path.lexists(path):
        path.unlink()
    path.write_bytes(whole)


def read_only() -> Situations:
    def modes(journal: int, folder: int, beside: int | None, torn: bool, codes: tuple[int, int]) -> Situations:
        name = f"journal {journal:o}, folder {folder:o}, beside {beside and oct(beside)[2:]}, {'torn' if torn else 'whole'}"
        act = partial(_with_modes, journal=journal, folder=folder, beside=beside, torn=torn)
        calls = [(arguments, codes[0]) for arguments in _READS] + [(arguments, codes[1]) for arguments in _WRITES]
        return {f"{arguments[0]}, {name}": partial(act, arguments=arguments, code=code) for arguments, code in calls}

    return {
        **modes(0o444, 0o755, None, False, (0, 7)),
        **modes(0o444, 0o555, None, True, (0, 7)),
        **modes(0o644, 0o555, None, False, (0, 0)),
        **modes(0o644, 0o555, None, True, (0, 7)),  # Optuna's lock can't be taken, and nothing is mended without it
        **modes(0o644, 0o755, 0o555, False, (0, 0)),
        **modes(0o644, 0o755, 0o555, True, (0, 0)),
        **modes(0o644, 0o755, 0o000, True, (0, 0)),
        **modes(0o000, 0o755, None, False, (7, 7)),
        **modes(0o200, 0o755, None, False, (7, 7)),
        **modes(0o644, 0o000, None, False, (7, 7)),
        "a new journal in a folder 555": _new_in_read_only,
    }


def _with_modes(
    path: Path, journal: int, folder: int, beside: int | None, torn: bool, arguments: tuple[str, ...], code: int
) -> str:
    """What is refused changes nothing; what is not does its work."""
    if torn:
        journals.append(path, _TORN)
    before = path.read_bytes(), sorted(path.parent.iterdir())
    if beside is not None:
        path.with_name("s.journal.d").mkdir(mode=beside)
    path.chmod(journal)
    if not obey_modes():
        return ""
    path.parent.chmod(folder)
    try:
        answer = call(*arguments, "-f", path)
        if answer.code == 0:
            journals.save_snapshot(path)
    finally:
        path.parent.chmod(0o755)
        path.chmod(0o644)
    refused, writes = answer.code == 7, arguments in _WRITES
    if answer.code != code or (refused and b"permission denied" not in answer.err):
        return f"exit code {answer.code} instead of {code}: {answer.err!r}"
    if refused and (path.read_bytes(), sorted(path.parent.iterdir())) != before:
        return "what was refused changed something"
    return complaint(answer) or ("nothing was written" if not refused and writes and path.read_bytes() == before[0] else "")


def _new_in_read_only(path: Path) -> str:
    path.unlink()
    if not obey_modes():
        return ""
    path.parent.chmod(0o555)
    answer = call(*_NEW, "-f", path)
    path.parent.chmod(0o755)
    wrong = answer.code != 7 or b"permission denied" not in answer.err or any(path.parent.iterdir())
    return complaint(answer) or (str(answer) if wrong else "")


def planted() -> Situations:
    places: dict[str, Callable[[Path], Path]] = {
        "the folder": lambda path: path.with_name("s.journal.d"),
        "the snapshot": lambda path: path.with_name("s.journal.d") / "snapshot",
        "the new snapshot": lambda path: path.with_name("s.journal.d") / f"snapshot.{os.getpid()}.tmp",
        "quarantine": lambda path: path.with_name("s.journal.d") / "quarantine",
        "a copy in quarantine": _copy_of_tail,
        "Optuna's lock": lambda path: path.with_name("s.journal.lock"),
    }
    calls: dict[str, Callable[[Path], Any]] = {
        "save a snapshot": journals.save_snapshot,
        "tell": _tell,
        "tell behind a torn line": _tell_behind_torn,
        "repair": _repair_torn,
    }
    beside: Situations = {
        f"{name}, {kind} in the place of {place}": partial(_call_beside, plant=PLANTS[kind], place=places[place], use=calls[name])
        for place in places
        for kind in PLANTS
        for name in calls
    }
    unreadable = ("a folder", "a FIFO", "a link in a loop", "a link to zeros", "a link to another folder")
    return beside | {
        f"{arguments[0]}, the journal being {kind}": partial(_call_on, plant=PLANTS[kind], arguments=arguments)
        for kind in unreadable
        for arguments in (_NEW, ("ask",), ("trials",), ("repair",))
    }


def _copy_of_tail(path: Path) -> Path:
    return path.with_name("s.journal.d") / "quarantine" / f"{path.stat().st_size}-{len(_TORN)}-{os.getpid()}"


def _tell(path: Path) -> None:
    with open_study(path) as study:
        tell(study, 2, 0.5)


def _tell_behind_torn(path: Path) -> None:
    journals.append(path, _TORN)
    _tell(path)


def _repair_torn(path: Path) -> None:
    journals.append(path, _TORN)
    repair(str(path))


def _call_beside(path: Path, plant: Callable[[Path], object], place: Callable[[Path], Path], use: Callable[[Path], Any]) -> str:
    """The call does its work, or refuses with exit code 7 what it can't do without that place; then the journal still reads."""
    stock_lock.GRACE_S = _GRACE_S
    before, at = views.ours(path), place(path)
    at.parent.mkdir(parents=True, exist_ok=True)
    plant(at)
    refused = False
    try:
        use(path)
    except MachineError:
        refused = True
    after = views.ours(path)
    if not refused and use in (_tell, _tell_behind_torn) and after == before:
        return "what was acknowledged is not there"
    if refused and after != before:
        return "refused, and done nevertheless"
    if os.path.lexists(snapshot.path_of(str(path))) and Journal(str(path)).state.n_trials != len(after[journals.NAME]) - 1:
        return "a wrong answer"
    return views.differs(path, after)


def _call_on(path: Path, plant: Callable[[Path], object], arguments: tuple[str, ...]) -> str:
    path.unlink()
    plant(path)
    answer = call(*arguments, "-f", path)
    if answer.code not in (3, 7):
        return f"exit code {answer.code}: {answer.out!r} {answer.err!r}"
    return complaint(answer)


def clocks() -> Situations:
    moments = {
        "backwards": [datetime(year, 3, 1, tzinfo=UTC) for year in (2030, 2026, 2010)],
        "before 1970": [datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC), datetime(1902, 1, 1, tzinfo=UTC)],
        "after 2038": [datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC), *(datetime(y, 2, 8, tzinfo=UTC) for y in (2106, 2500))],
        "standing still": [datetime(2026, 1, 1, tzinfo=UTC)],
    }
    return {f"a clock {name}": partial(_with_clock, moments=times) for name, times in moments.items()}


def _with_clock(path: Path, moments: list[datetime]) -> str:
    times = cycle(int(moment.timestamp()) * 1_000_000_000 for moment in moments)
    vars(records)["time_ns"] = lambda: next(times)  # each record's time is the next of the moments
    written = (("ask", "-n", "3"), ("tell", "5", "0.25"), ("tell", "6", "--state", "fail"), ("enqueue", "--params", "{}"))
    for arguments in (*written, *_READS, ("trials", "--format", "json")):
        answer = call(*arguments, "-f", path)
        if answer.code != 0 or complaint(answer):
            return f"{arguments}: {answer}"
    journals.save_snapshot(path)
    after = views.ours(path)
    if len(after[journals.NAME]) != 9:
        return f"{len(after[journals.NAME]) - 1} trials instead of 8"
    return views.differs(path, after)
