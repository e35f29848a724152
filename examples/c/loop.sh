#!/usr/bin/env bash
# Tunes train.c, a neural network, with a shell loop: the parameters reach the trainer through its environment.
#
#     python examples/data.py digits digits.csv
#     examples/c/loop.sh digits.csv 40           until ./study.journal has 40 trials
#     journaltune best
#
# Start it in several terminals at once and they share the trials; stop it at any time and start it again.
set -euo pipefail
export LC_ALL=C
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
data=${1:?usage: loop.sh DATA.csv [TRIALS]} trials=${2:-40} status=0

# Built under another name first: loops that start together may all come here.
if [ ! train -nt "$here/train.c" ]; then
    "${CC:-cc}" -O2 -o "train.$$" "$here/train.c" -lm
    mv -- "train.$$" train
fi

journaltune create --exist-ok --space "$here/space.toml" --minimize error --seed 42 >&2

while true; do
    suggestion=$(journaltune ask --format sh --trials "$trials" --owner $$) || { status=$?; break; }
    set -a # export each variable that eval assigns
    eval "$suggestion"
    set +a
    if error=$(./train "$data"); then
        journaltune tell "$JT_TRIAL" "$error"
    else
        error=failed
        journaltune tell "$JT_TRIAL" --state fail --reason exit
    fi
    printf 'trial %3d  error %-12s  lr=%.3g momentum=%.3g l2=%.3g batch=%d hidden=%d epochs=%d activation=%s\n' "$JT_TRIAL" \
        "$error" "$JT_lr" "$JT_momentum" "$JT_l2" "$JT_batch" "$JT_hidden" "$JT_epochs" "$JT_activation" >&2
done

# 11: the study has its trials. Anything else is a real error, and ask has said which.
[ "$status" -eq 11 ] || exit "$status"
