#!/bin/bash
# SPDX-License-Identifier: MIT
# progress.sh - the line that shows what is up, on a terminal and where there is none; -q.
. "$(dirname "$0")/lib.sh"

expect_exit 0 "$dlaunch" --progress -n 3 -N 2 true
expect_text err '^dlaunch: nodes 0/3, tasks 0/6$'
expect_equal "dlaunch: nodes 3/3, tasks 6/6" "$(tail -1 "$work/err")" "all is up"
expect_exit 0 "$dlaunch" -n 3 true
expect_equal "" "$(cat "$work/err")" "no terminal: silent"

# on_terminal COMMAND... - with a terminal as stderr, whose bytes are printed
on_terminal() {
	python3 -c '
import os, pty, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave)
os.close(slave)
data = b""
try:
    while piece := os.read(master, 65536):
        data += piece
except OSError:
    pass
child.wait()
sys.stdout.buffer.write(data)' "$@" </dev/null
}
on_terminal timeout 60 "$dlaunch" --progress -n 3 -N 2 sh -c 'sleep 0.2' >"$work/out"
expect_text out 'nodes [0-3]/3, tasks 0/6'
expect_equal "" "$(tr '\r' '\n' <"$work/out" | tail -1 | sed 's/\x1b\[K//g')" "erased at the end"
on_terminal timeout 60 "$dlaunch" -q --progress -n 2 true >"$work/out"
expect_equal "" "$(cat "$work/out")" "-q"
on_terminal timeout 60 "$dlaunch" -n 2 true >"$work/out"
expect_text out '2 nodes x 1 task = 2 tasks'
no_leftovers "$mark"
finish
