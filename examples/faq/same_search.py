# How do I get the same search again?
import journaltune


def search(path: str, stops: list[int]) -> list[dict[str, float]]:
    for n_trials in stops:  # A search that is stopped and goes on is the same one, too.
        study = journaltune.create_study(path, params={"x": "float(-5, 5)", "y": "float(-5, 5)"}, seed=42, exist_ok=True)
        study.optimize(lambda trial: trial.params["x"] ** 2 + trial.params["y"] ** 2, total_trials=n_trials)
    return [trial.params for trial in study.trials]


# The seed decides, bit for bit; `journaltune create --seed 42` in a shell.
first = search("first.journal", stops=[16])
assert first == search("again.journal", stops=[7, 16])
assert len({tuple(params.values()) for params in first}) == 16

# verify, here and as a command, recomputes each suggestion from the journal, also where the seed was drawn.
verdict = journaltune.load_study("first.journal").verify()
assert verdict.n_verified == 16
assert verdict.difference is None
