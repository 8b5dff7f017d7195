/* SPDX-License-Identifier: MIT */
/* tcp_wire_test.c - headers, addresses and the choice of a fabric. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tcp/address.h"
#include "tcp/fabrics.h"
#include "tcp/sock.h"
#include "tcp/wire.h"

Test(wire, encode_decode, .timeout = 200)
{
	uint8_t header[TCP_WIRE_BYTES];
	struct tcp_wire wire;

	tcp_wire_encode(header, TCP_DATA, 0x89abcdef, 4711);
	cr_assert(tcp_wire_decode(header, &wire));
	cr_assert(wire.kind == TCP_DATA && wire.id == 0x89abcdef && wire.bytes == 4711);
	/* On the wire it is little endian, whatever the machine. */
	cr_assert_eq(memcmp(header, "\4\2Dh\xef\xcd\xab\x89\x67\x12\0\0\0\0\0\0", 16), 0);
	for (int i = 0; i < 4; i++) {
		tcp_wire_encode(header, TCP_FRAME, 0, 1);
		header[i] ^= 0x40;
		cr_assert(!tcp_wire_decode(header, &wire), "byte %d", i);
	}
}

Test(wire, limits, .timeout = 200)
{
	cr_assert(tcp_wire_allowed(TCP_FRAME, 0, 1));
	cr_assert(tcp_wire_allowed(TCP_FRAME, 0, TCP_FRAME_MAX));
	cr_assert(!tcp_wire_allowed(TCP_FRAME, 0, 0));
	cr_assert(!tcp_wire_allowed(TCP_FRAME, 1, 1));
	cr_assert(!tcp_wire_allowed(TCP_FRAME, 0, TCP_FRAME_MAX + 1));
	cr_assert(!tcp_wire_allowed(TCP_FRAME, 0, UINT64_C(1) << 40));
	cr_assert(!tcp_wire_allowed(TCP_FRAME, 0, UINT64_MAX));
	cr_assert(tcp_wire_allowed(TCP_OFFER, 7, TCP_SIZE_BYTES));
	cr_assert(!tcp_wire_allowed(TCP_OFFER, 7, TCP_SIZE_BYTES - 1));
	cr_assert(!tcp_wire_allowed(TCP_OFFER, 7, TCP_SIZE_BYTES + TCP_OFFER_MAX + 1));
	cr_assert(!tcp_wire_allowed(TCP_DATA, 7, 0));
	cr_assert(!tcp_wire_allowed(TCP_DATA, 7, TCP_CHUNK_MAX + 1));
	cr_assert(!tcp_wire_allowed(TCP_PULL, 7, 1));
	cr_assert(!tcp_wire_allowed(TCP_DROP, 7, 1));
	cr_assert(!tcp_wire_allowed(0, 0, 1));
	cr_assert(!tcp_wire_allowed(TCP_DROP + 1, 0, 1));
}

Test(address, text_and_blob, .timeout = 200)
{
	static const char *const good[] = { "127.0.0.1", "10.1.2.3", "::1", "fe80::1%1" };
	static const char *const bad[] = { "localhost", "", "1.2.3.4.5", "*" };
	union tcp_address address, again;
	uint8_t blob[TCP_ADDRESS_MAX];
	size_t bytes;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(tcp_address_parse(good[i], &address), 0, "%s", good[i]);
		address.v4.sin_port = htons(4711);
		bytes = sizeof(blob);
		cr_assert_eq(tcp_address_encode(&address, blob, &bytes), 0);
		cr_assert_eq(tcp_address_decode(blob, bytes, &again), 0);
		cr_assert_eq(memcmp(&address, &again, tcp_address_bytes(&address)), 0);
		cr_assert_eq(tcp_address_decode(blob, bytes - 1, &again), -EINVAL);
		bytes--;
		cr_assert_eq(tcp_address_encode(&address, blob, &bytes), -ENOBUFS);
		blob[0] = 5;
		cr_assert_eq(tcp_address_decode(blob, bytes + 1, &again), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_lt(tcp_address_parse(bad[i], &address), 0, "%s", bad[i]);
	cr_assert_eq(tcp_address_parse("0.0.0.0", &address), -EADDRNOTAVAIL);
	cr_assert_eq(tcp_address_parse("::", &address), -EADDRNOTAVAIL);
	cr_assert_eq(tcp_address_parse(NULL, &address), 0);
	cr_assert_eq(address.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

static bool are_near(const char *own, const char *other)
{
	union tcp_address a, b;

	cr_assert(tcp_address_parse(own, &a) == 0 && tcp_address_parse(other, &b) == 0);
	return tcp_address_is_near(&a, &b);
}

Test(address, of_this_machine, .timeout = 200)
{
	cr_assert(are_near("127.0.0.1", "127.0.0.1"));
	cr_assert(are_near("127.0.0.1", "127.3.2.1"), "local nodes have an address each");
	cr_assert(are_near("10.1.2.3", "10.1.2.3"));
	cr_assert(are_near("fe80::1%1", "fe80::1%1"));
	cr_assert(!are_near("10.1.2.3", "10.1.2.4"));
	cr_assert(!are_near("127.0.0.1", "128.0.0.1"));
	cr_assert(!are_near("127.0.0.1", "10.0.0.1"));
	cr_assert(!are_near("fe80::1%1", "fe80::2%1"));
	cr_assert(!are_near("127.0.0.1", "::1"));
}

static int send_room(int fd)
{
	socklen_t bytes = sizeof(int);
	int room = 0;

	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &bytes), 0);
	return room;
}

/* A connection inside of this machine holds less than one that the kernel sizes. */
Test(sock, settles_for_this_machine, .timeout = 200)
{
	union tcp_address address;
	int listener, fd, before;

	cr_assert_eq(tcp_address_parse(NULL, &address), 0);
	listener = tcp_sock_listen(&address);
	cr_assert_geq(listener, 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	before = send_room(fd);
	tcp_sock_settle(fd);
	cr_assert_eq(send_room(fd), before, "it is not connected");
	cr_assert_eq(connect(fd, &address.any, tcp_address_bytes(&address)), 0);
	tcp_sock_settle(fd);
	cr_assert_eq(send_room(fd), 2 * TCP_NEAR_SEND_BYTES);
	close(fd);
	close(listener);
}

Test(fabrics, choice, .timeout = 200)
{
	struct fabric_options wrong = { .bind = "nowhere" };
	char why[256];

	cr_assert_not_null(tcp_fabric_choose("auto", NULL, why, sizeof(why)));
	cr_assert_eq(tcp_fabric_choose("epoll", NULL, why, sizeof(why)), &fabric_epoll);
	cr_assert_null(tcp_fabric_choose("rdma", NULL, why, sizeof(why)));
	cr_assert_not_null(strstr(why, "'rdma'"));
	cr_assert_null(tcp_fabric_choose("auto", &wrong, why, sizeof(why)));
	cr_assert_not_null(strstr(why, "'nowhere'"));
}

/* As a container or a site's kernel would. */
static void forbid_io_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = code };

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		cr_skip_test("no seccomp here");
}

Test(fabrics, io_uring_forbidden, .timeout = 200)
{
	char why[256];

	forbid_io_uring();
	cr_assert_eq(tcp_fabric_choose("auto", NULL, why, sizeof(why)), &fabric_epoll);
	cr_assert_null(tcp_fabric_choose("uring", NULL, why, sizeof(why)));
	cr_assert_not_null(strstr(why, "fabric uring cannot run here"));
}

Test(options, of_uring, .timeout = 200)
{
	static const char *const wrong[] = { "zc", "zc=", "zc=yes", "=on", ",zc=on",
					     "zc=on,fast=on", "zc=onn", "sqpoll=on fixed=on" };
	char why[160];

	cr_assert_eq(tcp_tuning_check(NULL, why, sizeof(why)), 0);
	cr_assert_eq(tcp_tuning_check("", why, sizeof(why)), 0);
	cr_assert_eq(tcp_tuning_check("zc=on,multishot=off,sqpoll=on", why, sizeof(why)), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		if (!tcp_fabrics[0].ops)
			continue; /* without io_uring nobody reads them */
		cr_expect_eq(tcp_tuning_check(wrong[i], why, sizeof(why)), -EINVAL, "'%s'",
			     wrong[i]);
		cr_expect(strstr(why, "multishot"), "'%s' does not name what there is", why);
	}
}
