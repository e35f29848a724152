# How do I suggest proportions that sum to 1?
set -eu
# simplex is a flat Dirichlet distribution: each mixture is as likely as each other one.
journaltune create --param 'mix: simplex(code, text, speech)' --seed 1
journaltune enqueue --params '{"mix": {"code": 0.5, "text": 0.25, "speech": 0.25}}'
journaltune ask | tee first.json
grep '"mix": {"code": 0.5, "text": 0.25, "speech": 0.25}' first.json
journaltune tell 0 0.3

journaltune ask -n 5 --format json | sed 's/.*"code": \([^,]*\), "text": \([^,]*\), "speech": \([^}]*\)}.*/\1 \2 \3/' >mixes
test "$(wc -l <mixes)" -eq 5
awk '$1 < 0 || $2 < 0 || $3 < 0 || ($1 + $2 + $3 - 1) ^ 2 > 1e-20 { exit 1 }' mixes
