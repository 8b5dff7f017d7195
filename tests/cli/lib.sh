# SPDX-License-Identifier: MIT
# lib.sh - what the command-line tests share. Source it first; call `finish` last.
#
# DHOW_BIN is the folder of the programs. $mark is a text that no other process on the machine
# has in its environment; start programs by `run`, which sets it, and they can be found by it.
set -u
: "${DHOW_BIN:?folder of the programs}"
dlaunch=$DHOW_BIN/dlaunch
dhow=$DHOW_BIN/dhow
work=$(mktemp -d)
failures=0
checks=0
marks=0
mark=

new_mark() {
	marks=$((marks + 1))
	mark=$$.$marks.$RANDOM$RANDOM
}
new_mark
sleepy=9999			# `sleep $sleepy.$mark_digits` can be found by its arguments, too

clean_work() { rm -rf "$work"; }
trap clean_work EXIT

# run COMMAND... - with the mark; ^C is heard even when the shell runs it in the background
run() { env --default-signal=INT DHOW_TEST_MARK="$mark" "$@"; }
# the same, to be put in the background with &, so that $! is the command itself
run_exec() { exec env --default-signal=INT DHOW_TEST_MARK="$mark" "$@"; }

fail() {
	failures=$((failures + 1))
	echo "FAILED: $*"
	[ -s "$work/err" ] && sed 's/^/    stderr: /' "$work/err" | head -20
	return 0
}

pass() { checks=$((checks + 1)); }

# expect_exit CODE COMMAND... - output in $work/out and $work/err
expect_exit() {
	local wanted=$1 code
	shift
	run timeout -k 1 60 "$@" >"$work/out" 2>"$work/err"
	code=$?
	if [ "$code" = "$wanted" ]; then pass; else fail "exit $code instead of $wanted: $*"; fi
}

# expect_text out|err PATTERN - an extended regular expression
expect_text() {
	if grep -Eq -- "$2" "$work/$1"; then pass; else fail "no /$2/ in $1: $(head -c 300 "$work/$1")"; fi
}

# expect_equal WANTED FOUND WHAT
expect_equal() {
	if [ "$1" = "$2" ]; then pass; else fail "$3: \"$2\" instead of \"$1\""; fi
}

# marked TAG - pids whose environment or arguments hold the text
marked() {
	echo "$1" >"$work/pattern"	# in a file: grep must not find itself
	grep -alsF -f "$work/pattern" /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null |
		sed -n 's#^/proc/\([0-9]*\)/.*#\1#p' | sort -nu | grep -vx "$$"
}

# find_marked NAME TEXT - pids of the mark whose program is NAME and whose arguments hold TEXT
find_marked() {
	local pid
	for pid in $(marked "$mark"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] || continue
		cat "/proc/$pid/cmdline" 2>/dev/null | tr '\0' ' ' | grep -q -- "$2" && echo "$pid"
	done
}

# wait_until SECONDS COMMAND... - until it succeeds
wait_until() {
	local tries=$(($1 * 20))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

has_none() { [ -z "$(marked "$1")" ]; }

# no_leftovers TAG - soon no process has the text in its environment or arguments. The promise is
# 2 s; a busy machine may need longer, which is told and does not fail.
no_leftovers() {
	local pid start_ms
	start_ms=$(date +%s%3N)
	if wait_until 20 has_none "$1"; then
		pass
		start_ms=$(($(date +%s%3N) - start_ms))
		[ "$start_ms" -le 2000 ] || echo "note: the last process was gone after $start_ms ms"
	else
		fail "left behind:"
		for pid in $(marked "$1"); do
			echo "    $pid $(cat "/proc/$pid/cmdline" 2>/dev/null | tr '\0' ' ')"
			kill -9 "$pid" 2>/dev/null
		done
	fi
	if ls /dev/shm | grep -i dhow; then fail "entry left in /dev/shm"; else pass; fi
}

has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

finish() {
	echo "$checks checks passed, $failures failed"
	[ "$failures" = 0 ]
	exit
}
