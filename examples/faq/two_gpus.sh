# How do I use two GPUs for two trials at once?
set -eu
journaltune create --param 'lr: log(1e-5, 1)'

worker() { # GPU: one loop for each GPU; its trainers see no other one
    export CUDA_VISIBLE_DEVICES="$1"
    while suggestion=$(journaltune ask --format sh --owner $$ --trials "$2"); code=$?; [ $code -eq 0 ]; do
        eval "$suggestion"
        used=$(sh -c 'echo "$CUDA_VISIBLE_DEVICES"') # in place of ./train --lr "$JT_lr"
        journaltune tell "$JT_TRIAL" 0.5 --attr "gpu=$used"
    done
    [ $code -eq 11 ] || exit $code
}

worker 0 6 &
first=$!
worker 1 6 &
second=$!
wait $first
wait $second

journaltune trials --format csv | tee trials.csv
test "$(cut -d, -f5 trials.csv | tail -n +2 | grep -c '^[01]$')" -eq 6
