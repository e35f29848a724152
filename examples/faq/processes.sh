# How do I use several processes, without a database server?
set -eu
journaltune create --param 'x: float(-10, 10)' --param 'y: float(-10, 10)' --seed 1

worker() { # Start it as often as you like, from several terminals too: the journal says which trials the others run.
    while suggestion=$(journaltune ask --format sh --owner $$ --trials 12); code=$?; [ $code -eq 0 ]; do
        eval "$suggestion"
        loss=$(awk -v x="$JT_x" -v y="$JT_y" 'BEGIN { print (x - 2) ^ 2 + y ^ 2 }')
        journaltune tell "$JT_TRIAL" "$loss"
    done
    [ $code -eq 11 ] || exit $code
}

pids=
for _ in 1 2 3 4; do
    worker &
    pids="$pids $!"
done
for pid in $pids; do
    wait "$pid"
done

# Twelve trials in all, each with its number once.
journaltune trials --states complete --format csv | tail -n +2 | cut -d, -f1 >numbers
seq 0 11 | cmp - numbers
journaltune check
