"""Journals moved, replaced, cut and deleted under an open study; read-only places; planted links, FIFOs and folders; odd clocks

Each run is one situation and one call, in a child of little time. A call answers, or says what is wrong with an exit code of
the contract; what it acknowledged is there; and nothing outside the journal's folder is made, changed or waited for.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from journaltune.base.errors import JournaltuneError, MachineError
from journaltune.engine.ask import ask
from journaltune.engine.enqueue import enqueue
from journaltune.engine.report import report
from journaltune.engine.tell import tell
from journaltune.journal import records, snapshot, stock_lock
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep.repair import repair
from journaltune.study.best import best_trials
from journaltune.study.open_study import open_study
from journaltune.study.trials import trials
from tortures import journals, views
from tortures.calls import call, complaint, digest, obey_modes
from tortures.machinery import Child, evenly, keep, spread
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from journaltune.study.open_study import OpenStudy

TARGET = 450
LIMIT_S = 5.0
_GRACE_S = 0.05  # in place of the 30 s after which a lock of Optuna's that did not change hands is one of the dead
_TORN = b'{"op_code":8,"worker_id":"k'


def run(n: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    situations = [*_under_an_open_study(), *_read_only(), *_planted(), *_clocks()]
    chosen = evenly(situations, n)
    say(f"{len(situations)} situations")

    def work(share: range, own: Path) -> Tally:
        return sum((_run(chosen[index], index, seed, own) for index in share), Tally())

    return spread(n, work, folder)


@dataclass(frozen=True)
class _Situation:
    """``act(path)`` puts the journal into it, calls, and answers what is wrong with what came of it."""

    name: str
    act: Callable[[Path], str]


def _run(situation: _Situation, index: int, seed: int, folder: Path) -> Tally:
    own, outside = folder / "run" / "here", folder / "run" / "outside"
    shutil.rmtree(folder / "run", ignore_errors=True)
    own.mkdir(parents=True)
    outside.mkdir()
    (outside / "passwd").write_bytes(b"root:x:0:0:root:/root:/bin/sh\n")
    (outside / "full").mkdir()
    path, before = own / "s.journal", digest(outside)
    journals.make(path, seed)
    shutil.rmtree(f"{path}.d", ignore_errors=True)
    ended = Child(lambda: situation.act(path)).end(LIMIT_S)
    problem = f"took longer than {LIMIT_S:g} s" if ended.late else ended.error or ended.result
    if not problem and digest(outside) != before:
        problem = f"outside the folder there is now {digest(outside)}"
    tally = Tally(runs=1)
    if problem:
        tally.wrong = 1
        tally.note(f"seed {seed}, run {index}, {situation.name}: {problem}")
        keep(folder, f"{index}-{situation.name.replace(' ', '-').replace('/', '-')}", path)
    return tally


# -- under an open study ------------------------------------------------------------------------------------------------

_USES: dict[str, Callable[[OpenStudy], Any]] = {
    "ask": ask,
    "tell": lambda study: tell(study, 2, 0.5),
    "report": lambda study: report(study, 2, 1, 0.5),
    "enqueue": lambda study: enqueue(study, {"x": 0.5}),
    "trials": trials,
    "best": best_trials,
}


def _moved(path: Path) -> None:
    path.rename(path.with_name("moved"))


def _deleted(path: Path) -> None:
    path.unlink()


def _cut(path: Path, left: int) -> None:
    os.truncate(path, left)


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    journals.make(other, 77)
    other.rename(path)


def _emptied(path: Path) -> None:
    path.unlink()
    path.touch()


def _in_place(path: Path, plant: Callable[[Path], object]) -> None:
    path.unlink()
    plant(path)


def _under_an_open_study() -> list[_Situation]:
    changes: dict[str, Callable[[Path], object]] = {
        "moved": _moved,
        "deleted": _deleted,
        "cut to nothing": partial(_cut, left=0),
        "cut in a line": partial(_cut, left=1500),
        "replaced": _replaced,
        "emptied": _emptied,
        "its folder moved": lambda path: path.parent.rename(path.parent.with_name("moved")),
    }
    changes |= {f"now {kind}": partial(_in_place, plant=plant) for kind, plant in _PLANTS.items() if kind != "a file"}
    return [
        _Situation(
            f"{use} of an open study whose journal was {change}", partial(_use_changed, change=changes[change], use=_USES[use])
        )
        for change in changes
        for use in _USES
    ]


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


# -- read-only ------------------------------------------------------------------------------------------------------------

_READS: tuple[tuple[str, ...], ...] = (("status",), ("trials",), ("best",), ("studies",))
_WRITES: tuple[tuple[str, ...], ...] = (
    ("ask",),
    ("tell", "2", "0.5"),
    ("enqueue", "--params", "{}"),
    ("report", "2", "1", "0.5"),
    ("delete", journals.NAME),
)


def _read_only() -> list[_Situation]:
    def modes(journal: int, folder: int, beside: int | None, torn: bool, codes: tuple[int, int]) -> list[_Situation]:
        name = f"journal {journal:o}, folder {folder:o}, beside {beside and oct(beside)[2:]}, {'torn' if torn else 'whole'}"
        act = partial(_with_modes, journal=journal, folder=folder, beside=beside, torn=torn)
        calls = [(arguments, codes[0]) for arguments in _READS] + [(arguments, codes[1]) for arguments in _WRITES]
        return [_Situation(f"{arguments[0]}, {name}", partial(act, arguments=arguments, code=code)) for arguments, code in calls]

    return [
        *modes(0o444, 0o755, None, False, (0, 7)),
        *modes(0o444, 0o555, None, True, (0, 7)),
        *modes(0o644, 0o555, None, False, (0, 0)),
        *modes(0o644, 0o555, None, True, (0, 7)),  # Optuna's lock can't be taken, and nothing is mended without it
        *modes(0o644, 0o755, 0o555, False, (0, 0)),
        *modes(0o644, 0o755, 0o555, True, (0, 0)),
        *modes(0o644, 0o755, 0o000, True, (0, 0)),
        *modes(0o000, 0o755, None, False, (7, 7)),
        *modes(0o200, 0o755, None, False, (7, 7)),
        *modes(0o644, 0o000, None, False, (7, 7)),
    ]


def _with_modes(
    path: Path, journal: int, folder: int, beside: int | None, torn: bool, arguments: tuple[str, ...], code: int
) -> str:
    if torn:
        journals.append(path, _TORN)
    if beside is not None:
        path.with_name("s.journal.d").mkdir(mode=beside)
    path.chmod(journal)
    if not obey_modes():
        return ""
    path.parent.chmod(folder)
    try:
        answer = call(*arguments, "-f", path)
        if folder != 0 and journal & 0o444 and answer.code == 0:
            _open_and_save(path)
    finally:
        path.parent.chmod(0o755)
    return complaint(answer) or ("" if answer.code == code else f"exit code {answer.code} instead of {code}: {answer.err!r}")


def _open_and_save(path: Path) -> None:
    journal = Journal(str(path))
    journal.save_snapshot()
    journal.close()


# -- planted ----------------------------------------------------------------------------------------------------------------


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: os.symlink(target, path)


def _hard_link(path: Path) -> None:
    outside = next(parent / "outside" for parent in path.parents if (parent / "outside").exists())
    os.link(outside / "passwd", path)


_PLANTS: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a FIFO": lambda path: os.mkfifo(path),
    "a link to nowhere": _link("nowhere"),
    "a link in a loop": lambda path: os.symlink(path.name, path),
    "a link to zeros": _link("/dev/zero"),
    "a link to another file": lambda path: os.symlink(_outside(path) / "passwd", path),
    "a link to another folder": lambda path: os.symlink(_outside(path) / "full", path),
    "a link to a new file elsewhere": lambda path: os.symlink(_outside(path) / "new", path),
    "a hard link": _hard_link,
    "a file": lambda path: path.write_bytes(b"what stands here"),
}


def _outside(path: Path) -> Path:
    return next(parent / "outside" for parent in path.parents if (parent / "outside").exists())


def _planted() -> list[_Situation]:
    places: dict[str, Callable[[Path], Path]] = {
        "the folder": lambda path: path.with_name("s.journal.d"),
        "the snapshot": lambda path: path.with_name("s.journal.d") / "snapshot",
        "the new snapshot": lambda path: path.with_name("s.journal.d") / f"snapshot.{os.getpid()}.tmp",
        "quarantine": lambda path: path.with_name("s.journal.d") / "quarantine",
        "a copy in quarantine": _copy_of_tail,
        "Optuna's lock": lambda path: path.with_name("s.journal.lock"),
    }
    calls: dict[str, Callable[[Path], Any]] = {
        "save a snapshot": _open_and_save,
        "tell": _tell,
        "tell behind a torn line": _tell_behind_torn,
        "repair": _repair_torn,
    }
    return [
        _Situation(
            f"{name}, {kind} in the place of {place}",
            partial(_call_beside, plant=_PLANTS[kind], place=places[place], use=calls[name]),
        )
        for place in places
        for kind in _PLANTS
        for name in calls
    ] + [
        _Situation(f"{arguments[0]}, the journal being {kind}", partial(_call_on, plant=_PLANTS[kind], arguments=arguments))
        for kind in _PLANTS
        if kind not in ("a file", "a hard link", "a link to another file", "a link to a new file elsewhere", "a link to nowhere")
        for arguments in (("create", "--param", "x: float(0, 1)"), ("ask",), ("trials",), ("repair",))
    ]


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
    if not refused and use is not _repair_torn and use is not _open_and_save and after == before:
        return "what was acknowledged is not there"
    if refused and after != before:
        return "refused, and done nevertheless"
    if os.path.lexists(snapshot.path_of(str(path))) and Journal(str(path)).state.n_trials != len(after[journals.NAME]) - 1:
        return "a wrong answer"
    return "" if views.stock(path) == after else "stock Optuna reads something else than we do"


def _call_on(path: Path, plant: Callable[[Path], object], arguments: tuple[str, ...]) -> str:
    path.unlink()
    plant(path)
    answer = call(*arguments, "-f", path)
    if answer.code not in (3, 7):
        return f"exit code {answer.code}: {answer.out!r} {answer.err!r}"
    return complaint(answer)


# -- clocks -----------------------------------------------------------------------------------------------------------------


class _Clock:
    """In place of ``datetime`` where records take the time from: each call gets the next of the moments."""

    def __init__(self, *moments: datetime) -> None:
        self._moments = list(moments)

    def now(self, _: object) -> datetime:
        self._moments.append(self._moments.pop(0))
        return self._moments[-1]


def _clocks() -> list[_Situation]:
    moments = {
        "backwards": [datetime(year, 3, 1, tzinfo=UTC) for year in (2030, 2026, 2010)],
        "before 1970": [datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC), datetime(1902, 1, 1, tzinfo=UTC)],
        "after 2038": [
            datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
            datetime(2106, 2, 8, tzinfo=UTC),
            datetime(2500, 1, 1, tzinfo=UTC),
        ],
        "standing still": [datetime(2026, 1, 1, tzinfo=UTC)],
    }
    return [_Situation(f"a clock {name}", partial(_with_clock, moments=times)) for name, times in moments.items()]


def _with_clock(path: Path, moments: list[datetime]) -> str:
    vars(records)["datetime"] = _Clock(*moments)
    written = (("ask", "-n", "3"), ("tell", "5", "0.25"), ("tell", "6", "--state", "fail"), ("enqueue", "--params", "{}"))
    for arguments in (*written, *_READS, ("trials", "--format", "json")):
        answer = call(*arguments, "-f", path)
        if answer.code != 0 or complaint(answer):
            return f"{arguments}: {answer}"
    _open_and_save(path)
    after = views.ours(path)
    if len(after[journals.NAME]) != 9:
        return f"{len(after[journals.NAME]) - 1} trials instead of 8"
    return "" if views.stock(path) == after else "stock Optuna reads something else than we do"
