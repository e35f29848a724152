# How do I pass more arguments to my objective?
set -eu
printf '1\n2\n6\n' >data.txt

# In the command, only braces are searched: the rest is handed on as it stands.
journaltune run -n 15 --seed 1 --no-progress -- \
    awk -v center='{center: float(0, 10)}' '{{ loss += ($1 - center) ^ 2 }} END {{ print loss }}' data.txt

# A value that belongs to each trial, and is not searched, is a constant of the space.
journaltune create --exist-ok --param 'epochs: = 27'
journaltune ask | grep '"epochs": 27'

test "$(journaltune trials --states complete --format jsonl | wc -l)" -eq 15
journaltune best --format sh >best
. ./best
awk -v center="$JT_center" 'BEGIN { exit !(2 < center && center < 4) }' # the mean is 3
