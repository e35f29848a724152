# How do I turn log messages off?
import subprocess
import sys

import optuna

import journaltune

# journaltune logs nothing. optimize prints only with show_progress_bar=True; commands write their messages to stderr.
SEARCH = """
import journaltune
study = journaltune.create_study("study.journal", params={"x": "float(0, 1)"})
study.optimize(lambda trial: trial.params["x"], n_trials=3)
"""
done = subprocess.run([sys.executable, "-c", SEARCH], capture_output=True, check=True)
assert (done.stdout, done.stderr) == (b"", b"")

# A line for each trial is for programs that ask their log for it.
LOUD = "import logging\nlogging.basicConfig(level=logging.INFO)\n" + SEARCH.replace("study.journal", "loud.journal")
done = subprocess.run([sys.executable, "-c", LOUD], capture_output=True, check=True)
assert done.stderr.count(b"INFO:journaltune:trial ") == 3

# Optuna logs each trial, on this storage as on others; this turns its messages off.
optuna.logging.set_verbosity(optuna.logging.WARNING)
theirs = optuna.load_study(study_name="study", storage=journaltune.storage("study.journal"))
theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
assert len(journaltune.load_study("study.journal").trials) == 5
