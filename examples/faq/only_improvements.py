# How do I print a line only when a trial is better than all before?
import journaltune

printed: list[float] = []


def say(study: journaltune.Study, trial: journaltune.Trial) -> None:
    if trial.value is not None and trial.number == study.best_trial.number:
        print(f"trial {trial.number}: {trial.value:.4f} with {trial.params}")
        printed.append(trial.value)


study = journaltune.create_study("study.journal", params={"x": "float(-10, 10)"}, seed=1)
study.optimize(lambda trial: (trial.params["x"] - 2) ** 2, n_trials=30, callbacks=[say])

assert printed == sorted(set(printed), reverse=True)
assert printed[-1] == study.best_value
assert 2 <= len(printed) < 30
