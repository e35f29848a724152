# How do I keep independent searches from repeating each other's parameters, and compare them?
set -eu
search() { # NAME SEED: a study of its own, in one file with the others
    journaltune create --study "$1" --seed "$2" --sampler random --duplicates resample --all-studies \
        --param 'width: int(1, 8)' --param 'depth: int(1, 4)'
    journaltune run --study "$1" -n 8 -j 2 --no-progress -- sh -c 'echo $((JT_width * JT_depth))' >/dev/null
}
search wide 1 &
first=$!
search deep 2 &
second=$!
wait $first
wait $second

# None of the 16 configurations was tried twice, whichever search asked for it.
for study in wide deep; do
    journaltune trials --study $study --format csv | tail -n +2 | cut -d, -f4,5
done | sort | uniq -d >twice
test ! -s twice

# Each one's best result after equally many trials. With a pattern such as 'wide-*' several seeds are one row, with a rank test.
journaltune compare wide deep | tee table
grep -q '^study .* at 8 ' table
test "$(wc -l <table)" -eq 3
