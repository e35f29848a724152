#!/usr/bin/env bash
# Tunes ppo.py, four trials at a time. Batches are powers of two, and minibatches divide them.
#
#     examples/spaces/ppo.sh 40                  until ./study.journal has 40 trials
#
# What is searched are the powers; what the trainer gets is computed from them. The powers themselves are in no option of the
# trainer, so the command does not name them. `journaltune trials` shows both.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

journaltune create --exist-ok --maximize reward --seed 42 \
    --param 'batch_pow: int(5, 9)' --param 'minibatch_pow: int(3, 9)' \
    --param 'batch: = 2 ** batch_pow' --param 'minibatch: = 2 ** minibatch_pow' --param 'updates: = 4096 // batch' \
    --param 'epochs: int(1, 10)' --param 'lr: log(0.1, 100)' --param 'clip: float(0.05, 0.4)' \
    --param 'bonus: yes | no' --param 'entropy: log(1e-4, 1e-1) if bonus == yes' \
    --require 'minibatch <= batch' --require 'epochs * batch / minibatch <= 256'

journaltune run -n "${1:-40}" -j 4 -- python3 "$here/ppo.py" --batch {batch} --minibatch {minibatch} --updates {updates} \
    --epochs {epochs} --lr {lr} --clip {clip} --entropy {entropy} --seed {seed}
