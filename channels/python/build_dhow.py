# SPDX-License-Identifier: MIT
"""The C side of the package: what cffi compiles against libdhow, found by pkg-config.

PKG_CONFIG may hold another command than `pkg-config`, with arguments.
"""
import os
import shlex
import subprocess

from cffi import FFI

CDEF = """
int dhow_init(void);
int dhow_init_at(const char *socket, uint64_t pool_bytes);
void dhow_fini(void);
int dhow_rank(void);
int dhow_size(void);
int dhow_node(void);
int dhow_nodes(void);
int dhow_local_rank(void);
int dhow_local_size(void);

const char *dhow_strerror(int rc);
const char *dhow_error_text(void);
const char *version(void);

#define DHOW_NAME_MAX ...
#define DHOW_ADDRESS_BYTES ...
#define DHOW_URGENT ...
#define DHOW_IN ...
#define DHOW_OUT ...
#define DHOW_CLOSED ...
#define DHOW_ACCEPTED ...
#define DHOW_DEPOSITED ...
#define DHOW_RECEIVED ...
#define DHOW_WAIT_DEFAULT ...
#define DHOW_WAIT_SPIN ...
#define DHOW_WAIT_ADAPTIVE ...
#define DHOW_WAIT_SLEEP ...

struct dhow_address { ...; };
void dhow_address_print(const struct dhow_address *address, char *buffer);

struct dhow_pool;
struct dhow_pool_attr { uint64_t bytes; int huge_pages; int numa_node; ...; };
struct dhow_pool_stats {
	uint64_t bytes; uint64_t free_bytes; uint64_t block_max; uint64_t blocks;
	uint64_t page_bytes; int numa_node; ...;
};
int dhow_pool_create_with(const struct dhow_pool_attr *attr, struct dhow_pool **ret_pool);
struct dhow_pool *dhow_pool_default(void);
void dhow_pool_close(struct dhow_pool *pool);
void dhow_pool_stats(struct dhow_pool *pool, struct dhow_pool_stats *ret_stats);

struct dhow_header { uint32_t sender; uint32_t tag; uint64_t user; uint32_t flags; ...; };
struct dhow_message { void *data; size_t bytes; struct dhow_header header; ...; };
int dhow_message_alloc(struct dhow_pool *pool, size_t bytes, uint64_t deadline_ns,
		       struct dhow_message *ret_message);
void dhow_message_free(struct dhow_message *message);

struct dhow_channel;
struct dhow_channel_attr { uint32_t capacity; uint32_t inline_bytes; struct dhow_pool *pool; ...; };
struct dhow_channel_stats {
	uint64_t count; uint64_t bytes; uint64_t sent; uint64_t received; uint64_t high_water;
	uint32_t capacity; uint32_t inline_bytes; uint32_t receivers_asleep;
	uint32_t senders_asleep; int is_shut; ...;
};
int dhow_channel_create(const char *name, const struct dhow_channel_attr *attr,
			struct dhow_channel **ret_channel);
int dhow_channel_open(const char *where, uint64_t deadline_ns, struct dhow_channel **ret_channel);
void dhow_channel_close(struct dhow_channel *channel);
int dhow_channel_destroy(struct dhow_channel *channel);
int dhow_channel_shut(struct dhow_channel *channel);
int dhow_channel_drain(struct dhow_channel *channel, uint64_t deadline_ns);
void dhow_channel_address(const struct dhow_channel *channel, struct dhow_address *ret_address);
void dhow_channel_set_wait(struct dhow_channel *channel, int mode);
int dhow_channel_stats(struct dhow_channel *channel, struct dhow_channel_stats *ret_stats);
int dhow_send_with(struct dhow_channel *channel, const void *data, size_t bytes,
		   const struct dhow_header *header, int when, uint64_t deadline_ns);
int dhow_send_message(struct dhow_channel *channel, struct dhow_message *message, int when,
		      uint64_t deadline_ns);
int dhow_flush(struct dhow_channel *channel, uint64_t deadline_ns);
int dhow_recv(struct dhow_channel *channel, void *buffer, size_t room, size_t *ret_bytes,
	      struct dhow_header *ret_header, uint64_t deadline_ns);
int dhow_recv_message(struct dhow_channel *channel, struct dhow_message *ret_message,
		      uint64_t deadline_ns);
int dhow_recv_begin(struct dhow_channel *channel, struct dhow_message *ret_message,
		    uint64_t deadline_ns);
int dhow_recv_commit(struct dhow_channel *channel, struct dhow_message *message);
int dhow_recv_cancel(struct dhow_channel *channel, struct dhow_message *message);
int dhow_peek(struct dhow_channel *channel, void *buffer, size_t room, size_t *ret_bytes,
	      struct dhow_header *ret_header, uint64_t deadline_ns);
int dhow_poll(struct dhow_channel *channel, unsigned events, uint64_t deadline_ns,
	      unsigned *ret_events);

struct dhow_waitset;
struct dhow_waitset_event { unsigned events; uint64_t user; ...; };
int dhow_waitset_create(struct dhow_waitset **ret_set);
void dhow_waitset_destroy(struct dhow_waitset *set);
int dhow_waitset_add(struct dhow_waitset *set, struct dhow_channel *channel, unsigned events,
		     uint64_t user);
int dhow_waitset_modify(struct dhow_waitset *set, struct dhow_channel *channel, unsigned events,
			uint64_t user);
int dhow_waitset_remove(struct dhow_waitset *set, struct dhow_channel *channel);
int dhow_waitset_wait(struct dhow_waitset *set, struct dhow_waitset_event *ret_events, size_t room,
		      size_t *ret_count, uint64_t deadline_ns);
int dhow_waitset_fd(struct dhow_waitset *set);

struct dhow_barrier;
int dhow_barrier_create(const char *name, uint32_t parties, struct dhow_barrier **ret_barrier);
int dhow_barrier_open(const char *where, uint64_t deadline_ns, struct dhow_barrier **ret_barrier);
void dhow_barrier_close(struct dhow_barrier *barrier);
int dhow_barrier_destroy(struct dhow_barrier *barrier);
int dhow_barrier_wait(struct dhow_barrier *barrier, bool *ret_last, uint64_t deadline_ns);
int dhow_barrier_reset(struct dhow_barrier *barrier);

struct dhow_semaphore;
int dhow_semaphore_create(const char *name, uint32_t initial, uint32_t maximum,
			  struct dhow_semaphore **ret_semaphore);
int dhow_semaphore_open(const char *where, uint64_t deadline_ns,
			struct dhow_semaphore **ret_semaphore);
void dhow_semaphore_close(struct dhow_semaphore *semaphore);
int dhow_semaphore_destroy(struct dhow_semaphore *semaphore);
int dhow_semaphore_acquire(struct dhow_semaphore *semaphore, uint64_t deadline_ns);
int dhow_semaphore_release(struct dhow_semaphore *semaphore, uint32_t count);
int dhow_semaphore_value(struct dhow_semaphore *semaphore, uint32_t *ret_value);
"""


def pkg_config(*arguments):
    command = shlex.split(os.environ.get("PKG_CONFIG", "pkg-config"))
    try:
        out = subprocess.run([*command, *arguments, "dhow"], check=True, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
    except FileNotFoundError:
        raise SystemExit(f"dhow: '{command[0]}' is not installed; it finds the C library") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"dhow: the C library is not found: {error.stderr.strip()}\n"
                         "try: install Dhow, or set PKG_CONFIG_PATH to the folder of dhow.pc"
                         ) from None
    return out.split()


def folders(option):
    words = pkg_config("--cflags", "--libs")
    return [os.path.normpath(word[len(option):]) for word in words if word.startswith(option)]


libraries = folders("-L") or pkg_config("--variable=libdir")
ffi = FFI()
ffi.cdef(CDEF)
# The library is found again where it was at build time, also when the linker does not look there.
ffi.set_source("dhow._c", """
#include <dhow/dhow.h>
static const char *version(void) { return DHOW_VERSION; }
""", libraries=["dhow"],
               include_dirs=folders("-I"), library_dirs=libraries,
               extra_link_args=[f"-Wl,-rpath,{folder}" for folder in libraries])

if __name__ == "__main__":
    ffi.compile(verbose=True)
