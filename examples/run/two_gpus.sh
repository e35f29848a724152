#!/usr/bin/env bash
# Spreads trials over two GPUs, two on each at a time. The trainer here only says which one it was given, so it runs anywhere;
# yours finds its GPU as device 0, whatever its name is outside.
#
#     examples/run/two_gpus.sh 8                 until ./study.journal has 8 trials
#     journaltune logs 3                         which GPU trial 3 had
set -euo pipefail

journaltune run -n "${1:-8}" --gpus 0,1 --per-gpu 2 --seed 42 -- sh -c '
    echo "trial $JT_TRIAL in slot $JT_SLOT has GPU $CUDA_VISIBLE_DEVICES"
    sleep 0.2
    awk "BEGIN {{ print (log($JT_lr) + 5) ^ 2 }}"' '{lr: log(1e-5, 1)}'

# How many trials each GPU had.
cat study.journal.d/trials/*/stdout.log | awk '/ has GPU / { n[$NF]++ } END { for (gpu in n) print "GPU " gpu ": " n[gpu] }' | sort
