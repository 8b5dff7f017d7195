# SPDX-License-Identifier: MIT
"""This process as a part of its node: attach, detach, ranks, and what must be closed before."""
import atexit
import os
import threading
import weakref

from ._c import ffi, lib
from ._error import check

# Open handles, of any kind; each has close(). A forked child has none: they are its parent's.
handles = weakref.WeakSet()
lock = threading.RLock()
attached = 0
# Blocks and lent messages that some view of this process may still read or write.
blocks = set()


class Attached:
    """What init() returns: `with dhow.init(): ...` detaches at the end."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        fini()


def init(socket=None, pool_bytes=0):
    """Attach to the node of this task, or (socket) join or serve a standalone node there.

    May be called again; each call needs one fini(), the last of which happens at exit by itself.
    """
    global attached
    with lock:
        if socket is None:
            check(lib.dhow_init())
        else:
            check(lib.dhow_init_at(os.fsencode(socket), pool_bytes))
        attached += 1
    return Attached()


def fini():
    """Detach; the last one closes all handles. BufferError while a view of a message is in use."""
    global attached
    with lock:
        if attached == 0:
            return
        if attached == 1:
            for message in list(blocks):
                message.drop()
            # What lives in a pool is closed before the pool.
            for handle in sorted(handles, key=lambda handle: type(handle).__name__ == "Pool"):
                handle.close()
        attached -= 1
        lib.dhow_fini()


@atexit.register
def _at_exit():
    global attached
    try:
        while attached:
            fini()
    except BufferError:
        attached = 0  # The kernel tells the node, which takes back what is left.


def _after_fork():
    global attached, lock
    lock = threading.RLock()
    attached = 0
    for handle in list(handles):
        handle.forget()
    handles.clear()
    blocks.clear()


os.register_at_fork(after_in_child=_after_fork)


class Handle:
    """A pointer of the library that is closed once: by close(), `with`, fini() or collection."""

    __slots__ = ("_pointer", "__weakref__")
    _close = None  # the function of the library; set by each kind

    def __init__(self, pointer):
        self._pointer = pointer
        handles.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        try:
            self.close()
        except AttributeError:
            pass  # __init__() never ran

    def forget(self):
        self._pointer = ffi.NULL

    def close(self):
        """Release the handle; what it names stays. Not while another thread uses it."""
        with lock:
            pointer, self._pointer = self._pointer, ffi.NULL
            handles.discard(self)
            if pointer:
                self._close(pointer)

    def pointer(self):
        if not self._pointer:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._pointer


def rank():
    return lib.dhow_rank()


def size():
    return lib.dhow_size()


def node():
    return lib.dhow_node()


def nodes():
    return lib.dhow_nodes()


def local_rank():
    return lib.dhow_local_rank()


def local_size():
    return lib.dhow_local_size()
