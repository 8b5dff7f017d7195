# SPDX-License-Identifier: MIT
# mini_slurm.sh - a real Slurm (munged, slurmctld, a slurmd a node) on the nodes of nodes.sh.
# Source it; nothing is installed or written outside $bed.
#
#   slurm_up N         bring it up
#   slurm_alloc N CMD  run CMD on head inside an allocation of N nodes
#
# Each line of the configuration is needed: own key and socket of munge; daemons listen at their
# address only; nodes that claim 8 CPUs on any machine; no cgroups; and /tmp of its own a node,
# because Slurm makes folders there that are named by job only.
. "$(dirname "${BASH_SOURCE[0]}")/nodes.sh"
slurm_cpus=${slurm_cpus:-8}

slurm_write_config() {
	local i
	cat <<END
ClusterName=bed
SlurmctldHost=head($bed_net.254)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$bed/munge/socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$bed/state
SlurmdSpoolDir=$bed/spool-%n
SlurmctldPidFile=$bed/slurmctld.pidfile
SlurmdPidFile=$bed/slurmd-%n.pidfile
SlurmctldLogFile=$bed/slurmctld.log
SlurmdLogFile=$bed/slurmd-%n.log
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=${slurm_task_plugin:-task/none}
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=${slurm_mpi:-none}
TaskProlog=$bed/task_prolog
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
SlurmctldTimeout=30
SlurmdTimeout=60
InactiveLimit=0
KillWait=5
END
	for i in $(seq "$bed_count"); do
		echo "NodeName=node$i NodeAddr=$bed_net.$i CPUs=$slurm_cpus RealMemory=1000 State=UNKNOWN"
	done
	echo "PartitionName=main Nodes=node[1-$bed_count] Default=YES MaxTime=INFINITE State=UP"
}

slurm_is_idle() {
	[ "$(bed_on head sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)" = "$bed_count" ]
}

slurm_up() {
	local i
	bed_need munged slurmctld slurmd srun salloc
	bed_up "$1"
	mkdir -p "$bed/munge" "$bed/state"
	slurm_write_config >"$bed/slurm.conf"
	: >"$bed/plugstack.conf"
	# What the Slingshot plugin would do: each node's step has devices of its own.
	printf '#!/bin/sh\necho export SLINGSHOT_DEVICES=cxi-of-$(hostname)\n' >"$bed/task_prolog"
	chmod 755 "$bed/task_prolog"
	echo "CgroupPlugin=cgroup/v1" >"$bed/cgroup.conf"	# unused, but stops a search
	export SLURM_CONF=$bed/slurm.conf
	head -c 1024 /dev/urandom >"$bed/munge/key"
	chmod 600 "$bed/munge/key"
	bed_on head munged --force --num-threads=2 --key-file="$bed/munge/key" \
		--socket="$bed/munge/socket" --pid-file="$bed/munge/pid" \
		--log-file="$bed/munge/log" --seed-file="$bed/munge/seed" 2>"$bed/munge/err"
	bed_on head slurmctld -c -f "$SLURM_CONF"
	for i in $(seq "$bed_count"); do
		mkdir -p "$bed/spool-node$i"
		bed_on "node$i" slurmd -N "node$i" -f "$SLURM_CONF"
	done
	for i in $(seq 300); do
		slurm_is_idle && return 0
		sleep 0.1
	done
	echo "Slurm does not come up:"
	bed_on head sinfo -N -l
	tail -n 5 "$bed"/*.log
	return 1
}

# A request that is too large would wait for ever: callers use timeout.
slurm_alloc() {
	local nodes=$1
	shift
	bed_on head salloc -Q -N "$nodes" "$@"
}
