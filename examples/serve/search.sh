#!/usr/bin/env bash
# A search from bash without a process for each call: `bash search.sh 30` ends with 30 trials, however often it was killed.
set -euo pipefail

coproc SERVER { exec journaltune serve --stdio; }

# Puts the answer to a call into `answer`.
call() {
    printf '{"jsonrpc": "2.0", "id": 1, "method": "%s", "params": %s}\n' "$1" "$2" >&"${SERVER[1]}"
    IFS= read -r answer <&"${SERVER[0]}"
}

must() {
    call "$@"
    case $answer in *'"error": {'*) echo "$answer" >&2; exit 1 ;; esac
}

# Puts a number of the answer into `field`.
get() {
    [[ $answer =~ \"$1\":\ (-?[0-9][-+.0-9e]*) ]]
    field=${BASH_REMATCH[1]}
}

# Puts the loss after each of four steps into `loss`; false when the trial is not worth going on.
train() {
    local step
    for step in 1 2 3 4; do
        loss=$(awk -v x="$2" -v y="$3" -v step="$step" \
            'BEGIN { printf "%.17g", (x - 0.3) * (x - 0.3) + (y + 0.2) * (y + 0.2) + 1 / step }')
        must report "[$1, $step, $loss]"
        case $answer in *'"prune"'*) return 1 ;; esac
    done
}

must create '{"param": {"x": "float(-1, 1)", "y": "float(-1, 1)"}, "sampler": "tpe", "seed": 42, "exist_ok": true}'
while call ask "{\"trials\": ${1:-30}}"; do
    case $answer in
        *'"code": 11,'*) break ;; # nothing left to ask
        *'"error": {'*) echo "$answer" >&2; exit 1 ;;
    esac
    get number; number=$field
    get x; x=$field
    get y; y=$field
    if train "$number" "$x" "$y"; then
        must tell "[$number, $loss]"
    else
        must tell "{\"number\": $number, \"state\": \"pruned\"}"
    fi
done
must best '{}'
get number; number=$field
get value
echo "best: trial $number with $field"
