#!/usr/bin/env bash
# Searches for the tile sizes with which tiles.c multiplies matrices fastest.
#
#     examples/spaces/tiles.sh 40                until ./study.journal has 40 trials
#
# Tiles have to divide the matrix, the unrolled steps have to divide a tile, and a tile of each matrix has to fit in 256 KiB.
# Nothing that breaks one of these is ever compiled.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

journaltune create --exist-ok --minimize seconds --seed 42 --param 'n: = 240' \
    --param 'rows: int(4, 120, step=4)' --param 'inner: int(4, 120, step=4)' --param 'columns: int(4, 240, step=4)' \
    --param 'unroll: ordered(1, 2, 4, 8)' --param 'order: ikj | kij' \
    --require 'n % rows == 0 and n % inner == 0 and n % columns == 0' --require 'columns % unroll == 0' \
    --require '8 * (rows * inner + inner * columns + rows * columns) <= 2 ** 18'

journaltune run -n "${1:-40}" -- sh "$here/timed.sh" "$here/tiles.c" -O2 -march=native -DN={n} -DROWS={rows} -DINNER={inner} \
    -DCOLUMNS={columns} -DUNROLL={unroll} -DORDER_{order}
