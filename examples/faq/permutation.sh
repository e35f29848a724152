# How do I search for the best order of things?
set -eu
# A permutation is one parameter. Each suggestion is a whole order, none is left out or there twice; as a list in JSON.
journaltune create --param 'order: permutation(wash, rinse, dry)' --sampler bruteforce --seed 1
cost() { # rinsing before washing, and drying before rinsing, cost 1 each
    echo "$1" | awk '{ print (index($0, "rinse") < index($0, "wash")) + (index($0, "dry") < index($0, "rinse")) }'
}

while suggestion=$(journaltune ask --format sh --owner $$); code=$?; [ $code -eq 0 ]; do
    eval "$suggestion"
    echo "$JT_order" >>orders
    journaltune tell "$JT_TRIAL" "$(cost "$JT_order")"
done
[ $code -eq 11 ] || exit $code # 11: each of the 3! orders was tried

test "$(sort -u orders | wc -l)" -eq 6
test "$(wc -l <orders)" -eq 6
journaltune best | grep '"value": 0.0, "params": {"order": \["wash", "rinse", "dry"\]}'
