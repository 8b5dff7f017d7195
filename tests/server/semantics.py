# SPDX-License-Identifier: MIT
"""semantics.py - what a client of the command server sees, row by row of docs/server.md."""
import json
import os
import signal
import sys
import time

import harness
from harness import WORK, read, serving, wait_until


def out(name, kind="out"):
    return read(f"{WORK}/{name}.{kind}")


def test_steps_and_their_ends():
    with serving("--nodes", "4") as (server, client):
        pid = client.ask("handshake")["dragon_pid"]
        assert pid == server.pid, pid
        twelve = client.run("echo hello; echo oops >&2", name="twelve", nodes=4, tasks_per_node=3)
        assert client.wait(twelve) == ["Completed", [0] * 12]
        assert out("twelve") == "hello\n" * 12 and out("twelve", "err") == "oops\n" * 12
        rows = [
            ("exit 3", {}, ["Failed", [3]]),
            ("kill -SEGV $$", {}, ["Failed", [-11]]),
            ("cat; echo end", {"name": "stdin"}, ["Completed", [0]]),
            ("exit $((DHOW_RANK * 3))", {"tasks_per_node": 2}, None),
            ("", {"exe": "/no/such/program"}, ["Failed", [127]]),
            ("", {"exe": "/etc/passwd"}, ["Failed", [126]]),
        ]
        for script, fields, wanted in rows:
            found = client.wait(client.run(script, **fields))
            if wanted is None:
                assert found[0] == "Failed" and sorted(found[1]) == [0, 3], found
            else:
                assert found == wanted, (script, fields, found)
        assert out("stdin") == "end\n", "stdin is /dev/null"
        found = client.wait(client.run("pwd", path="/no/such/folder"))
        assert found[0] == "Failed" and found[1][0] != 0, found


def test_environment_and_place():
    with serving() as (server, client):
        env = {"A": "env", "GONE": None, "UML": "\u00e4\u20ac"}
        current = {"A": "current", "GONE": "x", "B": "b", "PATH": "/usr/bin:/bin"}
        client.wait(client.run("echo $A $B [${GONE-unset}] $UML; pwd", name="env", env=env,
                               current_env=current, path="/usr"))
        assert out("env") == "env b [unset] \u00e4\u20ac\n/usr\n", out("env")
        # SmartSim makes the files and links to them, or a step before has written
        with open(WORK + "/twice.out", "w") as file:
            file.write("before\n")
        client.wait(client.run("echo after", name="twice"))
        assert out("twice") == "before\nafter\n"
        same = WORK + "/same"
        client.wait(client.run("echo 1; echo 2 >&2", output_file=same, error_file=same))
        assert sorted(read(same).split()) == ["1", "2"]
        client.wait(client.run("echo lost", output_file=None, error_file=None))


def test_output_comes_while_the_step_runs_and_is_whole_at_its_end():
    with serving("--nodes", "2") as (server, client):
        step = client.run("echo first; read x < fifo", name="early")
        os.mkfifo(WORK + "/fifo")
        wait_until(lambda: os.path.exists(WORK + "/early.out") and out("early") == "first\n",
                   "output of a running step")
        assert client.wait(step, "Running", "Failed")
        client.ask("stop", step_id=step)
        client.wait(step)
        big = client.run("head -c 8000000 /dev/zero", name="big", nodes=2)
        assert client.wait(big) == ["Completed", [0, 0]]
        assert os.path.getsize(WORK + "/big.out") == 16000000


def test_stop():
    with serving("--nodes", "4", "--grace", "1") as (server, client):
        quick = client.run("sleep 1000 & setsid sleep 1000 & echo $! >pid; wait", name="quick",
                           tasks_per_node=2)
        polite = client.run("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done",
                            name="polite")
        stubborn = client.run("trap '' TERM; echo up; while :; do sleep 1; done", name="stubborn")
        for name in ("polite", "stubborn"):
            wait_until(lambda: os.path.exists(f"{WORK}/{name}.out") and out(name), name)
        grandchild = wait_until(lambda: os.path.exists(WORK + "/pid") and read(WORK + "/pid"),
                                "pid of the grandchild")
        for step in (quick, polite, stubborn):
            assert client.ask("stop", step_id=step)["error_message"] is None
        for step in (quick, polite, stubborn):
            assert client.wait(step) == ["Cancelled", [-9]], step
        assert out("polite") == "up\nbye\n"
        assert not harness.alive(int(grandchild))
        before = client.run("exit 5")
        client.wait(before)
        client.ask("stop", step_id=before)
        assert client.status(before) == ["Failed", [5]], "a finished step keeps its end"


def test_queue():
    with serving("--nodes", "2") as (server, client):
        holder = client.run("sleep 1000")
        wide = client.run("exit 0", nodes=2)
        narrow = client.run("exit 0")
        assert client.wait(narrow) == ["Completed", [0]], "it overtakes the wide one"
        assert client.status(wide) == ["NeverStarted", None]
        dropped = client.run("exit 0", nodes=2)
        client.ask("stop", step_id=dropped)
        assert client.status(dropped) == ["Cancelled", [-9]]
        client.ask("stop", step_id=holder)
        assert client.wait(wide) == ["Completed", [0, 0]]
        refused = client.ask("run", exe="/bin/true", path="/", nodes=3)
        assert refused["error_message"] == ("Cannot satisfy request. Requested 3 nodes, but only "
                                            "2 nodes are available.")
        assert client.status(refused["step_id"]) == ["Failed", [-1]]
        twenty = [client.run("exit 0") for _ in range(20)]
        for step in twenty:
            assert client.wait(step) == ["Completed", [0]]


def test_packed_steps_share_a_node():
    with serving("--schedule", "pack") as (server, client):
        first, second = client.run("sleep 1000"), client.run("sleep 1000")
        if os.cpu_count() > 1:
            client.wait(first, "Running")
            client.wait(second, "Running")


def test_affinity():
    with serving(env={"DHOW_GPUS": "2"}) as (server, client):
        cpu = max(os.sched_getaffinity(0))
        client.wait(client.run("grep Cpus_allowed_list /proc/self/status; echo "
                               "[$CUDA_VISIBLE_DEVICES][$ROCR_VISIBLE_DEVICES]", name="bound",
                               policy={"cpu_affinity": [cpu], "gpu_affinity": [1, 0]}))
        assert out("bound").split()[1:] == [str(cpu), "[1,0][1,0]"], out("bound")
        for policy, word in (({"cpu_affinity": [os.cpu_count()]}, "CPUs"),
                             ({"gpu_affinity": [2]}, "GPUs")):
            answer = client.ask("run", exe="/bin/true", path="/", policy=policy)
            assert answer["error_message"] == f"Cannot satisfy request, not enough {word} available"


def test_answers_while_steps_start():
    """Each request is answered at once, also when many steps are starting."""
    with serving("--nodes", "4", "--verbose") as (server, client):
        other, times = harness.Client(server.address), []
        steps = [client.run("exit 0", nodes=4, tasks_per_node=4) for _ in range(10)]
        while client.status(steps[-1])[0] not in ("Completed", "Failed"):
            begin = time.monotonic()
            other.ask("update_status", step_ids=steps)
            times.append(time.monotonic() - begin)
        other.close()
        times.sort()
        print(f"# {len(times)} answers while 160 tasks started: median "
              f"{times[len(times) // 2] * 1e3:.2f} ms, worst {times[-1] * 1e3:.2f} ms")
        assert client.status(steps[-1]) == ["Completed", [0] * 16]
        server.send_signal(signal.SIGTERM)
        server.wait(harness.LONG_S)
        print("#", next(line for line in read(server.folder + "/err").splitlines()
                        if "longest turn" in line))


def test_broken_requests_do_no_harm():
    with serving() as (server, client):
        for text in ("", "run", "run|", "run|{", "dance|{}", "stop|{}", b"\xff|\xfe",
                     "handshake|" + "[" * 60000, "run|" + json.dumps({"exe": 1, "path": "/"}),
                     "update_status|{\"step_ids\":3}", "bootstrap|{}"):
            answer = client.raw(text)
            assert json.loads(answer.split("|", 1)[1])["error_message"], (text, answer)
        answer = client.raw("run|{\"exe\":\"/bin/true\"}")
        step = json.loads(answer.split("|", 1)[1])["step_id"]
        assert client.status(step) == ["Failed", [-1]]
        large = client.run("echo ${#X}", name="large", env={"X": "x" * 100000},
                           exe_args=["-c", "echo ${#X}"] + ["y" * 1000] * 200)
        assert client.wait(large) == ["Completed", [0]]
        assert out("large") == "100000\n"
        assert "a request was refused" in read(server.folder + "/err")


def test_a_repeated_message_is_executed_once():
    with serving() as (server, client):
        socket = client.context.socket(harness.zmq.DEALER)
        socket.curve_publickey, socket.curve_secretkey = harness.keys_of("client")
        socket.curve_serverkey = harness.keys_of("server")[0]
        socket.connect(server.address)
        body = ("run|" + json.dumps({"exe": "/bin/true", "path": "/"})).encode()
        answers = []
        for _ in range(2):
            socket.send_multipart([b"\0\0\0\7", b"", body])
        for _ in range(2):
            answers.append(socket.recv_multipart()[2])
        assert answers[0] == answers[1], answers
        socket.close()


def test_two_clients_see_the_same_steps():
    with serving() as (server, client):
        other = harness.Client(server.address)
        step = client.run("sleep 1000")
        other.wait(step, "Running")
        assert [s["step_id"] for s in other.ask("list")["steps"]] == [step]
        other.ask("stop", step_id=step)
        assert client.wait(step) == ["Cancelled", [-9]]
        other.close()


def test_strangers_get_no_answer():
    with serving() as (server, client):
        stranger = harness.Client(server.address, harness.zmq.curve_keypair(), timeout=0.5)
        try:
            stranger.ask("handshake")
            raise AssertionError("a stranger was answered")
        except harness.zmq.Again:
            pass
        stranger.close()
        assert client.ask("handshake")["dragon_pid"]


def test_it_listens_at_its_address_only():
    with serving() as (server, client):
        host, port = server.address[6:].split(":")
        rows = [line.split() for name in ("tcp", "tcp6")
                for line in read(f"/proc/net/{name}").splitlines()[1:]]
        listening = [row[1] for row in rows if row[3] == "0A" and
                     int(row[1].rsplit(":")[-1], 16) == int(port)]
        assert listening == ["0100007F:%04X" % int(port)], listening


def test_shutdown():
    with serving("--nodes", "2") as (server, client):
        step, waiting = client.run("sleep 1000"), client.run("sleep 1000", nodes=2)
        assert client.ask("shutdown", immediate=False)["error_message"] is None
        refused = client.ask("run", exe="/bin/true", path="/")
        assert refused["error_message"] == "Cannot satisfy request, server is shutting down."
        assert client.status(step)[0] in ("Running", "NeverStarted"), "it may go on"
        assert client.ask("shutdown")["error_message"] is None
        assert server.wait(harness.LONG_S) == 0
        assert not os.path.exists(server.folder + "/dragon_config.log")


def test_signals_end_it_and_all_its_steps():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        with serving() as (server, client):
            step = client.run("sleep 1000")
            client.wait(step, "Running")
            server.send_signal(number)
            assert server.wait(harness.LONG_S) == 0, number
            assert not os.path.exists(server.folder + "/dragon_config.log")
            assert not wait_until(lambda: not harness.marked() or None, "the end") is None


def test_killed_server_leaves_nothing():
    with serving("--nodes", "2") as (server, client):
        client.wait(client.run("setsid sleep 1000 & sleep 1000", nodes=2), "Running")
        server.kill()
        server.wait()
        wait_until(lambda: not harness.marked(), "the end of all that it started")


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
