# A stock Optuna worker of a journal on another machine: there `journaltune serve --grpc 127.0.0.1:13000`, here
# `ssh -N -L 13000:127.0.0.1:13000 HEAD`, since gRPC has no password, and `python optuna_worker.py 13000` as often as you like.
import sys

import optuna


def objective(trial: optuna.Trial) -> float:
    x, y = trial.suggest_float("x", -1, 1), trial.suggest_float("y", -1, 1)
    return (x - 0.3) ** 2 + (y + 0.2) ** 2


storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(sys.argv[1]))
storage.wait_server_ready(60)
study = optuna.create_study(study_name="shared", storage=storage, load_if_exists=True)
study.optimize(objective, n_trials=8)
print(f"best: {study.best_value:.4f} with {study.best_params}")
