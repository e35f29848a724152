# How do I tune for several things at once?
set -eu
journaltune create --param 'width: int(1, 64)' --minimize error --minimize seconds --seed 1

while suggestion=$(journaltune ask --format sh --owner $$ --trials 10); code=$?; [ $code -eq 0 ]; do
    eval "$suggestion"
    error=$(awk -v width="$JT_width" 'BEGIN { print 1 / width }')
    seconds=$(awk -v width="$JT_width" 'BEGIN { print width / 10 }')
    journaltune tell "$JT_TRIAL" "$error" "$seconds"
done
[ $code -eq 11 ] || exit $code

# best prints the Pareto front, a trial a line: nothing has a smaller error in less time.
journaltune best | tee front
test "$(wc -l <front)" -ge 2
grep -q '"values": \[' front
