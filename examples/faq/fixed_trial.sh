# How do I test my objective?
set -eu
cat >train.sh <<'END_TRAINER'
echo "training with $1"
awk -v lr="$1" 'BEGIN { print lr * 3 }'
END_TRAINER

# parse says what run would make of an output, and records nothing.
sh train.sh 0.5 | journaltune parse | tee outcome
grep '"state": "complete", "values": \[1.5\]' outcome
code=0
echo 'no number here' | journaltune parse || code=$?
test $code -eq 1

# --dry-run prints the commands that would run.
journaltune run --dry-run -n 2 --seed 1 -- sh train.sh '{lr: log(1e-5, 1)}' | tee commands
test "$(grep -c '^sh train.sh ' commands)" -eq 2
test ! -e study.journal

# Parameters of your own are a trial of a study for tests.
journaltune create --param 'lr: log(1e-5, 1)' --study test
journaltune enqueue --params '{"lr": 0.5}'
journaltune run -n 1 --no-progress -- sh train.sh '{lr}'
journaltune best | grep '"value": 1.5'
