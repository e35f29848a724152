"""What people write for Optuna and is written otherwise here: errors that show the line to write."""

from __future__ import annotations

from journaltune.base import checks
from journaltune.base.errors import SpaceError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from journaltune.study import OpenStudy

_PRUNERS = {  # Optuna's classes, by our names
    "NopPruner": "none",
    "MedianPruner": "median",
    "PercentilePruner": "percentile",
    "SuccessiveHalvingPruner": "halving",
    "HyperbandPruner": "hyperband",
    "ThresholdPruner": "threshold",
    "PatientPruner": "patient",
    "WilcoxonPruner": "wilcoxon",
}


def require_own_words(call: str, path: object, storage: object, given: Mapping[str, Any]) -> None:
    """UsageError, with the line to write, for arguments that are Optuna's own; none where all are None or left out.

    ``given``: the arguments by name. Those that are meant otherwise here: ``storage``, ``load_if_exists``, and a ``sampler`` or
    ``pruner`` that is an object.
    """
    said, words = [], {name: value for name, value in given.items() if value is not None}
    if storage is not None:
        said.append("the journal is the first argument, there is no storage=")
        path = _path_of(storage, given.get("study_name")) if path is None else path
    if words.pop("load_if_exists", None):
        said.append("load_if_exists= is exist_ok=")
        words["exist_ok"] = True
    for kind, named in (("sampler", _named_sampler), ("pruner", _named_pruner)):
        if kind not in words or (isinstance(words[kind], str) and call == "create_study"):
            continue
        if call == "load_study":
            said.append(f"the study knows its {kind}")
            del words[kind]
        else:
            said.append(f"a {kind} is named, so that the journal can hold it")
            words |= named(words[kind])
    if path is None and not said:
        said.append("a journal's path is text or a path, not None")
    if said:
        raise UsageError(f"{'; '.join(said)}; write {_line(call, 'study.journal' if path is None else path, words)}")


def _line(call: str, path: object, words: Mapping[str, Any]) -> str:
    return f"journaltune.{call}({', '.join([repr(path), *(f'{name}={value!r}' for name, value in words.items())])})"


def _path_of(storage: object, study_name: object) -> str:
    """The journal that a storage of Optuna's stands for: its file, or one that is named after the study."""
    journal = getattr(storage, "_journal", None)  # ours
    for path in (getattr(journal, "path", None), getattr(getattr(storage, "_backend", None), "_file_path", None)):
        if isinstance(path, str):
            return path
    if isinstance(storage, str) and "://" not in storage:
        return storage
    return f"{study_name or 'study'}.journal"


def _named_sampler(sampler: Any) -> dict[str, Any]:
    """The sampler's name, and its options as far as Optuna's classes keep them."""
    kind = sampler if isinstance(sampler, type) else type(sampler)
    own = kind.__module__.startswith("optuna.")
    named: dict[str, Any] = {"sampler": f"optuna.{kind.__name__}" if own else f"{kind.__module__}:{kind.__qualname__}"}
    options = _options_of(sampler, kind) if own and kind is not sampler else {}
    return {**named, "sampler_options": options} if options else named


def _named_pruner(pruner: Any) -> dict[str, Any]:
    """The pruner's name, and its options as far as Optuna's classes keep them."""
    kind = pruner if isinstance(pruner, type) else type(pruner)
    name = _PRUNERS.get(kind.__name__)
    if name is None:
        return {"pruner": "median"}
    options = {} if kind is pruner else _options_of(pruner, kind)
    held = getattr(pruner, "_wrapped_pruner", None)
    if held is not None:
        named = _named_pruner(held)
        options["wrapped_pruner"] = named["pruner"]
        options |= {"wrapped_options": named["pruner_options"]} if "pruner_options" in named else {}
    return {"pruner": name, **({"pruner_options": options} if options else {})}


def _options_of(given: Any, kind: type) -> dict[str, Any]:
    """The options of an object of Optuna's that are not the default."""
    from inspect import signature
    from math import isinf

    options = {}
    for name, parameter in signature(kind).parameters.items():
        value = getattr(given, f"_{name}", parameter.default)
        unbounded = isinstance(value, float) and isinf(value)  # how a ThresholdPruner keeps that a bound was left out
        if name != "seed" and not name.startswith("warn_") and not unbounded and _is_plain(value) and value != parameter.default:
            options[name] = value
    return options


def _is_plain(value: object) -> bool:
    try:
        checks.storable(value, "an option")
    except UsageError:
        return False
    return True


def require_space(study: OpenStudy, objective: Callable[[Any], Any]) -> None:
    """SpaceError for a study without a search space, with the parameters that the objective asks for; it is called for that."""
    if study.space is not None:
        return
    from journaltune.run.probe import specs_of

    specs = specs_of(objective) if callable(objective) else {}
    params = specs or {"NAME": "SPEC"}
    line = _line("create_study", study.path, {"study_name": study.name, "exist_ok": True, "params": params})
    asked = "; the objective asks for these parameters" if specs else ""
    raise SpaceError(
        f"study {study.name!r} has no search space, and a sampler has to know it before the call{asked}; write {line}"
    )
