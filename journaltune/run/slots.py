"""Slots: as many trials as run at once, and which GPUs each of them sees."""

from __future__ import annotations

import os

from journaltune.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VISIBLE = "CUDA_VISIBLE_DEVICES"


def devices_of_slots(
    jobs: int | None, gpus: str | None, per_gpu: int | None, gpus_per_trial: int | None, environment: Mapping[str, str]
) -> list[str | None]:
    """For each slot its ``CUDA_VISIBLE_DEVICES``; None where that stays as it is. Without ``jobs`` as many as the GPUs hold.

    ``gpus``: names with commas between, or ``all``. Names are passed on as they are: under a list that is set already, an index
    counted anew would be another GPU, and UUIDs and MIG instances have none. Without any of the three such a list is dealt out
    evenly; slots share its GPUs where there are more slots. UsageError for what can't be.
    """
    if gpus is None and per_gpu is None and gpus_per_trial is None:
        return _shares(jobs or 1, environment.get(VISIBLE))
    names, size = _names(gpus or "all", environment.get(VISIBLE)), gpus_per_trial or 1
    groups = _groups(names, size)
    if not groups:
        raise UsageError(f"--gpus-per-trial {size}: there are {len(names)} GPUs only: {', '.join(names)}")
    capacity = len(groups) * (per_gpu or 1)
    if jobs is not None and jobs > capacity:
        each = "one at a time" if (per_gpu or 1) == 1 else f"{per_gpu} at a time"
        raise UsageError(f"-j {jobs}: {len(names)} GPUs, {size} a trial and {each}, hold {capacity} trials; raise --per-gpu")
    return [groups[slot % len(groups)] for slot in range(jobs or capacity)]


def _shares(jobs: int, visible: str | None) -> list[str | None]:
    names = [] if visible is None else _present(visible)
    groups = _groups(names, max(len(names) // jobs, 1))
    if jobs == 1 or not groups:
        return [None] * jobs
    return [groups[slot % len(groups)] for slot in range(jobs)]


def _groups(names: list[str], size: int) -> list[str]:
    """As many lists of ``size`` names as there are names for."""
    return [",".join(names[begin : begin + size]) for begin in range(0, len(names) - size + 1, size)]


def _names(wanted: str, visible: str | None) -> list[str]:
    present = None if visible is None else _present(visible)
    if wanted == "all":
        names = present if present is not None else _found()
        if not names:
            where = "none is found here" if visible is None else f"{VISIBLE} is {visible!r}, which hides all"
            raise UsageError(f"--gpus all: {where}; name them, such as --gpus 0,1")
        return names
    names = _split(wanted)
    if not names or len(set(names)) < len(names):
        raise UsageError(f"--gpus {wanted}: write each GPU once, with commas between, such as 0,1; or all")
    for name in names:
        if present is not None and name not in present:
            raise UsageError(f"--gpus {wanted}: {VISIBLE} allows {visible} only; name some of these, or all")
    return names


def _present(visible: str) -> list[str]:
    """The GPUs that a list shows: CUDA stops reading it at the first name that can't be, such as -1."""
    names = _split(visible)
    return names[: names.index("-1")] if "-1" in names else names


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _found() -> list[str]:
    """The indexes of NVIDIA's GPUs, as far as its driver shows them."""
    try:
        return [str(index) for index in range(len(os.listdir("/proc/driver/nvidia/gpus")))]
    except OSError:
        return []


class Slots:
    """Which slots are free. One whose processes can't be ended is lost: the next trial would share its GPU with them."""

    __slots__ = ("_free", "devices", "n_lost")

    def __init__(self, devices: list[str | None]) -> None:
        self.devices, self.n_lost = devices, 0
        self._free = list(range(len(devices)))[::-1]

    def __len__(self) -> int:
        return len(self.devices)

    @property
    def has_room(self) -> bool:
        return bool(self._free)

    def take(self) -> int:
        """The lowest slot that is free."""
        return self._free.pop()

    def give_back(self, slot: int) -> None:
        self._free.append(slot)
        self._free.sort(reverse=True)

    def lose(self) -> None:
        self.n_lost += 1
