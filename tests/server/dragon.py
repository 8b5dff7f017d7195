# SPDX-License-Identifier: MIT
"""dragon.py - the stand-in for `dragon`, started and spoken to as SmartSim does it."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import harness
from harness import DHOW, DRAGON, LONG_S, WORK, read, wait_until, zmq

MODULE = ["python3", "-m", "smartsim._core.entrypoints.dragon", "+launching_address"]


class Launcher:
    """SmartSim's side: a REP socket with the server's keys, then the process."""

    def __init__(self, options=("-t", "tcp", "-l", "NONE"), env=None, url=None):
        if not os.path.exists(os.environ["DHOW_KEY_PATH"]):
            subprocess.run([DHOW, "keygen"], check=True, stdout=subprocess.DEVNULL)
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.REP)
        self.socket.curve_publickey, self.socket.curve_secretkey = harness.keys_of("server")
        self.socket.curve_server = True
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, LONG_S * 1000)
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.folder = tempfile.mkdtemp(dir=WORK)
        env = {**os.environ, "DHOW_COOLDOWN": "0", "SMARTSIM_DRAGON_TIMEOUT": "20000",
               **(env or {})}
        self.process = subprocess.Popen(
            [DRAGON, *options, *MODULE, url or f"tcp://127.0.0.1:{port}"], cwd=self.folder,
            env=env, start_new_session=True, stdout=open(self.folder + "/dragon_head.out", "wb"),
            stderr=open(self.folder + "/dragon_head.err", "wb"))
        self.client = None

    def greet(self):
        wait_until(lambda: self.socket.poll(20) or self.process.poll() is not None, "its words")
        assert self.process.poll() is None, self.err()
        kind, body = self.socket.recv().decode().split("|", 1)
        assert kind == "bootstrap", kind
        address = json.loads(body)["address"]
        self.socket.send_string('bootstrap|{"error_message":null,"dragon_pid":%d}' %
                                self.process.pid)
        self.client = harness.Client(address)
        return self.client

    def err(self):
        return read(self.folder + "/dragon_head.err")

    def close(self):
        if self.client:
            self.client.close()
        self.socket.close()
        self.context.term()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(LONG_S)


@contextlib.contextmanager
def launched(**how):
    launcher = Launcher(**how)
    try:
        yield launcher
    finally:
        launcher.close()


def test_life_as_smartsim_sees_it():
    with launched(env={"DHOW_LOCAL_NODES": "4", "DHOW_COOLDOWN": "",
                       "SMARTSIM_FLAG_TELEMETRY": "0"}) as it:
        client = it.greet()
        assert client.ask("handshake") == {"error_message": None, "dragon_pid": it.process.pid}
        step = client.run("sleep 0.2; echo done", nodes=4, tasks_per_node=3, name="life")
        assert harness.address_in(it.folder) == client.socket.LAST_ENDPOINT.decode(), \
            "the file is there before a run is answered"
        client.ask("shutdown", immediate=False, frontend_shutdown=True)
        assert it.process.wait(LONG_S) == 0
        # the last step is over, SmartSim's program ends; telemetry still asks
        assert client.status(step) == ["Completed", [0] * 12]
        assert read(WORK + "/life.out") == "done\n" * 12
        assert client.ask("handshake")["dragon_pid"] == it.process.pid
        refused = client.ask("run", exe="/bin/true", path="/")
        assert "shutting down" in refused["error_message"]
        # then it falls silent, which the batch client takes for success
        wait_until(lambda: not harness.marked(), "the end of the server")
        client.socket.setsockopt(zmq.RCVTIMEO, 300)
        try:
            client.ask("handshake")
            raise AssertionError("somebody answered")
        except zmq.Again:
            pass
        assert not os.path.exists(it.folder + "/dragon_config.log")
        assert it.err() == "", it.err()


def test_shutdown_stops_what_runs():
    with launched() as it:
        client = it.greet()
        step = client.run("sleep 1000")
        client.wait(step, "Running")
        client.ask("shutdown")
        assert it.process.wait(LONG_S) == 0
        wait_until(lambda: not harness.marked(), "the end of the server")


def test_front_stays_when_asked_to():
    with launched() as it:
        client = it.greet()
        client.ask("shutdown", frontend_shutdown=False)
        wait_until(lambda: not harness.marked(but=[it.process.pid]), "the end of the server")
        assert it.process.poll() is None
        it.process.terminate()
        assert it.process.wait(LONG_S) == 0


def test_signals_to_the_front_end_all():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        with launched() as it:
            client = it.greet()
            client.wait(client.run("setsid sleep 1000 & sleep 1000"), "Running")
            it.process.send_signal(number)
            wait_until(lambda: not harness.marked(but=[it.process.pid]), f"the end ({number})")
            assert not os.path.exists(it.folder + "/dragon_config.log")


def test_killed_server_ends_the_front():
    with launched() as it:
        client = it.greet()
        client.wait(client.run("sleep 1000"), "Running")
        server = client.ask("list")["pid"]
        os.kill(server, signal.SIGKILL)
        assert it.process.wait(LONG_S) == 128 + 9
        assert "ended by signal 9" in it.err()
        wait_until(lambda: not harness.marked(), "the end of its steps")


def test_why_it_cannot_serve():
    none = {"DHOW_KEY_PATH": WORK + "/none"}
    rows = [
        ({"options": ("-t", "carrier-pigeon", "-l", "NONE")}, "carrier-pigeon"),
        ({"options": ("-t", "hsta", "-l", "NONE"),
          "env": {"SMARTSIM_DRAGON_TRANSPORT": "hsta"}}, "hsta"),
        ({"options": ("-x",)}, "-x"),
        ({"env": none}, "dhow keygen"),
        ({"url": "ipc:///tmp/x"}, "no address"),
        ({"url": "tcp://127.0.0.1:9", "env": {"SMARTSIM_DRAGON_TIMEOUT": "100"}},
         "100 ms (SMARTSIM_DRAGON_TIMEOUT"),
        ({"env": {"DHOW_SCHEDULE": "fair"}}, "DHOW_SCHEDULE \"fair\""),
        ({"env": {"DHOW_LOCAL_NODES": "9999"}}, "9999"),
        ({"env": {"DHOW_LOCAL_NODES": "four"}}, "DHOW_LOCAL_NODES \"four\""),
        ({"env": {"DHOW_COOLDOWN": "soon"}}, "DHOW_COOLDOWN \"soon\""),
    ]
    for how, text in rows:
        with launched(**how) as it:
            assert it.process.wait(LONG_S) != 0, how
            assert text in it.err(), (how, it.err())


def test_default_transport_of_smartsim_is_no_wish():
    with launched(options=("-t", "hsta", "-l", "INFO")) as it:
        assert it.greet().ask("handshake")["dragon_pid"]


def play_client():
    """A program that starts a server and a step, says where, and sleeps."""
    it = Launcher(env={"DHOW_ORPHAN_TIMEOUT": sys.argv[2]})
    client = it.greet()
    client.wait(client.run("sleep 1000"), "Running")
    print(harness.address_in(it.folder), it.process.pid, flush=True)
    time.sleep(1000)


def start_player(orphan_timeout):
    """Return: the client, its server's address, the pid of what it waits for."""
    player = subprocess.Popen([sys.executable, "-B", __file__, "--client", orphan_timeout],
                              stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "DHOW_TEST_WORK": WORK})
    address, front = player.stdout.readline().split()
    return player, address, int(front)


def test_orphans_stay_when_they_were_told_to():
    player, address, front = start_player("0")
    other = harness.Client(address)
    player.kill()
    player.wait()
    for _ in range(25):         # the client is looked for once a second
        time.sleep(0.1)
        assert other.ask("handshake")["dragon_pid"] == front
    other.close()
    os.kill(front, signal.SIGTERM)
    wait_until(lambda: not harness.marked(), "the end of the server and its steps")


def test_orphans_leave_unless_somebody_else_has_come():
    player, address, _ = start_player("1")
    other = harness.Client(address)
    mine = other.run("sleep 1000", nodes=1)
    player.kill()
    player.wait()
    for _ in range(15):         # longer than the time-out: it is heard, so it stays
        time.sleep(0.1)
        assert other.status(mine), "the server left while it was needed"
    other.close()
    wait_until(lambda: not harness.marked(), "the end of the server and its steps")


def test_cleanup_ends_servers_and_nothing_else():
    bystander = subprocess.Popen(["sleep", "1000"])
    with launched() as it:
        client = it.greet()
        client.wait(client.run("sleep 1000"), "Running")
        done = subprocess.run([os.path.dirname(DRAGON) + "/dragon-cleanup"], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0 and "ending the server" in done.stdout, done
        wait_until(lambda: harness.marked(but=[it.process.pid]) == [bystander.pid], "the end")
        assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_dhow_smartsim():
    done = subprocess.run([DHOW, "smartsim", "--print-env"], capture_output=True, text=True)
    assert done.stdout == f'export PATH="{os.path.dirname(DRAGON)}:$PATH"\n', done
    done = subprocess.run([DHOW, "smartsim", "--", "sh", "-c", "command -v dragon; exit 3"],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, DRAGON + "\n"), done
    # it tells why dragon has failed, while its caller sees nothing
    done = subprocess.run([DHOW, "smartsim", "--", "sh", "-c", "dragon -x 2>err; sleep 0.5"],
                          capture_output=True, text=True, cwd=WORK)
    assert "could not serve, exit code 2: dragon: unknown option -x" in done.stderr, done.stderr
    assert subprocess.run([DHOW, "smartsim"], capture_output=True).returncode == 2


def test_env_file_is_written_and_undone():
    site = tempfile.mkdtemp(dir=WORK)
    config = site + "/smartsim/_core/config/dragon"
    os.makedirs(config)
    open(site + "/smartsim/__init__.py", "w").close()
    with open(config + "/.env", "w") as file:
        file.write("DRAGON_VERSION=0.9\n")
    env = {**os.environ, "PYTHONPATH": site}
    for _ in range(2):
        subprocess.run([DHOW, "smartsim", "--write-env"], env=env, check=True,
                       stdout=subprocess.DEVNULL)
        assert read(config + "/.env") == f"PATH={os.path.dirname(DRAGON)}\n"
        assert os.access(config + "/dragon-cleanup", os.X_OK)
    subprocess.run([DHOW, "smartsim", "--undo-env"], env=env, check=True,
                   stdout=subprocess.DEVNULL)
    assert os.listdir(config) == [".env"] and read(config + "/.env") == "DRAGON_VERSION=0.9\n"
    # without one before there is none behind
    os.unlink(config + "/.env")
    for verb in ("--write-env", "--write-env", "--undo-env"):
        subprocess.run([DHOW, "smartsim", verb], env=env, check=True, stdout=subprocess.DEVNULL)
    assert os.listdir(config) == []


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        play_client()
    harness.main(sys.modules["__main__"])
