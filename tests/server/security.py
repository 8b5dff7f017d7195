# SPDX-License-Identifier: MIT
"""security.py - what strangers, floods and full tables do to a server, and where its keys are.

Who gets in and how large a frame may be is tested in router_test.c.
"""
import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading

import harness
from dragon import launched
from harness import DHOW, LONG_S, WORK, read, serving, wait_until, zmq
from zmq.utils import z85


def secrets():
    """Both secret keys, as text and as bytes."""
    found = []
    for role in ("server", "client"):
        text = harness.keys_of(role)[1]
        found += [text, z85.decode(text)]
    return found


def of_process(pid, name):
    """A file of /proc; nothing of a process that has ended."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def memory_holds(pid, wanted):
    """True if what the process can read has one of @wanted in it."""
    maps = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+ *(.*)$",
                      of_process(pid, "maps").decode(errors="replace"), re.M)
    if not maps:
        return False
    try:
        memory = open(f"/proc/{pid}/mem", "rb", buffering=0)
    except (FileNotFoundError, ProcessLookupError):
        return False
    with memory:
        for begin, end, name in maps:
            # shadow memory of a sanitizer is terabytes of nothing
            if name.startswith("[v") or int(end, 16) - int(begin, 16) > 1 << 30:
                continue
            try:
                memory.seek(int(begin, 16))
                data = memory.read(int(end, 16) - int(begin, 16))
            except (OSError, ValueError):
                continue
            if any(text in data for text in wanted):
                return True
    return False


def words_of(pid):
    return of_process(pid, "cmdline").split(b"\0")


def test_secrets_are_where_they_must_be_and_nowhere_else():
    with launched(env={"DHOW_LOCAL_NODES": "2"}, options=("-t", "tcp", "-l", "INFO")) as it:
        client = it.greet()
        client.wait(client.run("echo up; sleep 1000", nodes=2, name="holder"), "Running")
        server, wanted = client.ask("list")["pid"], secrets()
        assert memory_holds(server, wanted), "this way of looking finds what is there"
        def kinds():
            return {os.path.basename(words_of(pid)[0]).decode() for pid in harness.marked()}
        wait_until(lambda: {"dhowd", "dhow-tcp", "sh", "sleep"} <= kinds(), "all processes")
        others = [pid for pid in harness.marked() if pid != server]
        for pid in others:
            assert not memory_holds(pid, wanted), words_of(pid)
        for pid in (server, *others):
            for name in ("environ", "cmdline"):
                data = of_process(pid, name)
                assert not any(text in data for text in wanted), (pid, name)
        # of all that was written, the key files alone
        assert it.err(), "it was asked to say what happens"
        for folder, _, names in os.walk(WORK):
            for name in names:
                path = f"{folder}/{name}"
                if path.startswith(os.environ["DHOW_KEY_PATH"]) or not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    data = file.read()
                assert not any(text in data for text in wanted), path


def test_a_core_would_hold_keys_so_there_is_none_and_tasks_keep_their_limit():
    before = resource.getrlimit(resource.RLIMIT_CORE)
    most = before[1]
    own = most if 0 <= most < 4096 else 4096
    resource.setrlimit(resource.RLIMIT_CORE, (own, most))
    try:
        with serving() as (server, client):
            client.wait(client.run("ulimit -c", name="core"))
            limit = resource.prlimit(server.pid, resource.RLIMIT_CORE)
            assert limit[0] == 0, limit
            with open(DHOW, "rb") as file:
                if b"__asan_init" in file.read():
                    return      # it has set the limit of all our programs to 0
            # a shell of Debian counts in blocks of 512 bytes
            assert read(WORK + "/core.out").strip() == str(own // 512), read(WORK + "/core.out")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def test_what_is_made_for_keys_is_closed_to_others():
    before = os.umask(0)
    try:
        root = WORK + "/modes/keys"
        env = {**os.environ, "DHOW_KEY_PATH": root}
        subprocess.run([DHOW, "keygen"], env=env, check=True, stdout=subprocess.DEVNULL)
        subprocess.run([DHOW, "keygen", WORK + "/modes/laptop.key"], env=env, check=True,
                       stdout=subprocess.DEVNULL)
    finally:
        os.umask(before)
    for folder, folders, names in os.walk(WORK + "/modes"):
        for name in folders:
            mode = os.stat(f"{folder}/{name}").st_mode & 0o7777
            assert mode == 0o700, (folder, name, oct(mode))
        for name in names:
            mode = os.stat(f"{folder}/{name}").st_mode & 0o7777
            assert mode == (0o644 if folder.endswith("/pub") else 0o600), (folder, name, oct(mode))
    # and what is there is not written over, nor followed to elsewhere
    os.symlink(WORK + "/elsewhere", WORK + "/modes/link.key")
    for path in ("laptop.key", "link.key"):
        done = subprocess.run([DHOW, "keygen", f"{WORK}/modes/{path}"], env=env,
                              capture_output=True, text=True)
        assert done.returncode == 1 and path in done.stderr, done
    assert not os.path.exists(WORK + "/elsewhere")


def test_wrong_modes_are_told_with_the_cure():
    root = os.environ["DHOW_KEY_PATH"]
    with serving():
        pass                    # the keys are there
    for path, mode, cure in (("server/priv/smartsim.key_secret", 0o644, "chmod 600"),
                             ("client/pub", 0o777, "chmod go-w")):
        before = os.stat(f"{root}/{path}").st_mode & 0o7777
        os.chmod(f"{root}/{path}", mode)
        done = subprocess.run([DHOW, "serve", "--dir", WORK + "/modeless"], capture_output=True,
                              text=True, timeout=LONG_S)
        os.chmod(f"{root}/{path}", before)
        assert done.returncode == 1 and cure in done.stderr and path in done.stderr, done


def fds_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def address_of(server):
    host, port = server.address[6:].split(":")
    return host, int(port)


def clients_of(server):
    """Connections to its port that are open at its side."""
    port = "%04X" % address_of(server)[1]
    rows = [line.split() for line in read("/proc/net/tcp").splitlines()[1:]]
    return sum(row[1].endswith(":" + port) and row[3] == "01" for row in rows)


def test_full_descriptor_table():
    """Idle strangers take every descriptor: who is inside is answered, and who comes gets in."""
    with serving() as (server, client):
        step = client.run("sleep 1000")
        client.wait(step, "Running")
        limit = fds_of(server.pid) + 30
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, limit))
        idle = []
        for _ in range(60):
            idle.append(socket.create_connection(address_of(server), timeout=LONG_S))
        wait_until(lambda: fds_of(server.pid) >= limit, "the table is full")
        for _ in range(20):
            assert client.status(step) == ["Running", []]
        # a handshake has two seconds: they are thrown out
        other = harness.Client(server.address)
        assert other.status(step) == ["Running", []]
        other.close()
        for stranger in idle:
            stranger.close()
        assert server.poll() is None


def test_flood_of_strangers():
    """Handshakes with wrong keys, one after the other, beside a client that works."""
    with serving() as (server, client):
        over, tried = threading.Event(), [0, 0]
        server_key = harness.keys_of("server")[0]

        def flood(index):
            context = zmq.Context()
            while not over.is_set():
                stranger = context.socket(zmq.DEALER)
                stranger.linger = 0
                stranger.curve_publickey, stranger.curve_secretkey = zmq.curve_keypair()
                stranger.curve_serverkey = server_key
                stranger.connect(server.address)
                # one that was refused already has nowhere to send to, and would wait for ever
                with contextlib.suppress(zmq.Again):
                    stranger.send(b"", zmq.NOBLOCK)
                stranger.poll(20)
                stranger.close()
                tried[index] += 1
            context.term()

        threads = [threading.Thread(target=flood, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(200):
                assert client.ask("handshake")["dragon_pid"] == server.pid
            wait_until(lambda: min(tried) > 5, "strangers")
            assert client.wait(client.run("exit 0")) == ["Completed", [0]]
        finally:
            over.set()
            for thread in threads:
                thread.join()
        server.send_signal(signal.SIGTERM)
        assert server.wait(LONG_S) == 0
        assert "strangers" in read(server.folder + "/err")


def test_a_frozen_client_is_let_go():
    """It neither reads nor answers heartbeats: its connection is closed after ten seconds."""
    with serving() as (server, client):
        client.ask("handshake")
        assert clients_of(server) == 1
        code = ("import sys, harness, time\nc = harness.Client(sys.argv[1])\nc.ask('handshake')\n"
                "print('in', flush=True)\ntime.sleep(1000)")
        frozen = subprocess.Popen(
            [sys.executable, "-B", "-c", code, server.address], stdout=subprocess.PIPE, text=True,
            cwd=os.path.dirname(os.path.abspath(__file__)),
            env={**os.environ, "DHOW_TEST_WORK": WORK})
        assert frozen.stdout.readline() == "in\n"
        assert clients_of(server) == 2
        frozen.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: clients_of(server) == 1, "its connection is closed")
        finally:
            frozen.kill()
            frozen.wait()


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
