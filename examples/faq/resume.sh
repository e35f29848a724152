# How do I go on after a kill, a crash or a reboot?
set -eu
search() { # JOURNAL [LAST]: twelve trials in all; with LAST, SIGKILL ends the loop after that trial
    journaltune create -f "$1" --param 'x: float(-10, 10)' --seed 1 --exist-ok
    while suggestion=$(journaltune ask -f "$1" --format sh --trials 12); code=$?; [ $code -eq 0 ]; do
        eval "$suggestion"
        journaltune tell -f "$1" "$JT_TRIAL" "$(awk -v x="$JT_x" 'BEGIN { print (x - 2) ^ 2 }')"
        [ "$JT_TRIAL" != "${2:-}" ] || sh -c 'kill -9 $PPID'
    done
    [ $code -eq 11 ] || exit $code
}
results() { journaltune trials -f "$1" --format csv | cut -d, -f1-4; }

search broken.journal 4 &
code=0
wait $! || code=$?
test $code -eq 137

search broken.journal # Start the same loop again. The journal is all that it needs.

# The search is the same as one that nobody interrupted, and verify recomputes each suggestion.
search whole.journal
test "$(results broken.journal)" = "$(results whole.journal)"
test "$(results broken.journal | grep -c complete)" -eq 12
journaltune verify -f broken.journal
