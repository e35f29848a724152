"""Which of Optuna's samplers are known, what each must be shown, and which options a study can hold for it."""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.util import find_spec
from math import inf

import optuna
from optuna.samplers import BaseSampler

from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen
from journaltune.suggest.samplers.optuna_view import AS_THEY_ARE, COMPLETE, NONE, WORST
from journaltune.suggest.samplers.protocol import OPTUNA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# What a class's annotations may say of an option that JSON can hold.
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "None": (type(None),),
    "dict": (dict,),
    "Mapping": (dict,),
    "list": (list,),
    "Sequence": (list,),
    "np.ndarray": (list,),
}
_OBJECT = "needs a Python object, which a study's record can't hold"
_NOT_HERE: Mapping[tuple[str, str], str] = {
    ("CmaEsSampler", "consider_pruned_trials"): "is not offered: what was pruned is no member of a generation here",
    ("CmaEsSampler", "source_trials"): _OBJECT,
    ("BruteForceSampler", "avoid_premature_stop"): "is not offered: running trials are seen here, and none is repeated",
}
_QUIET = ("warn_independent_sampling", "warn_asynchronous_seeding")  # what they warn of is meant, or does not happen here


class Kind(Frozen):
    """How a class has to be treated.

    ``view`` is one of ``optuna_view``'s. ``constant``: it is seeded alike for each trial of a study. ``partial``: it can make use
    of trials that lack parameters. ``single``: it takes one objective only. ``declared``: it is given the declared space, not
    the one that it infers from earlier trials. ``huge``: what it is shown of values beyond 1e100. ``numeric``: it does
    nothing for categories. ``slow``: it is not tried out when a study is created. ``extra`` names our extra that installs
    ``needs``.
    """

    view: str = WORST
    constant: bool = False
    partial: bool = False
    single: bool = False
    declared: bool = False
    finite: bool = False
    huge: float | None = None
    known: bool = True
    numeric: bool = False
    slow: bool = False
    extra: str = ""
    needs: tuple[str, ...] = ()


_UNKNOWN = Kind(known=False)
_KINDS = {
    "TPESampler": Kind(partial=True),
    "RandomSampler": Kind(NONE),
    "GPSampler": Kind(huge=inf, slow=True, extra="gp", needs=("scipy", "torch")),
    # Evolution: a generation consists of complete trials.
    "CmaEsSampler": Kind(COMPLETE, single=True, numeric=True, extra="cmaes", needs=("cmaes",)),
    "BaseGASampler": Kind(COMPLETE, huge=1e100),
    "NSGAIISampler": Kind(COMPLETE, huge=1e100),
    "NSGAIIISampler": Kind(COMPLETE, huge=1e100),
    # Its place in the sequence is an attribute of the study; trials mean nothing to it, failed ones included.
    "QMCSampler": Kind(NONE, constant=True, declared=True, extra="qmc", needs=("scipy",)),
    "GridSampler": Kind(AS_THEY_ARE, constant=True, finite=True),
    "BruteForceSampler": Kind(AS_THEY_ARE, finite=True),
}


def sampler_class(name: str) -> type[BaseSampler]:
    """The class that a sampler's name stands for. UsageError when there is none of that name."""
    if ":" in name:
        return _imported(name)
    class_name = OPTUNA.get(name) or name.removeprefix("optuna.")
    found = getattr(optuna.samplers, class_name, None)
    if not (inspect.isclass(found) and issubclass(found, BaseSampler)):
        raise UsageError(f"optuna.samplers has no sampler {class_name!r}; take its class's name, such as optuna.TPESampler")
    return found


def _imported(name: str) -> type[BaseSampler]:
    module_name, _, class_name = name.partition(":")
    try:
        found = getattr(import_module(module_name), class_name, None)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"sampler {name!r} needs the module {error.name!r}, which is not installed; install it, or set PYTHONPATH"
        ) from error
    except Exception as error:  # whatever a module does when it is imported
        raise UsageError(f"sampler {name!r}: importing {module_name} failed ({type(error).__name__}: {error})") from error
    if not (inspect.isclass(found) and issubclass(found, BaseSampler)):
        raise UsageError(f"{module_name} has no class {class_name!r} that derives from optuna.samplers.BaseSampler")
    return found


def kind_of(cls: type[BaseSampler], name: str) -> Kind:
    """How to treat a class: as the one of Optuna's that it derives from. UsageError when its libraries are missing."""
    base = next((base for base in cls.__mro__ if base.__name__ in _KINDS and base.__module__.startswith("optuna.")), None)
    kind = _UNKNOWN if base is None else _KINDS[base.__name__]
    if base is not cls:
        kind = kind.but(known=False, view=kind.view if base is not None else WORST)
    missing = [library for library in kind.needs if find_spec(library) is None]
    if missing:
        raise UsageError(f"sampler {name} needs {' and '.join(missing)}; install journaltune[{kind.extra}]")
    return kind


def check_class(cls: type[BaseSampler], name: str, kind: Kind) -> None:
    """UsageError, with the reason, for a class whose suggestions can't be a function of the history."""
    if inspect.isabstract(cls):
        raise UsageError(f"sampler {name} is an abstract class; take one that suggests")
    if kind.known:
        return
    if issubclass(cls, optuna.samplers.CmaEsSampler):
        raise UsageError(f"sampler {name} would keep a pickled optimizer in the journal; take sampler cmaes")
    if kind.finite:
        raise UsageError(f"sampler {name} would not notice that the space is exhausted; take sampler grid or bruteforce")
    if not cls.after_trial.__module__.startswith("optuna."):
        raise UsageError(
            f"sampler {name} overrides after_trial, but nothing of ours runs when a trial ends: results reach a sampler through "
            "the trials that it is shown"
        )


def takes_seed(cls: type[BaseSampler]) -> bool:
    return "seed" in inspect.signature(cls).parameters


def quiet(cls: type[BaseSampler]) -> dict[str, bool]:
    """Options that stop a class from warning of what is meant here."""
    return {option: False for option in _QUIET if option in inspect.signature(cls).parameters}


def check_options(cls: type[BaseSampler], name: str, options: Mapping[str, Any]) -> None:
    """UsageError for an option that the class does not have, or whose kind of value it does not take."""
    if "seed" in options:
        raise UsageError("a sampler's seed comes from the study's: use --seed")
    parameters = inspect.signature(cls).parameters
    open_ended = any(known.kind == known.VAR_KEYWORD for known in parameters.values())
    for option, value in options.items():
        if option not in parameters and not open_ended:
            has = ", ".join(known for known in parameters if known not in ("seed", *_QUIET)) or "none"
            raise UsageError(f"sampler {name} has no option {option!r}; its options are {has}")
        reason = _NOT_HERE.get((cls.__name__, option))
        if reason is None and option in parameters:
            reason = _mismatch(parameters[option].annotation, value)
        if reason is not None:
            raise UsageError(f"option {option!r} of sampler {name} {reason}")


def _mismatch(annotation: Any, value: Any) -> str | None:
    """Why a value is none that an annotation such as ``int | None`` allows; None where it says nothing."""
    if not isinstance(annotation, str):
        annotation = "" if annotation is inspect.Parameter.empty else getattr(annotation, "__name__", str(annotation))
    if not annotation:
        return None
    named = [part.partition("[")[0].strip() for part in _alternatives(annotation)]
    allowed = tuple([kind for part in named for kind in _JSON_TYPES.get(part, ())])
    if allowed in ((), (type(None),)):
        return _OBJECT
    wrong = not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed)
    return f"is {annotation}, not {value!r}" if wrong else None


def _alternatives(annotation: str) -> list[str]:
    """The parts of a union, not of what stands in brackets."""
    parts, depth = [""], 0
    for char in annotation:
        depth += (char in "[(") - (char in "])")
        if char == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts
