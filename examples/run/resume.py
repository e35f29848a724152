"""Minimizes Rosenbrock's function step by step, and goes on from its checkpoint after a kill. Needs nothing but Python."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

EPOCHS = 20


def main(lr: float, momentum: float, checkpoint: str) -> None:
    state = {"epoch": 0, "x": -1.0, "y": 1.5, "vx": 0.0, "vy": 0.0}
    if os.path.exists(checkpoint):
        with open(checkpoint, encoding="utf-8") as file:
            state = json.load(file)
        print(f"goes on after epoch {state['epoch']}", file=sys.stderr)
    while state["epoch"] < EPOCHS:
        train(state, lr, momentum)
        # Beside it first: a kill leaves the old checkpoint or the new one, never half of one.
        with open(f"{checkpoint}.new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(f"{checkpoint}.new", checkpoint)
        print(f"epoch {state['epoch']}: {loss(state)}", file=sys.stderr)
    print(loss(state))


def train(state: dict[str, float], lr: float, momentum: float) -> None:
    for _ in range(50):
        x, y = state["x"], state["y"]
        slope_x, slope_y = -2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)
        size = max(1.0, (slope_x**2 + slope_y**2) ** 0.5)
        state["vx"] = momentum * state["vx"] - lr * slope_x / size
        state["vy"] = momentum * state["vy"] - lr * slope_y / size
        state["x"], state["y"] = x + state["vx"], y + state["vy"]
    state["epoch"] += 1
    time.sleep(0.02)  # as if it took a while


def loss(state: dict[str, float]) -> float:
    return (1 - state["x"]) ** 2 + 100 * (state["y"] - state["x"] ** 2) ** 2


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--momentum", type=float, required=True)
    parser.add_argument("--checkpoint", required=True)
    main(**vars(parser.parse_args()))
