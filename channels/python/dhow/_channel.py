# SPDX-License-Identifier: MIT
"""Channels and pools: the calls of channel.h and pool.h under the same names."""
import errno
import os

from . import _process
from ._c import ffi, lib
from ._error import check, error
from ._message import Message
from ._time import deadline_ns, patiently

IN, OUT, CLOSED = lib.DHOW_IN, lib.DHOW_OUT, lib.DHOW_CLOSED
ACCEPTED, DEPOSITED, RECEIVED = lib.DHOW_ACCEPTED, lib.DHOW_DEPOSITED, lib.DHOW_RECEIVED
WAITS = {"default": lib.DHOW_WAIT_DEFAULT, "spin": lib.DHOW_WAIT_SPIN,
         "adaptive": lib.DHOW_WAIT_ADAPTIVE, "sleep": lib.DHOW_WAIT_SLEEP}


class Header:
    """Of a message that was received by copy: `bytes` is its size."""

    __slots__ = ("bytes", "sender", "tag", "user", "urgent")

    def __init__(self, size, header):
        self.bytes = size
        self.sender = header.sender
        self.tag = header.tag
        self.user = header.user
        self.urgent = bool(header.flags & lib.DHOW_URGENT)


class Pool(_process.Handle):
    """Memory for blocks, beside the node's own pool. close() it after its channels and messages."""

    __slots__ = ()
    _close = staticmethod(lib.dhow_pool_close)

    @classmethod
    def create(cls, size, huge_pages=False, numa_node=None):
        attr = ffi.new("struct dhow_pool_attr *", {
            "bytes": size, "huge_pages": int(huge_pages),
            "numa_node": 0 if numa_node is None else 1 + numa_node})
        out = ffi.new("struct dhow_pool **")
        check(lib.dhow_pool_create_with(attr, out))
        return cls(out[0])

    def stats(self):
        return _stats("struct dhow_pool_stats", lib.dhow_pool_stats, self.pointer())


def _stats(kind, call, pointer):
    stats = ffi.new(kind + " *")
    check(call(pointer, stats) or 0)
    return {field: getattr(stats, field) for field, _ in ffi.typeof(kind).fields}


class Channel(_process.Handle):
    """A bounded FIFO of messages, here or on another node. timeout: seconds, or dhow.within()."""

    __slots__ = ("_lent", "_pool")
    _close = staticmethod(lib.dhow_channel_close)

    def __init__(self, pointer, pool=None):
        super().__init__(pointer)
        self._lent = []
        self._pool = pool  # is collected after its channels

    @classmethod
    def create(cls, name=None, capacity=0, inline_bytes=0, pool=None):
        """A new channel whose home is this node; without a name it is known by address() only."""
        attr = ffi.new("struct dhow_channel_attr *", {
            "capacity": capacity, "inline_bytes": inline_bytes,
            "pool": pool.pointer() if pool else ffi.NULL})
        out = ffi.new("struct dhow_channel **")
        check(lib.dhow_channel_create(ffi.NULL if name is None else os.fsencode(name), attr, out))
        return cls(out[0], pool)

    @classmethod
    def open(cls, where, timeout):
        """The channel of a name or address, once somebody has made it."""
        out = ffi.new("struct dhow_channel **")
        name = os.fsencode(where)
        check(patiently(lambda ns: lib.dhow_channel_open(name, ns, out), timeout))
        return cls(out[0])

    def close(self):
        if self._pointer and any(claim.is_owed for claim in self._lent):
            raise BufferError("a message of recv_begin() is neither committed nor cancelled")
        super().close()

    def destroy(self):
        """End the channel, whose home must be this node, and the handle."""
        check(lib.dhow_channel_destroy(self.pointer()))
        self.forget()

    def shut(self):
        check(lib.dhow_channel_shut(self.pointer()))

    def drain(self, timeout):
        check(patiently(lambda ns: lib.dhow_channel_drain(self.pointer(), ns), timeout))

    def address(self):
        """One short string, for open() anywhere in the job."""
        address = ffi.new("struct dhow_address *")
        text = ffi.new("char[]", lib.DHOW_ADDRESS_BYTES)
        lib.dhow_channel_address(self.pointer(), address)
        lib.dhow_address_print(address, text)
        return ffi.string(text).decode()

    def set_wait(self, mode):
        """How calls wait: "default", "spin", "adaptive" or "sleep"."""
        if mode not in WAITS:
            raise ValueError(f"wait mode {mode!r}: one of {', '.join(WAITS)} is needed")
        lib.dhow_channel_set_wait(self.pointer(), WAITS[mode])

    def stats(self):
        return _stats("struct dhow_channel_stats", lib.dhow_channel_stats, self.pointer())

    def send(self, data, timeout, tag=0, user=0, urgent=False, when=ACCEPTED):
        """Send a Message (given away, no copy) or a copy of any contiguous buffer.

        A Message brings its own tag, user and urgent.
        """
        pointer = self.pointer()
        if isinstance(data, Message):
            data.give(lambda struct: _sent(
                lambda ns: lib.dhow_send_message(pointer, struct, when, ns), when, timeout))
            return
        header = ffi.new("struct dhow_header *", {
            "tag": tag, "user": user, "flags": lib.DHOW_URGENT if urgent else 0})
        with ffi.from_buffer(data) as view:
            size = len(view)
            check(_sent(lambda ns: lib.dhow_send_with(pointer, view, size, header, when, ns),
                        when, timeout))

    def flush(self, timeout):
        check(patiently(lambda ns: lib.dhow_flush(self.pointer(), ns), timeout))

    def recv(self, timeout):
        """The next message with its block, without a copy (at most once)."""
        struct = ffi.new("struct dhow_message *")
        pointer = self.pointer()
        check(patiently(lambda ns: lib.dhow_recv_message(pointer, struct, ns), timeout))
        return Message(struct, home=self._pool)

    def recv_begin(self, timeout):
        """The next message where it lies, lent until commit() or cancel() (at least once)."""
        struct = ffi.new("struct dhow_message *")
        pointer = self.pointer()
        check(patiently(lambda ns: lib.dhow_recv_begin(pointer, struct, ns), timeout))
        message = Message(struct, self, self._pool)
        self._lent = [claim for claim in self._lent if claim.is_owed] + [message._claim]
        return message

    def recv_into(self, buffer, timeout):
        """Copy the next message into a writable buffer; returns its Header."""
        return self._copy(lib.dhow_recv, buffer, timeout)

    def peek(self, buffer, timeout):
        """Copy the next message, cut to the buffer, and leave it."""
        return self._copy(lib.dhow_peek, buffer, timeout)

    def _copy(self, call, buffer, timeout):
        size = ffi.new("size_t *")
        header = ffi.new("struct dhow_header *")
        pointer = self.pointer()
        with ffi.from_buffer(buffer, require_writable=True) as view:
            room = len(view)
            rc = patiently(lambda ns: call(pointer, view, room, size, header, ns), timeout)
        if rc == -errno.EMSGSIZE:
            failure = error(rc)
            failure.needed = size[0]
            raise failure
        check(rc)
        return Header(size[0], header)

    def poll(self, timeout, events=IN):
        """Wait for some of IN and OUT; returns those that are true, and CLOSED."""
        out = ffi.new("unsigned *")
        pointer = self.pointer()
        check(patiently(lambda ns: lib.dhow_poll(pointer, events, ns, out), timeout))
        return out[0]


def _sent(call, when, timeout):
    # A send that waits for more than acceptance may time out after it was accepted: not again.
    return patiently(call, timeout) if when == ACCEPTED else call(deadline_ns(timeout))
