# How do I open a file that a disk or a program damaged?
set -eu
journaltune create --param 'x: float(0, 1)' --seed 1
journaltune ask -n 3
journaltune tell 0 0.5
journaltune tell 1 0.25

# The machine went down while somebody wrote, and left NULs and half a record in the file.
head -c 300 /dev/zero >>study.journal
printf '{"op_code": 6, "wor\n' >>study.journal
code=0
journaltune ask 2>message || code=$?
test $code -eq 6
grep -q 'is damaged at byte [0-9]*' message

# repair blanks bytes that no reader can apply, and keeps a copy of them. The results are all there.
journaltune repair
journaltune check
test -n "$(ls study.journal.d/quarantine)"
journaltune best | grep -q '"number": 1, "value": 0.25'
journaltune tell 2 0.125
