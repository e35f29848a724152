#!/usr/bin/env bash
# Tunes a logistic regression in awk, four trials at a time.
#
#     python examples/data.py breast_cancer cancer.csv
#     examples/run/awk.sh cancer.csv 40          until ./study.journal has 40 trials
#
# awk's own braces would be written {{ and }}.
set -euo pipefail
export LC_ALL=C
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
data=${1:?usage: awk.sh DATA.csv [TRIALS]} trials=${2:-40}

journaltune run -n "$trials" -j 4 --minimize log_loss --seed 42 --trial-timeout 5m -- \
    awk -f "$here/../bash/train.awk" lr='{lr: log(1e-3, 10)}' l2='{l2: log(1e-6, 1)}' momentum='{momentum: float(0, 0.99)}' \
    batch='{batch: int(4, 256, log)}' seed='{seed}' "$data"

printf 'log loss on the test rows with the best parameters: '
journaltune exec best -- awk -f "$here/../bash/train.awk" lr='{lr}' l2='{l2}' momentum='{momentum}' batch='{batch}' seed='{seed}' \
    on=test "$data"
