"""Problems with parameters that only some configurations have, each with a regret of 0 at its optimum."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.problems import Problem

_BRANCHES = {
    "algo": "a | b | c",
    "a.x": "float(0, 1) if algo == a",
    "a.y": "float(0, 1) if algo == a",
    "b.rate": "log(1e-5, 1) if algo == b",
    "b.depth": "int(1, 12) if algo == b",
    "c.u": "float(-5, 5) if algo == c",
    "c.v": "float(-5, 5) if algo == c",
    "c.w": "float(-5, 5) if algo == c",
    "scale": "float(0, 2)",
}


def _branches(params: dict[str, Any]) -> float:
    """Three algorithms with parameters of their own: the best one is the narrowest, the easiest one ends at 0.15."""
    shared: float = 0.5 * (params["scale"] - 1.3) ** 2
    if params["algo"] == "a":
        return shared + 0.15 + float((params["a.x"] - 0.6) ** 2 + (params["a.y"] - 0.2) ** 2)
    if params["algo"] == "b":
        return shared + float((math.log10(params["b.rate"]) + 2.5) ** 2 / 3 + (params["b.depth"] - 9) ** 2 / 20)
    return float(
        shared + 0.08 + sum((params[f"c.{name}"] - best) ** 2 for name, best in (("u", 1.0), ("v", -2.0), ("w", 3.0))) / 8
    )


_KERNELS = {
    "C": "log(1e-3, 1e3)",
    "kernel": "linear | rbf | poly",
    "gamma": "log(1e-5, 10) if kernel != linear",
    "degree": "int(2, 5) if kernel == poly",
    "coef0": "float(0, 1) if kernel == poly",
    "shrink": "true | false",
}


def _kernels(params: dict[str, Any]) -> float:
    """As a support vector machine's error: C and gamma trade against each other where there is a gamma."""
    cost = math.log10(params["C"])
    if params["kernel"] == "linear":
        return 0.12 + 0.02 * (cost + 1) ** 2
    ridge = cost + math.log10(params["gamma"]) + 1.5
    if params["kernel"] == "rbf":
        return 0.05 * ridge**2 + 0.02 * (cost - 1.2) ** 2
    return float(0.06 + 0.04 * ridge**2 + 0.05 * abs(params["degree"] - 3) + 0.1 * (params["coef0"] - 0.7) ** 2)


_NESTED = {
    "layers": "int(1, 4)",
    **{f"units{at}": f"int(8, 512, log) if layers >= {at}" for at in (1, 2, 3, 4)},
    "opt": "adam | sgd",
    "momentum": "float(0, 0.99) if opt == sgd",
    "nesterov": "true | false if momentum > 0.5",
    "rate": "log(1e-5, 1)",
    "drop": "float(0, 0.6) if layers >= 2",
}


def _nested(params: dict[str, Any]) -> float:
    """A network: each layer has a width, sgd a momentum, and a large momentum a choice more."""
    best = (128, 64, 256, 32)
    widths = sum((math.log2(params[f"units{at + 1}"]) - math.log2(best[at])) ** 2 for at in range(params["layers"]))
    loss = {1: 0.3, 2: 0.1, 3: 0.0, 4: 0.05}[params["layers"]] + 0.01 * widths
    if params["opt"] == "adam":
        return float(loss + 0.1 + 0.05 * (math.log10(params["rate"]) + 3) ** 2 + (params.get("drop", 0.2) - 0.2) ** 2)
    momentum = (params["momentum"] - 0.9) ** 2 + (0 if params.get("nesterov") else 0.05)
    return float(loss + momentum + 0.05 * (math.log10(params["rate"]) + 1.5) ** 2 + (params.get("drop", 0.2) - 0.2) ** 2)


CONDITIONAL = {
    "branches": Problem(_BRANCHES, _branches),
    "kernels": Problem(_KERNELS, _kernels),
    "nested": Problem(_NESTED, _nested),
}
