# How do I use names that differ in their case only?
set -eu
# Names are bytes in a file, compared as they are: no database folds a and A into one parameter.
journaltune create --param 'a: int(0, 10)' --param 'A: int(100, 110)' --param 'Mode: x | X' --seed 1
journaltune enqueue --params '{"a": 1, "A": 101, "Mode": "X"}'
journaltune enqueue --params '{"a": 1, "A": 101, "Mode": "x"}' --skip-if-exists | grep '"number": 1' # not the same parameters

suggestion=$(journaltune ask --format sh --owner $$)
eval "$suggestion"
test "$JT_a $JT_A $JT_Mode" = '1 101 X'
journaltune tell "$JT_TRIAL" 0.5
journaltune lookup --params '{"a": 1, "A": 101, "Mode": "X"}' | grep '"values": \[0.5\]'
journaltune best | grep '"params": {"a": 1, "A": 101, "Mode": "X"}'
