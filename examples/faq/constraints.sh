# How do I tune with constraints that only a trial's result shows?
set -eu
journaltune create --param 'width: int(1, 64)' --maximize accuracy --seed 1
journaltune enqueue --params '{"width": 64}'
journaltune enqueue --params '{"width": 16}'

# A constraint is satisfied at 0 or less: here a model of width 64 needs 12 GB more than there are.
for accuracy in 0.99 0.91; do
    suggestion=$(journaltune ask --format sh --owner $$)
    eval "$suggestion"
    journaltune tell "$JT_TRIAL" "$accuracy" --constraint "memory=$((JT_width / 2 - 20))"
done

# The best trial is one that satisfies all constraints, though the other one is more accurate.
journaltune best | grep -q '"number": 1, "value": 0.91'
