# A search on a Dask cluster: `python dask_search.py tcp://SCHEDULER:8786`. Without an address: on two processes of this machine.
import sys

from dask.distributed import Client

import journaltune


def objective(trial: journaltune.AskedTrial) -> float:
    x, y = trial.params["x"], trial.params["y"]
    loss = 0.0
    for step in range(1, 5):
        loss = (x - 0.3) ** 2 + (y + 0.2) ** 2 + 1 / step
        trial.report(loss, step)  # goes through Dask's scheduler to this process, which has the journal
        if trial.should_prune():
            raise journaltune.TrialPruned
    return loss


if __name__ == "__main__":
    where = (
        {"address": sys.argv[1]} if len(sys.argv) > 1 else {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    )
    params = {"x": "float(-1, 1)", "y": "float(-1, 1)"}
    study = journaltune.create_study("study.journal", params=params, pruner="median", seed=1, exist_ok=True)
    with Client(sys.argv[1]) if len(sys.argv) > 1 else Client(n_workers=2, threads_per_worker=1) as client:
        study.optimize(objective, total_trials=24, n_jobs=-1, executor=client.get_executor())
    print(f"best: {study.best_value:.4f} with {study.best_params}")
