#!/bin/bash
# SPDX-License-Identifier: MIT
# leftovers.sh - whatever is SIGKILLed, within 2 s nothing of the run is left, and nothing else
# is touched. Each rank has a child that made its own session, one that also wiped its
# environment, and one behind a double fork.
. "$(dirname "$0")/lib.sh"

cat >"$work/rank" <<'END'
#!/bin/bash
setsid sleep $1 &
[ "${WIPE:-1}" = 1 ] && (env -i setsid sleep $1 &)
(setsid sh -c "sleep $1 & exit 0" &)
sleep 0.1
echo up
exec sleep $1
END
chmod +x "$work/rank"

# Bystanders: the same program; another run's tag; a tag that only begins alike.
sleep 8888 & bystanders=$!
DHOW_RUN_TAG=0123456789abcdef0123456789abcdef DHOW_NODE=0 setsid sleep 8888 & bystanders+=" $!"
DHOW_RUN_TAG= setsid sleep 8888 & bystanders+=" $!"

start() {	# dlaunch options
	new_mark
	digits=$(echo "$mark" | tr -d .)
	: >"$work/out"
	(run_exec "$dlaunch" "$@" "$work/rank" $sleepy.$digits </dev/null >"$work/out" 2>"$work/err") &
	pid=$!
	wait_until 20 has_lines "$work/out" 6 || fail "not up: $(cat "$work/out")"
	expect_equal $((18 + 6 * ${WIPE:-1})) "$(marked "$sleepy.$digits" | grep -vcx $pid)" "processes of the ranks"
}

ended() {	# WHAT WANTED-CODE TEXT
	wait $pid 2>/dev/null
	expect_equal "$2" $? "exit code after $1"
	no_leftovers "$mark"
	no_leftovers "$sleepy.$digits"
	[ -z "$3" ] || expect_text err "$3"
}

start -n 3 -N 2
kill -9 "$(find_marked sleep "$sleepy" | head -1)"	# one of the ranks or their children
sleep 0.3
kill -TERM $pid 2>/dev/null
wait $pid 2>/dev/null
no_leftovers "$mark"
no_leftovers "$sleepy.$digits"

start -n 3 -N 2
rank=$(for p in $(find_marked sleep "$sleepy"); do
	tr '\0' '\n' <"/proc/$p/environ" | grep -qx DHOW_RANK=3 &&
		[ "$(ps -o ppid= -p "$p" | xargs -I{} cat /proc/{}/comm)" = dhowd ] &&
		[ "$(ps -o pgid= -p "$p" | xargs)" = "$p" ] && [ "$(ps -o sid= -p "$p" | xargs)" != "$p" ] && echo "$p"
	done | head -1)
kill -9 "$rank"
ended "SIGKILL of a rank" 137 'rank 3 \(node 1, pid [0-9]+\) was killed by signal 9'

start -n 3 -N 2
kill -9 $pid
ended "SIGKILL of dlaunch" 137 ''

start -n 3 -N 2
kill -9 "$(find_marked dhowd --node=1)"
ended "SIGKILL of a daemon" 125 'daemon of node 1 was killed by signal 9'

start -n 3 -N 2
kill -9 "$(find_marked dhow-tcp . | head -1)"
ended "SIGKILL of an agent" 125 'node [0-2]: agent .* was killed by signal 9'

# Two deaths at once: the tag still finds all but those that wiped their environment.
export WIPE=0
start -n 3 -N 2
kill -9 $pid "$(find_marked dhowd --node=0)"
ended "SIGKILL of dlaunch and a daemon" 137 ''
unset WIPE

start -n 3 -N 2
kill -STOP "$(find_marked dhowd --node=1)"
kill -TERM $pid
ended "SIGTERM with a daemon that is stopped" 143 'got signal 15'

# Normal end: what ranks leave running is ended, too.
new_mark
digits=$(echo "$mark" | tr -d .)
expect_exit 0 "$dlaunch" -n 2 sh -c "setsid sleep $sleepy.$digits & (env -i setsid sleep $sleepy.$digits &); sleep 0.1"
no_leftovers "$mark"
no_leftovers "$sleepy.$digits"

# A shell's background jobs become our children when it execs us: they are not ours to end.
new_mark
run bash -c "sleep 7777 & echo \$! >$work/job; exec $dlaunch true"
kill -0 "$(cat "$work/job")" && pass || fail "a foreign child was ended"
kill -9 "$(cat "$work/job")"

for bystander in $bystanders; do
	kill -0 "$bystander" && pass || fail "bystander $bystander was touched"
	kill -9 "$bystander"
done 2>/dev/null
wait 2>/dev/null
finish
