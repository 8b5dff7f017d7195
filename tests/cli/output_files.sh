#!/bin/bash
# SPDX-License-Identifier: MIT
# output_files.sh - --output and --error: one file, a file for each rank or node, none.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
say='echo "out $DHOW_RANK"; echo "err $DHOW_RANK" >&2'

expect_exit 0 "$dlaunch" -n 2 -N 2 --output all sh -c "$say"
expect_equal "" "$(cat out err)" "nothing on the terminal"
expect_equal "err 0,err 1,err 2,err 3,out 0,out 1,out 2,out 3" "$(sort all | paste -sd,)" \
	"one file, stderr in it"
expect_exit 0 "$dlaunch" -n 2 -N 2 -l -o all -e wrong sh -c "$say"
expect_equal "0: out 0,1: out 1,2: out 2,3: out 3" "$(sort all | paste -sd,)" "made anew, labels"
expect_equal 4 "$(grep -c '^\([0-3]\): err \1$' wrong)" "stderr in a file of its own"
expect_exit 0 "$dlaunch" -n 2 -N 2 --error only sh -c "$say"
expect_equal 4 "$(grep -c '^out' out)" "stdout stays ours"
expect_equal 4 "$(grep -c '^err' only)" "stderr does not"

# The daemons write these.
expect_exit 0 "$dlaunch" -n 2 -N 2 -o 'r%t.n%n.%3t.%%' -e 'e%r' sh -c "$say"
expect_equal "out 3" "$(cat r3.n1.003.%)" "a file for each rank"
expect_equal "err 2" "$(cat e2)" "and for stderr"
expect_exit 0 "$dlaunch" -n 2 -N 2 -o 'r%t.n%n.%3t.%%' sh -c "$say"
expect_equal "out 1,err 1" "$(paste -sd, <r1.n0.001.%)" "the same file for both, made anew"
expect_exit 0 "$dlaunch" -n 2 -N 2 -o 'node%n' sh -c "$say"
expect_equal "err 2,err 3,out 2,out 3" "$(sort node1 | paste -sd,)" "a file for each node"
expect_exit 0 "$dlaunch" -n 2 -o 'host.%h' sh -c 'echo $DHOW_NODE'
expect_equal "1" "$(cat host.local1)" "host names"
expect_exit 0 "$dlaunch" -o "$work/%j" sh -c 'echo $DHOW_JOB_TAG'
tag=$(ls | grep -E '^[0-9a-f]{32}$')
expect_equal "$tag" "$(cat "$tag")" "the tag of the job"
expect_exit 0 "$dlaunch" --output none --error none -N 2 sh -c "$say"
expect_equal "" "$(cat out err; ls none 2>&1 | grep -v 'No such')" "none"

# A large output is complete when dlaunch ends; the umask is ours; the mode of a full disk.
umask 027
expect_exit 0 "$dlaunch" -n 2 -N 2 -o big seq 1 50000
expect_equal "200000 640" "$(wc -l <big) $(stat -c %a big)" "complete, and readable as we want"
expect_exit 0 "$dlaunch" -o 'mode%t' true
expect_equal 640 "$(stat -c %a mode0)" "by a daemon, too"
expect_exit 125 "$dlaunch" -o /dev/full -n 2 yes
expect_text err 'cannot write to /dev/full: No space left'
no_leftovers "$mark"
finish
