# What happens when a result is NaN?
set -eu
journaltune create --param 'x: float(0, 1)' --seed 1
journaltune ask -n 3
journaltune tell 0 0.5
journaltune tell 1 nan # exits with 0: the trial has failed, with the reason nan
journaltune tell 2 inf # infinity is a value: the worst there is

journaltune trials --states fail --format jsonl | grep '"number": 1,.*"fail_reason": "nan"'
journaltune best | grep '"number": 0, "value": 0.5'

# The search goes on, and the sampler keeps away from where results were NaN.
journaltune ask | grep '"number": 3'
