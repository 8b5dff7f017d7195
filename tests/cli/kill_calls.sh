#!/bin/bash
# SPDX-License-Identifier: MIT
# kill_calls.sh [STEP] - dlaunch, a daemon and an agent are SIGKILLed at each STEPth system call of
# a whole run, from the first of their start to the last of their end: nothing is left, the exit
# code is that of a death, and the next run is as ever.
. "$(dirname "$0")/lib.sh"
step=${1:-97}
command -v strace >/dev/null || { echo "skipped: strace is not installed"; exit 77; }
strace -qq -o /dev/null true 2>/dev/null || { echo "skipped: processes cannot be traced here"; exit 77; }

# The programs again, of which one stands behind the tracer. The tracer is its child (-D): who
# started the program still is its parent.
mkdir "$work/bin"
cp "$dlaunch" "$work/bin"
for program in dhowd dhow-tcp; do
	cat >"$work/bin/$program" <<END
#!/bin/sh
case "\$VICTIM \$*" in
"daemon "*--node=1*) [ $program = dhowd ] ;;
"agent "*) [ $program = dhow-tcp ] && [ "\$DHOW_NODE" = 1 ] ;;
*) false ;;
esac && exec strace -D -qq \$TRACE "$DHOW_BIN/$program" "\$@"
exec "$DHOW_BIN/$program" "\$@"
END
	chmod +x "$work/bin/$program"
done

# traced WHAT OPTION... - a run with the victim under strace; in $code how dlaunch ended
traced() {
	local what=$1 front=
	shift
	new_mark
	digits=$(echo "$mark" | tr -d .)
	[ $what != dlaunch ] || front="strace -D -qq $*"
	VICTIM=$what TRACE="$*" run timeout -k 1 60 $front "$work/bin/dlaunch" -n 2 \
		sh -c "setsid sleep $sleepy.$digits & (env -i setsid sleep $sleepy.$digits &)" \
		>"$work/out" 2>"$work/err" </dev/null
	code=$?
	no_leftovers "$mark"
	no_leftovers "$sleepy.$digits"
}

# strace counts the calls of each name: say "call NAME for the Nth time" of each STEPth line.
points() {
	sed -n 's/^\([a-z_0-9]*\)(.*/\1/p' "$work/trace" | awk -v step="$step" '
		{ seen[$1]++ } NR % step == 1 && $1 !~ /exit/ { print $1 ":signal=SIGKILL:when=" seen[$1] }'
}

# The exit code is 0 where the death came too late to spoil anything, or this run had no such call.
for what in dlaunch daemon agent; do
	traced $what -o "$work/trace"
	expect_equal 0 $code "exit code of a run under strace"
	kills=0 runs=0
	for point in $(points); do
		traced $what -o /dev/null -e "inject=$point"
		runs=$((runs + 1))
		case $what.$code in
		*.0) ;;
		dlaunch.137 | daemon.125 | agent.125) kills=$((kills + 1)) ;;
		*) fail "$what at $point: exit code $code" ;;
		esac
		[ $code = 0 ] || [ $what = dlaunch ] || grep -q '^dlaunch: .*node 1' "$work/err" ||
			fail "$what at $point: its end is not told"
	done
	[ $kills -gt 0 ] && pass || fail "$what was never killed"
	echo "$what: killed at $kills of $runs points, of $(grep -c . "$work/trace") calls"
done
expect_exit 0 "$dlaunch" -n 2 true
finish
