"""Other settings, and another space, for a study that exists.

What trials from before a change mean afterwards:

- A value outside of the present bounds tells a sampler nothing; a Gaussian process looks somewhat farther.
- A trial that lacks a parameter which was added since: ``tpe``, ``auto`` and ``gp`` learn from what it has of the others. For
  ``nsgaii``, ``nsgaiii`` and ``cmaes`` it is a member of no generation.
- A trial that has a parameter which was dropped since: ``tpe``, ``auto``, ``gp``, ``nsgaii`` and ``nsgaiii`` take what it has of
  the others. ``cmaes`` begins its generations anew.
- In both cases it is another configuration for ``grid`` and ``bruteforce``, which try every combination of the present
  parameters, and for look-ups, duplicates and replicates. ``qmc`` begins its sequence anew. ``random`` looks at no trial.
- A choice may get more choices. They are stored behind the others, whatever the order in which they are given, so that earlier
  trials keep theirs. Stock Optuna's own trials of that parameter fail from then on, as it allows no other choices.
- A condition or a constraint that is added, changed or dropped says what is suggested from then on. Earlier trials stay what
  they were: for samplers, and for look-ups.
- A trial that runs keeps its parameters. One that waits gets those that were added, and none that was dropped.
"""

from __future__ import annotations

from journaltune.base.errors import ConflictError, UsageError, one_line
from journaltune.engine.create import check_methods
from journaltune.journal import records
from journaltune.space import Distribution, Space, agrees
from journaltune.space.space import columns_of, with_choices
from journaltune.space.spelling import literal_text, spec_text
from journaltune.study import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from journaltune.journal.journal import Journal
    from journaltune.journal.state import StudyState
    from journaltune.space.parameters import Parameter

    Parameters = Mapping[str, Distribution | Parameter]


DROPPED = "dropped"  # in the configuration: the same call again must not be taken for a wrong name


def change(
    journal: Journal,
    study: StudyState,
    codes: Sequence[int] | None,
    given: Mapping[str, Any],
    dropped: Sequence[str],
    check_space: Callable[[Space], object],
) -> list[str]:
    """Replace the given settings, and what a damaged record left in the place of others. What changed, in words."""
    if codes is not None and codes != study.directions:
        raise ConflictError(f"study {study.name!r} has other directions; they can't change, so make a new study")
    if "objectives" in given and len(given["objectives"]) != len(study.directions):
        raise UsageError(f"study {study.name!r} has {len(study.directions)} objectives, not {len(given['objectives'])}")
    before = study.config
    kept = settings.initial() if before is None else settings.sound(before)
    for name in ("sampler", "pruner"):
        if name in given and given[name] != kept.get(name):
            given = {f"{name}_options": {}, **given}
    after = {**kept, **given}
    old, gone = _space(kept), _dropped_before(kept)
    new = _changed_space(study, old, _space(given), [name for name in dropped if name not in _require(kept)], gone)
    require = _changed_require(kept, given, dropped)
    space = Space(new, require)
    if _items(new) != _items(old) or require != _require(kept):
        after["space"] = space.to_config()
    elif "space" in kept:
        after["space"] = kept["space"]
    gone = [name for name in dict.fromkeys([*gone, *dropped]) if name not in new]
    if gone or DROPPED in kept:
        after[DROPPED] = gone
    if after != before:
        if new:
            check_space(space)
        check_methods(after, len(study.directions))
        attr = {records.CONFIG_ATTR: after}
        journal.append([records.study_record(records.SET_STUDY_SYSTEM_ATTR, study.study_id, system_attr=attr)])
    return (
        _of_space(old, new)
        + _of_require(_require(kept), require)
        + (_given(given) if before is None else _of_settings(before, after))
    )


def _space(config: Mapping[str, Any]) -> Parameters:
    return Space.from_config(config["space"]).parameters if config.get("space") is not None else {}


def _require(config: Mapping[str, Any]) -> list[str]:
    return list(config["space"].get("require", ())) if config.get("space") is not None else []


def _items(parameters: Parameters) -> list[tuple[str, str]]:
    return [(name, spec_text(known)) for name, known in parameters.items()]


def _changed_require(kept: Mapping[str, Any], given: Mapping[str, Any], dropped: Sequence[str]) -> list[str]:
    """The constraints of before without the dropped ones, and behind them those that are new."""
    texts = dict.fromkeys([*_require(kept), *_require(given)])
    return [text for text in texts if text not in dropped]


def _dropped_before(config: Mapping[str, Any]) -> list[str]:
    names = config.get(DROPPED)
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _changed_space(
    study: StudyState,
    old: Parameters,
    given: Parameters,
    dropped: Sequence[str],
    gone: Sequence[str],
) -> dict[str, Distribution | Parameter]:
    """The old parameters in their places without the dropped ones, and behind them those that are new."""
    given = {name: _grown(study, old, name, parameter) for name, parameter in given.items()}
    _check_compatible(study, given)
    for name in dropped:
        if name in given:
            raise UsageError(f"{one_line(name)} is both declared and dropped; leave one out")
        if name not in old and name not in gone and name not in study.first_distributions:
            raise _unknown(study, name, old)
    new = {name: distribution for name, distribution in {**old, **given}.items() if name not in dropped}
    if dropped and not new:
        raise UsageError(f"study {study.name!r} would have no parameters left; keep one, or delete the study")
    return new


def _check_compatible(study: StudyState, given: Parameters) -> None:
    """Kind and scale of a column can't change: samplers can't learn from such trials."""
    for name, distribution in columns_of(given).items():
        first = study.first_distributions.get(name)
        if first is not None and not agrees(distribution, Distribution.from_json(first[1])):
            raise ConflictError(
                f"parameter {name!r} of study {study.name!r} has another kind, scale or other categories in its trials; "
                "only bounds can change, and choices be added, so give it another name, or make a new study"
            )


def _grown(study: StudyState, old: Parameters, name: str, parameter: Distribution | Parameter) -> Distribution | Parameter:
    """A choice with those that trials had in their places, as these are stored by index, and the new ones behind them.

    ConflictError for one that lacks some of them: look-ups and other programs would take another choice for it.
    """
    first, column = study.first_distributions.get(name), columns_of({name: parameter}).get(name)
    if first is None or column is None or not column.choices:
        return parameter
    before = columns_of({name: old[name]}).get(name) if name in old else None
    then = Distribution.from_json(first[1])
    known = before if before is not None and agrees(before, then) else then
    lost = [choice for choice in known.choices if not _is_among(choice, column.choices)]
    if not known.choices or column.choices[: len(known.choices)] == known.choices:
        return parameter
    if lost or column.kind == "int":
        what = "lacks " + literal_text(lost[0]) if lost else "has its choices in another order"
        raise ConflictError(
            f"parameter {name!r} of study {study.name!r} {what}, and its trials keep choices by their place; choices are added "
            f"behind the others, and --require '{one_line(name)} != CHOICE' rules one out"
        )
    new = [choice for choice in column.choices if not _is_among(choice, known.choices)]
    return with_choices(parameter, [*known.choices, *new])


def _is_among(choice: object, choices: Sequence[object]) -> bool:
    return any(type(other) is type(choice) and other == choice for other in choices)


def _unknown(study: StudyState, name: str, old: Parameters) -> UsageError:
    from journaltune.base.words import near

    close = near(name, old)
    known = f"did you mean {one_line(close)}?" if close else f"it has {', '.join(map(one_line, old))}"
    return UsageError(f"study {study.name!r} has no parameter {one_line(name)} that could be dropped; {known}")


def _of_require(old: Sequence[str], new: Sequence[str]) -> list[str]:
    lost = [f"the constraint {one_line(text)} is dropped" for text in old if text not in new]
    return lost + [f"the constraint {one_line(text)} is added" for text in new if text not in old]


def _of_space(old: Parameters, new: Parameters) -> list[str]:
    lines = []
    for name in {**old, **new}:
        if name not in new:
            lines.append(f"{one_line(name)} is dropped (it was {_spec(old[name])})")
        elif name not in old:
            lines.append(f"{one_line(name)} is added: {_spec(new[name])}")
        elif spec_text(new[name]) != spec_text(old[name]):
            lines.append(f"{one_line(name)} is {_spec(new[name])} now (it was {_spec(old[name])})")
    return lines


def _spec(parameter: Distribution | Parameter) -> str:
    return one_line(spec_text(parameter))


def _given(given: Mapping[str, Any]) -> list[str]:
    """The settings of a study that had none, as another program made it."""
    return [
        f"{name.replace('_', ' ')} is {_shown(value)} now" for name, value in given.items() if name != "space" and value != {}
    ]


def _of_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The other settings that differ, by the names that users give them."""
    old, new = settings.values(before), settings.values(after)
    names = [name for name in old if name != "space" and old[name] != new[name]]
    return [f"{name.replace('_', ' ')} is {_shown(new[name])} now (it was {_shown(old[name])})" for name in names]


def _shown(value: object) -> str:
    from journaltune.base.jsontext import dumps_spaced

    return one_line(value if isinstance(value, str) else dumps_spaced(value))
