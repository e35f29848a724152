"""A file that says what a study is: its space, and its settings by the table of ``study.settings``."""

from __future__ import annotations

from journaltune.base.errors import JournaltuneError, SpaceError
from journaltune.space import files
from journaltune.space.mappings import YAML_BOOLEANS, BareWord
from journaltune.space.study_file import StudyFile, plain, refuse_unknown, wrong_type
from journaltune.study.settings import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.study.settings import Setting

_WAYS = ("minimize", "maximize")
# Settings whose key in a file is another one, or that no file has.
_NO_KEYS = ("space", "objectives", "run")
KEYS = (*_WAYS, *(name for name in SETTINGS if name not in _NO_KEYS))
_WANTED: dict[type, tuple[Any, str]] = {
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
    str: (str, "text"),
    bool: (bool, "true or false"),
    dict: (dict, "a mapping, such as {n_startup_trials: 20}"),
    list: ((list, str), "a list of words, or a line"),
}


def load(path: str) -> StudyFile:
    """A file, all of which is taken or named in ``notes``. SpaceError for what can't be kept, and for an unknown key."""
    file = files.read(path)
    return described(path, files.with_path(path, lambda: files.whole(file)))


def described(path: str, file: StudyFile) -> StudyFile:
    """The file with its settings read and checked, by the names of ``study.settings``. SpaceError names what is wrong."""
    settings = files.with_path(path, lambda: {**file.settings, **_settings(file.rest)})
    return file.but(settings=settings, rest={})


def merged(file: StudyFile | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a file under those of a call, which win. None and {} are as good as left out."""
    said = {name: value for name, value in given.items() if value is not None and value != {}}
    filed = dict(file.settings) if file is not None else {}
    if "directions" in said:  # with their names one setting
        filed.pop("objectives", None)
    if "sampler" in said and said["sampler"] != filed.get("sampler"):
        filed.pop("sampler_options", None)  # they are another sampler's
    return {**filed, **said}


def _settings(rest: Mapping[str, Any]) -> dict[str, Any]:
    refuse_unknown(rest, KEYS)
    settings = {key: _setting(SETTINGS[key], value) for key, value in rest.items() if key not in _WAYS}
    goals = [goal for key, given in rest.items() if key in _WAYS for goal in _goals(key, given)]
    if goals:
        settings["directions"] = tuple(way for way, _ in goals)
        settings["objectives"] = tuple(name for _, name in goals)
    return settings


def _setting(setting: Setting, given: Any) -> Any:
    kinds, wanted = _WANTED[setting.kind]
    value = _with_booleans(given) if setting.kind in (dict, bool) else plain(given)
    if (isinstance(value, bool) and setting.kind is not bool) or not isinstance(value, kinds):
        raise wrong_type(setting.name, given, wanted)
    try:
        setting.check(value)
    except JournaltuneError as error:
        raise SpaceError(f"{setting.name}: {error}") from None
    return value


def _with_booleans(value: Any) -> Any:
    """Keyword arguments, in which YAML's words for booleans are booleans."""
    if isinstance(value, BareWord):
        return YAML_BOOLEANS.get(value.lower(), str(value))
    if isinstance(value, dict):
        return {key: _with_booleans(item) for key, item in value.items()}
    return list(map(_with_booleans, value)) if isinstance(value, list) else value


def _goals(way: str, given: Any) -> list[tuple[str, str | None]]:
    """The objectives of ``minimize`` or ``maximize``: a name, a list of names, or true for one without a name."""
    if isinstance(given, BareWord):
        given = YAML_BOOLEANS.get(given.lower(), given)
    if given is True:
        return [(way, None)]
    names = given if isinstance(given, list) and given else [given]
    for name in names:
        if not isinstance(name, str) or not name:
            raise wrong_type(way, name, "an objective's name, a list of names, or true")
    return [(way, str(name)) for name in names]
