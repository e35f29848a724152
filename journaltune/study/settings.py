"""A study's settings, as one table. A new setting is a row of it, and a parameter of ``journaltune.create_study``."""

from __future__ import annotations

import os

from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType
    from typing import Any


def _checks() -> ModuleType:
    """Loaded when somebody gives a value: an ``ask`` reads settings, and gives none."""
    from journaltune.base import checks

    return checks


class Setting(Frozen):
    """One setting: its value in the journal, its default, and how users give and see it.

    ``check`` turns a caller's value into the journal's, which is of this ``kind``, or raises UsageError. A new study records the
    ``default`` if it is to be ``recorded``.

    ``status`` is how the command ``status`` shows a value that is not the default, with ``always`` the default too; its JSON
    holds every value. "" is for the JSON alone, None for neither.

    ``option`` is the option of ``create``; "" if the setting has no option of its own. Its text is read by the kind: a dict from
    repeated KEY=JSON, a list from repeated texts, an int from a whole number not below ``least``, a str from any text, or from
    one of ``words``. Of the kind bool it is a flag, which has no ``metavar``.
    """

    name: str
    kind: type
    check: Callable[[Any], Any]
    default: Any = None
    recorded: bool = False
    status: str | None = None
    always: bool = False
    option: str = ""
    metavar: str = ""
    help: str = ""
    least: int = 0
    words: tuple[str, ...] = ()


def _word(name: str, words: tuple[str, ...], **row: Any) -> Setting:
    """One of several words; the first one is the default."""

    def check(given: str) -> str:
        found: str = _checks().one_of(given, words, name)
        return found

    return Setting(name, str, check, words[0], words=words, metavar="|".join(words), **row)


def _count(name: str, least: int, what: str, means: str, **row: Any) -> Setting:
    """A whole number; ``means`` says what the least one stands for."""

    def check(given: object) -> int:
        count: int = _checks().at_least(least, given, what, means)
        return count

    return Setting(name, int, check, least=least, **row)


def _names(given: Sequence[str | None]) -> list[str | None]:
    names = [name if name is None else _checks().text(name, "an objective's name") for name in given]
    return names if any(names) else []


def _seed(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**63:
        raise UsageError(f"a seed is an integer from 0 to {2**63 - 1}, not {given!r}")
    return given


def _lock_file(given: str | os.PathLike[str]) -> str:
    path = os.path.abspath(os.fspath(given))
    if not os.path.isfile(path):
        raise UsageError(f"there is no lock file {path}")
    checked: str = _checks().text(path, "a lock file's path")
    return checked


def _packages(given: Sequence[str] | str) -> list[str]:
    from journaltune.study.environment import version_of

    packages = [_checks().text(name, "a package's name") for name in ([given] if isinstance(given, str) else given)]
    for name in packages:
        if version_of(name) is None:
            import sys

            raise UsageError(f"the package {name!r} is not installed for {sys.executable}, so its version can't be recorded")
    return packages


def _files(given: Sequence[str | os.PathLike[str]] | str | os.PathLike[str]) -> list[str]:
    paths = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    paths = [os.path.abspath(os.fspath(path)) for path in paths]
    for path in paths:
        if not os.path.isfile(path):
            raise UsageError(f"there is no file {path}, so its hash can't be recorded")
    return [_checks().text(path, "a recorded file's path") for path in paths]


def _flag(name: str) -> Callable[[object], bool]:
    def check(given: object) -> bool:
        if not isinstance(given, bool):
            raise UsageError(f"{name} is True or False, not {given!r}")
        return given

    return check


def _command(given: Sequence[str] | str) -> list[str]:
    """Words, from a list of them or from a line that is quoted as for a shell."""
    from shlex import split

    try:
        words = split(given) if isinstance(given, str) else list(given)
    except ValueError as error:
        raise UsageError(f"the command {given!r} is not quoted right: {error}") from None
    if not words:
        raise UsageError("the command is empty; name a program")
    return [word if word == "" else _checks().text(word, "a word of the command") for word in words]


PRUNERS = ("none", "median", "percentile", "halving", "hyperband", "threshold", "patient", "wilcoxon")  # see suggest.pruners

_TABLE = (
    Setting("space", dict, lambda space: space.to_config()),
    Setting("objectives", list, _names),
    Setting(
        "sampler",
        str,
        lambda name: _checks().text(name, "a sampler's name"),
        default="auto",
        recorded=True,
        status="{}",
        always=True,
        option="--sampler",
        metavar="NAME",
        help="auto (default), gp, tpe, random, nsgaii, qmc, grid, cmaes, nsgaiii, bruteforce, optuna.CLASSNAME, or module:Class",
    ),
    Setting(
        "sampler_options",
        dict,
        lambda options: _checks().storable(dict(options), "the sampler's options"),
        default={},
        recorded=True,
        option="--sampler-option",
        metavar="KEY=JSON",
        help="a keyword argument of the sampler",
    ),
    Setting(
        "pruner",
        str,
        lambda name: _checks().one_of(name, PRUNERS, "pruner"),
        default="none",
        status="pruner {}",
        option="--pruner",
        metavar="NAME",
        help="which trials stop early: median, percentile, halving, hyperband, threshold, patient, wilcoxon, or none (default)",
        words=PRUNERS,
    ),
    Setting(
        "pruner_options",
        dict,
        lambda options: _checks().storable(dict(options), "the pruner's options"),
        default={},
        status="",
        option="--pruner-option",
        metavar="KEY=JSON",
        help="a keyword argument of the pruner",
    ),
    Setting(
        "seed",
        int,
        _seed,
        default=0,
        recorded=True,
        status="seed {}",
        always=True,
        option="--seed",
        metavar="N",
        help="the study's seed; drawn and stored when left out",
    ),
    _count(
        "lag",
        1,
        "a lag",
        "each trial sees all before it",
        status="lag {}",
        option="--lag",
        metavar="W",
        help="trial k sees the results of trials up to k - W only, so that W parallel workers search the same way each time",
    ),
    _word(
        "duplicates",
        ("allow", "reuse", "resample"),
        status="duplicates {}",
        option="--duplicates",
        help="parameters that were tried before: ask for them again (default), take over their result, or draw others",
    ),
    Setting(
        "all_studies",
        bool,
        _flag("all_studies"),
        default=False,
        status="in all studies",
        option="--all-studies",
        help="parameters count as tried before in every study of the journal whose space and objectives are the same",
    ),
    _count(
        "replicates",
        1,
        "replicates",
        "how many times each configuration is asked",
        default=1,
        status="{} replicates",
        option="--replicates",
        metavar="K",
        help="ask each configuration K times; best goes by the mean",
    ),
    _word(
        "failures",
        ("worst", "ignore"),
        recorded=True,
        option="--failures",
        help="how the sampler sees failed trials: as bad ones, or not at all (default worst)",
    ),
    _count(
        "attempts",
        1,
        "attempts",
        "a trial that kills its owner fails at once",
        default=3,
        status="{} attempts",
        option="--attempts",
        metavar="K",
        help="a trial that K owners died with fails with reason crash-loop (default 3)",
    ),
    Setting(
        "target",
        float,
        lambda value: float(_checks().number(value, "a target")),
        status="target {}",
        option="--target",
        metavar="V",
        help="stop once a result is as good as this: ask exits 11, run and optimize end",
    ),
    _count(
        "patience",
        1,
        "patience",
        "the first result ends the study",
        status="patience {}",
        option="--patience",
        metavar="N",
        help="stop once N finished trials brought nothing better",
    ),
    Setting(
        "min_gain",
        float,
        lambda value: _checks().not_negative(value, "min_gain"),
        status="gain of {} or more",
        option="--min-gain",
        metavar="G",
        help="stop once the model of auto or gp expects less than G of ten more trials; 0: never",
    ),
    # What `run` goes on with: the words of its command, the study's total, and the options that the run room knows.
    Setting("command", list, _command),
    _count("trials", 0, "trials", "none are to run"),
    Setting("run", dict, lambda options: _checks().storable(dict(options), "the settings of run"), default={}),
    Setting(
        "lock_file",
        str,
        _lock_file,
        option="--lock-file",
        metavar="FILE",
        help="a lock file whose hash belongs to the environment that is recorded",
    ),
    Setting(
        "record",
        list,
        _packages,
        default=[],
        option="--record",
        metavar="PACKAGE",
        help="a package of this Python whose version belongs to that environment too",
    ),
    Setting(
        "record_file",
        list,
        _files,
        default=[],
        option="--record-file",
        metavar="FILE",
        help="a file whose hash belongs to that environment too",
    ),
)
SETTINGS = {setting.name: setting for setting in _TABLE}


# No setting of the user's: it says how a study computes, so that one that was made before goes on as it began. See
# ``suggest.choose.by_index``, ``base.trainer_seed``, ``suggest.samplers.bounded``, ``suggest.samplers.genetic``,
# ``suggest.samplers.gp.habits`` and ``suggest.history.History.valueless``.
ARITHMETIC = {"grid": "index", "tpe": "bounded", "nsgaii": "near", "gp": "sums", "pruned": "learned"}


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The given settings as the journal is to hold them. None, {} and [] are as good as left out."""
    values = {name: SETTINGS[name].check(value) for name, value in given.items() if value is not None}
    return {name: value for name, value in values.items() if value not in ({}, [])}


def refuse_contradictions(values: Mapping[str, Any]) -> None:
    """UsageError for settings that don't go together."""
    if values["all_studies"] and values["duplicates"] == "allow":
        raise UsageError("all_studies (--all-studies) says where duplicates are looked for; say duplicates (--duplicates) too")
    if values["all_studies"] and values["lag"] is not None:
        raise UsageError("with a lag a trial sees what it would see in any other run, which other studies can't promise")


def initial() -> dict[str, Any]:
    """The settings that a new study records even if the caller gives none."""
    drawn = int.from_bytes(os.urandom(4), "little")
    return {name: setting.default for name, setting in SETTINGS.items() if setting.recorded} | {"seed": drawn, **ARITHMETIC}


def values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting of a study with this configuration."""
    return {name: setting.default if config.get(name) is None else config[name] for name, setting in SETTINGS.items()}


def wrong(config: Mapping[str, Any]) -> set[str]:
    """The settings in whose place a damaged record left a value of another kind."""
    return {name for name, value in values(config).items() if value is not None and not isinstance(value, SETTINGS[name].kind)}


def sound(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without wrong settings: each has its initial value instead, or is left out."""
    bad, fresh = wrong(config), initial()
    return {name: fresh.get(name) if name in bad else value for name, value in config.items() if name not in bad or name in fresh}
