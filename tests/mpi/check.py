# SPDX-License-Identifier: MIT
"""check.py - check.c by mpi4py: sums and a ring, or a bad end."""
import os
import signal
import sys
import time

what = sys.argv[1] if len(sys.argv) > 1 else "sum"
who = int(sys.argv[2]) if len(sys.argv) > 2 else -1
code = int(sys.argv[3]) if len(sys.argv) > 3 else 0
if what == "early" and os.environ.get("DHOW_RANK") == str(who):
    sys.exit(code)

from mpi4py import MPI  # starts MPI

world = MPI.COMM_WORLD
rank, size = world.rank, world.size
if what == "sum":
    good = world.allreduce(rank) == size * (size - 1) // 2
    good &= world.sendrecv(rank, (rank + 1) % size, source=(rank - 1) % size) == (rank - 1) % size
    data = world.bcast(bytes(range(256)) * 4096 if rank == 0 else None)
    good &= data == bytes(range(256)) * 4096
    node = world.Split_type(MPI.COMM_TYPE_SHARED)
    nodes = world.allreduce(1 if node.rank == 0 else 0)
    if not good:
        world.Abort(99)
    if rank == 0:
        print(f"good: {size} ranks, {nodes} nodes, {node.size} here")
elif what != "late":
    if what != "early":
        world.Barrier()
    if rank == who and what == "abort":
        world.Abort(code)
    if rank == who and what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if rank == who and what == "exit":
        os._exit(code)
    time.sleep(60)
MPI.Finalize()
sys.exit(code if rank == who else 0)
