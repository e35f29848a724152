# How do I avoid running the same parameters twice?
set -eu
# reuse records a duplicate at once, with the result that is there. resample lets the sampler draw again.
journaltune create --param 'x: float(0, 1, step=0.25)' --param 'opt: adam | sgd' --duplicates reuse --seed 3

while suggestion=$(journaltune ask --format sh --owner $$); code=$?; [ $code -eq 0 ]; do
    eval "$suggestion"
    echo "$JT_x $JT_opt" >>runs
    journaltune tell "$JT_TRIAL" "$JT_x"
done
[ $code -eq 11 ] || exit $code # 11: each of the 5 * 2 combinations has its result

test "$(wc -l <runs)" -eq 10
test "$(sort -u runs | wc -l)" -eq 10
journaltune best | grep -q '"value": 0.0'
