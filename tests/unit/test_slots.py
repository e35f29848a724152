"""Which GPUs each slot sees: names as they are given, whatever list is set already."""

from __future__ import annotations

import pytest

from journaltune.base.errors import UsageError
from journaltune.run.slots import Slots, devices_of_slots


@pytest.mark.parametrize(
    ("jobs", "gpus", "per_gpu", "per_trial", "visible", "devices"),
    [
        (None, None, None, None, "4,7", [None]),
        (3, None, None, None, None, [None] * 3),
        (1, None, None, None, "4,7", [None]),
        (2, None, None, None, "4,7", ["4", "7"]),
        (3, None, None, None, "4,7", ["4", "7", "4"]),
        (2, None, None, None, "GPU-8a56, MIG-1/2/0", ["GPU-8a56", "MIG-1/2/0"]),
        (2, None, None, None, "4,5,6,7,0", ["4,5", "6,7"]),
        (2, None, None, None, "", [None] * 2),
        (2, None, None, None, "-1", [None] * 2),
        (2, None, None, None, "4,-1,7", ["4", "4"]),
        (None, "all", None, None, "4,-1,7", ["4"]),
        (None, "0,1", None, None, None, ["0", "1"]),
        (1, "0,1", None, None, None, ["0"]),
        (None, "0,1", 2, None, None, ["0", "1", "0", "1"]),
        (3, "0,1", 2, None, None, ["0", "1", "0"]),
        (None, "0,1,2,3", None, 2, None, ["0,1", "2,3"]),
        (None, "0,1,2", None, 2, None, ["0,1"]),
        (None, "0,1,2,3", 2, 2, None, ["0,1", "2,3", "0,1", "2,3"]),
        (None, "all", None, None, "4,7", ["4", "7"]),
        (None, None, 2, None, "GPU-8a56", ["GPU-8a56"] * 2),
        (None, "7", None, None, "4, 7", ["7"]),
        (None, "MIG-1/2/0, MIG-1/3/0", None, None, None, ["MIG-1/2/0", "MIG-1/3/0"]),
    ],
)
def test_slots_are_spread_over_the_gpus(
    jobs: int | None, gpus: str | None, per_gpu: int | None, per_trial: int | None, visible: str | None, devices: list[str | None]
) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert devices_of_slots(jobs, gpus, per_gpu, per_trial, environment) == devices


@pytest.mark.parametrize(
    ("jobs", "gpus", "per_gpu", "per_trial", "visible", "says"),
    [
        (3, "0,1", None, None, None, "-j 3: 2 GPUs"),
        (None, "0", None, 2, None, "there are 1 GPUs only"),
        (None, "0,0", None, None, None, "each GPU once"),
        (None, ",", None, None, None, "each GPU once"),
        (None, "0", None, None, "4,7", "CUDA_VISIBLE_DEVICES allows 4,7 only"),
        (None, "all", None, None, "", "hides all"),
        (None, "all", None, None, "-1", "hides all"),
    ],
)
def test_what_the_gpus_do_not_hold_is_refused(
    jobs: int | None, gpus: str, per_gpu: int | None, per_trial: int | None, visible: str | None, says: str
) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    with pytest.raises(UsageError) as refused:
        devices_of_slots(jobs, gpus, per_gpu, per_trial, environment)
    assert says in str(refused.value)


def test_the_lowest_free_slot_is_taken_and_a_lost_one_never_again() -> None:
    slots = Slots([None] * 3)
    assert [slots.take() for _ in range(3)] == [0, 1, 2]
    assert not slots.has_room
    slots.give_back(2)
    slots.give_back(0)
    slots.lose()
    assert [slots.take(), slots.take(), slots.has_room, slots.n_lost] == [0, 2, False, 1]
