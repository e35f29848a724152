#!/bin/sh
# Compiles a C program with the flags that are given, runs it three times, and prints the least time that it needed.
#
#     examples/spaces/timed.sh work.c -O2 -funroll-loops
#
# The least of several, because whatever else the machine does only ever adds to a time.
set -eu
source=$1
shift
program=${JT_DIR:-.}/program
gcc "$@" -o "$program" "$source" -lm
for _ in 1 2 3; do "$program"; done | sort -g | head -n 1
rm -f "$program"
