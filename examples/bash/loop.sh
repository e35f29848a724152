#!/usr/bin/env bash
# Tunes train.awk, a logistic regression, with a plain shell loop: ask, train, tell.
#
#     python examples/data.py breast_cancer cancer.csv
#     examples/bash/loop.sh cancer.csv 40        until ./study.journal has 40 trials
#     journaltune best
#
# Start it in several terminals at once and they share the trials; stop it at any time and start it again.
set -euo pipefail
export LC_ALL=C
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
data=${1:?usage: loop.sh DATA.csv [TRIALS]} trials=${2:-40} status=0

journaltune create --exist-ok --space "$here/space.toml" --minimize log_loss --seed 42 >&2

while true; do
    suggestion=$(journaltune ask --format sh --trials "$trials" --owner $$) || { status=$?; break; }
    eval "$suggestion"
    if loss=$(awk -f "$here/train.awk" lr="$JT_lr" l2="$JT_l2" momentum="$JT_momentum" batch="$JT_batch" \
        epochs="$JT_epochs" seed="$JT_SEED" "$data"); then
        journaltune tell "$JT_TRIAL" "$loss"
    else
        loss=failed
        journaltune tell "$JT_TRIAL" --state fail --reason exit
    fi
    printf 'trial %3d  log loss %-11s  lr=%.3g l2=%.3g momentum=%.3g batch=%d epochs=%d\n' \
        "$JT_TRIAL" "$loss" "$JT_lr" "$JT_l2" "$JT_momentum" "$JT_batch" "$JT_epochs" >&2
done

# 11: the study has its trials. Anything else is a real error, and ask has said which.
[ "$status" -eq 11 ] || exit "$status"
