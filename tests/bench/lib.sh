# SPDX-License-Identifier: MIT
# lib.sh - what the tests of the benchmarks share. Sourced, with $limit: seconds for a command.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0
me=$(basename "$0" .sh)

fail() {
	echo "$me: $*"
	bad=1
}

# expect CODE COMMAND...: its output is in $work/out and $work/err
expect() {
	local code=$1 got
	shift
	timeout "$limit" "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	[ $got -eq "$code" ] && return 0
	fail "exit $got instead of $code: $*"
	cat "$work/out" "$work/err"
}
