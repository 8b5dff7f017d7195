# SPDX-License-Identifier: MIT
"""harness.py - what the tests of the command server share: a server, clients, checks.

A test is a function whose name begins with `test_`; main() runs those of a module, or those named
on its command line. Everything lives in one temporary folder and in processes that carry its
name in their environment, and is gone at the end.
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

try:
    import zmq
except ImportError:
    print("SKIP: there is no module zmq (Debian: python3-zmq)")
    sys.exit(77)

BIN = os.environ["DHOW_BIN"]
DHOW = BIN + "/dhow"
DRAGON = os.path.dirname(BIN) + "/libexec/dhow/bin/dragon"
WORK = os.environ.get("DHOW_TEST_WORK") or tempfile.mkdtemp(prefix="dhow-server-")
MARK = "DHOW_TEST_MARK=" + os.path.basename(WORK)
LONG_S = 30             # a machine with many guests is slow: only for what never comes

os.environ["DHOW_TEST_MARK"] = os.path.basename(WORK)
os.environ["DHOW_KEY_PATH"] = WORK + "/keys"
os.environ["HOME"] = WORK
for name in list(os.environ):
    if name.startswith(("SMARTSIM_", "SLURM_", "PBS_")):
        del os.environ[name]


def marked(but=()):
    """Pids of living processes that carry the mark, without us."""
    found = []
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) in (os.getpid(), *but):
            continue
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if MARK.encode() in file.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            pass
    return found


def wait_until(condition, what, seconds=LONG_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def key_of(path, name="public-key"):
    for line in read(path).splitlines():
        if line.strip().startswith(name):
            return line.split("=", 1)[1].strip(" \"'").encode()
    raise AssertionError(f"no {name} in {path}")


def keys_of(role):
    """Public and secret key of `client` or `server`."""
    path = f"{os.environ['DHOW_KEY_PATH']}/{role}/priv/smartsim.key_secret"
    return key_of(path), key_of(path, "secret-key")


class Client:
    """Speaks as SmartSim does: REQ, RELAXED, CORRELATE."""

    def __init__(self, address, pair=None, timeout=LONG_S):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.REQ)
        self.socket.setsockopt(zmq.REQ_RELAXED, 1)
        self.socket.setsockopt(zmq.REQ_CORRELATE, 1)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, int(timeout * 1000))
        self.socket.curve_publickey, self.socket.curve_secretkey = pair or keys_of("client")
        self.socket.curve_serverkey = keys_of("server")[0]
        self.socket.connect(address)

    def raw(self, text):
        self.socket.send(text if isinstance(text, bytes) else text.encode())
        return self.socket.recv().decode()

    def ask(self, kind, **fields):
        answer = self.raw(kind + "|" + json.dumps(fields))
        return json.loads(answer.split("|", 1)[1])

    def run(self, script, **fields):
        """A step that runs a script of sh; its output is in WORK/NAME.out and .err."""
        fields.setdefault("name", f"s{time.monotonic_ns()}")
        base = f"{WORK}/{fields['name']}"
        request = {"exe": "/bin/sh", "exe_args": ["-c", script], "path": WORK,
                   "output_file": base + ".out", "error_file": base + ".err",
                   "env": {}, "current_env": dict(os.environ), **fields}
        return self.ask("run", **request)["step_id"]

    def status(self, step):
        return self.ask("update_status", step_ids=[step])["statuses"].get(step)

    def wait(self, step, *names):
        names = names or ("Completed", "Failed", "Cancelled")
        return wait_until(lambda: (s := self.status(step)) and s[0] in names and s,
                          f"{step} {names}")

    def close(self):
        self.socket.close()
        self.context.term()


def start(*options, env=None, folder=None):
    """A `dhow serve`; it has .address and .folder when it answers."""
    folder = folder or tempfile.mkdtemp(dir=WORK)
    server = subprocess.Popen([DHOW, "serve", "--dir", folder, *options],
                              stdin=subprocess.DEVNULL, stderr=open(folder + "/err", "wb"),
                              env={**os.environ, **(env or {})})
    server.folder = folder
    wait_until(lambda: os.path.exists(folder + "/dragon_config.log") or
               server.poll() is not None, "the server's file")
    if server.poll() is not None:
        raise AssertionError("the server ended: " + read(folder + "/err"))
    server.address = address_in(folder)
    return server


def address_in(folder):
    for line in read(folder + "/dragon_config.log").splitlines():
        if line.startswith("DRAGON_SERVER_CONFIG:"):
            return json.loads(line.split(":", 1)[1])["address"]
    raise AssertionError("no address")


@contextlib.contextmanager
def serving(*options, env=None):
    server = start(*options, env=env)
    client = Client(server.address)
    try:
        yield server, client
    finally:
        client.close()
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        server.wait(LONG_S)


def main(module):
    wanted = sys.argv[1:]
    tests = [(n, f) for n, f in vars(module).items() if n.startswith("test_") and
             (not wanted or n in wanted)]
    failed = 0
    for name, test in tests:
        begin = time.monotonic()
        try:
            test()
            verdict = "ok"
        except Exception:
            traceback.print_exc()
            verdict = "FAILED"
            failed += 1
        left = marked()
        if left:
            end = time.monotonic() + 3
            while marked() and time.monotonic() < end:
                time.sleep(0.05)
            left = marked()
        for pid in left:
            with contextlib.suppress(OSError):
                print("left behind:", pid, read(f"/proc/{pid}/cmdline").replace("\0", " "))
                os.kill(pid, signal.SIGKILL)
        if left:
            failed += 1
            verdict = "FAILED"
        print(f"{verdict:7} {name} {time.monotonic() - begin:.2f} s", flush=True)
    shutil.rmtree(WORK, ignore_errors=True)
    print(f"{len(tests)} tests, {failed} failed")
    sys.exit(1 if failed else 0)
