"""A PyTorch training loop that goes on where it was killed, in the middle of a trial too.

    python examples/torch/train.py

The study is ./study.journal, the checkpoints are in ./checkpoints, one file a trial. Kill it when you like and start it again: it
ends with the same four trials and the same losses.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

import journaltune

N_TRIALS, N_EPOCHS = 4, 8
SPACE = {"lr": "log(1e-4, 1e-1)", "width": "int(8, 64, log)", "dropout": "float(0, 0.5)"}

torch.set_num_threads(1)  # the model is tiny: several threads would mostly wait for each other
x, y = (torch.as_tensor(array) for array in load_digits(return_X_y=True))
x = x.float() / 16
train, valid = slice(0, 1200), slice(1200, None)


def checkpoint_of(number: int) -> Path:
    return Path("checkpoints") / f"{number}.pt"


def save(number: int, state: dict[str, object]) -> None:
    """Renaming is all or nothing: a process that is killed here leaves the checkpoint before, and no half of one."""
    path = checkpoint_of(number)
    torch.save(state, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def fit(number: int, params: dict[str, float]) -> float:
    """The validation loss after the last epoch, from the trial's checkpoint on."""
    state = torch.load(checkpoint_of(number))
    torch.set_rng_state(state["rng"])
    model = nn.Sequential(
        nn.Linear(64, int(params["width"])), nn.ReLU(), nn.Dropout(params["dropout"]), nn.Linear(int(params["width"]), 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=params["lr"])
    if state["epoch"]:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])  # again: the new layers drew their first weights from it
        print(f"trial {number} goes on after epoch {state['epoch']}", flush=True)
    for epoch in range(state["epoch"], N_EPOCHS):
        model.train()
        for batch in torch.randperm(1200).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[train][batch]), y[train][batch]).backward()
            optimizer.step()
        rng = torch.get_rng_state()
        save(number, {"epoch": epoch + 1, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "rng": rng})
        print(f"trial {number} epoch {epoch + 1}", flush=True)
    model.eval()
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model(x[valid]), y[valid]))


def finish(study: journaltune.Study, number: int, params: dict[str, float]) -> None:
    study.tell(number, fit(number, params))
    checkpoint_of(number).unlink()  # after the result is on the disk, not before


Path("checkpoints").mkdir(exist_ok=True)
study = journaltune.create_study("study.journal", params=SPACE, seed=3, exist_ok=True)

# The trial of a process that was killed comes again, as the same trial with a higher attempt.
for trial in study.trials_iter(total_trials=N_TRIALS):
    if trial.attempt == 1 or not checkpoint_of(trial.number).exists():  # it may have been killed before its first checkpoint
        journaltune.seed_everything(trial.seed)
        save(trial.number, {"epoch": 0, "rng": torch.get_rng_state()})
    finish(study, trial.number, trial.params)

print(f"best: {study.best_value:.4f} with {study.best_params}")
