#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout.sh - --timeout ends a run with 124, --start-timeout names what did not come up.
. "$(dirname "$0")/lib.sh"

expect_exit 124 "$dlaunch" --timeout 1 -n 2 -N 2 sleep 60
expect_text err '--timeout'
no_leftovers "$mark"
expect_exit 0 "$dlaunch" --timeout 60 true

# An agent that never comes up: a folder of programs with another one in its place.
mkdir "$work/bin" && cp "$dlaunch" "$DHOW_BIN/dhowd" "$work/bin"
printf '#!/bin/sh\nexec sleep 60\n' >"$work/bin/dhow-tcp" && chmod +x "$work/bin/dhow-tcp"
new_mark
expect_exit 125 "$work/bin/dlaunch" --start-timeout 1 --transport tcp -n 2 true
expect_text err 'node 0 did not come up within 1 s: its agent is not up'
no_leftovers "$mark"
printf '#!/bin/sh\nexit 3\n' >"$work/bin/dhow-tcp"
expect_exit 125 "$work/bin/dlaunch" --transport tcp -n 2 true
expect_text err 'agent .* ended with exit code 3 before it was up'
rm "$work/bin/dhow-tcp"
expect_exit 125 "$work/bin/dlaunch" --transport tcp -n 2 true
expect_text err 'dhow-tcp is not installed'
expect_exit 0 "$work/bin/dlaunch" -n 1 true
rm "$work/bin/dhowd"
expect_exit 125 "$work/bin/dlaunch" -n 1 true
expect_text err 'dhowd is not installed'
printf '#!/bin/sh\nexec sleep 60\n' >"$work/bin/dhowd" && chmod +x "$work/bin/dhowd"
expect_exit 125 "$work/bin/dlaunch" --start-timeout 1 -n 1 true
expect_text err 'its daemon does not answer'
no_leftovers "$mark"
# A stranger cannot use the daemon by hand.
expect_exit 125 "$DHOW_BIN/dhowd" </dev/null
finish
