# SPDX-License-Identifier: MIT
"""metrics.py - dhow serve --metrics: what Prometheus reads, and who else may come by."""
import http.client
import os
import re
import socket
import subprocess
import sys
import threading

import harness
from harness import BIN, DHOW, serving, wait_until

LABEL = r'[a-z]+="[^"\\]*"'
SAMPLE = r"([a-z_]+)(?:\{(" + LABEL + "(?:," + LABEL + r")*)\})? (\S+)"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port, path="/metrics", method="GET"):
    """Return: code, headers, text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def parse(text):
    """The text format of Prometheus, 0.0.4, as strict as its own parser.
    Return: {(name, labels): value}."""
    values, types = {}, {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            assert re.fullmatch(r"# HELP [a-z_]+ [^\\]+", line), line
        elif line.startswith("# TYPE "):
            match = re.fullmatch(r"# TYPE ([a-z_]+) (gauge|counter)", line)
            assert match and match[1] not in types, line
            types[match[1]] = match[2]
            latest = match[1]
            assert latest.endswith("_total") == (match[2] == "counter"), line
        else:
            match = re.fullmatch(SAMPLE, line)
            assert match and match[1] == latest, line
            assert (match[1], match[2]) not in values, line
            values[match[1], match[2]] = float(match[3])
    return values


def read(port):
    code, headers, text = fetch(port)
    assert code == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers
    return parse(text)


def test_steps_are_counted():
    port = free_port()
    with serving("--nodes", "2", "--metrics", str(port)) as (server, client):
        values = read(port)
        assert values["dhow_steps", 'state="running"'] == 0
        assert values["dhow_nodes", None] == 2
        environment = {**os.environ, "DHOW_SERVER": server.address}
        run = [DHOW, "run"]
        for words, code in ((["true"], 0), (["true"], 0), (["sh", "-c", "exit 3"], 3)):
            assert subprocess.run(run + words, env=environment, timeout=60).returncode == code
        subprocess.run(run + ["-d", "sleep", "1000"], env=environment, timeout=60, check=True,
                       stdout=subprocess.DEVNULL)
        wait_until(lambda: read(port)["dhow_steps", 'state="running"'] == 1, "a step runs")
        values = read(port)
        assert values["dhow_steps_ended_total", 'state="completed"'] == 2, values
        assert values["dhow_steps_ended_total", 'state="failed"'] == 1, values
        assert values["dhow_steps_ended_total", 'state="cancelled"'] == 0, values
        assert values["dhow_requests_total", None] >= 4
        assert values["process_start_time_seconds", None] > 1.7e9


def test_links_and_channels_are_told():
    port = free_port()
    with serving("--nodes", "2", "--metrics", f"127.0.0.1:{port}") as (server, client):
        environment = {**os.environ, "DHOW_SERVER": server.address}
        done = subprocess.run([DHOW, "run", "-n", "2", f"{BIN}/../bench/exchange", "--messages",
                               "20"], env=environment, timeout=100, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

        def links():
            values = read(port)
            return [values[key] for key in values if key[0] == "dhow_link_messages_sent_total" and
                    values["dhow_link_messages_received_total", key[1]] > 0]
        wait_until(lambda: sum(count > 0 for count in links()) >= 2, "two links that were used")
        values = read(port)
        assert any(key[0] == "dhow_pool_bytes" and values[key] > 0 for key in values)
        assert any(key[0] == "dhow_link_rtt_min_seconds" and 0 < values[key] < 10
                   for key in values)


def test_who_else_comes_by():
    port = free_port()
    with serving("--metrics", str(port)) as (server, client):
        assert fetch(port, "/")[0] == 404
        assert fetch(port, "/metrics", "POST")[0] == 405
        assert fetch(port, "/metrics", "HEAD")[0] == 200
        # Silent ones take places and lose them; a request that is too large gets no memory.
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
        with socket.create_connection(("127.0.0.1", port)) as large:
            try:
                for _ in range(64):
                    large.sendall(b"GET /metrics HTTP/1.1\r\nA: " + b"x" * 65536)
            except OSError:
                pass
        for one in silent:
            one.settimeout(60)
            try:
                assert one.recv(1) == b"", "it was closed"
            except ConnectionResetError:
                pass
            one.close()
        assert read(port)["dhow_nodes", None] == 1
        # Several at once.
        got = []
        several = [threading.Thread(target=lambda: got.append(fetch(port)[0])) for _ in range(4)]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join()
        assert got == [200] * 4, got


def test_bad_places():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for place, word in (("here", "IPV4:PORT or PORT"), ("1.2.3.4:", "IPV4:PORT or PORT"),
                            ("1.2.3.4:70000", "IPV4:PORT or PORT"), (":80", "IPV4:PORT or PORT"),
                            (f"127.0.0.1:{port}", "cannot listen there: Address already in use"),
                            ("192.0.2.1:1234", "cannot listen there")):
            done = subprocess.run([DHOW, "serve", "--dir", harness.WORK + "/bad", "--metrics",
                                   place], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "DHOW_KEY_PATH": harness.WORK + "/keys-bad"})
            assert done.returncode == 1 and word in done.stderr, (place, done)
            assert place in done.stderr, done.stderr


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
