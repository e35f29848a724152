# How do I go on after a kill, a crash or a reboot?
set -eu
cat > loop.sh <<'END'
set -eu # JOURNAL [TRIAL/ATTEMPT]: twelve trials in all; with the second argument, SIGKILL comes in the middle of that trial
journaltune create -f "$1" --param 'x: float(-10, 10)' --seed 1 --exist-ok
while suggestion=$(journaltune ask -f "$1" --format sh --owner $$ --trials 12); code=$?; [ $code -eq 0 ]; do
    eval "$suggestion"
    [ "$JT_TRIAL/$JT_ATTEMPT" != "${2:-}" ] || kill -9 $$
    journaltune tell -f "$1" "$JT_TRIAL" "$(awk -v x="$JT_x" 'BEGIN { print (x - 2) ^ 2 }')"
done
[ $code -eq 11 ] || exit $code
END
results() { journaltune trials -f "$1" --format csv | cut -d, -f1-4; }

code=0
sh loop.sh broken.journal 4/1 || code=$?
test $code -eq 137

sh loop.sh broken.journal # Start the same loop again. It begins with trial 4, whose attempt is 2 now.

# The search is the same as one that nobody interrupted, and verify recomputes each suggestion.
sh loop.sh whole.journal
test "$(results broken.journal)" = "$(results whole.journal)"
test "$(results broken.journal | grep -c complete)" -eq 12
journaltune verify -f broken.journal
