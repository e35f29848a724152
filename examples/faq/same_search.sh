# How do I get the same search again?
set -eu
search() { # JOURNAL: three trials at a time, and which one ends first is luck
    journaltune run -f "$1" -n 12 -j 3 --deterministic --seed 42 --no-progress -- \
        sh -c 'sleep 0.0$(($$ % 10)); awk "BEGIN {{ print ($JT_x - 2) ^ 2 }}"' '{x: float(-10, 10)}' >best.json
    journaltune trials -f "$1" --format jsonl | sed 's/.*"params": \({[^}]*}\).*"seed": \([0-9]*\).*/\1 \2/'
}

# The seed decides parameters and the trainers' seeds. --deterministic holds with -j too: a trial sees the results of those that
# are at least -j numbers before it, and of no others.
search first.journal >first
search again.journal >again
cmp first again
test "$(sort -u first | wc -l)" -eq 12

# verify recomputes each suggestion; a study that was made without --seed has drawn and stored one.
journaltune verify -f first.journal
