# SPDX-License-Identifier: MIT
"""Rank 1 sends numpy arrays of many sizes to rank 0 on another node, which checks every element."""
import sys

import numpy

import dhow

SIZES = (0, 1, 11, 512, 4096, 1 << 20)


def pattern(count):
    return numpy.arange(count, dtype="f8") * 1.5 + count


def give(channel):
    for number, count in enumerate(SIZES):
        channel.send(pattern(count), timeout=20, tag=number)  # from the array's own buffer
        message = dhow.alloc(8 * count, timeout=20)
        message.tag = number
        message.array("f8")[:] = pattern(count)  # computed where it is sent from
        channel.send(message, timeout=20)


def take(channel):
    for number, count in enumerate(SIZES):
        with channel.recv_begin(timeout=20) as message:
            assert (message.tag, message.sender) == (number, 1), (message.tag, message.sender)
            assert (message.array("f8") == pattern(count)).all()
        got = channel.recv(timeout=20).array("f8")
        assert got.shape == (count,) and (got == pattern(count)).all()


dhow.init()
if dhow.size() != 2 or dhow.nodes() != 2:
    sys.exit(f"wanted: 2 ranks on 2 nodes, there are {dhow.size()} on {dhow.nodes()}")
if dhow.rank() == 0:
    inbox = dhow.Channel.create("arrays", capacity=4)
    take(inbox)
else:
    outbox = dhow.Channel.open("arrays", timeout=20)
    give(outbox)
    outbox.flush(timeout=20)
print(f"rank {dhow.rank()}: {len(SIZES)} sizes in two ways")
