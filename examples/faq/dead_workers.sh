# What happens to the trial of a worker that died?
set -eu
journaltune create --param 'x: float(0, 1)' --seed 1
first=$(sh -c 'journaltune ask --owner $$') # the shell that owns trial 0 is gone at once
journaltune status | grep 'trial 0 runs .*dead'

# The next ask hands it out again: the same number, parameters and seed, and the attempt one higher.
again=$(journaltune ask)
test "$again" = "$(echo "$first" | sed 's/"attempt": 1/"attempt": 2/')"

# An owner that can't be proven dead, or was never said, is left alone until somebody gives its trial back.
journaltune release 0
journaltune ask --owner $$ | grep '"attempt": 3'
journaltune tell 0 --state fail --reason timeout

# reap fails such trials instead; retry queues the parameters of failed ones as new trials.
sh -c 'journaltune ask --owner $$'
test "$(journaltune reap)" = '{"number": 1}'
test "$(journaltune retry --reason timeout)" = '{"number": 2, "retry_of": 0}'
test "$(journaltune ask --format sh --owner $$ | grep JT_x)" = "$(journaltune trials --format csv | awk -F, '$1 == 0 { print "JT_x=" $4 }')"
