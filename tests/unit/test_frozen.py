"""Frozen plain data: named fields, set once, compared by value, the same after every way to copy it."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
from typing import Any

import pytest

import journaltune
from journaltune import Trial, TrialState
from journaltune.base.frozen import Frozen


class Pair(Frozen):
    """Its fields are not in the order of the alphabet."""

    second: int
    first: str = "one"


class Triple(Pair):
    third: tuple[int, ...] = ()


def every_class() -> list[type[Frozen]]:
    """All that derive from Frozen in the package, wherever they are defined."""
    for module in pkgutil.walk_packages(journaltune.__path__, "journaltune."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return sorted(Frozen.__subclasses__(), key=lambda cls: f"{cls.__module__}.{cls.__name__}")


def test_fields_come_by_place_or_by_name_and_have_defaults() -> None:
    assert Pair(2) == Pair(second=2) == Pair(2, "one")
    assert (Pair(2).second, Pair(2, first="x").first) == (2, "x")
    assert repr(Triple(1, "a", (3,))) == "Triple(second=1, first='a', third=(3,))"
    assert Triple(1, third=(4,)).third == (4,)


@pytest.mark.parametrize(("values", "named"), [((), {}), ((1, "a", 2), {}), ((1,), {"fourth": 4}), ((), {"first": "x"})])
def test_a_missing_or_unknown_field_is_refused(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Pair takes second, first"):
        Pair(*values, **named)


def test_it_can_not_be_changed_and_holds_nothing_else() -> None:
    pair = Pair(1)
    with pytest.raises(AttributeError, match="'second' is as it was recorded"):
        pair.second = 3  # type: ignore[misc]
    assert not hasattr(pair, "__dict__")


def test_it_is_compared_by_value_and_class() -> None:
    assert Pair(1) != Pair(2)
    assert Pair(1) != Triple(1)
    assert hash(Pair(1)) == hash(Pair(1))
    assert Pair(1).but(first="b") == Pair(1, "b")


COPIES = [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]


@pytest.mark.parametrize("again", COPIES)
def test_a_trial_is_the_same_after_every_way_to_copy_it(again: Any) -> None:
    trial = Trial(3, TrialState.COMPLETE, {"x": 0.5}, [1.0], {"k": 1}, {"s": 2}, {0: 0.25})
    copied = again(trial)
    assert copied == trial
    assert (copied.number, copied.state, copied.params, copied.values) == (3, TrialState.COMPLETE, {"x": 0.5}, [1.0])
    assert (copied.user_attrs, copied.system_attrs, copied.intermediate_values) == ({"k": 1}, {"s": 2}, {0: 0.25})


@pytest.mark.parametrize("cls", every_class(), ids=lambda cls: cls.__name__)
def test_every_class_of_plain_data_is_the_same_after_copying(cls: type[Frozen]) -> None:
    """Each field holds another value, so that two which change places are noticed."""
    if cls.__reduce__ is not Frozen.__reduce__:
        pytest.skip("it says itself what it is made from; its own tests copy it")
    plain = cls.__new__(cls)
    plain._set(**{field: f"value of {field}" for field in cls._fields})
    for again in COPIES:
        copied = again(plain)
        assert [getattr(copied, field) for field in cls._fields] == [getattr(plain, field) for field in cls._fields]
