"""Which of Optuna's samplers are known, which trials each may see, and which options a study can hold for it."""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.util import find_spec
from math import inf

import optuna
from optuna.samplers import BaseSampler

from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen
from journaltune.base.words import near
from journaltune.suggest.samplers import optuna_class_name, row_of_class
from journaltune.suggest.samplers.optuna_view import COMPLETE, IMPUTED, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Words in annotations of options, and the Python types that JSON gives for them.
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
    ("CmaEsSampler", "consider_pruned_trials"): "is not offered: a pruned trial is no member of a generation here",
    ("CmaEsSampler", "source_trials"): _OBJECT,
}
_QUIET = ("warn_independent_sampling", "warn_asynchronous_seeding")  # the first is intended here, the second can't happen


class Kind(Frozen):
    """How a class has to be treated.

    ``visible``: which trials it may see, in the words of ``optuna_view``. ``constant``: it gets the same seed for each trial of
    a study. ``partial``: it can use trials that lack parameters. ``single``: it takes one objective only. ``declared``: it gets
    the declared space, not the one that it infers from earlier trials. ``huge``: what values beyond 1e100 become. ``numeric``:
    it ignores categories. ``slow``: it is not tried out when a study is created. ``exact``: a trial in which another parameter
    varied too, one that was dropped since, is another configuration.
    """

    visible: str = IMPUTED
    constant: bool = False
    partial: bool = False
    single: bool = False
    declared: bool = False
    finite: bool = False
    huge: float | None = None
    known: bool = True
    numeric: bool = False
    slow: bool = False
    exact: bool = False


_UNKNOWN = Kind(known=False)
_KINDS = {
    "TPESampler": Kind(partial=True),
    "RandomSampler": Kind(NONE),
    "GPSampler": Kind(huge=inf, slow=True),
    # Evolution: a generation consists of complete trials.
    "CmaEsSampler": Kind(COMPLETE, single=True, numeric=True, exact=True),
    "BaseGASampler": Kind(COMPLETE, huge=1e100),
    "NSGAIISampler": Kind(COMPLETE, huge=1e100),
    "NSGAIIISampler": Kind(COMPLETE, huge=1e100),
    # It keeps its place in the sequence in an attribute of the study, and looks at no trial.
    "QMCSampler": Kind(NONE, constant=True, declared=True),
    # These two are ``finite``'s own; here they stand for the classes that derive from them.
    "GridSampler": Kind(finite=True),
    "BruteForceSampler": Kind(finite=True),
}


def sampler_class(name: str) -> type[BaseSampler]:
    """The class that a sampler's name stands for. UsageError when there is no such class."""
    if ":" in name:
        return _imported(name)
    class_name = optuna_class_name(name)
    cls = getattr(optuna.samplers, class_name, None)
    if not (inspect.isclass(cls) and issubclass(cls, BaseSampler)):
        close = near(class_name, [known for known in optuna.samplers.__all__ if known.endswith("Sampler")])
        hint = f"did you mean optuna.{close}?" if close else "take its class's name, such as optuna.TPESampler"
        raise UsageError(f"optuna.samplers has no sampler {class_name!r}; {hint}")
    return cls


def _imported(name: str) -> type[BaseSampler]:
    module_name, _, class_name = name.partition(":")
    try:
        cls = getattr(import_module(module_name), class_name, None)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"sampler {name!r} needs the module {error.name!r}, which is not installed; install it, or set PYTHONPATH"
        ) from error
    except Exception as error:  # whatever a module does when it is imported
        raise UsageError(f"sampler {name!r}: importing {module_name} failed ({type(error).__name__}: {error})") from error
    if not (inspect.isclass(cls) and issubclass(cls, BaseSampler)):
        raise UsageError(f"{module_name} has no class {class_name!r} that derives from optuna.samplers.BaseSampler")
    return cls


def kind_of(cls: type[BaseSampler], name: str) -> Kind:
    """How to treat a class: as the one of Optuna's that it derives from. UsageError when its libraries are missing."""
    base = next((base for base in cls.__mro__ if base.__name__ in _KINDS and base.__module__.startswith("optuna.")), None)
    if base is None:
        return _UNKNOWN
    row, kind = row_of_class(base.__name__), _KINDS[base.__name__]
    missing = [library for library in row.needs if find_spec(library) is None] if row is not None else []
    if row is not None and missing:
        raise UsageError(f"sampler {name} needs {' and '.join(missing)}; install journaltune[{row.extra}]")
    return kind if base is cls else kind.but(known=False)


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
            f"sampler {name} overrides after_trial, but nothing of ours runs when a trial ends: a sampler learns of results from "
            "the trials that it sees"
        )


def takes_seed(cls: type[BaseSampler]) -> bool:
    return "seed" in inspect.signature(cls).parameters


def quiet(cls: type[BaseSampler]) -> dict[str, bool]:
    """Options that turn off warnings about what is intended here."""
    return {option: False for option in _QUIET if option in inspect.signature(cls).parameters}


def check_options(cls: type[BaseSampler], name: str, options: Mapping[str, Any]) -> None:
    """UsageError for an option that the class does not have, or a value of a type that the option does not take."""
    if "seed" in options:
        raise UsageError("a sampler's seed comes from the study's: use --seed")
    parameters = inspect.signature(cls).parameters
    open_ended = any(known.kind == known.VAR_KEYWORD for known in parameters.values())
    for option, value in options.items():
        if option not in parameters and not open_ended:
            known = [known for known in parameters if known not in ("seed", *_QUIET)]
            close = near(option, known)
            hint = f"did you mean {close}?" if close else f"its options are {', '.join(known) or 'none'}"
            raise UsageError(f"sampler {name} has no option {option!r}; {hint}")
        reason = _NOT_HERE.get((cls.__name__, option))
        if reason is None and option in parameters:
            reason = _mismatch(parameters[option].annotation, value)
        if reason is not None:
            raise UsageError(f"option {option!r} of sampler {name} {reason}")


def _mismatch(annotation: Any, value: Any) -> str | None:
    """Why an annotation such as ``int | None`` does not allow a value; None where it allows it, or says nothing."""
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
    """The parts of a union; those inside brackets stay together."""
    parts, depth = [""], 0
    for char in annotation:
        depth += (char in "[(") - (char in "])")
        if char == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts
