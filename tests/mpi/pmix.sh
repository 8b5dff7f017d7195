#!/bin/bash
# SPDX-License-Identifier: MIT
# pmix.sh - what a client of PMIx may ask besides what MPI libraries do, without any of them.
. "$(dirname "$0")/../cli/lib.sh"
if ! pkg-config pmix 2>/dev/null; then
	echo "skipped: there is no libpmix to build with here (package libpmix-dev)"
	exit 77
fi
"${CC:-cc}" -o "$work/check" "$(dirname "$0")/pmix_check.c" $(pkg-config --cflags --libs pmix) ||
	exit 1

# finds WHAT NODES TASKS - each rank found what it must find
finds() {
	expect_exit 0 timeout -k 1 50 $dlaunch -n "$2" -N "$3" "$work/check" "$1" "$3"
	expect_equal $(($2 * $3)) "$(grep -c ': good$' "$work/out")" "ranks that are content with $1"
}
finds modex 4 1
finds modex 2 3
finds late 2 2
finds never 2 2
finds spawn 2 1
finds event 1 3
finish
