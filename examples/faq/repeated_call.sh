# How do I repeat a call when I don't know whether it worked?
set -eu
journaltune create --param 'x: float(0, 1)'
journaltune ask

# A tell is repeated word for word: the second one changes nothing.
journaltune tell 0 0.5
before=$(wc -c <study.journal)
journaltune tell 0 0.5
test "$(wc -c <study.journal)" -eq "$before"

# Another result for the same trial is refused.
code=0
journaltune tell 0 0.4 || code=$?
test $code -eq 4

# enqueue and report take a name for the call.
first=$(journaltune enqueue --params '{"x": 0.1}' --request-id monday-1)
again=$(journaltune enqueue --params '{"x": 0.1}' --request-id monday-1)
test "$first" = "$again"
test "$(journaltune trials --states waiting --format jsonl | wc -l)" -eq 1
