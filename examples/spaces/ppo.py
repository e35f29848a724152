"""Proximal policy optimisation (Schulman et al. 2017) of a table, on a walk over thin ice: the trainer that ppo.sh tunes.

    python examples/spaces/ppo.py --batch 128 --minibatch 32 --updates 32 --epochs 4 --lr 10 --clip 0.2

Prints the mean reward of a walk with the policy that was learned. Standard library only.
"""

from __future__ import annotations

import argparse
import random
from math import exp, log

SIZE, MOST_STEPS, DISCOUNT = 5, 30, 0.95
HOLES, GOAL = {(1, 1), (1, 3), (2, 3), (3, 0)}, (4, 4)
MOVES = ((0, 1), (1, 0), (0, -1), (-1, 0))

Place = tuple[int, int]
Table = dict[Place, list[float]]


def step(place: Place, move: int, chance: random.Random) -> tuple[Place, float, bool]:
    """One step of which every tenth slips: the new place, its reward, and whether the walk is over."""
    down, right = MOVES[chance.randrange(4) if chance.random() < 0.1 else move]
    place = min(max(place[0] + down, 0), SIZE - 1), min(max(place[1] + right, 0), SIZE - 1)
    return place, float(place == GOAL) - float(place in HOLES), place == GOAL or place in HOLES


def probabilities(logits: list[float]) -> list[float]:
    weights = [exp(logit - max(logits)) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def walk(policy: Table, chance: random.Random) -> tuple[list[tuple[Place, int, float]], float]:
    """Each place with the move that was made and its probability, and the discounted reward at the end."""
    place, steps = (0, 0), []
    for length in range(MOST_STEPS):
        chances = probabilities(policy[place])
        move = chance.choices(range(4), chances)[0]
        steps.append((place, move, chances[move]))
        place, reward, is_over = step(place, move, chance)
        if is_over:
            return steps, reward * DISCOUNT**length
    return steps, 0.0


def improve(policy: Table, samples: list[tuple[Place, int, float, float]], options: argparse.Namespace) -> None:
    """One step up the clipped objective (equation 7) and the entropy bonus (equation 9), averaged over a minibatch."""
    gains: Table = {place: [0.0] * 4 for place, *_ in samples}
    for place, move, before, advantage in samples:
        chances = probabilities(policy[place])
        ratio = chances[move] / before
        is_clipped = ratio > 1 + options.clip if advantage > 0 else ratio < 1 - options.clip
        entropy = -sum(each * log(each + 1e-12) for each in chances)
        for other, each in enumerate(chances):
            gains[place][other] += 0.0 if is_clipped else advantage * ratio * ((other == move) - each)
            gains[place][other] -= options.entropy * each * (log(each + 1e-12) + entropy)
    for place, gain in gains.items():
        policy[place] = [logit + options.lr * each / len(samples) for logit, each in zip(policy[place], gain, strict=True)]


def train(options: argparse.Namespace) -> float:
    chance = random.Random(options.seed)
    policy: Table = {(i, j): [0.0] * 4 for i in range(SIZE) for j in range(SIZE)}
    value = dict.fromkeys(policy, 0.0)
    for _ in range(options.updates):
        batch: list[tuple[Place, int, float, float]] = []
        while len(batch) < options.batch:
            steps, reward = walk(policy, chance)
            for place, move, before in steps:
                batch.append((place, move, before, reward - value[place]))
                value[place] += 0.05 * (reward - value[place])
        batch = batch[: options.batch]
        for _ in range(options.epochs):
            chance.shuffle(batch)
            for begin in range(0, options.batch, options.minibatch):
                improve(policy, batch[begin : begin + options.minibatch], options)
    return sum(walk(policy, chance)[1] for _ in range(200)) / 200


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("batch", "minibatch", "updates", "epochs"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("lr", "clip"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument("--entropy", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    print(train(parser.parse_args()))
