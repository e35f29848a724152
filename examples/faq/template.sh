# How do I fill in a configuration file?
set -eu
journaltune create --param 'lr: log(1e-5, 1)' --param 'opt: adam | sgd'
journaltune enqueue --params '{"lr": 0.01, "opt": "sgd"}'

cat >job.in <<'END'
{{"run": {trial}, "seed": {seed}, "optimizer": "{opt}", "learning_rate": {lr}}}
END
journaltune ask --template job.in >job.json

grep -q '^{"run": 0, "seed": [0-9]*, "optimizer": "sgd", "learning_rate": 0.01}$' job.json
