"""Writes a data set that ships with scikit-learn as a CSV file that a trainer in any language can read.

    python examples/data.py digits digits.csv
    python examples/data.py breast_cancer cancer.csv

One row an example: which split it belongs to (train, valid or test: 60, 20 and 20 percent, drawn once with a fixed seed),
its class (0, 1, ...), then its features, standardised with the mean and deviation of the training rows.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn import datasets

LOADERS = {"digits": datasets.load_digits, "breast_cancer": datasets.load_breast_cancer}


def main(name: str, path: str) -> None:
    features, labels = LOADERS[name](return_X_y=True)
    fractions = np.random.default_rng(0).permutation(len(labels)) / len(labels)
    splits = np.select([fractions < 0.6, fractions < 0.8], ["train", "valid"], "test")
    train = features[splits == "train"]
    # The corner pixels of the digits never change; dividing by 1 leaves them at 0.
    deviation = np.where(train.std(axis=0) > 0, train.std(axis=0), 1)
    rows = (features - train.mean(axis=0)) / deviation
    with open(path, "w", encoding="ascii") as file:
        for split, label, row in zip(splits, labels, rows, strict=True):
            print(split, label, *(f"{x:.6g}" for x in row), sep=",", file=file)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in LOADERS:
        sys.exit(f"usage: python {sys.argv[0]} {'|'.join(LOADERS)} OUT.csv")
    main(sys.argv[1], sys.argv[2])
