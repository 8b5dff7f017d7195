# SPDX-License-Identifier: MIT
"""Messages in hand: memory of the node seen through the buffer protocol, never copied.

Whatever sees a message's memory (memoryview, slice, numpy array) keeps it alive; the block goes
back when the last one is gone. What must have happened now (free, give away, commit) is refused
with BufferError while another view exists, since that one would see memory of somebody else.
"""
import weakref

from . import _process
from ._c import ffi, lib
from ._error import check
from ._time import deadline_ns


class _Claim:
    """What is owed to the library for one message: release() pays it, once."""

    __slots__ = ("struct", "channel", "home", "message", "is_owed", "__weakref__")

    def __init__(self, struct, channel, home):
        self.struct = struct
        self.channel = channel  # of a lent message: it goes back there; else None
        self.home = home  # what must stay open as long as the memory is seen
        self.is_owed = True
        _process.blocks.add(self)

    def settle(self):
        self.is_owed = False
        _process.blocks.discard(self)

    def release(self, _pointer=None):
        # After a fork the set is empty: the block is the parent's.
        if not self.is_owed or self not in _process.blocks:
            return
        self.settle()
        if self.channel is None:
            lib.dhow_message_free(self.struct)
        else:
            lib.dhow_recv_cancel(self.channel.pointer(), self.struct)

    def drop(self):
        message = self.message()
        if message is not None and message.data is not None:
            message.free()
        if self.is_owed:
            raise BufferError("a view (memoryview, numpy array) of a message is still in use")


class Message:
    """Bytes with a header; `data` is a writable memoryview, None when the message is gone.

    Made by alloc(), Channel.recv() and Channel.recv_begin(). `with message:` frees it at the end;
    one from recv_begin() is committed, or given back if an exception passes.
    """

    __slots__ = ("data", "tag", "user", "urgent", "sender", "_claim", "_owner", "__weakref__")

    def __init__(self, struct, channel=None, home=None):
        header = struct.header
        self.sender = header.sender
        self.tag = header.tag
        self.user = header.user
        self.urgent = bool(header.flags & lib.DHOW_URGENT)
        self._claim = _Claim(struct, channel, home)
        self._claim.message = weakref.ref(self)
        # An empty message may have no memory; its claim is anchored all the same.
        self._see(ffi.gc(ffi.cast("char *", struct.data or struct), self._claim.release))

    def _see(self, owner):
        self._owner = owner
        self.data = memoryview(ffi.buffer(owner, self._claim.struct.bytes))

    def _let_go(self):
        """Drop this view of the memory and take over its claim; BufferError if there are others."""
        if self.data is None:
            raise ValueError("this message was freed, sent, committed or cancelled")
        self._claim.is_owed = False
        owner = weakref.ref(self._owner)
        self.data = self._owner = None
        owner = owner()
        self._claim.is_owed = True
        if owner is not None:
            self._see(owner)
            raise BufferError("another view (memoryview, numpy array) of this message is in use")
        return self._claim

    def __len__(self):
        return self._claim.struct.bytes

    def __bytes__(self):
        return bytes(self.data)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.data is None:
            return
        if self._claim.channel is None:
            self.free()
        elif kind is None:
            self.commit()
        else:
            self.cancel()

    def array(self, dtype="uint8", shape=-1):
        """A numpy array over the message's memory, without a copy."""
        import numpy

        return numpy.frombuffer(self.data, dtype=dtype).reshape(shape)

    def free(self):
        """Give the block back now; a message from recv_begin() goes back into its channel."""
        self._let_go().release()

    cancel = free

    def commit(self):
        """A message from recv_begin() is done."""
        if self._claim.channel is None:
            raise ValueError("only a message of recv_begin() can be committed; free() this one")
        claim = self._let_go()
        claim.settle()
        check(lib.dhow_recv_commit(claim.channel.pointer(), claim.struct))

    def give(self, send):
        """Hand the block to send(struct), which returns rc; the message is gone if that is 0."""
        claim = self._let_go()
        if claim.channel is not None:
            self._see_again(claim)
            raise ValueError("a message of recv_begin() is the channel's: it cannot be sent on")
        header = claim.struct.header
        header.tag, header.user = self.tag, self.user
        header.flags = lib.DHOW_URGENT if self.urgent else 0
        try:
            check(send(claim.struct))
        except BaseException:
            self._see_again(claim)
            raise
        claim.settle()

    def _see_again(self, claim):
        self._see(ffi.gc(ffi.cast("char *", claim.struct.data or claim.struct), claim.release))


def alloc(size, timeout, pool=None):
    """A Message with a block of a pool (default: the node's), to be filled and sent with send()."""
    struct = ffi.new("struct dhow_message *")
    check(lib.dhow_message_alloc(pool.pointer() if pool else ffi.NULL, size, deadline_ns(timeout),
                                 struct))
    return Message(struct, home=pool)
