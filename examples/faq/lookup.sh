# How do I find out whether parameters were tried already?
set -eu
journaltune create --param 'lr: log(1e-5, 1)' --param 'opt: adam | sgd'
journaltune enqueue --params '{"lr": 0.1, "opt": "sgd"}'
journaltune ask
journaltune tell 0 0.25

# By an index: the time that it takes does not grow with the study. Spelling does not matter, values do.
journaltune lookup --params '{"opt": "sgd", "lr": 1e-1}' | grep -q '"number": 0, "state": "complete", "values": \[0.25\]'

code=0
journaltune lookup --params '{"opt": "adam", "lr": 0.1}' || code=$?
test $code -eq 1
