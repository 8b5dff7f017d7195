# SPDX-License-Identifier: MIT
"""figures.py - the times and the memory that docs/server.md tells; asserts nothing about them.

    DHOW_BIN=build/bin python3 tests/server/figures.py
"""
import os
import re
import sys
import time

import harness
from dragon import launched


def pss_mib():
    total = 0
    for pid in harness.marked():
        try:
            total += int(re.search(r"^Pss: *(\d+)", harness.read(f"/proc/{pid}/smaps_rollup"),
                                   re.M)[1])
        except (OSError, TypeError):
            pass
    return total / 1024


def since(begin):
    return f"{(time.monotonic() - begin) * 1e3:.1f} ms"


def timed(what, action):
    begin = time.monotonic()
    value = action()
    print(f"# {what}: {since(begin)}")
    return value


def test_figures():
    begin = time.monotonic()
    with launched(env={"DHOW_COOLDOWN": "5"}) as it:
        client = it.greet()
        first = client.run("touch began; sleep 1000", name="first")
        print(f"# start of the server to the first answer to run: {since(begin)}")
        client.wait(first, "Running")
        print(f"# one idle node, {len(harness.marked())} processes with the step's: "
              f"{pss_mib():.1f} MiB PSS")
        timed("stop", lambda: client.ask("stop", step_id=first))
        client.wait(first)
        for _ in range(3):
            begin = time.monotonic()
            step = client.run("touch now; sleep 1000", name="again")
            harness.wait_until(lambda: os.path.exists(harness.WORK + "/now"), "the process")
            print(f"# run to process running: {since(begin)}")
            os.unlink(harness.WORK + "/now")
            begin = time.monotonic()
            client.ask("stop", step_id=step)
            client.wait(step)
            print(f"# stop to Cancelled: {since(begin)}")
        six = client.run("sleep 1000", tasks_per_node=6)
        client.wait(six, "Running")
        print(f"# step of 6 tasks: {pss_mib():.1f} MiB PSS with the tasks")
        client.ask("stop", step_id=six)
        client.wait(six)
        big = timed("two tasks of 8 MB to Completed", lambda: client.wait(
            client.run("head -c 8000000 /dev/zero", name="big", tasks_per_node=2)))
        assert big == ["Completed", [0, 0]]
        assert os.path.getsize(harness.WORK + "/big.out") == 16000000
        begin = time.monotonic()
        client.ask("shutdown")
        it.process.wait()
        print(f"# shutdown to the end of what SmartSim waits for: {since(begin)}")
        harness.wait_until(lambda: not harness.marked(), "the end")


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
