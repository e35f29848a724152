# How do I shorten a journal?
set -eu
journaltune create --param 'x: float(0, 1)' --seed 1
for _ in 1 2 3 4 5; do
    suggestion=$(journaltune ask --format sh --owner $$)
    eval "$suggestion"
    journaltune report "$JT_TRIAL" 1 0.9
    journaltune tell "$JT_TRIAL" "$JT_x"
done

# An equal, shorter one beside it. Never rename one over a journal in use: programs that run would go on with the old file.
journaltune compact shorter.journal
test "$(wc -c <shorter.journal)" -lt "$(wc -c <study.journal)"
test "$(journaltune trials --format csv)" = "$(journaltune trials -f shorter.journal --format csv)"

# The search goes on with the same suggestion in both.
test "$(journaltune ask --format sh --owner $$)" = "$(journaltune ask -f shorter.journal --format sh)"
