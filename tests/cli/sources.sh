#!/bin/bash
# SPDX-License-Identifier: MIT
# sources.sh - which nodes are taken and why, with made-up allocations and an ssh that stays here.
. "$(dirname "$0")/lib.sh"
unset SLURM_JOB_ID SLURM_JOB_NODELIST PBS_JOBID PBS_NODEFILE DHOW_WLM DHOW_HOSTFILE DHOW_SSH DHOW_LISTEN
mkdir "$work/bin"
PATH=$work/bin:$PATH

# command_file NAME - an executable made of stdin
command_file() {
	cat >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

expect_exit 0 "$dlaunch" --dry-run -v -n 2 true
expect_text err 'nodes from slurm no: SLURM_JOB_ID or SLURM_JOB_NODELIST is not set'
expect_text err 'nodes from local yes: this machine'
expect_exit 2 "$dlaunch" --wlm nosuch true
expect_text err '"nosuch": there are slurm, pals, pbs, ssh, local'
expect_exit 2 "$dlaunch" --wlm slurm true
expect_text err 'cannot be used here: SLURM_JOB_ID'
expect_exit 2 "$dlaunch" --wlm ssh true

# Slurm
command_file srun <<'END'
#!/bin/sh
echo "srun: error: Unable to create step for job 7: nothing works" >&2
exit 3
END
slurm="env SLURM_JOB_ID=7 SLURM_JOB_NODELIST=n[1-3],m SLURM_TASKS_PER_NODE=3(x3),1 SLURM_JOB_CPUS_PER_NODE=8(x4)"
expect_exit 0 $slurm "$dlaunch" --dry-run -v true
expect_text err '4 nodes x 1 task = 4 tasks'
expect_text err 'nodes from slurm yes: job 7 on n\[1-3\],m'
expect_text err 'nodes from local no, others come first'
expect_exit 0 $slurm SLURM_NTASKS_PER_NODE=3 "SLURM_TASKS_PER_NODE=3(x4)" "$dlaunch" --dry-run true
expect_text err '4 nodes x 3 tasks = 12 tasks'
expect_exit 0 $slurm "$dlaunch" --dry-run -N 2 -w 'n[2-3]' true
expect_text err '2 nodes x 2 tasks = 4 tasks'
expect_exit 0 $slurm "$dlaunch" --dry-run -N 8 true
expect_text err '4 nodes x 8 tasks'		# no number of tasks was asked for: counts limit nothing
expect_exit 2 $slurm SLURM_NTASKS=10 "$dlaunch" --dry-run -N 3 true
expect_text err '1 free slot: --overcommit'
expect_exit 0 $slurm "$dlaunch" --dry-run -x n2 true
expect_text err '3 nodes x 1 task'
expect_exit 2 $slurm "$dlaunch" --dry-run -w n9 true
expect_text err '"n9" is none of the 4 nodes'
expect_exit 2 $slurm "$dlaunch" --dry-run -n 12 true
expect_text err '^dlaunch: -n is NODES here \(slurm has 4\). For 12 tasks in total write --ntasks 12; for 4 nodes --nodes 4$'
expect_exit 0 $slurm "$dlaunch" --dry-run --wlm local true
expect_text err '1 node x 1 task'
expect_exit 125 $slurm "$dlaunch" --bind-address 127.0.0.1 true
expect_text err 'srun, which carries all daemons, ended with exit code 3: srun: error: Unable to create step for job 7'

# PBS
printf 'a\na\na\nb\nb\nb\n' >"$work/nodes"
command_file pbsdsh </dev/null
pbs="env PBS_JOBID=9.x PBS_NODEFILE=$work/nodes"
expect_exit 0 $pbs "$dlaunch" --dry-run -v true
expect_text err '2 nodes x 3 tasks = 6 tasks'
expect_text err 'nodes from pals  no: .* no palsrun or mpiexec of PALS'
expect_text err 'nodes from pbs   yes: PBS job 9.x'
rm "$work/bin/pbsdsh"
if ! command -v pbsdsh >"$work/path"; then
	expect_exit 0 $pbs "$dlaunch" --dry-run -v true
	expect_text err 'nodes from ssh   yes: PBS_NODEFILE='
fi

# ssh
command_file stay <<'END'
#!/bin/sh
[ "$1" != 127.0.0.8 ] || exec sleep 60
# HOST COMMAND: with nothing of our environment, as of sshd
[ "$1" != 127.0.0.9 ] || { echo "ssh: connect to host $1 port 22: No route to host" >&2; exit 255; }
exec env -i PATH="$PATH" DHOW_TEST_MARK="$DHOW_TEST_MARK" sh -c "$2"
END
ssh="$dlaunch --bind-address 127.0.0.1 --ssh-command $work/bin/stay"
expect_exit 0 $ssh --hosts 127.0.0.2:3,127.0.0.1:3 sh -c 'echo $DHOW_RANK $DHOW_NODE'
expect_equal "0 0,1 0,2 0,3 1,4 1,5 1" "$(sort "$work/out" | paste -sd,)" "ranks"
printf '127.0.0.1 slots=1 # first\n127.0.0.2\n' >"$work/hosts"
expect_exit 7 env DHOW_HOSTFILE="$work/hosts" $ssh sh -c 'exit $((DHOW_NODE * 7))'
no_leftovers "$mark"
printf 'a\nb\n' >"$work/hosts"
expect_exit 0 "$dlaunch" --dry-run --hostfile "$work/hosts" -N 3 true
expect_text err '2 nodes x 3 tasks'
expect_exit 125 $ssh --hosts 127.0.0.1,127.0.0.9,127.0.0.2 sleep 20
expect_text err 'ssh to node 1 \(127.0.0.9\) ended with exit code 255: ssh: connect to host 127.0.0.9 port 22: No route'
no_leftovers "$mark"
expect_exit 125 $ssh --start-timeout 1 --hosts 127.0.0.1,127.0.0.8,127.0.0.2 sleep 20
expect_text err 'node 1 \(127.0.0.8\) did not come up within 1 s: its daemon does not answer; nodes 2/3 are up'
no_leftovers "$mark"
expect_exit 125 "$dlaunch" --hosts nosuch.invalid,b true
expect_text err 'host "nosuch.invalid": '
expect_exit 125 $ssh --remote-dhowd /nowhere/dhowd --hosts 127.0.0.1 true
expect_text err 'ended with exit code 127'
expect_exit 2 $ssh --hosts -oProxyCommand=x true
expect_exit 2 $ssh --hostfile "$work/nosuch" true
expect_exit 125 "$dlaunch" --ssh-command "$work/bin/nosuch" --bind-address 127.0.0.1 --hosts a true
expect_text err 'nosuch" not found'
finish
