# How do I avoid "database is locked" with many Optuna workers on SQLite?
import optuna

import journaltune


def worker(_: int) -> None:
    # storage was "sqlite:///study.db". On a journal, workers wait for each other in the kernel, for a moment each.
    study = optuna.load_study(study_name="shared", storage=journaltune.storage("study.journal"))
    study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=10)


if __name__ == "__main__":
    from concurrent.futures import ProcessPoolExecutor

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.create_study(study_name="shared", storage=journaltune.storage("study.journal"))
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(worker, range(4)))
    trials = journaltune.load_study("study.journal").trials
    assert [trial.number for trial in trials] == list(range(40))
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
