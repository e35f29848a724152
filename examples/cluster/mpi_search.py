# A search by MPI: `mpiexec -n 3 python -m mpi4py.futures mpi_search.py`, one process that has the journal and two that call.
from mpi4py.futures import MPIPoolExecutor

import journaltune


def objective(trial: journaltune.AskedTrial) -> float:
    trial.set_user_attr("rounds", 4)  # comes back with the value; report() needs the machine that has the journal
    return (trial.params["x"] - 0.3) ** 2 + (trial.params["y"] + 0.2) ** 2


if __name__ == "__main__":
    params = {"x": "float(-1, 1)", "y": "float(-1, 1)"}
    study = journaltune.create_study("study.journal", params=params, seed=1, exist_ok=True)
    with MPIPoolExecutor() as executor:
        study.optimize(objective, total_trials=24, n_jobs=-1, executor=executor)
    print(f"best: {study.best_value:.4f} with {study.best_params}")
