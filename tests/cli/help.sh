#!/bin/bash
# SPDX-License-Identifier: MIT
# help.sh - what --help and --version say first.
. "$(dirname "$0")/lib.sh"

expect_exit 0 "$dlaunch" --help
head -6 "$work/out" >"$work/first" && mv "$work/first" "$work/out"
expect_text out '12 tasks'
expect_text out 'NODES'
expect_exit 0 "$dlaunch" --help
expect_text out 'srun +-N 4 -n 12'
expect_text out 'aprun +-n 12 -N 3'
expect_exit 0 "$dlaunch" --version
expect_text out '^dlaunch [0-9]+\.[0-9]+\.[0-9]+$'
expect_exit 0 "$dhow" --help
expect_text out 'clean'
expect_exit 0 "$dhow" --version
expect_exit 2 "$dhow"
expect_exit 2 "$dhow" nosuch
expect_text err 'nosuch'
finish
