# How do I test my objective?
import journaltune


def objective(trial: journaltune.AskedTrial | journaltune.FixedTrial) -> float:
    lr = trial.suggest_float("lr", 1e-5, 1, log=True)
    for epoch in range(3):
        trial.report(lr / (epoch + 1), epoch)
    return lr * trial.params["layers"]


# A FixedTrial has parameters of yours, and no study: nothing is written.
trial = journaltune.FixedTrial({"lr": 0.5, "layers": 3})
assert objective(trial) == 1.5
assert trial.intermediate_values == {0: 0.5, 1: 0.25, 2: 0.5 / 3}

# It says which parameter is missing.
message = ""
try:
    objective(journaltune.FixedTrial({"layers": 3}))
except journaltune.SpaceError as error:
    message = str(error)
assert "lr" in message
