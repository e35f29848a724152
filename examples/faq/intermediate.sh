# How do I see how a running trial goes?
set -eu
journaltune create --param 'x: float(0, 1)' --pruner median --pruner-option n_startup_trials=1
journaltune ask -n 2
for epoch in 1 2 3; do
    journaltune report 0 "$epoch" "0.$((10 - epoch))"
done

# The values are there while the trial runs; Optuna and its dashboard show them as intermediate values.
journaltune trials --states running --format jsonl | grep -q '"intermediate_values": {"1": 0.9, "2": 0.8, "3": 0.7}'

# A trainer that goes on from a checkpoint may report a step again: the first value counts.
journaltune report 0 3 0.5
journaltune trials --format jsonl | grep -q '"3": 0.7}'
journaltune tell 0 0.7

# report exits 10 for a trial that is to stop. Told as pruned, it has its last value.
if journaltune report 1 1 0.95; then exit 1; else test $? -eq 10; fi
journaltune tell 1 --state pruned
journaltune trials --format csv | grep -q 'pruned'
