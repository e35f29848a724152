"""The samplers by name. A new sampler is a file here, a class as in ``protocol``, and a row in ``ROWS``.

Nothing here imports a sampler before it is made: the command line lists the rows in its help.
"""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from journaltune.space.rules import Rules
    from journaltune.suggest.samplers.protocol import Sampler


class Row(Frozen):
    """One sampler. ``factory`` is MODULE:CLASS beside this file, called with the name, the options and ``by_index``.

    ``optuna_class`` is the class of ``optuna.samplers`` that does the work, or does the same work as Rustuna's. ``needs`` are
    libraries beyond the core's, and ``extra`` is the extra of this package that installs them.
    """

    name: str
    factory: str
    help: str
    optuna_class: str
    extra: str = ""
    needs: tuple[str, ...] = ()


WITH_MODEL = ("auto", "gp")
"""Samplers with a Gaussian process of ours, which also says what more trials are expected to bring."""

_GRID, _BRUTE_FORCE = _FINITE = ("finite:GridSampler", "finite:BruteForceSampler")
_RUSTUNA, _OPTUNA = "from_rustuna:RustunaSampler", "from_optuna:OptunaSampler"

ROWS = (
    Row("tpe", _RUSTUNA, "tree-structured Parzen estimator: for most studies", "TPESampler"),
    Row("random", _RUSTUNA, "independent random values", "RandomSampler"),
    Row("nsgaii", "genetic:GeneticSampler", "NSGA-II, a genetic algorithm: for several objectives", "NSGAIISampler"),
    Row("qmc", _OPTUNA, "quasi-Monte Carlo, a Sobol sequence: even coverage", "QMCSampler", "qmc", ("scipy",)),
    Row("grid", _GRID, "every combination once, in shuffled order", "GridSampler"),
    Row("cmaes", _OPTUNA, "CMA-ES: numbers only, one objective", "CmaEsSampler", "cmaes", ("cmaes",)),
    Row("auto", "auto:AutoSampler", "a Gaussian process, and TPE where that gets too large for it", "TPESampler"),
    Row("gp", "gp.sampler:GpSampler", "Gaussian process: few, costly trials, one objective", "GPSampler"),
    Row("nsgaiii", _OPTUNA, "NSGA-III: many objectives", "NSGAIIISampler"),
    Row("bruteforce", _BRUTE_FORCE, "every combination once, at random", "BruteForceSampler"),
)
_BY_NAME = {row.name: row for row in ROWS}
# What these names stand for in earlier studies, and what in the first ones.
_BEFORE = {
    "gp": Row("gp", "gp.sampler:EarlierGpSampler", "", "GPSampler"),
    "auto": Row("auto", "auto:EarlierAutoSampler", "", "TPESampler"),
    "nsgaii": Row("nsgaii", "nsgaii:NsgaiiSampler", "", "NSGAIISampler"),
}
_AT_FIRST = _BEFORE | {"gp": Row("gp", _OPTUNA, "", "GPSampler", "gp", ("scipy", "torch"))}
_OTHERS = "optuna.CLASSNAME such as optuna.TPESampler, or package.module:Class"


def names() -> tuple[str, ...]:
    """The short names, for messages and help."""
    return tuple(_BY_NAME)


def help_text() -> str:
    """One line for each sampler: its name, what it is for, and the extra that it needs."""
    lines = [f"{row.name:<11}{row.help}{f' (needs journaltune[{row.extra}])' if row.extra else ''}" for row in ROWS]
    return "\n".join([*lines, f"or {_OTHERS}"])


def row_of_class(optuna_class: str) -> Row | None:
    """The row with this class of ``optuna.samplers``, if there is one."""
    return next((row for row in (_AT_FIRST["gp"], *ROWS) if row.optuna_class == optuna_class), None)


def optuna_class_name(name: str) -> str:
    """The class of ``optuna.samplers`` that a short name or ``optuna.CLASSNAME`` stands for."""
    row = _BY_NAME.get(name)
    return row.optuna_class if row is not None else name.removeprefix("optuna.")


_OTHER_NAMES = {
    **dict.fromkeys(("bayes", "bayesian", "bo", "gaussian-process"), "gp"),
    **dict.fromkeys(("sobol", "halton", "quasirandom"), "qmc"),
    **dict.fromkeys(("cma-es", "cma"), "cmaes"),
    **dict.fromkeys(("nsga2", "nsga-ii", "genetic"), "nsgaii"),
    **dict.fromkeys(("nsga3", "nsga-iii"), "nsgaiii"),
    **dict.fromkeys(("uniform", "randomsearch", "random-search"), "random"),
    **dict.fromkeys(("gridsearch", "grid-search"), "grid"),
    **dict.fromkeys(("brute-force", "exhaustive"), "bruteforce"),
}


def _meant(name: str) -> str:
    """Which sampler was probably meant, or which there are."""
    from journaltune.base.words import near

    row = row_of_class(name) or row_of_class(f"{name}Sampler")
    if row is not None:
        return f"write {row.name}, or optuna.{row.optuna_class}"
    close = _OTHER_NAMES.get(name.lower()) or near(name, _BY_NAME)
    return f"did you mean {close}?" if close else f"take one of {', '.join(names())}, {_OTHERS}"


def make(
    name: str, options: Mapping[str, Any], by_index: bool = True, rules: Rules | None = None, before: Collection[str] = ()
) -> Sampler:
    """The sampler of that name. UsageError for an unknown name or option, and for a library that is not installed.

    ``by_index``: see ``draw.by_index``, which tells it for a study. ``rules`` are those of the study's space. ``before``:
    samplers that are to be those of earlier studies; without ``by_index`` all of them.
    """
    row = _BY_NAME.get(name)
    if row is not None:
        row = (_AT_FIRST if not by_index else _BEFORE if name in before else _BY_NAME).get(name, row)
    if row is None and not (name.startswith("optuna.") or ":" in name):
        raise UsageError(f"unknown sampler {name!r}; {_meant(name)}")

    if row is None:  # optuna.GridSampler and its like are those of the short names
        row = next((each for each in ROWS if each.factory in _FINITE and name == f"optuna.{each.optuna_class}"), None)
    module, _, class_name = (_OPTUNA if row is None else row.factory).partition(":")
    # ``importlib`` would cost an ask another import.
    factory = getattr(__import__(f"{__package__}.{module}", fromlist=(class_name,)), class_name)
    sampler: Sampler = factory(name, options, by_index)
    sampler.rules = rules if rules is not None and rules.restricts else None
    return sampler


def wrong_options(name: str, options: Mapping[str, Any], error: Exception) -> UsageError:
    """What a library says of its options, and whose options they are where they are those of Optuna's class."""
    unknown = next((option for option in options if "unexpected keyword" in str(error) and f"'{option}'" in str(error)), None)
    if unknown is not None:
        return unknown_option(name, unknown)
    return UsageError(f"sampler {name} does not take these options: {error}")


def unknown_option(name: str, option: str) -> UsageError:
    """That a sampler has no such option, and that Optuna's class for it has one, where that is so."""
    from inspect import signature

    import optuna  # 0.3 s, for a better message only

    class_name = optuna_class_name(name)
    is_theirs = option in signature(getattr(optuna.samplers, class_name)).parameters
    hint = f"; optuna.{class_name} has it: write --sampler optuna.{class_name}" if is_theirs else ""
    return UsageError(f"sampler {name} has no option {option!r}{hint}")


def refuse_seed(options: Mapping[str, Any]) -> None:
    if "seed" in options:
        raise UsageError("a sampler's seed comes from the study's: use --seed")


is_rust_alone = False


def rust_without_its_package() -> None:
    """From now on Rustuna's core is loaded without ``rustuna/__init__.py``, which imports ``typing``: half of the time of a
    shell's ``ask``.

    Only our own command may say so: a program that imports Rustuna later would miss the core as an attribute of the package.
    """
    global is_rust_alone
    is_rust_alone = True
