# How do I begin with settings that I know?
set -eu
journaltune create --param 'lr: log(1e-5, 1)' --param 'opt: adam | sgd' --seed 1
journaltune enqueue --params '{"lr": 0.1, "opt": "sgd"}'
journaltune enqueue --params '{"lr": 0.01}' # the sampler adds opt
journaltune enqueue --params '{"lr": 0.1, "opt": "sgd"}' --skip-if-exists | grep '"number": null'

suggestion=$(journaltune ask --format sh --owner $$)
eval "$suggestion"
test "$JT_TRIAL $JT_lr $JT_opt" = '0 0.1 sgd'

suggestion=$(journaltune ask --format sh --owner $$)
eval "$suggestion"
test "$JT_TRIAL $JT_lr" = '1 0.01'
test -n "$JT_opt"

suggestion=$(journaltune ask --format sh --owner $$)
eval "$suggestion"
test "$JT_lr" != 0.1 # the queue is empty
