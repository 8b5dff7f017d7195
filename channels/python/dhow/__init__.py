# SPDX-License-Identifier: MIT
"""Dhow: messages between processes, of this node and of others.

    import dhow

    with dhow.init():
        inbox = dhow.Channel.create(f"inbox-{dhow.rank()}")
        right = dhow.Channel.open(f"inbox-{(dhow.rank() + 1) % dhow.size()}", timeout=10)
        right.send(b"ahoy", timeout=1)
        with inbox.recv(timeout=10) as message:
            print(message.sender, bytes(message))
"""
from ._c import ffi as _ffi, lib as _lib
from ._channel import (ACCEPTED, CLOSED, DEPOSITED, IN, OUT, RECEIVED, Channel, Header, Pool)
from ._error import (Broken, Closed, Error, Invalid, NameTaken, NodeDown, NoRoom, NotAttached,
                     NotFound, Remote, TimedOut, TooLarge, WouldBlock)
from ._message import Message, alloc
from ._objects import Barrier, Semaphore
from ._process import fini, init, local_rank, local_size, node, nodes, rank, size
from ._time import FOREVER, TRY, Deadline, within
from ._waitset import WaitSet

__version__ = _ffi.string(_lib.version()).decode()
__all__ = [name for name in dir() if not name.startswith("_")]
