# SPDX-License-Identifier: MIT
"""Barriers and semaphores: the calls of barrier.h and semaphore.h under the same names."""
import os

from . import _process
from ._c import ffi, lib
from ._error import check
from ._time import deadline_ns, patiently


def _text(name):
    return ffi.NULL if name is None else os.fsencode(name)


class Barrier(_process.Handle):
    __slots__ = ()
    _close = staticmethod(lib.dhow_barrier_close)

    @classmethod
    def create(cls, name, parties):
        out = ffi.new("struct dhow_barrier **")
        check(lib.dhow_barrier_create(_text(name), parties, out))
        return cls(out[0])

    @classmethod
    def open(cls, where, timeout):
        out = ffi.new("struct dhow_barrier **")
        check(patiently(lambda ns: lib.dhow_barrier_open(os.fsencode(where), ns, out), timeout))
        return cls(out[0])

    def destroy(self):
        check(lib.dhow_barrier_destroy(self.pointer()))
        self.forget()

    def wait(self, timeout):
        """True for exactly one party of each generation. In one piece: a timeout breaks it."""
        last = ffi.new("bool *")
        check(lib.dhow_barrier_wait(self.pointer(), last, deadline_ns(timeout)))
        return last[0]

    def reset(self):
        check(lib.dhow_barrier_reset(self.pointer()))


class Semaphore(_process.Handle):
    __slots__ = ()
    _close = staticmethod(lib.dhow_semaphore_close)

    @classmethod
    def create(cls, name, initial, maximum):
        out = ffi.new("struct dhow_semaphore **")
        check(lib.dhow_semaphore_create(_text(name), initial, maximum, out))
        return cls(out[0])

    @classmethod
    def open(cls, where, timeout):
        out = ffi.new("struct dhow_semaphore **")
        check(patiently(lambda ns: lib.dhow_semaphore_open(os.fsencode(where), ns, out), timeout))
        return cls(out[0])

    def destroy(self):
        check(lib.dhow_semaphore_destroy(self.pointer()))
        self.forget()

    def acquire(self, timeout):
        pointer = self.pointer()
        check(patiently(lambda ns: lib.dhow_semaphore_acquire(pointer, ns), timeout))

    def release(self, count=1):
        check(lib.dhow_semaphore_release(self.pointer(), count))

    def value(self):
        value = ffi.new("uint32_t *")
        check(lib.dhow_semaphore_value(self.pointer(), value))
        return value[0]
