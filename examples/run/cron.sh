#!/usr/bin/env bash
# A search that cron goes on with, after a reboot too. In `crontab -e`:
#
#     */10 * * * *  /path/to/examples/run/cron.sh /path/to/folder 200
#
# While one run is at work, the next one does nothing; once the study has its trials, each ends at once. Without `flock` the two would
# share the trials, and still end with just as many.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd -- "${1:?usage: cron.sh FOLDER [TRIALS]}"

exec flock --nonblock --conflict-exit-code 0 run.lock \
    journaltune run -n "${2:-200}" -j 2 --retries 1 --trial-timeout 1h -- \
    python3 "$here/resume.py" --lr '{lr: log(1e-3, 1)}' --momentum '{momentum: float(0, 0.95)}' --checkpoint '{dir}/checkpoint.json' \
    >>run.out 2>>run.log
