# SPDX-License-Identifier: MIT
"""cases.py - scripts of SmartSim as users write them, on Dhow's stand-in for dragon.

Each case is a program of its own (SmartSim's atexit hooks are part of what is tested): without
`--script` this file runs them one by one, and looks at what is left behind.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.environ["DHOW_BUILD"]
DHOW = BUILD + "/bin/dhow"


# --- what users write ----------------------------------------------------------------------------

def experiment(name="exp"):
    from smartsim import Experiment
    os.makedirs("exp", exist_ok=True)
    return Experiment(name, launcher="dragon", exp_path=os.path.abspath("exp"))


def model(exp, name, script, nodes=1, tasks=1):
    settings = exp.create_run_settings("/bin/sh", ["-c", script])
    settings.set_nodes(nodes)
    settings.set_tasks_per_node(tasks)
    made = exp.create_model(name, settings)
    exp.generate(made, overwrite=True)
    return made


def status(exp, *entities):
    return [str(s.value) for s in exp.get_status(*entities)]


def text(name, kind="out"):
    with open(f"exp/{name}/{name.split('/')[-1]}.{kind}") as file:
        return file.read()


def until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def case_snippet():
    """The document's own: 4 nodes x 3 tasks; start, status, output files."""
    from smartsim import Experiment
    os.makedirs("exp", exist_ok=True)
    exp = Experiment("hello_world", exp_path="exp", launcher="dragon")
    rs = exp.create_run_settings("/bin/echo", ["Hello", "World!"])
    rs.set_nodes(4)
    rs.set_tasks_per_node(3)
    hello = exp.create_model("hello", rs)
    exp.generate(hello, overwrite=True)
    exp.start(hello, block=True, summary=False)
    assert status(exp, hello) == ["Completed"], status(exp, hello)
    assert text("hello") == "Hello World!\n" * 12, text("hello")


def case_ensemble():
    exp = experiment()
    settings = exp.create_run_settings("/bin/sh", ["-c", "echo $SSKEYIN; sleep 0.1"])
    many = exp.create_ensemble("many", replicas=6, run_settings=settings)
    exp.generate(many, overwrite=True)
    exp.start(many, block=True)
    assert status(exp, many) == ["Completed"] * 6, status(exp, many)


def case_ends():
    """Exit codes, signals, a program that is not there."""
    exp = experiment()
    good, bad = model(exp, "good", "exit 0"), model(exp, "bad", "echo no >&2; exit 3")
    dead = model(exp, "dead", "kill -SEGV $$")
    exp.start(good, bad, dead, block=True)
    assert status(exp, good, bad, dead) == ["Completed", "Failed", "Failed"]
    assert text("bad", "err") == "no\n"


def case_stop():
    exp = experiment()
    long = model(exp, "long", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done")
    exp.start(long, block=False)
    until(lambda: os.path.exists("exp/long/long.out") and text("long"), "output while it runs")
    exp.stop(long)
    assert status(exp, long) == ["Cancelled"], status(exp, long)
    until(lambda: text("long") == "up\nbye\n", "SIGTERM comes first")


def case_queue():
    """More than the nodes can hold: all run in the end."""
    exp = experiment()
    wide = [model(exp, f"wide{i}", "sleep 0.2", nodes=4) for i in range(3)]
    narrow = [model(exp, f"narrow{i}", "exit 0") for i in range(5)]
    exp.start(*wide, *narrow, block=True)
    assert status(exp, *wide, *narrow) == ["Completed"] * 8
    huge = model(exp, "huge", "exit 0", nodes=5)
    exp.start(huge, block=True)
    assert status(exp, huge) == ["Failed"]


def case_database():
    """An Orchestrator: Debian's redis-server by SmartSim's own settings."""
    exp = experiment()
    database = exp.create_database(port=6790, interface="hsn0", db_nodes=1, single_cmd=False)
    exp.generate(database, overwrite=True)
    exp.start(database)
    address = database.get_address()[0]
    host, port = address.split(":")
    ask = [shutil.which("redis-cli"), "-h", host, "-p", port]
    assert subprocess.run([*ask, "set", "a", "1"], capture_output=True).stdout == b"OK\n"
    client = model(exp, "client", " ".join([*ask, "get", "a"]))
    exp.start(client, block=True)
    assert text("client") == "1\n", text("client")
    exp.stop(database)
    assert status(exp, database)[0] in ("Cancelled", "Completed"), status(exp, database)


def case_second():
    """Another program finds the server of the first, and does not end it."""
    exp = experiment()
    first = model(exp, "first", "sleep 1000")
    exp.start(first, block=False)
    env = {**os.environ, "SMARTSIM_DRAGON_SERVER_PATH": os.path.abspath("exp/.smartsim/dragon")}
    done = subprocess.run([sys.executable, "-B", __file__, "--script", "other"], env=env)
    assert done.returncode == 0
    steps = json.loads(subprocess.run(
        [DHOW, "ps", "--json"], env=env, check=True, capture_output=True).stdout)["steps"]
    assert [s["status"] for s in steps] == ["Completed", "Running"], steps
    exp.stop(first)


def case_other():
    exp = experiment("other")
    joined = model(exp, "joined", "echo joined")
    exp.start(joined, block=True)
    assert status(exp, joined) == ["Completed"]


def case_batch():
    """By sbatch: a job of two nodes with a server of its own, a step of MPI among its steps."""
    exp = experiment()
    batch = exp.create_batch_settings(nodes=2, time="00:05:00")
    many = exp.create_ensemble("many", batch_settings=batch)
    wide = exp.create_run_settings("/bin/sh", ["-c", "echo $DHOW_RANK $(hostname)"])
    wide.set_nodes(2)
    many.add_model(exp.create_model("wide", wide))
    many.add_model(exp.create_model("narrow", exp.create_run_settings(
        "/bin/sh", ["-c", "echo narrow; echo bad >&2"])))
    if "MPI_CHECK" in os.environ:
        ranks = exp.create_run_settings(os.environ["MPI_CHECK"], ["sum"])
        ranks.set_nodes(2)
        ranks.set_tasks_per_node(2)
        many.add_model(exp.create_model("ranks", ranks))
    exp.generate(many, overwrite=True)
    exp.start(many, block=True)
    assert set(status(exp, many)) == {"Completed"}, status(exp, many)
    assert sorted(text("many/wide").split("\n")) == ["", "0 node1", "1 node2"], text("many/wide")
    assert (text("many/narrow"), text("many/narrow", "err")) == ("narrow\n", "bad\n")
    if "MPI_CHECK" in os.environ:
        assert text("many/ranks").startswith("good: 4 ranks, 2 nodes"), text("many/ranks")


def case_waits():
    """Is interrupted or killed by its parent."""
    exp = experiment()
    long = model(exp, "long", "setsid sleep 1000 & echo up; sleep 1000", nodes=2)
    exp.start(long, block=False)
    until(lambda: os.path.exists("exp/long/long.out") and text("long"), "its output")
    print("up", flush=True)
    exp.poll(interval=1)


# --- the other side ------------------------------------------------------------------------------

def prepare():
    """A home of our own."""
    work = tempfile.mkdtemp(prefix="dhow-smartsim-", dir=os.environ.get("DHOW_TEST_WORK"))
    os.chdir(work)
    os.environ.update({
        "HOME": work, "DHOW_LOCAL_NODES": "4", "SMARTSIM_JM_INTERVAL": "1",
        "SMARTSIM_LOG_LEVEL": "quiet",
        "DHOW_TEST_MARK": os.path.basename(work), "SMARTSIM_TELEMETRY_FREQUENCY": "1",
        "SMARTSIM_TELEMETRY_COOLDOWN": "1", "DHOW_COOLDOWN": "1",
    })
    # its second process asks for statuses, too: with one case that is enough
    os.environ["SMARTSIM_FLAG_TELEMETRY"] = "0"
    for name in ("SMARTSIM_DRAGON_SERVER_PATH", "DHOW_KEY_PATH", "SMARTSIM_KEY_PATH"):
        os.environ.pop(name, None)
    return work


def marked():
    mark, found = ("DHOW_TEST_MARK=" + os.environ["DHOW_TEST_MARK"]).encode(), []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            with open(f"/proc/{pid}/environ", "rb") as file, \
                    open(f"/proc/{pid}/cmdline", "rb") as line:
                words = line.read().replace(b"\0", b" ").decode()
                # SmartSim's own second process ends when it likes
                if mark in file.read().split(b"\0") and "telemetrymonitor" not in words:
                    found.append((int(pid), words))
        except OSError:
            pass
    return found


def script(case):
    return subprocess.Popen([DHOW, "smartsim", "--", sys.executable, "-B", __file__, "--script",
                             case], stdout=open("out", "wb"), stderr=open("err", "wb"))


def run_script(case):
    child = script(case)
    try:
        child.wait(timeout=150)
    except subprocess.TimeoutExpired:
        child.kill()
    return child.wait() == 0


def end_by(number, timeout="60"):
    """The client is ended by a signal: what is left of it?"""
    os.environ["DHOW_ORPHAN_TIMEOUT"] = timeout
    child = subprocess.Popen([sys.executable, "-B", __file__, "--script", "waits"],
                             stdout=subprocess.PIPE, stderr=open("err", "wb"), text=True,
                             env={**os.environ, "PATH": f"{BUILD}/libexec/dhow/bin:" +
                                  os.environ["PATH"]})
    said = child.stdout.readline() == "up\n"
    time.sleep(0.3)
    child.send_signal(number)
    child.wait(60)
    return said


def run_snippet():
    os.environ["SMARTSIM_FLAG_TELEMETRY"] = "1"
    try:
        return run_script("snippet")
    finally:
        os.environ["SMARTSIM_FLAG_TELEMETRY"] = "0"


def run_smoke():
    return run_script("snippet")


def run_sigint():
    return end_by(signal.SIGINT)


def run_sigkill():
    return end_by(signal.SIGKILL, "1")


def run_missing():
    """SmartSim says nothing when dragon cannot start; `dhow smartsim` does, at once."""
    env = {**os.environ, "DHOW_SCHEDULE": "fair", "SMARTSIM_DRAGON_STARTUP_TIMEOUT": "3000"}
    done = subprocess.run([DHOW, "smartsim", "--", sys.executable, "-B", __file__, "--script",
                           "snippet"], env=env, capture_output=True, text=True, timeout=100)
    return done.returncode != 0 and "could not serve" in done.stderr and "fair" in done.stderr


def clean_end():
    """Nothing is left within seconds, in processes and in shared memory."""
    end = time.monotonic() + 20
    while marked() and time.monotonic() < end:
        time.sleep(0.1)
    left = marked()
    for pid, line in left:
        print("left behind:", pid, line)
        os.kill(pid, signal.SIGKILL)
    return not left and os.listdir("/dev/shm") == SHM


def main():
    wanted = sys.argv[1:] or ["snippet", "ensemble", "ends", "stop", "queue", "database", "second",
                              "sigint", "sigkill", "missing"]
    failed = 0
    for case in wanted:
        if case == "database" and not shutil.which("redis-server"):
            print("SKIP    database: there is no redis-server (Debian: redis-server)")
            continue
        shutil.rmtree("exp", ignore_errors=True)
        begin = time.monotonic()
        good = globals().get("run_" + case, lambda: run_script(case))()
        ended = time.monotonic()
        clean = clean_end()
        print(f"{'ok' if good and clean else 'FAILED':7} {case} {ended - begin:.1f} s", flush=True)
        if not good or not clean:
            if "DHOW_TEST_KEEP" in os.environ:
                shutil.copytree("exp", os.environ["DHOW_TEST_KEEP"], symlinks=False)
            failed += 1
            subprocess.run("tail -n 30 err exp/.smartsim/dragon/dragon_head.err", shell=True)
    return failed


if __name__ == "__main__":
    if sys.argv[1:2] == ["--script"]:
        globals()["case_" + sys.argv[2]]()
        sys.exit(0)
    SHM = os.listdir("/dev/shm")
    WORK = prepare()
    code = main()
    os.chdir("/")
    shutil.rmtree(WORK, ignore_errors=True)
    sys.exit(1 if code else 0)
