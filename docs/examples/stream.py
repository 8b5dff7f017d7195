# SPDX-License-Identifier: MIT
"""stream.py - receives the frames of stream.c as numpy arrays that lie in shared memory."""
import numpy

import dhow

with dhow.init():
    frames = dhow.Channel.create("frames", capacity=8)
    means = []
    while True:
        with frames.recv(timeout=20) as message:
            if len(message) == 0:
                break
            assert message.tag == len(means), "a frame is missing"
            rows, columns = message.user >> 32, message.user & 0xFFFFFFFF
            frame = message.array("f4", (rows, columns))
            means.append(frame.mean(axis=1))
            del frame  # a view would hold its frame
    slope = numpy.diff(numpy.array(means), axis=1).mean()
    print(f"{len(means)} frames, mean slope {slope:.3f}")
