"""Four processes and one file, in two ways: on one study, or on a study each that are compared at the end.

    python examples/processes/workers.py shared
    python examples/processes/workers.py independent

Shared: each process sees the results and the running trials of the others. Independent: the processes share the file only, so
each search is the same again whatever the timing, and the spread of the results shows how much is luck.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet
from sklearn.model_selection import cross_val_score

import journaltune

JOURNAL, N_TRIALS, N_PROCESSES = "study.journal", 40, 4
SPACE = {"alpha": "log(1e-4, 10)", "l1_ratio": "float(0, 1)"}


def search(name: str, n_trials: int) -> str:
    """The work of one process. It opens the file itself: processes can't share an open study."""
    x, y = load_diabetes(return_X_y=True)
    study = journaltune.load_study(JOURNAL, name)
    while True:
        try:
            trial = study.ask(max_trials=n_trials)  # of the study, whoever asked for the others
        except journaltune.ExhaustedError:
            return name
        with trial:  # an exception fails this trial, and goes on to the pool
            model = ElasticNet(**trial.params, random_state=trial.seed)
            error = np.sqrt(-cross_val_score(model, x, y, cv=3, scoring="neg_mean_squared_error").mean())
            study.tell(trial, float(error))


def main(how: str) -> None:
    names = ["shared"] * N_PROCESSES if how == "shared" else [f"search-{seed}" for seed in range(N_PROCESSES)]
    for seed, name in enumerate(dict.fromkeys(names)):  # before a process looks for it
        journaltune.create_study(JOURNAL, study_name=name, params=SPACE, seed=seed, exist_ok=True).close()
    n_trials = N_TRIALS if how == "shared" else N_TRIALS // N_PROCESSES
    with ProcessPoolExecutor(N_PROCESSES) as pool:
        done = sorted(set(pool.map(search, names, [n_trials] * N_PROCESSES)))
    found = {name: journaltune.load_study(JOURNAL, name).best_trial for name in done}
    for name, best in found.items():
        print(f"{name}: {best.value:.4f}, trial {best.number}")
    name = min(found, key=lambda name: found[name].value)
    print(f"best: {found[name].value:.4f} with {found[name].params}")


if __name__ == "__main__":
    if sys.argv[1:] not in (["shared"], ["independent"]):
        sys.exit(f"usage: python {sys.argv[0]} shared|independent")
    main(sys.argv[1])
