# How do I read results with other tools?
set -eu
journaltune create --param 'x: float(0, 1)' --seed 1
journaltune ask -n 3
for number in 0 1 2; do
    journaltune tell "$number" "0.$number"
done

# csv, json and jsonl hold all of a trial, with floats as exact as they are.
journaltune trials --format csv >trials.csv
awk -F, 'NR > 1 { sum += $3 } END { exit !(NR == 4 && sum > 0.29 && sum < 0.31) }' trials.csv
journaltune trials --format json | python -c 'import json, sys; assert len(json.load(sys.stdin)) == 3'
journaltune best | python -c 'import json, sys; assert json.load(sys.stdin)["value"] == 0.0'
journaltune status --format json | python -c 'import json, sys; assert json.load(sys.stdin)["trials"]["complete"] == 3'
