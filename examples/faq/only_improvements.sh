# How do I print a line only when a trial is better than all before?
set -eu
journaltune create --param 'x: float(-10, 10)' --sampler random --seed 1

worker() {
    while suggestion=$(journaltune ask --format sh --owner $$ --trials 12); code=$?; [ $code -eq 0 ]; do
        eval "$suggestion"
        loss=$(awk -v x="$JT_x" 'BEGIN { print (x - 2) ^ 2 }')
        # --print says whether the trial is the best so far. The order of the file decides, so of many workers just one says so.
        journaltune tell "$JT_TRIAL" "$loss" --print | grep '"best": true' >>improvements || true
    done
    [ $code -eq 11 ] || exit $code
}
worker &
first=$!
worker &
second=$!
wait $first
wait $second

# As many lines as there are results better than all that stand before them in the file (Optuna's records of results have code 6).
python -c '
import json
records = map(json.loads, open("study.journal"))
told = [record["values"][0] for record in records if record["op_code"] == 6 and record.get("values")]
print(sum(value < min(told[:place], default=1e9) for place, value in enumerate(told)))' >expected
test "$(wc -l <improvements)" -eq "$(cat expected)"
test "$(journaltune trials --states complete --format jsonl | wc -l)" -eq 12
