"""journaltune, Optuna and Rustuna behind one surface, each used as its documentation says; runs inside the measured processes.

Each library is imported by its own contender only, so that a measured process holds no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import optuna
    import rustuna
    from optuna.distributions import BaseDistribution

    import journaltune

PARAMETERS = tuple(f"x{index}" for index in range(10))
STUDY = "bench"


class Asker(Protocol):
    """A study on a new journal file. ``ask`` hands out what ``tell`` takes; all ten parameters are drawn when it returns."""

    def create(self, path: str, sampler: str) -> None: ...

    def ask(self) -> Any: ...

    def tell(self, handle: Any, value: float) -> None: ...


class Contender(Asker, Protocol):
    """One that also opens what is there."""

    def load(self, path: str, sampler: str) -> None: ...

    def known(self) -> tuple[int, float]:
        """Number of trials and best value: what shows that the study is usable."""

    def everything(self) -> int:
        """Builds every trial with its parameters, keeps them referenced, and returns how many there are."""

    def close(self) -> None: ...


class Ours:
    """journaltune's Python face. The file's stem must be the study's name."""

    study: journaltune.Study
    kept: Any

    def __init__(self) -> None:
        import journaltune

        # The public names load lazily; an import that is part of the first call would be measured as opening.
        self.create_study = journaltune.create_study
        self.load_study = journaltune.load_study

    def create(self, path: str, sampler: str) -> None:
        space = dict.fromkeys(PARAMETERS, "float(0, 1)")
        self.study = self.create_study(path, params=space, sampler=sampler, seed=1)

    def load(self, path: str, sampler: str) -> None:
        # The study remembers its sampler.
        self.study = self.load_study(path)

    def ask(self) -> Any:
        return self.study.ask()

    def tell(self, handle: Any, value: float) -> None:
        self.study.tell(handle, value)

    def known(self) -> tuple[int, float]:
        return sum(self.study.counts().values()), self.study.best_value

    def everything(self) -> int:
        self.kept = self.study.trials
        return len(self.kept)

    def close(self) -> None:
        self.study.close()


class Optuna:
    """Optuna's JournalStorage with its JournalFileBackend, and no copies where its public API lets one do without."""

    study: optuna.Study
    kept: Any

    def __init__(self) -> None:
        import optuna
        import optuna.samplers
        import optuna.storages.journal

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna = optuna
        self.space: dict[str, BaseDistribution] = {name: optuna.distributions.FloatDistribution(0, 1) for name in PARAMETERS}

    def _storage(self, path: str) -> optuna.storages.JournalStorage:
        return self.optuna.storages.JournalStorage(self.optuna.storages.journal.JournalFileBackend(path))

    def _sampler(self, name: str) -> optuna.samplers.BaseSampler:
        return self.optuna.samplers.RandomSampler() if name == "random" else self.optuna.samplers.TPESampler()

    def create(self, path: str, sampler: str) -> None:
        self.study = self.optuna.create_study(storage=self._storage(path), study_name=STUDY, sampler=self._sampler(sampler))

    def load(self, path: str, sampler: str) -> None:
        self.study = self.optuna.load_study(study_name=None, storage=self._storage(path), sampler=self._sampler(sampler))

    def ask(self) -> Any:
        return self.study.ask(self.space)

    def tell(self, handle: Any, value: float) -> None:
        self.study.tell(handle, value)

    def known(self) -> tuple[int, float]:
        return len(self.study.get_trials(deepcopy=False)), self.study.best_value

    def everything(self) -> int:
        self.kept = self.study.get_trials(deepcopy=False)
        return len(self.kept)

    def close(self) -> None:
        pass


class Rustuna:
    """Rustuna's JournalFileStorage. Its ``ask`` takes no space, so the parameters are suggested one by one."""

    study: rustuna.Study

    def __init__(self) -> None:
        import rustuna

        self.rustuna = rustuna

    def create(self, path: str, sampler: str) -> None:
        samplers = {"random": self.rustuna.samplers.RandomSampler, "tpe": self.rustuna.samplers.TPESampler}
        storage = self.rustuna.storages.JournalFileStorage(path)
        self.study = self.rustuna.create_study(storage=storage, study_name=STUDY, sampler=samplers[sampler]())

    def ask(self) -> Any:
        trial = self.study.ask()
        for name in PARAMETERS:
            trial.suggest_float(name, 0.0, 1.0)
        return trial.number

    def tell(self, handle: Any, value: float) -> None:
        self.study.tell(handle, [value])


def asker(name: str) -> Asker:
    """One of ``ours``, ``optuna``, ``rustuna``; its library is imported now."""
    return Rustuna() if name == "rustuna" else contender(name)


def contender(name: str) -> Contender:
    """One of ``ours``, ``optuna``; its library is imported now."""
    return Optuna() if name == "optuna" else Ours()
