"""The weights with which four simple forecasts together come nearest to the flow of the Nile, each year from the years before.

    python examples/spaces/ensemble.py

The weights are never negative and sum to one, so what is searched is a `simplex`. The study is ./study.journal.
"""

from __future__ import annotations

from math import sqrt

import journaltune

# Annual flow at Aswan in 10^8 cubic metres, 1871 to 1970 (Cobb 1978, Biometrika 65).
FLOW = [
    *(1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140),
    *(1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969),
    *(831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759),
    *(781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890),
    *(744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740),
]
FIRST = 20  # the first year that is forecast: the longest look back
FORECASTS = {
    "last": lambda past: past[-1],
    "five": lambda past: sum(past[-5:]) / 5,
    "twenty": lambda past: sum(past[-20:]) / 20,
    "trend": lambda past: past[-1] + (past[-1] - past[-6]) / 5,
}


def error(weights: dict[str, float], begin: int, end: int) -> float:
    """The root of the mean squared error over some years."""
    squares = []
    for year in range(begin, end):
        forecast = sum(weight * FORECASTS[name](FLOW[:year]) for name, weight in weights.items())
        squares.append((FLOW[year] - forecast) ** 2)
    return sqrt(sum(squares) / len(squares))


space = {"weights": f"simplex({', '.join(FORECASTS)})"}
study = journaltune.create_study("study.journal", params=space, seed=1, exist_ok=True)
study.enqueue({"weights": {"last": 0.25, "five": 0.25, "twenty": 0.25, "trend": 0.25}}, skip_if_exists=True)
study.optimize(lambda trial: error(trial.params["weights"], FIRST, 70), n_trials=40)

weights = study.best_params["weights"]
print("weights:", ", ".join(f"{name} {weight:.3f}" for name, weight in weights.items()))
print(f"best: {study.best_value:.2f} with these, {study.trials[0].value:.2f} with equal weights")
print(f"in the thirty years after: {error(weights, 70, 100):.2f}")
