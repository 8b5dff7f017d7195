#!/bin/bash
# SPDX-License-Identifier: MIT
# kills.sh SOURCE TIMES - each process of a job (dlaunch, what carries daemons, daemon, its keeper,
# agent, rank) is SIGKILLed at TIMES moments from its start on, also while it starts: within 3 s
# nothing of the job is left on any node, the last line says what happened, the exit code is not
# that of a success, and 200 bystanders of the same user are alive.
here=$(dirname "$(realpath "$0")")
source=$1 nodes=2 times=$2
. "$here/../lib.sh"
. "$here/source.sh"
RANDOM=${SEED:=$$}
echo "seed $SEED"

# Each rank has a child in a session of its own, and one that also wiped its environment.
cat >"$work/rank" <<END
#!/bin/sh
setsid sleep $sleepy &
env -i setsid sleep $sleepy &
echo up
exec sleep $sleepy
END
chmod +x "$work/rank"

for node in $(all_nodes | tail -n +2); do
	bed_on "$node" sh -c "for i in \$(seq 50); do
		DHOW_RUN_TAG=0123456789abcdef0123456789abcdef.1 setsid sleep $bystander &
		DHOW_JOB_TAG= setsid sleep $bystander &
	done >/dev/null 2>&1 </dev/null"
done
bystanders() {
	local node
	for node in $(all_nodes | tail -n +2); do bed_on "$node" pgrep -cf "^sleep $bystander"; done |
		paste -sd+ | bc
}
expect_equal 200 "$(bystanders)" "bystanders before"

now_ms() { date +%s%3N; }

run_job() {
	: >"$work/out"
	rm -f "$work/code"
	(alloc "$dlaunch" -n $nodes -N 3 "$work/rank" </dev/null >"$work/out" 2>"$work/err"
		echo $? >"$work/code") &
}

# How long a start takes here: kills are spread over that and a little more.
began=$(now_ms)
run_job
wait_until 30 has_lines "$work/out" 6 || fail "not up"
start_ms=$(($(now_ms) - began))
kill -9 $(in_node $front dlaunch)
wait
nothing_left "the first"
echo "$source: a start takes $start_ms ms"

# Children of the daemon that did not wait to be adopted.
ranks() {
	local pid daemon
	daemon=$(in_node node2 dhowd daemon)
	for pid in $(in_node node2 "sleep $sleepy"); do
		[ "$(ps -o ppid= -p "$pid" | tr -d ' ')" = "$daemon" ] && echo "$pid"
	done
}

victim_pids() {
	case $1 in
	dlaunch) in_node $front dlaunch ;;
	carrier) in_node $front "$carrier" | head -1 ;;
	daemon) in_node node2 dhowd daemon ;;
	keeper) in_node node2 dhowd keeper ;;
	agent) in_node node2 dhow-tcp ;;
	rank) ranks | head -$((RANDOM % 3 + 1)) | tail -1 ;;
	esac
}

for victim in dlaunch carrier daemon keeper agent rank; do
	hits=0
	for i in $(seq "$times"); do
		run_job
		delay_ms=$((RANDOM * (start_ms + start_ms / 3) / 32768))
		sleep $((delay_ms / 1000)).$(printf %03d $((delay_ms % 1000)))
		# One that does not exist yet is awaited: that is its earliest moment.
		for try in $(seq 200); do
			pids=$(victim_pids $victim)
			[ -n "$pids" ] || [ -e "$work/code" ] && break
			sleep 0.02
		done
		[ -n "$pids" ] && kill -9 $pids 2>/dev/null && hits=$((hits + 1))
		wait_until 10 test -e "$work/code" || {
			fail "$victim killed after $delay_ms ms: not ended after 10 s"
			kill -TERM $(in_node $front dlaunch)
		}
		wait
		code=$(cat "$work/code")
		# salloc does not pass on by which signal its command died.
		[ $victim.$source = dlaunch.slurm ] || [ "$code" != 0 ] && pass ||
			fail "$victim killed after $delay_ms ms: exit code 0"
		[ $victim = dlaunch ] || grep -q '^dlaunch: ' "$work/err" ||
			fail "$victim killed after $delay_ms ms: nothing is said"
		nothing_left "$victim killed after $delay_ms ms" $victim
	done
	echo "$source: $victim: $hits of $times killed, last: $(grep '^dlaunch: ' "$work/err" | head -1)"
done
expect_equal 200 "$(bystanders)" "bystanders after"
finish
