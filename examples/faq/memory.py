# How do I keep memory from growing while a study runs?
import gc
import weakref

import journaltune


class Model:
    """It refers to itself, as models do through their layers: only the garbage collector frees it."""

    def __init__(self) -> None:
        self.me, self.weights = self, bytearray(10_000_000)


models: list[weakref.ref[Model]] = []


def objective(trial: journaltune.AskedTrial) -> float:
    models.append(weakref.ref(Model()))
    return trial.params["x"]


gc.disable()  # so that nothing but the callback collects here
collector = journaltune.GarbageCollector()  # above="8G": while the process is larger; every=10: after each tenth trial
study = journaltune.create_study("study.journal", params={"x": "float(0, 1)"})
study.optimize(objective, n_trials=5, callbacks=[collector])

assert collector.n_collections == 5
assert len(models) == 5
assert not any(model() for model in models)
