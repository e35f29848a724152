# How do I see what went wrong in a script?
set -eu
expect() { # CODE COMMAND...: the code tells the kind of error, one line on stderr tells the rest
    expected=$1 code=0
    shift
    "$@" 2>message || code=$?
    test $code -eq "$expected"
    test $code -le 1 || test "$(wc -l <message)" -eq 1
}
expect 3 journaltune ask # no such journal, study or trial
expect 2 journaltune create --param 'x: float(1, 0)' # the call is wrong
expect 0 journaltune create --param 'x: float(0, 1)'
expect 4 journaltune create --param 'x: float(0, 1)' # a conflict with what is there
expect 0 journaltune ask
expect 1 journaltune lookup --params '{"x": 0.5}' # the answer is no
expect 11 journaltune ask --trials 1 # no more to ask
expect 7 journaltune create -f /dev/null --param 'x: float(0, 1)' # the machine refused
head -c 100 /dev/zero >>study.journal
printf 'x\n' >>study.journal
expect 6 journaltune status # the journal is damaged; 5: another process kept the lock
