# What happens when I change the search space of a study?
set -eu
journaltune create --param 'lr: log(1e-5, 1)' --param 'opt: adam | sgd' --param 'momentum: float(0, 0.99)' --seed 1
journaltune ask -n 2
journaltune tell 0 0.3
journaltune tell 1 0.2

# --exist-ok changes and adds the parameters that it names, --drop takes one out, the rest stays; stderr says what changed.
# Earlier trials stay, and the sampler learns from what they have of the parameters.
journaltune create --exist-ok --param 'lr: log(1e-3, 1e-2)' --param 'layers: int(1, 8)' --drop momentum
suggestion=$(journaltune ask --format sh --owner $$)
eval "$suggestion"
test "$JT_TRIAL" -eq 2
test "$JT_opt" = adam || test "$JT_opt" = sgd
test -z "${JT_momentum-}"
awk -v lr="$JT_lr" -v layers="$JT_layers" 'BEGIN { exit !(1e-3 <= lr && lr <= 1e-2 && layers >= 1) }'
test "$(journaltune trials --states complete --format jsonl | wc -l)" -eq 2

# Kind, scale and choices of a parameter can't change: earlier trials would mean something else.
code=0
journaltune create --exist-ok --param 'lr: float(0, 1)' || code=$?
test $code -eq 4
