#!/bin/bash
# SPDX-License-Identifier: MIT
# report.sh - --json: the form is stable.
. "$(dirname "$0")/lib.sh"

expect_exit 3 "$dlaunch" --json "$work/report" -n 2 -N 2 sh -c 'exit $DHOW_RANK'
tr -d ' \n' <"$work/report" >"$work/out"
expect_text out '"tasks_per_node":2,"tasks":4,'
expect_text out '"exit_code":3,"stopped":null'
expect_text out '"rank":3,"node":1,"local_rank":1,"started":true,"ended":true,"pid":[0-9]+'
expect_exit 137 "$dlaunch" --json "$work/report" sh -c 'kill -9 $$'
tr -d ' \n' <"$work/report" >"$work/out"
expect_text out '"signal":9'
expect_text out '"stopped":"rank0'
finish
