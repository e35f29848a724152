# How do I see how a running trial goes?
set -eu
journaltune create --param 'x: float(0, 1)'
journaltune ask
for epoch in 1 2 3; do
    journaltune report 0 "$epoch" "0.$((10 - epoch))"
done

# The values are there while the trial runs; Optuna and its dashboard show them as intermediate values.
journaltune trials --states running --format jsonl | grep -q '"intermediate_values": {"1": 0.9, "2": 0.8, "3": 0.7}'

# A trainer that goes on from a checkpoint may report a step again: the first value counts.
journaltune report 0 3 0.5
journaltune trials --format jsonl | grep -q '"3": 0.7}'
