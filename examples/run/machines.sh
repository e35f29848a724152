#!/bin/sh
# machines.sh ssh://HEAD/PATH N MACHINE...: one search on several machines. Its journal is a file of HEAD, and nothing listens on a
# port. Each machine has journaltune, and reaches HEAD by ssh without a question. Cut off, a machine's trials are run by the others.
set -eu
journal=$1 n=$2
shift 2
for machine; do
    ssh "$machine" sh -s "$journal" "$n" <<'HERE' &
journaltune run -f "$1" -n "$2" -j 2 --seed 1 -- awk -v x='{x: float(-1, 1)}' 'BEGIN {{ print (x - 0.3) ^ 2 }}'
HERE
done
wait
journaltune best -f "$journal"
