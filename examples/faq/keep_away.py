# How do I keep a crash from being suggested again?
import journaltune


def train(trial: journaltune.AskedTrial) -> float:
    if trial.params["width"] > 0.5 and trial.params["depth"] > 0.5:  # a quarter of the space
        raise MemoryError("the model does not fit")
    return -trial.params["width"] - trial.params["depth"]


def n_failed(failures: str) -> int:
    study = journaltune.create_study(
        f"{failures}.journal", params={"width": "float(0, 1)", "depth": "float(0, 1)"}, failures=failures, seed=1
    )
    study.optimize(train, n_trials=40, catch=MemoryError)
    assert {trial.user_attrs["fail_reason"] for trial in study.get_trials(["fail"])} == {"oom"}
    return study.counts()["fail"]


# The default is "worst": the sampler takes a failure for the worst result. "ignore" is what Optuna does.
worst, ignored = n_failed("worst"), n_failed("ignore")
print(f"failed of 40 trials: {worst} with failures='worst', {ignored} with 'ignore'")
assert worst < ignored
