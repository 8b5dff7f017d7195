# SPDX-License-Identifier: MIT
"""A failed call of the library as an exception. docs/errors.md has cause and cure of each."""
import errno

from ._c import ffi, lib


class Error(OSError):
    """What the library says has failed; `errno` is its code."""


class WouldBlock(Error, BlockingIOError):
    """Nothing to take, or no room, now (timeout 0)."""


class TimedOut(Error, TimeoutError):
    """The deadline has passed."""


class Invalid(Error, ValueError):
    """An argument out of range, or a damaged address."""


class TooLarge(Error):
    """Larger than the pool's largest block, or than the buffer; `needed` is the size if known."""

    needed = None


class NameTaken(Error, FileExistsError):
    """Another channel of this job has the name."""


class NotFound(Error, LookupError):
    """Nobody has published the name, or the node does not exist."""


class Closed(Error, BrokenPipeError):
    """The channel was destroyed or shut."""


class Broken(Error):
    """A barrier's party died or gave up."""


class NoRoom(Error):
    """Memory, a limit or a table of the node is exhausted."""


class Remote(Error):
    """Not possible for a channel of another node."""


class NodeDown(Error, ConnectionError):
    """The home node or this node's agent is dead."""


class NotAttached(Error):
    """No init(), or this is a forked child."""


CLASSES = {
    errno.EAGAIN: WouldBlock,
    errno.ETIMEDOUT: TimedOut,
    errno.EINVAL: Invalid,
    errno.EBADMSG: Invalid,
    errno.EXDEV: Invalid,
    errno.EPROTOTYPE: Invalid,
    errno.EOVERFLOW: Invalid,
    errno.EMSGSIZE: TooLarge,
    errno.EEXIST: NameTaken,
    errno.ENOENT: NotFound,
    errno.EHOSTUNREACH: NotFound,
    errno.EPIPE: Closed,
    errno.ESTALE: Closed,
    errno.EOWNERDEAD: Broken,
    errno.ECANCELED: Broken,
    errno.ENOMEM: NoRoom,
    errno.ENFILE: NoRoom,
    errno.EREMOTE: Remote,
    errno.EHOSTDOWN: NodeDown,
    errno.ENOTCONN: NotAttached,
}


def error(rc):
    """The exception for a negative errno, with the library's own text."""
    text = ffi.string(lib.dhow_strerror(rc)).decode()
    # -EAGAIN never changes the text of the last failure, so that one is of something else.
    more = ""
    if rc != -errno.EAGAIN:
        more = ffi.string(lib.dhow_error_text()).decode("utf-8", "replace")
    return CLASSES.get(-rc, Error)(-rc, f"{text}: {more}" if more else text)


def check(rc):
    if rc < 0:
        raise error(rc)
