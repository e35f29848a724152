#!/usr/bin/env bash
# Searches for the flags with which gcc makes work.c fastest. Nothing runs beside a measurement, so there is no -j.
#
#     examples/spaces/gcc_flags.sh 40            until ./study.journal has 40 trials
#
# A flag that a condition leaves out is left out of the command. A label is what the study searches and shows in plots, the text
# behind it what gcc gets.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

journaltune run -n "${1:-40}" --minimize seconds --seed 42 -- sh "$here/timed.sh" "$here/work.c" \
    '{level: choice(small="-Os", some="-O1", more="-O2", most="-O3")}' \
    '{machine: choice(this="-march=native", any="-mtune=generic")}' \
    '{unroll: choice(yes="-funroll-loops", no="-fno-unroll-loops")}' \
    '{vectors: choice(yes="-ftree-vectorize", no="-fno-tree-vectorize") if level in [more, most]}' \
    '-fvect-cost-model={cost: cheap | dynamic | unlimited if vectors == yes}' \
    '-finline-limit={inline: int(5, 1000, log) if level == most}'

printf 'seconds with plain -O2: '
sh "$here/timed.sh" "$here/work.c" -O2
printf 'seconds with the best flags: '
journaltune exec best
