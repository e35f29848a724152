# How do I ask for several suggestions at once?
set -eu
journaltune create --param 'x: float(0, 1)' --param 'y: float(0, 1)' --seed 1

# Each line is one JSON object, and one running trial.
journaltune ask -n 4 >batch.jsonl
test "$(wc -l <batch.jsonl)" -eq 4

# Results may come in any order, from anywhere.
python -c '
import json
for line in reversed(open("batch.jsonl").readlines()):
    asked = json.loads(line)
    print(asked["number"], asked["params"]["x"] + asked["params"]["y"])
' | while read -r number value; do journaltune tell "$number" "$value"; done

journaltune status --format json | grep -q '"running": 0, "waiting": 0, "complete": 4'
