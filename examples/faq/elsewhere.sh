# How do I put the file elsewhere?
set -eu
mkdir runs

journaltune create -f runs/digits.journal --param 'x: float(0, 1)'
test -s runs/digits.journal
test ! -e study.journal

# Every command takes -f. Without -f it takes the variable.
journaltune ask -f runs/digits.journal
JOURNALTUNE_JOURNAL=runs/digits.journal journaltune tell 0 0.5
journaltune status -f runs/digits.journal --format json | grep -q '"complete": 1'
