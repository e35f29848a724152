# How do I check that nobody changed a result?
set -eu
journaltune create --param 'x: float(0, 1)'
journaltune ask
journaltune tell 0 0.25
journaltune check # reads the whole file: each record of ours has a checksum over itself and everything before it
journaltune verify # recomputes each suggestion

# Somebody makes a result better with an editor.
sed 's/0\.25/0.15/' study.journal >edited
cat edited >study.journal

code=0
journaltune check >findings || code=$?
test $code -eq 6
grep -q '^byte [0-9]*: a record whose checksum is wrong' findings
