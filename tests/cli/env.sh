#!/bin/bash
# SPDX-License-Identifier: MIT
# env.sh - which variables tasks get: --env, --genv, --unset-env, --export.
. "$(dirname "$0")/lib.sh"
export ONE=1 TWO=2 THREE=3
show='echo "$ONE,$TWO,$THREE,$FOUR"'

vars() { expect_exit 0 "$dlaunch" "$@" sh -c "$show"; cat "$work/out"; }
expect_equal "1,2,3," "$(vars)" "all of ours"
expect_equal "1,,3,4" "$(vars --unset-env TWO --env FOUR=4)" "--unset-env, --env"
expect_equal "1,2,3," "$(vars --env FOUR=4 --unset-env FOUR)" "the later one wins"
expect_equal ",,," "$(vars --export NONE)" "--export=NONE"
expect_equal ",2,x," "$(vars --export=TWO,THREE=x)" "--export with names and values"
expect_equal "1,2,3,4" "$(vars --export=ALL,FOUR=4)" "--export=ALL and more"
expect_equal "1,,,4" "$(vars --export NONE --env ONE --env FOUR=4 --env NOT_SET)" "--env passes ours"
expect_exit 0 "$dlaunch" --export NONE env
expect_equal "$PATH" "$(sed -n 's/^PATH=//p' "$work/out")" "PATH is always passed"
expect_equal 0 "$(grep -c '^HOME=' "$work/out")" "but not the rest"
no_leftovers "$mark"
finish
