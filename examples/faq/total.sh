# How do I end after N trials in total?
set -eu
journaltune create --param 'x: float(0, 1)'
journaltune ask --trials 2
journaltune ask --trials 2

# The study has two trials, running or finished: ask exits with 11.
code=0
journaltune ask --trials 2 || code=$?
test $code -eq 11

# A larger total goes on.
journaltune ask --trials 3
test "$(journaltune trials --format jsonl | wc -l)" -eq 3
