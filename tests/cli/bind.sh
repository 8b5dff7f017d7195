#!/bin/bash
# SPDX-License-Identifier: MIT
# bind.sh - processors and GPUs of tasks.
. "$(dirname "$0")/lib.sh"
allowed() { sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/status"; }
show='echo $DHOW_RANK $(sed -n "s/^Cpus_allowed_list:[[:space:]]*//p" /proc/self/status)'
ours=$(allowed self)
first=${ours%%[,-]*}
cpus=$(nproc)

expect_exit 0 "$dlaunch" -N 2 sh -c "$show"
expect_equal "0 $ours,1 $ours" "$(sort "$work/out" | paste -sd,)" "no binding unless asked for"
expect_exit 0 "$dlaunch" --cpu-bind "map:$first" -N 2 sh -c "$show"
expect_equal "0 $first,1 $first" "$(sort "$work/out" | paste -sd,)" "map"
expect_exit 0 "$dlaunch" --cpu-bind "mask:$(printf '0x%x' $((1 << first)))" sh -c "$show"
expect_equal "0 $first" "$(cat "$work/out")" "mask"
expect_exit 0 "$dlaunch" --cpu-bind verbose,rank sh -c "$show"
expect_equal "0 $first" "$(cat "$work/out")" "rank"
expect_text err "rank 0 on node 0: processors $first\$"
for policy in core socket numa; do
	expect_exit 0 "$dlaunch" --cpu-bind "$policy" sh -c "$show"
	expect_text out "^0 $first"
done
expect_exit 0 "$dlaunch" -c 1 sh -c "$show"
expect_text out "^0 $first"
expect_exit 125 "$dlaunch" --cpu-bind map:1023 true
expect_text err 'not within the processors that are allowed here'
expect_exit 125 "$dlaunch" -c $((cpus + 1)) true
expect_text err 'fewer tasks or --cpus-per-task, or --overcommit'
expect_exit 125 "$dlaunch" --cpu-bind rank -N $((cpus + 1)) true
expect_exit 0 "$dlaunch" --cpu-bind rank -O -N $((cpus + 1)) sh -c "$show"
expect_equal "$cpus $first" "$(sort -n "$work/out" | tail -1)" "overcommit begins again"
if [ "$cpus" -ge 2 ]; then
	# Local nodes are one machine: the second does not begin with its first processor again.
	expect_exit 0 "$dlaunch" -n 2 --cpu-bind rank sh -c "$show"
	expect_equal 2 "$(cut -d' ' -f2 "$work/out" | sort -u | wc -l)" "nodes share the machine"
	expect_exit 0 taskset -c "$first" "$dlaunch" --cpu-bind socket sh -c "$show"
	expect_equal "0 $first" "$(cat "$work/out")" "only what is allowed"
fi

gpus='echo $DHOW_RANK $CUDA_VISIBLE_DEVICES'
expect_exit 0 env CUDA_VISIBLE_DEVICES=3,5,GPU-7,9 "$dlaunch" -n 2 -N 2 --gpus-per-task 1 sh -c "$gpus"
expect_equal "0 3,1 5,2 GPU-7,3 9" "$(sort "$work/out" | paste -sd,)" "one GPU each"
expect_exit 0 env CUDA_VISIBLE_DEVICES=3,5,6 "$dlaunch" -N 1 --gpus-per-task 2 sh -c "$gpus" : sh -c "$gpus"
expect_equal "0 3,5,1 3,5,6" "$(sort "$work/out" | paste -sd,)" "each program has its own wish"
expect_exit 125 env CUDA_VISIBLE_DEVICES=3 "$dlaunch" -N 2 --gpus-per-task 1 true
expect_text err 'there is 1 \(CUDA_VISIBLE_DEVICES=3\)'
if ! ls /dev/nvidia[0-9]* /sys/class/kfd/kfd/topology/nodes/* /sys/class/drm/card* >/dev/null 2>&1; then
	expect_exit 125 env -u CUDA_VISIBLE_DEVICES "$dlaunch" --gpus-per-task 1 true
	expect_text err 'no GPU is found'
fi
no_leftovers "$mark"
finish
