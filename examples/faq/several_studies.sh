# How do I keep several studies in one file?
set -eu
for name in small large; do
    journaltune create -f all.journal --study "$name" --param 'x: float(0, 1)'
done
journaltune ask -f all.journal --study large

# For a whole script, the environment names them.
export JOURNALTUNE_JOURNAL=all.journal JOURNALTUNE_STUDY=large
journaltune tell 0 0.5
journaltune best | grep -q '"value": 0.5'
journaltune studies | tee studies
test "$(tail -n +2 studies | cut -d' ' -f1 | tr '\n' ' ')" = 'small large '

journaltune delete small
test "$(journaltune studies --format json | grep -o '"study"' | wc -l)" -eq 1
