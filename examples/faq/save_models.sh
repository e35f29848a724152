# How do I save the models that my objective trains?
set -eu
# Each trial has a folder of its own, $JT_DIR or {dir}: what a trainer leaves there stays, and another attempt finds it again.
cat >train.sh <<'END_TRAINER'
echo "weights of $JT_TRIAL: $JT_lr" >"$JT_DIR/model.txt"
awk -v lr="$JT_lr" 'BEGIN { print (lr - 0.1) ^ 2 }'
END_TRAINER
journaltune run -n 8 -j 2 --seed 1 --no-progress --minimize loss -- sh train.sh '{lr: float(0, 1)}'

# The model of the best trial.
best=$(journaltune best | sed 's/.*"number": \([0-9]*\).*/\1/')
journaltune exec best -- sh -c 'cat "$JT_DIR/model.txt"' | tee best.txt
grep "^weights of $best: " best.txt
test "$(find study.journal.d/trials -name model.txt | wc -l)" -eq 8
