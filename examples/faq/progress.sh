# How do I see how far a search is?
set -eu
journaltune create --param 'x: float(0, 1)'
journaltune ask -n 3
journaltune tell 0 0.5
journaltune tell 1 --state fail --reason oom

# Also with --watch, while loops run. Reading takes no lock from them.
journaltune status
journaltune status --format json | grep -q '"running": 1, "waiting": 0, "complete": 1, "pruned": 0, "fail": 1'
test "$(journaltune trials --states running --format jsonl | wc -l)" -eq 1
