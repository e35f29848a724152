# How do I search for the best order of things?
import math

import journaltune

TOWNS = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (2.0, 2.0), (-1.0, -1.0)]


def length(trial: journaltune.AskedTrial) -> float:
    tour = [TOWNS[place] for place in trial.params["tour"]]
    return sum(math.dist(here, there) for here, there in zip(tour, tour[1:] + tour[:1], strict=True))


# permutation(6) are the numbers from 0 to 5. Inside it is a Lehmer code: near codes are similar orders.
study = journaltune.create_study("study.journal", params={"tour": "permutation(6)"}, seed=1)
study.enqueue({"tour": [0, 1, 2, 3, 4, 5]})
study.optimize(length, n_trials=40)

assert all(sorted(trial.params["tour"]) == [0, 1, 2, 3, 4, 5] for trial in study.trials)
assert study.trials[0].params["tour"] == [0, 1, 2, 3, 4, 5]
assert study.best_value < study.trials[0].values[0]
