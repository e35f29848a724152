# How do I store files with trials, and delete all files of a study?
set -eu
journaltune run -n 3 --seed 1 --no-progress -- sh -c 'echo "$JT_x" >"$JT_DIR/curve.txt"; echo "$JT_x"' '{x: float(0, 1)}'
journaltune exec best -- sh -c 'cp "$JT_DIR/curve.txt" best.txt'
test "$(cat best.txt)" = "$(journaltune best --format sh | sed -n 's/^JT_x=//p')"

# Every file of the study is below one folder. Without it the journal still has all parameters and results.
test "$(find study.journal.d/trials -name curve.txt | wc -l)" -eq 3
rm -r study.journal.d
test "$(journaltune trials --states complete --format jsonl | wc -l)" -eq 3
journaltune check
journaltune verify
