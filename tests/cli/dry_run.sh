#!/bin/bash
# SPDX-License-Identifier: MIT
# dry_run.sh - --dry-run shows the map and runs nothing.
. "$(dirname "$0")/lib.sh"

expect_exit 0 "$dlaunch" --dry-run -n 4 -N 3 touch "$work/touched"
expect_text err '^dlaunch: 4 nodes x 3 tasks = 12 tasks$'
expect_text err '^dlaunch: rank 11 node 3 local rank 2$'
expect_text err "^dlaunch: transport (tcp|hsta, fabric ofi|hsta, fabric ucx): "
expect_equal 14 "$(wc -l <"$work/err")" "lines"
[ -e "$work/touched" ] && fail "it ran"
expect_exit 0 "$dlaunch" --dry-run --nodes 2 --ppn 2 --ntasks 4 true
expect_text err '2 nodes x 2 tasks = 4 tasks'
expect_exit 0 "$dlaunch" --dry-run --ntasks-per-node=5 --np=5 true
expect_text err '1 node x 5 tasks = 5 tasks'
expect_exit 0 "$dlaunch" --dry-run -n 5 --ntasks 12 true
expect_text err '^dlaunch: 12 tasks on 5 nodes$'
expect_text err '^dlaunch: rank 11 node 4 local rank 1$'
expect_exit 0 "$dlaunch" --dry-run -N 5 --ntasks 12 true
expect_text err '^dlaunch: rank 11 node 2 local rank 1$'
expect_exit 0 "$dlaunch" --dry-run true
expect_text err '1 node x 1 task = 1 task$'
expect_exit 0 "$dlaunch" -n 2 true
expect_equal "" "$(cat "$work/err")" "not a terminal and no -v: silent"
expect_exit 0 "$dlaunch" -v -n 2 true
expect_text err '2 nodes x 1 task = 2 tasks'
finish
