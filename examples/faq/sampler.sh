# How do I choose a sampler?
set -eu
# create stores the sampler and its options, so that ask needs neither. Others: tpe (default), nsgaiii, bruteforce, and with
# the extra of the same name (pip install 'journaltune[cmaes]') qmc, cmaes and gp.
for sampler in random nsgaii grid optuna.TPESampler; do
    journaltune create --study "$sampler" --sampler "$sampler" --param 'x: int(1, 4)' --param 'y: a | b' --seed 1
    for value in 3 2 1; do
        suggestion=$(journaltune ask --study "$sampler" --format sh)
        eval "$suggestion"
        journaltune tell --study "$sampler" "$JT_TRIAL" "$value"
    done
    journaltune status --study "$sampler" --format json | grep -q "\"sampler\": \"$sampler\""
    journaltune verify --study "$sampler"
done

# Options are keyword arguments of the sampler; one that it lacks is refused.
journaltune create --study options --sampler tpe --sampler-option n_startup_trials=5 --param 'x: float(0, 1)'
code=0
journaltune create --study wrong --sampler tpe --sampler-option patience=5 --param 'x: float(0, 1)' || code=$?
test $code -eq 2
