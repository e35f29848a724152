# How do I store files with trials, and delete all files of a study?
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore, download_artifact, get_all_artifact_meta, upload_artifact

import journaltune

Path("files").mkdir()
store, storage = FileSystemArtifactStore("files"), journaltune.storage("study.journal")
study = journaltune.create_study("study.journal", params={"x": "float(0, 1)"}, seed=1)


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    Path("curve.txt").write_text(f"{x}\n", encoding="ascii")
    upload_artifact(artifact_store=store, file_path="curve.txt", study_or_trial=trial)  # a copy goes to files/
    return x


theirs = study.to_optuna()
theirs.optimize(objective, n_trials=3)
(curve,) = get_all_artifact_meta(theirs.best_trial, storage=storage)
download_artifact(artifact_store=store, file_path="best.txt", artifact_id=curve.artifact_id)
assert float(Path("best.txt").read_text(encoding="ascii")) == study.best_value

assert len(list(Path("files").iterdir())) == 3
for trial in theirs.trials:
    for meta in get_all_artifact_meta(trial, storage=storage):
        store.remove(meta.artifact_id)
assert not list(Path("files").iterdir())
