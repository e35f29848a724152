#!/usr/bin/env bash
# Tunes train.js, which runs in Node: parameters and seed by the environment, reports on stdout, the result by a file.
#
#     examples/run/node.sh 30                    until ./study.journal has 30 trials
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

journaltune run -n "${1:-30}" -j 4 --minimize loss --seed 42 -- \
    node "$here/train.js" --lr '{lr: log(1e-3, 3)}' --hidden '{hidden: int(2, 16)}' --activation '{activation: tanh | relu}'
