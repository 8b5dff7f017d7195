#!/bin/bash
# SPDX-License-Identifier: MIT
# environment.sh - what a rank finds: variables, directory, umask, descriptors, signals.
. "$(dirname "$0")/lib.sh"

expect_exit 0 "$dlaunch" -n 2 -N 3 sh -c \
	'echo $DHOW_RANK $DHOW_SIZE $DHOW_NODE $DHOW_NODES $DHOW_LOCAL_RANK $DHOW_LOCAL_SIZE'
expect_equal "0 6 0 2 0 3,1 6 0 2 1 3,2 6 0 2 2 3,3 6 1 2 0 3,4 6 1 2 1 3,5 6 1 2 2 3" \
	"$(sort "$work/out" | paste -sd,)" "numbers"
expect_exit 0 "$dlaunch" -n 2 sh -c 'echo $DHOW_RUN_TAG'
expect_equal 1 "$(sort -u "$work/out" | grep -Ec '^[0-9a-f]{32}[.]1$')" "one tag of 128 bits"
expect_exit 0 "$dlaunch" --env 'A=1 2' --env B= --env A=3 sh -c 'echo "[$A][$B][$DHOW_TEST_MARK]"'
expect_equal "[3][][$mark]" "$(cat "$work/out")" "--env and the user's environment"
expect_exit 0 env DHOW_NODE_SOCKET=x DHOW_RANK=77 "$dlaunch" sh -c 'echo "$DHOW_RANK$DHOW_NODE_SOCKET"'
expect_equal 0 "$(cat "$work/out")" "our own variables are set anew"

mkdir "$work/dir" && cp /bin/pwd "$work/dir/mine"
expect_exit 0 "$dlaunch" --wdir "$work/dir" pwd
expect_equal "$(cd "$work/dir" && pwd -P)" "$(cat "$work/out")" "--wdir"
expect_exit 0 "$dlaunch" --wdir "$work/dir" ./mine
expect_equal "$PWD" "$(run "$dlaunch" pwd -L)" "our directory without --wdir"
expect_equal 0027 "$(umask 027; run "$dlaunch" sh -c umask)" "umask"
expect_equal "$(ulimit -n) $(ulimit -c)" "$(run "$dlaunch" bash -c 'echo "$(ulimit -n) $(ulimit -c)"')" "limits"
expect_equal 0000000000000000 "$(run "$dlaunch" sed -n 's/^SigBlk:[^0-9]*//p' /proc/self/status)" "blocked signals"
expect_equal 0000000000000000 "$(run "$dlaunch" sed -n 's/^SigIgn:[^0-9]*//p' /proc/self/status)" "ignored signals"
# 0, 1, 2, the door, and ls's own
exec 9<"$work/dir/mine"
expect_exit 0 "$dlaunch" sh -c 'for fd in 3 4 5 6 7 8 9 10 11 12; do test -e /proc/$$/fd/$fd && echo $fd; done; test -e /proc/$$/fd/$DHOW_NODE_FD && echo door'
expect_equal door "$(grep -v '^10$' "$work/out" | xargs)" "open descriptors"
exec 9<&-

# Nothing secret is in arguments or environment, and a run inside a run works.
expect_exit 5 "$dlaunch" -n 2 sh -c 'exec "$0" -n 2 sh -c "exit 5"' "$dlaunch"
no_leftovers "$mark"
finish
