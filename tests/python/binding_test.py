# SPDX-License-Identifier: MIT
"""The Python binding in one process: buffers, claims on memory, errors, waiting."""
import array
import asyncio
import os
import signal
import threading
import time
import unittest

import dhow


class Base(unittest.TestCase):
    def setUp(self):
        dhow.init()
        self.channel = dhow.Channel.create(capacity=4)
        self.blocks = self.used()

    def tearDown(self):
        dhow.fini()

    def used(self):
        """Blocks of the node's pool that are given out, beside what the library itself needs."""
        from dhow._c import ffi, lib
        stats = ffi.new("struct dhow_pool_stats *")
        lib.dhow_pool_stats(lib.dhow_pool_default(), stats)
        return stats.blocks


class Buffers(Base):
    def test_any_contiguous_buffer_is_sent(self):
        for data in (b"ahoy", bytearray(b"ahoy"), memoryview(b"ahoy"), array.array("b", b"ahoy")):
            self.channel.send(data, timeout=1)
            with self.channel.recv(timeout=1) as message:
                self.assertEqual(bytes(message), b"ahoy")

    def test_text_is_refused(self):
        with self.assertRaises(TypeError):
            self.channel.send("ahoy", timeout=1)

    def test_header_travels(self):
        self.channel.send(b"late", timeout=1)
        self.channel.send(b"x", timeout=1, tag=7, user=2**63, urgent=True)
        with self.channel.recv(timeout=1) as message:
            self.assertEqual((message.tag, message.user, message.urgent, message.sender),
                             (7, 2**63, True, 0))
            self.assertEqual(len(message), 1)

    def test_empty_message(self):
        self.channel.send(b"", timeout=1, tag=3)
        with self.channel.recv_begin(timeout=1) as message:
            self.assertEqual((len(message), message.tag), (0, 3))
        self.channel.send(b"", timeout=1)
        self.assertEqual(bytes(self.channel.recv(timeout=1)), b"")

    def test_recv_into(self):
        room = bytearray(8)
        self.channel.send(b"ahoy", timeout=1, tag=5)
        seen = self.channel.peek(bytearray(2), timeout=1)
        self.assertEqual(seen.bytes, 4)
        header = self.channel.recv_into(room, timeout=1)
        self.assertEqual((header.bytes, header.tag, bytes(room[:4])), (4, 5, b"ahoy"))
        self.channel.send(b"much too long", timeout=1)
        with self.assertRaises(dhow.TooLarge) as caught:
            self.channel.recv_into(room, timeout=1)
        self.assertEqual(caught.exception.needed, 13)
        with self.assertRaises(BufferError):
            self.channel.recv_into(b"read-only", timeout=1)


class Memory(Base):
    def test_a_message_is_given_away_without_a_copy(self):
        message = dhow.alloc(1 << 20, timeout=1)
        message.data[:4] = b"ahoy"
        message.tag = 9
        self.channel.send(message, timeout=1)
        self.assertIsNone(message.data)
        with self.assertRaises(ValueError):
            message.free()
        got = self.channel.recv(timeout=1)
        self.assertEqual((bytes(got.data[:4]), got.tag), (b"ahoy", 9))
        got.free()
        self.assertEqual(self.used(), self.blocks)

    def test_views_keep_the_block(self):
        self.channel.send(bytes(range(256)) * 16, timeout=1)
        message = self.channel.recv(timeout=1)
        part = message.data[100:104]
        with self.assertRaises(BufferError):
            message.free()
        with self.assertRaises(BufferError):
            self.channel.send(message, timeout=1)
        self.assertEqual(len(message.data), 4096, "still the caller's after a refusal")
        del message
        self.assertEqual(bytes(part), bytes([100, 101, 102, 103]))
        self.assertEqual(self.used(), self.blocks + 1)
        del part
        self.assertEqual(self.used(), self.blocks)

    def test_a_send_that_fails_leaves_the_message(self):
        for _ in range(4):
            self.channel.send(b"x", timeout=1)
        message = dhow.alloc(1000, timeout=1)
        with self.assertRaises(dhow.WouldBlock):
            self.channel.send(message, timeout=0)
        self.assertEqual(len(message.data), 1000)
        message.free()
        self.assertEqual(self.used(), self.blocks)

    def test_lent_messages(self):
        self.channel.send(b"a" * 1000, timeout=1)
        message = self.channel.recv_begin(timeout=1)
        with self.assertRaises(BufferError):
            self.channel.close()
        with self.assertRaises(ValueError):
            self.channel.send(message, timeout=1)
        message.cancel()
        with self.assertRaises(KeyError):
            with self.channel.recv_begin(timeout=1):
                raise KeyError("the reader fails: the message must come again")
        message = self.channel.recv_begin(timeout=1)
        view = message.data[:2]
        with self.assertRaises(BufferError):
            message.commit()
        del view
        message.commit()
        with self.assertRaises(dhow.WouldBlock):
            self.channel.recv(timeout=0)
        self.assertEqual(self.used(), self.blocks)

    def test_a_forgotten_lent_message_comes_again(self):
        self.channel.send(b"once", timeout=1)
        self.channel.recv_begin(timeout=1)
        self.assertEqual(bytes(self.channel.recv(timeout=0)), b"once")

    def test_fini_refuses_while_memory_is_seen(self):
        dhow.fini()  # that of setUp(), with this test's own channel
        dhow.init()
        message = dhow.alloc(100, timeout=1)
        view = memoryview(message.data)
        with self.assertRaises(BufferError):
            dhow.fini()
        view.release()
        del view, message
        self.assertEqual(dhow.size(), 1)

    def test_pool(self):
        pool = dhow.Pool.create(1 << 20)
        channel = dhow.Channel.create(pool=pool)
        message = dhow.alloc(1000, timeout=1, pool=pool)
        used = pool.stats()["blocks"]
        channel.send(message, timeout=1)
        channel.recv(timeout=1).free()
        self.assertEqual(pool.stats()["blocks"], used - 1)
        with self.assertRaises(dhow.TooLarge):
            dhow.alloc(1 << 30, timeout=1, pool=pool)


class Errors(Base):
    def test_classes_and_text(self):
        with self.assertRaises(dhow.WouldBlock) as caught:
            self.channel.recv(timeout=0)
        self.assertIsInstance(caught.exception, BlockingIOError)
        with self.assertRaises(TimeoutError):
            self.channel.recv(timeout=0.01)
        with self.assertRaises(dhow.NotFound):
            dhow.Channel.open("nobody-made-this", timeout=0)
        with self.assertRaises(dhow.Invalid) as caught:
            dhow.Channel.create("two words")
        self.assertIn("two words", str(caught.exception))
        named = dhow.Channel.create("taken")
        with self.assertRaises(dhow.NameTaken):
            dhow.Channel.create("taken")
        named.destroy()
        with self.assertRaises(ValueError):
            named.send(b"x", timeout=0)

    def test_timeouts_are_checked(self):
        for wrong in (-1, float("nan")):
            with self.assertRaises(ValueError):
                self.channel.recv(timeout=wrong)
        self.channel.send(b"x", timeout=dhow.FOREVER)
        self.channel.recv(timeout=dhow.within(1)).free()

    def test_shut_and_address(self):
        other = dhow.Channel.open(self.channel.address(), timeout=0)
        self.channel.send(b"last", timeout=1)
        self.channel.shut()
        with self.assertRaises(dhow.Closed):
            other.send(b"x", timeout=1)
        self.assertEqual(bytes(other.recv(timeout=1)), b"last")
        with self.assertRaises(BrokenPipeError):
            other.recv(timeout=1)

    def test_stats(self):
        self.channel.send(b"four", timeout=1)
        stats = self.channel.stats()
        self.assertEqual((stats["count"], stats["bytes"], stats["capacity"]), (1, 4, 4))

    def test_a_forked_child_has_nothing(self):
        child = os.fork()
        if child == 0:
            try:
                self.channel.send(b"x", timeout=0)
            except ValueError:
                os._exit(7)
            os._exit(1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 7)
        self.channel.send(b"x", timeout=0)


class Waiting(Base):
    def test_others_run_while_one_waits(self):
        threading.Timer(0.05, lambda: self.channel.send(b"late", timeout=1)).start()
        self.assertEqual(bytes(self.channel.recv(timeout=10)), b"late")

    def test_a_signal_ends_a_wait(self):
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        with self.assertRaises(KeyboardInterrupt):
            self.channel.recv(timeout=60)

    def test_poll(self):
        self.assertEqual(self.channel.poll(timeout=1, events=dhow.IN | dhow.OUT), dhow.OUT)
        self.channel.send(b"x", timeout=1)
        self.assertEqual(self.channel.poll(timeout=1), dhow.IN)

    def test_wait_set(self):
        with dhow.WaitSet() as waiting:
            other = dhow.Channel.create()
            waiting.add(self.channel)
            waiting.add(other)
            self.assertEqual(waiting.poll(), [])
            other.send(b"x", timeout=1)
            self.assertEqual(waiting.wait(timeout=1), [(other, dhow.IN)])
            waiting.remove(other)
            self.assertEqual(waiting.poll(), [])

    def test_asyncio(self):
        async def both():
            waiting = dhow.WaitSet()
            waiting.add(self.channel)
            async def later():
                await asyncio.sleep(0.02)
                self.channel.send(b"async", timeout=0)
            task = asyncio.create_task(later())
            events = await asyncio.wait_for(waiting.ready(), 10)
            await task
            waiting.close()
            return events
        self.assertEqual(asyncio.run(both()), [(self.channel, dhow.IN)])
        self.assertEqual(bytes(self.channel.recv(timeout=0)), b"async")

    def test_barrier_and_semaphore(self):
        barrier = dhow.Barrier.create(None, 2)
        last = []
        other = threading.Thread(target=lambda: last.append(barrier.wait(timeout=10)))
        other.start()
        last.append(barrier.wait(timeout=10))
        other.join()
        self.assertEqual(sorted(last), [False, True])
        units = dhow.Semaphore.create(None, 1, 2)
        units.acquire(timeout=1)
        with self.assertRaises(dhow.WouldBlock):
            units.acquire(timeout=0)
        units.release(2)
        self.assertEqual(units.value(), 2)
        with self.assertRaises(dhow.Invalid):
            units.release()


try:
    import numpy
except ImportError:
    print("not tested: numpy (python3-numpy is not installed)")
else:
    class Numpy(Base):
        def test_arrays_are_sent_from_and_seen_in_place(self):
            sent = numpy.arange(1000, dtype="f8")
            self.channel.send(sent, timeout=1)
            message = self.channel.recv(timeout=1)
            got = message.array("f8", (10, 100))
            self.assertTrue((got.reshape(-1) == sent).all())
            got[0, 0] = 42
            self.assertEqual(message.array("f8")[0], 42, "one memory")
            with self.assertRaises(BufferError):
                message.free()
            del message
            self.assertEqual(got[9, 99], 999)
            del got
            self.assertEqual(self.used(), self.blocks)

        def test_an_array_is_computed_where_it_is_sent_from(self):
            message = dhow.alloc(8000, timeout=1)
            numpy.square(numpy.arange(1000.0), out=message.array("f8"))
            self.channel.send(message, timeout=1)
            with self.channel.recv_begin(timeout=1) as message:
                self.assertEqual(message.array("f8")[31], 961)

        def test_what_is_not_contiguous_is_refused(self):
            with self.assertRaises((ValueError, BufferError)):
                self.channel.send(numpy.arange(10)[::2], timeout=1)


if __name__ == "__main__":
    unittest.main()
