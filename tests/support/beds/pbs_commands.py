#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stand-ins for pbsdsh (OpenPBS) and mpiexec (PALS), by the name they are called by.

pbsdsh [-n LINE|-h HOST] [-s] [-v] [-o] -- PROGRAM ARGUMENTS: one task a line of $PBS_NODEFILE.
mpiexec --np N --ppn N [--hosts A,B] [--cpu-bind X] [--line-buffer] [-l] PROGRAM ARGUMENTS
"""
import os
import shlex
import signal
import subprocess
import sys
import threading


def start(host, command, env):
    """A process on `host`; stdin is empty, as of the real ones."""
    words = ["%s=%s" % item for item in env.items()] + command
    line = "cd %s && exec env %s" % (shlex.quote(os.getcwd()), " ".join(map(shlex.quote, words)))
    return subprocess.Popen([os.environ["PBS_SIM_SSH"], host, line], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def pump(process):
    for line in process.stdout:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def wait(processes):
    threads = [threading.Thread(target=pump, args=(p,)) for p in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = [p.wait() for p in processes]
    return max(code if code >= 0 else 128 - code for code in codes)


def pbsdsh(words, lines):
    chosen = list(range(len(lines)))
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "--":
            break
        if option == "-n":
            chosen = [int(words.pop(0))]
        elif option == "-h":
            chosen = [lines.index(words.pop(0))]
    # The environment of the job as its first node knows it, not the caller's.
    job = {k: v for k, v in os.environ.items() if k.startswith("PBS_")}
    return wait([start(lines[i], words, dict(job, PBS_TASKNUM=str(i + 2))) for i in chosen])


def mpiexec(words, lines):
    hosts, ranks, per_node = list(dict.fromkeys(lines)), 1, 1
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("--np", "-n"):
            ranks = int(words.pop(0))
        elif option == "--ppn":
            per_node = int(words.pop(0))
        elif option == "--hosts":
            hosts = words.pop(0).split(",")
        elif option == "--cpu-bind":
            words.pop(0)
        elif option not in ("--line-buffer", "-l"):
            sys.exit("mpiexec: unknown option " + option)
    if ranks > per_node * len(hosts):
        sys.exit("mpiexec: Not enough hosts for the ranks")
    env = {k: v for k, v in os.environ.items() if k.isidentifier()}
    processes = []
    for rank in range(ranks):
        node = rank // per_node
        own = dict(env, PALS_RANKID=str(rank), PALS_NODEID=str(node), PALS_APID="bed-1",
                   PALS_LOCAL_RANKID=str(rank % per_node), PALS_SPOOL_DIR="/run/palsd/bed-1",
                   PALS_APINFO="/run/palsd/bed-1/apinfo", PMI_RANK=str(rank),
                   PMI_SIZE=str(ranks), PMI_CONTROL_PORT="11998", PMI_SHARED_SECRET="12345")
        processes.append(start(hosts[node], words, own))
    return wait(processes)


def main():
    name = os.path.basename(sys.argv[0])
    if "PBS_ENVIRONMENT" not in os.environ:
        sys.exit(name + ": not executing under PBS")
    with open(os.environ["PBS_NODEFILE"], encoding="ascii") as file:
        lines = file.read().split()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit({"pbsdsh": pbsdsh, "mpiexec": mpiexec}[name](sys.argv[1:], lines))


main()
