# How do I say that a run crashed?
set -eu
journaltune create --param 'x: float(0, 1)' --seed 1
train() { # crashes for small x
    awk -v x="$1" 'BEGIN { if (x < 0.5) exit 3; print x }'
}

while suggestion=$(journaltune ask --format sh --owner $$ --trials 8); code=$?; [ $code -eq 0 ]; do
    eval "$suggestion"
    if loss=$(train "$JT_x"); then
        journaltune tell "$JT_TRIAL" "$loss"
    else
        journaltune tell "$JT_TRIAL" --state fail --reason exit # or oom, timeout, or a word of your own
    fi
done
[ $code -eq 11 ] || exit $code

# The failures are those of small x, the reason stands beside them, and the best trial is a finished one.
journaltune trials --states fail --format csv | tee failed.csv
awk -F, 'NR > 1 && !($4 < 0.5 && $5 == "exit") { exit 1 }' failed.csv
test "$(wc -l <failed.csv)" -ge 2
journaltune best | grep -q '"value": 0\.[5-9]'
