# How do I print a line only when a trial is better than all before?
import journaltune

printed: list[int] = []


def say(study: journaltune.Study, trial: journaltune.Trial) -> None:
    if trial.number == study.best_trial.number:
        print(f"trial {trial.number}: {trial.value:.4f} with {trial.params}")
        printed.append(trial.number)


# With several jobs too, callbacks run one after the other, each before the next result is told: none compares with a best value
# that somebody else changes meanwhile.
study = journaltune.create_study("study.journal", params={"x": "float(-10, 10)"}, sampler="random", seed=1)
study.optimize(lambda trial: (trial.params["x"] - 2) ** 2, n_trials=60, n_jobs=4, callbacks=[say])

# Just the trials that were better than everything that had finished before them.
improved: list[journaltune.Trial] = []
for trial in sorted(study.trials, key=lambda trial: trial.datetime_complete):
    if not improved or trial.value < improved[-1].value:
        improved.append(trial)
assert printed == [trial.number for trial in improved]
assert 2 <= len(printed) < 60
