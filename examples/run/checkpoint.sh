#!/usr/bin/env bash
# Tunes resume.py, which keeps a checkpoint in its trial's folder. Kill it in any way, and start it again: the trials that ran go on
# from their last epoch, with the same parameters.
#
#     examples/run/checkpoint.sh 12              until ./study.journal has 12 trials
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

journaltune run -n "${1:-12}" -j 3 --minimize loss --seed 42 -- \
    python3 "$here/resume.py" --lr '{lr: log(1e-3, 1)}' --momentum '{momentum: float(0, 0.95)}' --checkpoint '{dir}/checkpoint.json'
