# How do I keep parameters apart that can't go together?
set -eu
# A suggestion that breaks a require is never handed out, by any sampler. A parameter with `if` is there only where it is meant.
journaltune create --require 'layers * width <= 64' --param 'layers: int(1, 16)' --param 'width: int(1, 64)' \
    --param 'opt: adam | sgd' --param 'momentum: float(0, 0.99) if opt == sgd' --seed 1

while suggestion=$(journaltune ask --format sh --owner $$ --trials 6); code=$?; [ $code -eq 0 ]; do
    unset JT_momentum
    eval "$suggestion"
    test $((JT_layers * JT_width)) -le 64
    test "$JT_opt" = sgd || test -z "${JT_momentum-}"
    journaltune tell "$JT_TRIAL" $((64 - JT_layers * JT_width))
done
[ $code -eq 11 ] || exit $code
test "$(journaltune trials --states complete --format jsonl | wc -l)" -eq 6

# Nor are such parameters taken into the queue.
code=0
journaltune enqueue --params '{"layers": 16, "width": 64}' || code=$?
test $code -eq 2
