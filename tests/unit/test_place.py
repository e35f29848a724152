"""A study, a trial or a storage that was pickled opens its own journal, and no other file under that path."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import journaltune
from journaltune.base.errors import MachineError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def made(path: Path) -> journaltune.Study:
    return journaltune.create_study(path, params={"x": "float(0, 1)"}, sampler="random")


# What a process gets, and what it does with it first.
THINGS: dict[str, tuple[Callable[[Path], Any], Callable[[Any], Any]]] = {
    "study": (journaltune.load_study, lambda study: study.counts()),
    "trial": (lambda path: journaltune.load_study(path).ask(), lambda trial: trial.report(0.5, 1)),
    "storage": (journaltune.storage, lambda storage: storage.get_all_studies()),
}


@pytest.mark.parametrize("thing", THINGS)
def test_the_journal_itself_is_opened_however_it_grew(path: Path, thing: str) -> None:
    make, use = THINGS[thing]
    study = made(path)
    pickled = pickle.dumps(make(path))
    for _ in range(30):
        study.tell(study.ask(), 0.5)
    assert use(pickle.loads(pickled))


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("other", ["copy", "another of the same inode", "none"])
def test_another_file_in_its_place_is_refused_and_not_written(path: Path, thing: str, other: str) -> None:
    make, use = THINGS[thing]
    made(path).close()
    pickled = pickle.dumps(make(path))
    if other == "another of the same inode":
        made(path.with_name("other")).close()
        path.write_bytes(path.with_name("other").read_bytes())
    else:
        path.rename(path.with_name("elsewhere"))
        if other == "copy":
            shutil.copy(path.with_name("elsewhere"), path)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(NotFoundError if other == "none" else MachineError, match=os.uname().nodename):
        use(pickle.loads(pickled))
    assert (path.read_bytes() if path.exists() else None) == before
