#!/bin/bash
# SPDX-License-Identifier: MIT
# array_test.sh BUILD - the wheel under dlaunch: arrays between two nodes, and an exception.
set -u
[ -e "$1/python/site" ] || { echo "skipped: the wheel is not built (see python_wheel)"; exit 77; }
python=$(cat "$1/python/interpreter")
export DHOW_BIN=$1/bin PYTHONPATH=$1/python/site
[ -x "$DHOW_BIN/dlaunch" ] || { echo "skipped: dlaunch is not built"; exit 77; }
"$python" -c 'import numpy' 2>/dev/null || { echo "skipped: no numpy for $python (python3-numpy)"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cli/lib.sh"

expect_exit 0 "$dlaunch" -n 2 -N 1 "$python" "$here/array_ranks.py"
expect_text out '^rank 0: 6 sizes in two ways$'
expect_text out '^rank 1: 6 sizes in two ways$'

# An exception is the exit code of the run, with its text.
expect_exit 1 "$dlaunch" -n 1 -N 2 "$python" "$here/array_ranks.py"
expect_text err 'wanted: 2 ranks on 2 nodes, there are 2 on 1'
no_leftovers "$mark"
finish
