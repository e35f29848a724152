"""Files of other tools, told by their content: whose they are, and how one of their parameters is written here.

They are not read yet, so that nothing of them is lost unseen.
"""

from __future__ import annotations

from journaltune.space.grammar import is_spec
from journaltune.space.literals import one_line
from journaltune.space.meant import called, meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WANDB, NNI, HYDRA, CONFIGSPACE = "Weights & Biases", "NNI", "Hydra's Optuna sweeper", "ConfigSpace"


def tool_of_parameter(given: Mapping[str, Any]) -> str | None:
    """Whose mapping for one parameter this is."""
    if "_type" in given:
        return NNI
    if not given.keys().isdisjoint({"distribution", "values", "value", "mu"}):
        return WANDB
    return CONFIGSPACE if "lower" in given and "type" in given else None


def translated(given: object) -> str | None:
    """The spec that says the same as another tool's parameter, where that is plain."""
    if isinstance(given, str):
        return given if is_spec(given) else meant(given)
    if isinstance(given, list):
        return called("choice", given)
    if not isinstance(given, dict):
        return None
    if "_type" in given:
        values = given.get("_value")
        # The upper end of NNI's randint is not included.
        function = "range" if given["_type"] == "randint" else str(given["_type"])
        return called(function, values) if isinstance(values, list) else None
    if isinstance(given.get("values"), list):
        return called("choice", given["values"])
    if "value" in given:
        return called("choice", [given["value"]])
    function, choices = str(given.get("distribution", given.get("type", ""))), given.get("choices")
    if isinstance(choices, list):
        return called("choice", choices)
    if function in ("log_uniform", "q_log_uniform", "inv_log_uniform", "inv_log_uniform_values"):
        return None  # their bounds are exponents, or the range is another one
    options = {key: value for key, value in given.items() if key not in ("distribution", "type", "name")}
    whole = all(isinstance(value, int) for key, value in options.items() if key in ("min", "max", "low", "high"))
    return called(function or ("int" if whole else "float"), [], options)


def is_foreign(data: Mapping[str, Any]) -> str | None:
    """What to say of a whole file that is another tool's; None for any other."""
    found = _file_of(data)
    if found is None:
        return None
    what, parameters = found
    for name, given in parameters.items():
        spec = translated(given)
        if spec is not None:
            return f"{what} is not read yet; write its parameters below params, such as {one_line(str(name))}: {one_line(spec)}"
    return f"{what} is not read yet; write its parameters below params, such as lr: log(1e-5, 1e-1)"


def _file_of(data: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """What the file is, and its parameters by name."""
    parameters = data.get("parameters")
    if isinstance(parameters, dict) and "params" not in data:
        return f"this is a sweep of {WANDB}: it", parameters
    sweeper = data.get("hydra")
    if isinstance(sweeper, dict):
        inner = sweeper.get("sweeper")
        params = inner.get("params", inner.get("search_space")) if isinstance(inner, dict) else None
        return f"this is a file of {HYDRA}: it", params if isinstance(params, dict) else {}
    if data and all(isinstance(each, dict) and "_type" in each for each in data.values()):
        return f"this is a search space of {NNI}: it", data
    listed = data.get("hyperparameters")
    if isinstance(listed, list):
        named = {str(each.get("name")): each for each in listed if isinstance(each, dict)}
        return f"this is {CONFIGSPACE}'s JSON: it", named
    return None
