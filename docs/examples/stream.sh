#!/bin/sh
# SPDX-License-Identifier: MIT
# stream.sh - rank 0 looks, rank 1 simulates: dlaunch -n 2 -N 1 sh stream.sh
here=$(dirname "$0")
case $DHOW_RANK in
0) exec "${PYTHON:-python3}" "$here/stream.py" ;;
*) exec "${EXAMPLES:-$here}/stream" ;;
esac
