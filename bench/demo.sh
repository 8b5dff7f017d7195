#!/bin/bash
# SPDX-License-Identifier: MIT
# demo.sh - installs what is missing, builds, runs the main job and the short benchmarks and
# prints their tables. Exit 0: nothing damaged, lost or out of order, all benchmarks ran.
set -u
cd "$(dirname "$0")/.." || exit 1

bash tests/support/install.sh || exit 1
echo "demo.sh: building into build/"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
if ! { cmake --preset release && cmake --build --preset release; } >"$log" 2>&1; then
	tail -n 30 "$log" >&2
	echo "demo.sh: the build failed" >&2
	exit 1
fi

failed=0
# show COMMAND...: print it, run it, remember a failure
show() {
	printf '\n$ %s\n' "$*"
	"$@" </dev/null || { echo "demo.sh: exit $?: $*" >&2; failed=1; }
}

show build/bin/dlaunch -n 4 -N 3 build/bench/exchange
show build/bench/channels --quick
show build/bench/transport --quick
show bench/compare --transports hsta,tcp --quick
exit $failed
