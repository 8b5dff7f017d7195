#!/bin/bash
# SPDX-License-Identifier: MIT
# kill_matrix.sh [TIMES] - a process of the job is SIGKILLed at a random time, also while it comes
# up: dlaunch, a daemon at an end of the tree, any daemon of a line of four, an agent, a rank.
# Within 2 s nothing with the job's tag is left and no mark of it, the exit code says what
# happened, and 200 processes of the same user live.
. "$(dirname "$0")/lib.sh"
times=${1:-20}

bystanders=
for _ in $(seq 100); do
	sleep 7777 & bystanders+=" $!"
	DHOW_JOB_TAG=0123456789abcdef0123456789abcdef setsid sleep 7777 & bystanders+=" $!"
done
disown -a	# the shell shall not tell of their ends

cat >"$work/rank" <<'END'
#!/bin/bash
setsid sleep $1 &
(setsid sh -c "sleep $1 & exit 0" &)
exec sleep $1
END
chmod +x "$work/rank"

# victim WHAT - its pid, or nothing yet
victim() {
	case $1 in
	dlaunch) echo $pid ;;
	line) find_marked dhowd --node=$node ;;
	daemon) find_marked dhowd --node=3 ;;
	agent) find_marked dhow-tcp . | shuf -n 1 ;;
	rank) find_marked sleep "$sleepy" | shuf -n 1 ;;
	esac
}

# What dlaunch says of it; a rank's child may die without a word, and then SIGTERM ends the run.
expected() {
	case $1 in
	dlaunch) echo 137 ;;
	line | daemon | agent) echo 125 ;;
	rank) echo '137|143' ;;
	esac
}

# kill_at WHAT MILLISECONDS
kill_at() {
	local code
	node=$((RANDOM % 4))
	# Of 4 nodes with a fan-out of 2, 2 and 3 are below node 0.
	[ $1 = line ] && export DHOW_TREE_FANOUT=1 || export DHOW_TREE_FANOUT=2
	new_mark
	digits=$(echo "$mark" | tr -d .)
	(run_exec "$dlaunch" -n 4 -N 2 "$work/rank" $sleepy.$digits </dev/null >"$work/out" 2>"$work/err") &
	pid=$!
	sleep "$(printf '0.%03d' "$2")"
	found=
	for _ in $(seq 200); do
		found=$(victim "$1") && [ -n "$found" ] && break
		sleep 0.02
	done
	[ -n "$found" ] || fail "$1 at $2 ms: never seen"
	kill -9 $found 2>/dev/null
	if [ "$1" = rank ]; then
		sleep 0.3
		kill -TERM $pid 2>/dev/null
	fi
	wait $pid 2>/dev/null
	code=$?
	[[ $code =~ ^($(expected "$1"))$ ]] && pass || fail "$1 at $2 ms: exit $code"
	no_leftovers "$mark"
	no_leftovers "$sleepy.$digits"
}

for what in dlaunch daemon line agent rank; do
	for _ in $(seq "$times"); do
		kill_at $what $((RANDOM % 600))
	done
done
alive=0
for bystander in $bystanders; do
	kill -0 "$bystander" && alive=$((alive + 1))
	kill -9 "$bystander"
done 2>/dev/null
expect_equal 200 $alive "bystanders"
wait 2>/dev/null
finish
