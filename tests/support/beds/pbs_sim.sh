# SPDX-License-Identifier: MIT
# pbs_sim.sh - a stand-in for PBS on the sshd of mini_ssh.sh: what a job sees, no more. Source it.
#
#   pbs_up N             bring it up
#   pbs_alloc N M CMD    run CMD on node1 as a job of N nodes with M ranks each
#   pals_alloc N M CMD   the same where PALS is installed, too
#
# As of the real ones: a line a rank in PBS_NODEFILE; pbsdsh counts lines, gives the environment of
# the job and not of the caller, and no stdin; mpiexec of PALS gives stdin to rank 0 only.
. "$(dirname "${BASH_SOURCE[0]}")/mini_ssh.sh"

pbs_up() {
	bed_need python3
	ssh_up "$1"
	mkdir -p "$bed/pbs/bin" "$bed/pals/bin" "$bed/home"
	cp "$(dirname "${BASH_SOURCE[0]}")/pbs_commands.py" "$bed/pbs/bin/pbsdsh"
	cp "$(dirname "${BASH_SOURCE[0]}")/pbs_commands.py" "$bed/pals/bin/mpiexec"
	chmod 755 "$bed/pbs/bin/pbsdsh" "$bed/pals/bin/mpiexec"
}

pbs_job() {
	local nodes=$1 ranks=$2 path=$3 i j
	shift 3
	for i in $(seq "$nodes"); do
		for j in $(seq "$ranks"); do echo "node$i"; done
	done >"$bed/nodefile"
	PBS_JOBID=1234.bed PBS_NODEFILE=$bed/nodefile PBS_ENVIRONMENT=PBS_BATCH PBS_JOBNAME=bed \
		PBS_QUEUE=workq PBS_O_WORKDIR=$PWD PBS_O_HOST=head PBS_NODENUM=0 PBS_TASKNUM=1 \
		PBS_MOMPORT=15003 PBS_JOBCOOKIE=00000000CAFE NCPUS=$ranks ENVIRONMENT=BATCH \
		PBS_SIM_SSH=$bed/bin/ssh HOME=$bed/home PATH=$path:$PATH bed_on node1 "$@"
}

pbs_alloc() {
	local nodes=$1 ranks=$2
	shift 2
	pbs_job "$nodes" "$ranks" "$bed/pbs/bin" "$@"
}

pals_alloc() {
	local nodes=$1 ranks=$2
	shift 2
	pbs_job "$nodes" "$ranks" "$bed/pals/bin" "$@"
}
