# How do I turn log messages off?
set -eu
# What people read goes to stderr, and stdout has data only. Sent to /dev/null, the messages are gone, and the data is there.
journaltune run -n 3 --seed 1 -- awk -v x='{x: float(0, 1)}' 'BEGIN {{ print x }}' >best.json 2>messages
grep -q trial messages
journaltune run -n 6 >best.json 2>/dev/null
grep -q '^{"number": ' best.json

# --no-progress leaves failures and the end. Other commands say nothing unless something is wrong.
journaltune run -n 9 --no-progress >best.json 2>fewer
test "$(wc -l <fewer)" -le "$(wc -l <messages)"
journaltune ask >suggestion.json 2>messages
journaltune tell 9 0.5 2>>messages
test ! -s messages
test "$(journaltune trials --states complete --format jsonl | wc -l)" -eq 10
