# SPDX-License-Identifier: MIT
"""clients.py - dhow run, ps, logs, stop, shutdown, keygen: the same server, the same protocol."""
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys

import harness
from harness import DHOW, WORK, read, serving, wait_until


def dhow(*words, server=None, stdin=subprocess.DEVNULL, env=None):
    """Return: exit code, stdout, stderr."""
    env = {**os.environ, **({"DHOW_SERVER": server.address} if server else {}), **(env or {})}
    done = subprocess.run([DHOW, *words], stdin=stdin, capture_output=True, text=True, env=env,
                          timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_run_waits_and_prints():
    with serving("--nodes", "2") as (server, client):
        code, out, err = dhow("run", "-n", "2", "-N", "3", "sh", "-c", "echo out; echo err >&2",
                              server=server)
        assert (code, out, err) == (0, "out\n" * 6, "err\n" * 6), (code, out, err)
        assert dhow("run", "sh", "-c", "exit 7", server=server)[0] == 7
        assert dhow("run", "sh", "-c", "kill -9 $$", server=server)[0] == 137
        assert dhow("run", "-N2", "sh", "-c", "exit $((DHOW_RANK * 5))", server=server)[0] == 5
        code, out, err = dhow("run", "-e", "A=1", "--wdir", "/usr", "sh", "-c", "echo $A; pwd",
                              server=server)
        assert out == "1\n/usr\n", (out, err)
        code, out, err = dhow("run", "-n", "3", "true", server=server)
        assert code == 125 and "only 2 nodes are available" in err, (code, err)
        for option in ("--env", "--name", "--output", "--error"):
            code, out, err = dhow("run", option, b"/tmp/\xff=\xff", "true", server=server)
            assert code == 125 and "no UTF-8" in err, (option, code, err)
        big = dhow("run", "head", "-c", "3000000", "/dev/zero", server=server)[1]
        assert len(big) == 3000000
        file = WORK + "/file"
        code, out, err = dhow("run", "--output", file, "sh", "-c", "echo there; echo here >&2",
                              server=server)
        assert (code, out, err, read(file)) == (0, "", "here\n", "there\n")


def test_steps_are_mpi_programs_too():
    compiler = shutil.which("mpicc.openmpi")
    if not compiler:
        print("# without MPI: there is no mpicc.openmpi here (package libopenmpi-dev)")
        return
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../mpi/check.c")
    subprocess.run([compiler, "-o", WORK + "/check", source], check=True)
    with serving("--nodes", "2") as (server, client):
        # four ranks must not spin on two processors
        code, out, err = dhow("run", "-n", "2", "-N", "2", WORK + "/check", "sum", server=server,
                              env={"OMPI_MCA_mpi_yield_when_idle": "1", "TMPDIR": WORK})
        assert code == 0 and out.startswith("good: 4 ranks, 2 nodes, 2 here"), (code, out, err)


def test_ps_logs_stop():
    with serving() as (server, client):
        code, step, err = dhow("run", "-d", "--name", "sleeper", "sh", "-c",
                               "echo begin; echo bad >&2; sleep 1000", server=server)
        step = step.strip()
        assert code == 0 and client.wait(step, "Running"), err
        wait_until(lambda: dhow("logs", step, server=server)[1] == "begin\n", "its output")
        assert dhow("logs", "--error", step, server=server)[2] == "bad\n"
        code, out, err = dhow("ps", server=server)
        row = out.splitlines()[1].split()
        assert row[:4] == [step, "Running", "1", "1"] and "sleeper" in row, out
        listed = json.loads(dhow("ps", "--json", server=server)[1])
        assert listed["steps"][0]["name"] == "sleeper" and listed["server"] == server.address
        follower = subprocess.Popen([DHOW, "logs", "-f", "--server", server.address, step],
                                    stdout=subprocess.PIPE, text=True)
        assert follower.stdout.readline() == "begin\n"
        assert dhow("stop", step, server=server)[0] == 0
        assert follower.wait(harness.LONG_S) == 0
        assert client.wait(step) == ["Cancelled", [-9]]
        assert len(dhow("ps", server=server)[1].splitlines()) == 1
        assert "Cancelled" in dhow("ps", "-a", server=server)[1]
        code, out, err = dhow("stop", "1234567-9", server=server)
        assert code == 1 and "no step 1234567-9" in err, err


def test_interrupt_stops_the_step():
    with serving() as (server, client):
        runner = subprocess.Popen([DHOW, "run", "--server", server.folder, "sh", "-c",
                                   "echo up; sleep 1000"], stdout=subprocess.PIPE, text=True)
        assert runner.stdout.readline() == "up\n"
        runner.send_signal(signal.SIGINT)
        assert runner.wait(harness.LONG_S) == 137
        assert client.ask("list")["steps"][0]["status"] == "Cancelled"


def test_shutdown():
    with serving() as (server, client):
        step = dhow("run", "-d", "sleep", "1000", server=server)[1].strip()
        assert client.wait(step, "Running")
        assert dhow("shutdown", "--wait", server=server)[0] == 0
        code, out, err = dhow("run", "true", server=server)
        assert code == 125 and "shutting down" in err, err
        assert dhow("shutdown", server=server)[0] == 0
        assert server.wait(harness.LONG_S) == 0
        code, out, err = dhow("ps", server=server)
        assert code == 1 and "no server at tcp://" in err, err
        code, out, err = dhow("ps", "--server", server.folder)
        assert code == 1 and "no server runs there" in err, err


def test_keys():
    keys = {"DHOW_KEY_PATH": WORK + "/own/keys"}
    assert dhow("keygen", env=keys)[0] == 0
    code, out, err = dhow("keygen", env=keys)
    assert code == 1 and "there are keys in" in err, err
    file = WORK + "/laptop.key"
    assert dhow("keygen", file, env=keys)[0] == 0
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    code, out, err = dhow("serve", "--help")
    assert code == 0
    os.environ.update(keys)
    with serving() as (server, client):
        nowhere = {"DHOW_KEY_PATH": WORK + "/none"}
        code, out, err = dhow("run", "--server", server.address, "--key", file, "echo", "far",
                              env=nowhere)
        assert (code, out) == (0, "far\n"), err
        code, out, err = dhow("ps", "--server", server.address, env=nowhere)
        assert code == 1 and "none/server/pub" in err, err
        stranger = {"DHOW_KEY_PATH": WORK + "/other", "DHOW_SERVER_TIMEOUT": "300"}
        assert dhow("keygen", env=stranger)[0] == 0
        code, out, err = dhow("ps", "--server", server.address, env=stranger)
        assert code == 1 and "within 300 ms (DHOW_SERVER_TIMEOUT" in err, err
        os.chmod(file, 0o644)
        code, out, err = dhow("ps", "--server", server.address, "--key", file)
        assert code == 1 and "chmod 600" in err, err
    os.environ["DHOW_KEY_PATH"] = WORK + "/keys"


def test_c_programs():
    with serving() as (server, client):
        done = subprocess.run([os.environ["DHOW_API_CLIENT"], server.address, WORK + "/api.out"],
                              capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert read(WORK + "/api.out") == "from C\n"
        assert server.wait(harness.LONG_S) == 0


def test_time_outs_by_environment():
    with serving() as (server, client):
        for value, wanted in (("-1", 0), ("60000", 0), ("", 0), ("0", 1), ("soon", 1), ("-2", 1)):
            for name in ("DHOW_SERVER_TIMEOUT", "SMARTSIM_DRAGON_TIMEOUT"):
                code, out, err = dhow("ps", server=server, env={name: value})
                assert code == wanted, (name, value, code, err)
                assert not wanted or f'{name}="{value}": milliseconds' in err, err


def test_wrong_usage_says_how():
    for words, text in ((("run",), "no program"), (("run", "-n", "x", "true"), "whole number"),
                        (("stop",), "which step"), (("serve", "--schedule", "fair"), "backfill"),
                        (("serve", "program"), "dhow run"), (("ps", "x"), "too many"),
                        (("logs", "a-0", "b-1"), "\"b-1\" is one argument too many"),
                        (("info", "--json", "x"), "\"x\""), (("clean", "--dry-run", "x"), "\"x\""),
                        (("run", "-e", "A", "true"), "NAME=VALUE"), (("keygen", "-x"), "keygen")):
        code, out, err = dhow(*words)
        assert code == 2 and text in err, (words, code, err)


def test_steps_survive_their_client_and_not_their_server():
    with serving() as (server, client):
        runner = subprocess.Popen([DHOW, "run", "--server", server.folder, "sh", "-c",
                                   "echo up; sleep 1000"], stdout=subprocess.PIPE, text=True)
        assert runner.stdout.readline() == "up\n"
        runner.kill()
        runner.wait()
        step = client.ask("list")["steps"][0]
        assert step["status"] == "Running", step


def test_another_server_in_the_same_place_is_not_taken_for_the_first():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    with serving("--port", port) as (server, client):
        runner = subprocess.Popen([DHOW, "run", "--server", server.address, "sh", "-c",
                                   "echo up; sleep 1000"], stdout=subprocess.PIPE, text=True,
                                  env={**os.environ, "DHOW_SERVER_TIMEOUT": "5000"})
        assert runner.stdout.readline() == "up\n"
        runner.send_signal(signal.SIGSTOP)
        server.kill()
        server.wait()
        with serving("--port", port):
            runner.send_signal(signal.SIGCONT)
            assert runner.wait(harness.LONG_S) == 125   # 0 would say that it has ended well


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
