# SPDX-License-Identifier: MIT
"""Wait for many channels: waitset.h, and its descriptor under asyncio."""
import errno

from . import _process
from ._c import ffi, lib
from ._channel import IN
from ._error import check
from ._time import patiently

ROOM = 64


class WaitSet(_process.Handle):
    """Holds channels with the events that are wanted; it looks and does not take."""

    __slots__ = ("_members", "_numbers", "_last")
    _close = staticmethod(lib.dhow_waitset_destroy)

    def __init__(self):
        out = ffi.new("struct dhow_waitset **")
        check(lib.dhow_waitset_create(out))
        self._members = {}  # number -> channel; a number is what the library hands back
        self._numbers = {}  # channel -> number
        self._last = 0
        super().__init__(out[0])

    def add(self, channel, events=IN):
        number = self._last + 1
        check(lib.dhow_waitset_add(self.pointer(), channel.pointer(), events, number))
        self._last = number
        self._members[number] = channel
        self._numbers[channel] = number

    def modify(self, channel, events):
        number = self._numbers[channel]
        check(lib.dhow_waitset_modify(self.pointer(), channel.pointer(), events, number))

    def remove(self, channel):
        number = self._numbers.pop(channel)
        self._members.pop(number)
        check(lib.dhow_waitset_remove(self.pointer(), channel.pointer()))

    def wait(self, timeout):
        """[(channel, events), ...], at least one."""
        events = ffi.new("struct dhow_waitset_event[]", ROOM)
        count = ffi.new("size_t *")
        pointer = self.pointer()
        check(patiently(lambda ns: lib.dhow_waitset_wait(pointer, events, ROOM, count, ns),
                        timeout))
        return self._named(events, count[0])

    def _named(self, events, count):
        # A member that is removed while a wait runs may still be reported.
        return [(self._members[event.user], event.events)
                for event in events[0:count] if event.user in self._members]

    def poll(self):
        """As wait(), with [] when nothing is there now."""
        events = ffi.new("struct dhow_waitset_event[]", ROOM)
        count = ffi.new("size_t *")
        rc = lib.dhow_waitset_wait(self.pointer(), events, ROOM, count, 0)
        if rc == -errno.EAGAIN:
            return []
        check(rc)
        return self._named(events, count[0])

    def fileno(self):
        """A descriptor that is readable when poll() should be called; never read from it."""
        descriptor = lib.dhow_waitset_fd(self.pointer())
        check(descriptor)
        return descriptor

    async def ready(self):
        """As wait(), for asyncio: the loop goes on meanwhile. Limit it with asyncio.wait_for()."""
        import asyncio

        loop = asyncio.get_running_loop()
        descriptor = self.fileno()
        while True:
            events = self.poll()
            if events:
                return events
            news = loop.create_future()
            loop.add_reader(descriptor, lambda: news.done() or news.set_result(None))
            try:
                await news
            finally:
                loop.remove_reader(descriptor)
