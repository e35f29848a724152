# How do I store more about a trial?
set -eu
journaltune create --param 'x: float(0, 1)'
journaltune ask
journaltune tell 0 0.25 --attr 'host="gpu1"' --attr epochs=30 --attr 'confusion=[[5, 1], [0, 4]]'

# What is true of the whole study:
journaltune attr 'dataset="digits"' folds=5
journaltune attr | grep -q '{"dataset": "digits", "folds": 5}'

# The values are JSON; Optuna shows them as user attributes.
journaltune trials --format jsonl | grep -q '"user_attrs": {"host": "gpu1", "epochs": 30, "confusion": \[\[5, 1\], \[0, 4\]\]}'
python -c '
import optuna, journaltune
study = optuna.load_study(study_name="study", storage=journaltune.storage("study.journal"))
assert study.best_trial.user_attrs["confusion"] == [[5, 1], [0, 4]]
assert study.user_attrs == {"dataset": "digits", "folds": 5}
'
