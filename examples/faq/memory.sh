# How do I keep memory from growing while a study runs?
set -eu
# A trial is a process of its own: when it ends, all of its memory is free again. --memory ends one that takes too much.
cat >train.py <<'END_TRAINER'
import os, time
weights = b"\1" * (int(os.environ["JT_megabytes"]) * 1_000_000)
if len(weights) > 150_000_000:
    time.sleep(60)  # it would never end by itself
print(len(weights))
END_TRAINER
journaltune create --param 'megabytes: int(1, 400)' --maximize --seed 1
for megabytes in 5 390 20; do
    journaltune enqueue --params "{\"megabytes\": $megabytes}"
done
journaltune run -n 3 --memory 200M --no-progress -- python train.py

# The trial has failed with the reason oom, and the sampler keeps away from the like of it.
test "$(journaltune trials --states fail --format jsonl | wc -l)" -eq 1
journaltune trials --states fail --format jsonl | grep '"number": 1,.*"fail_reason": "oom"'
journaltune best | grep '"number": 2, "value": 20000000'
