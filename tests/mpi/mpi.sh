#!/bin/bash
# SPDX-License-Identifier: MIT
# mpi.sh LIBRARY (openmpi|mpich) SHAPE... - the C library of Debian; a shape is NODESxTASKS.
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/matrix.sh"
library=$1
shift
if ! command -v "mpicc.$library" >/dev/null; then
	echo "skipped: there is no mpicc.$library here (packages lib$library-dev)"
	exit 77
fi
mpicc.$library -o "$work/check" "$(dirname "$0")/check.c" || exit 1
launch=$dlaunch
own_tmp
program=$work/check
# where there are no more cores than ranks, they must not spin
export OMPI_MCA_mpi_yield_when_idle=1
# the test must not depend on who runs it
unset OMPI_MCA_btl OMPI_MCA_pml

for shape in "$@"; do
	runs "${shape%x*}" "${shape#*x}"
done
bad_ends 1 3
bad_ends 2 2
ends early 9 'dlaunch: rank 1 ' 1 3 1 9
ends early 9 'dlaunch: all ranks of node 1 have ended' 2 1 1 9
odd_ways
no_files

# what an outer MPI or a batch script left in the environment does not confuse the ranks
expect_exit 0 env PMI_RANK=7 PMI_SIZE=9 PMI_FD=3 PMIX_RANK=7 PMIX_NAMESPACE=x OMPI_MCA_ess=env \
	OMPI_COMM_WORLD_RANK=7 PALS_RANKID=7 MPI_LOCALRANKID=7 $dlaunch -n 1 -N 2 $program sum
expect_text out '^good: 2 ranks'

# one kind at a time
others='pmi1 pmi1-port'
[ "$library" = openmpi ] && others=pmix
for kind in $others; do
	expect_exit 0 $dlaunch -n 2 -N 2 --mpi=$kind $program sum
	expect_text out '^good: 4 ranks'
done
expect_exit 0 $dlaunch -n 1 -N 2 --mpi=none sh -c 'env | grep -cE "^(PMI|PMIX|PALS|OMPI_COMM)_"; true'
expect_equal 0 "$(sort -u "$work/out")" "variables of MPI with --mpi=none"
expect_exit 2 $dlaunch --mpi=mpi true
expect_text err 'there are auto, pmix, pmi1, pmi1-port, pals, none'
finish
