#!/bin/bash
# SPDX-License-Identifier: MIT
# seeds.sh [SOURCE [FAULT...]] - are the tests any good? Ten faults are built in, one at a time
# (channels/src/seed.h), and each must be found by a test; without a fault none may complain.
# Prints a table: fault, which test found it, what that test said. Takes minutes.
set -u
source_dir=$(cd "${1:-$(dirname "$0")/../..}" && pwd) || exit 1
[ $# -gt 0 ] && shift

faults=(
	[0]="none"
	[1]="publish is relaxed"
	[2]="release is relaxed"
	[3]="no tombstone for a dead writer's slot"
	[4]="nobody is notified"
	[5]="announce without a second look"
	[6]="a dead writer's block is not freed"
	[7]="a message's block is freed twice"
	[8]="claim without an owner"
	[9]="a message to be given again is not announced"
	[10]="dead with living threads"
)
# In the order of how long they take. Each ends with a status other than 0 if it finds a fault.
tests=(model_ring model_heap channels.liveness channels.channel channels.mixed_threads kill_virtual)

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

# build FAULT DIRECTORY TARGETS...: log in $work/log
build() {
	local fault=$1 directory=$2 flags=""
	shift 2
	[ "$fault" = 0 ] || flags=-DDHOW_SEED_FAULT=$fault
	cmake -G Ninja -S "$source_dir" -B "$directory" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
		-DDHOW_BENCH=OFF -DDHOW_LAUNCHER=OFF -DDHOW_TCP=OFF -DCMAKE_C_FLAGS="$flags" \
		$extra >"$work/log" 2>&1 &&
		ninja -C "$directory" -j2 "$@" >"$work/log" 2>&1
}

# complaint FILE: the line that says what was wrong
complaint() {
	sed 's/\x1b\[[0-9;]*m//g' "$1" | grep -m1 -E \
		'BAD|blocked|never woken|data race|is lost|twice|Assertion|WARNING: ThreadSan|[0-9]+ faults' |
		cut -c 1-76
}

# row FAULT TEST TEXT
row() {
	printf '%2s %-45s %-18s %s\n' "$1" "${faults[$1]}" "$2" "$3"
}

# try FAULT: run the tests until one finds it
try() {
	local fault=$1 test targets=""
	for test in "${tests[@]}"; do
		case $test in
		channels.*) targets+=" test_$test" ;;
		*) targets+=" $test" ;;
		esac
	done
	extra=
	# A merge can lose it.
	if [ "$fault" != 0 ] && ! grep -rq "SEEDED($fault)" "$source_dir/channels/src"; then
		row "$fault" "-" "NOT IN THE SOURCES"
		return 1
	fi
	if ! build "$fault" "$work/build" $targets; then
		tail -n 20 "$work/log"
		row "$fault" "-" "DOES NOT BUILD"
		return 1
	fi
	for test in "${tests[@]}"; do
		timeout 400 "$work/build/tests/$test" >"$work/out" 2>&1 && continue
		row "$fault" "$test" "$(complaint "$work/out")"
		[ "$fault" != 0 ]
		return
	done
	row "$fault" "-" "$([ "$fault" = 0 ] && echo "no test complains" || echo "NOT FOUND")"
	[ "$fault" = 0 ]
}

# ThreadSanitizer must see a race where there is one, or its silence says nothing.
try_threads() {
	extra=-DDHOW_SANITIZE=thread
	if ! build 1 "$work/threads" test_channels.threads; then
		tail -n 20 "$work/log"
		return 1
	fi
	if setarch "$(uname -m)" -R timeout 200 "$work/threads/tests/channels.threads" \
		>"$work/out" 2>&1; then
		row 1 "ThreadSanitizer" "NOT FOUND"
		return 1
	fi
	row 1 "ThreadSanitizer" "$(complaint "$work/out")"
}

for fault in "${@:-0 1 2 3 4 5 6 7 8 9 10 threads}"; do
	for one in $fault; do
		if [ "$one" = threads ]; then
			try_threads || bad=1
		else
			try "$one" || bad=1
		fi
	done
done
[ $bad -eq 0 ] && echo "seeds: all found" || echo "seeds: FAILED"
exit $bad
