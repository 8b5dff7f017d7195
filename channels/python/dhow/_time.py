# SPDX-License-Identifier: MIT
"""Timeouts in seconds, deadlines, and waits that ^C can end."""
import errno
import math
import time

TRY = 0
FOREVER = math.inf
FOREVER_NS = 2**64 - 1
# A wait in C does not see signals; after this long Python may run its handlers.
SLICE_NS = 250_000_000


class Deadline:
    """One moment for several calls: `end = dhow.within(5)`, then `recv(end)`, `send(x, end)`."""

    __slots__ = ("ns",)

    def __init__(self, ns):
        self.ns = ns


def within(seconds):
    """The Deadline that is so many seconds from now."""
    return Deadline(deadline_ns(seconds))


def deadline_ns(timeout):
    """A timeout in seconds (0 = try, FOREVER = no limit) or a Deadline, as the library wants it."""
    if isinstance(timeout, Deadline):
        return timeout.ns
    if not timeout >= 0:
        raise ValueError(f"timeout {timeout!r}: seconds, 0 (try), dhow.FOREVER or dhow.within()"
                         " is needed")
    if timeout == 0:
        return 0
    # Beyond 292 years the clock's own range ends.
    return FOREVER_NS if timeout > 9e9 else time.monotonic_ns() + max(1, int(timeout * 1e9))


def patiently(call, timeout):
    """rc of call(deadline_ns), which must take and send nothing when it returns -ETIMEDOUT."""
    end = deadline_ns(timeout)
    if end == 0:
        return call(0)
    while True:
        until = min(end, time.monotonic_ns() + SLICE_NS)
        rc = call(until)
        if rc != -errno.ETIMEDOUT or until == end:
            return rc
