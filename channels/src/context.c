/* SPDX-License-Identifier: MIT */
/*
 * context.c - see context.h.
 *
 * The library's thread sleeps in poll(). It holds the process's liveness words, so that its
 * end is the end of the process; it notices when the node's daemon dies and then ends the
 * process, so that nothing outlives its run; and in a process without a launcher it is the
 * node's service.
 */
#include "src/context.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "src/heap.h"
#include "src/liveness.h"
#include "src/recover.h"

enum { ANSWER_MS = 5000, NEWS_MAX = 4096 };

enum command { COMMAND_NONE, COMMAND_ENTER, COMMAND_LEAVE, COMMAND_QUIT };

struct news {
	struct news *next;
	struct node_reply reply;
};

static struct {
	pthread_mutex_t lock;		/* guards all below but what has its own; rank 10 */
	int users;
	pid_t pid;			/* that attached */
	uint32_t rank, size, local_rank, local_size;
	struct dhow_pool *pools[SEGMENT_MAX];
	struct dhow_pool *node;		/* one of them: the node's own */
	uint64_t burnt;			/* slots that may not be used again, see remove_pool() */
	int bell;
	bool launched;			/* the daemon's end is ours */
	bool is_agent;
	uint8_t secret[DHOW_SECRET_BYTES];

	pthread_mutex_t talk;		/* guards the connection; rank 20 */
	int connection;
	uint32_t serial;
	struct news *news;		/* oldest first; guarded by talk */
	unsigned news_count;

	pthread_t thread;
	int wake;			/* eventfd: a command waits */
	pthread_mutex_t mail;		/* guards the command; rank 30 */
	pthread_cond_t mail_done;
	enum command command;
	struct segment *subject;
	int result;
	struct dhow_node_options own;	/* of the service that the thread runs */
	bool wants_own, ready;
	int own_door;
} ctx = { .lock = PTHREAD_MUTEX_INITIALIZER,
	  .talk = PTHREAD_MUTEX_INITIALIZER,
	  .mail = PTHREAD_MUTEX_INITIALIZER,
	  .mail_done = PTHREAD_COND_INITIALIZER,
	  .connection = -1 };

/* ---- the library's thread ---- */

static void answer_command(int result)
{
	ctx.result = result;
	ctx.command = COMMAND_NONE;
	pthread_cond_broadcast(&ctx.mail_done);
}

/* True: quit. */
static bool do_command(void)
{
	bool quit = false;
	uint64_t count;

	if (read(ctx.wake, &count, sizeof(count)) < 0)
		return false;
	pthread_mutex_lock(&ctx.mail);
	switch (ctx.command) {
	case COMMAND_NONE:
		break;
	case COMMAND_ENTER:
		answer_command(liveness_enter(ctx.subject, ctx.rank));
		break;
	case COMMAND_LEAVE:
		liveness_leave(ctx.subject);
		answer_command(0);
		break;
	case COMMAND_QUIT:
		quit = true;
		answer_command(0);
		break;
	}
	pthread_mutex_unlock(&ctx.mail);
	return quit;
}

static int command(enum command what, struct segment *subject)
{
	const uint64_t one = 1;
	int rc;

	pthread_mutex_lock(&ctx.mail);
	ctx.command = what;
	ctx.subject = subject;
	if (write(ctx.wake, &one, sizeof(one)) < 0)
		base_log_debug("cannot wake the library's thread");
	while (ctx.command != COMMAND_NONE)
		pthread_cond_wait(&ctx.mail_done, &ctx.mail);
	rc = ctx.result;
	pthread_mutex_unlock(&ctx.mail);
	return rc;
}

static void daemon_ended(void)
{
	static const char text[] = "dhow: the node's daemon has ended: ending this process\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(125);
	kill(getpid(), SIGKILL);
}

static void *library_thread(void *unused)
{
	struct dhow_node_service *service = NULL;
	struct dhow_node_hooks hooks = { 0 };
	struct pollfd fds[3];
	int rc = 0;

	(void)unused;
	if (ctx.wants_own)
		rc = dhow_node_create(&ctx.own, &hooks, &service);
	if (service && rc == 0)
		rc = dhow_node_door(service, &ctx.own_door);
	pthread_mutex_lock(&ctx.mail);
	ctx.ready = true;
	answer_command(rc);
	pthread_mutex_unlock(&ctx.mail);

	fds[0] = (struct pollfd){ .fd = ctx.wake, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = service ? dhow_node_fd(service) : -1, .events = POLLIN };
	/* Only the end of the connection: what it brings is read by those who asked. */
	fds[2] = (struct pollfd){ .fd = -1 };
	for (int timeout = -1;;) {
		fds[2].fd = ctx.launched && !ctx.is_agent ? ctx.connection : -1;
		if (poll(fds, 3, timeout) < 0 && errno != EINTR)
			break;
		if (service)
			timeout = dhow_node_step(service);
		if (fds[2].fd >= 0 && fds[2].revents & (POLLHUP | POLLERR))
			daemon_ended();
		if (fds[0].revents & POLLIN && do_command())
			break;
	}
	dhow_node_destroy(service);
	return NULL;
}

static int start_thread(void)
{
	sigset_t all, old;
	int rc;

	ctx.ready = false;
	ctx.wake = eventfd(0, EFD_CLOEXEC);
	if (ctx.wake < 0)
		return dhow_fail(-errno, "eventfd: %s", strerror(errno));
	/* Signals are the application's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&ctx.thread, NULL, library_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc < 0) {
		close(ctx.wake);
		return dhow_fail(rc, "cannot start a thread: %s", strerror(-rc));
	}
	pthread_mutex_lock(&ctx.mail);
	while (!ctx.ready)
		pthread_cond_wait(&ctx.mail_done, &ctx.mail);
	rc = ctx.result;
	pthread_mutex_unlock(&ctx.mail);
	return rc;
}

static void stop_thread(void)
{
	command(COMMAND_QUIT, NULL);
	pthread_join(ctx.thread, NULL);
	close(ctx.wake);
}

/* ---- talking to the node's service ---- */

static void keep_news(const struct node_reply *reply)
{
	struct news **last = &ctx.news, *news;

	if (ctx.news_count >= NEWS_MAX || !(news = malloc(sizeof(*news))))
		return;
	*news = (struct news){ .reply = *reply };
	while (*last)
		last = &(*last)->next;
	*last = news;
	ctx.news_count++;
}

/* One message from the service; -ETIMEDOUT, -EHOSTDOWN. */
static int hear(struct node_reply *ret_reply, int *fds, int *ret_count, uint64_t deadline_ns)
{
	struct pollfd pollfd = { .fd = ctx.connection, .events = POLLIN };
	ssize_t n;
	int rc;

	do
		rc = poll(&pollfd, 1, base_poll_ms(deadline_ns));
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return dhow_fail(-ETIMEDOUT, "the node's daemon does not answer");
	n = base_fd_recv(ctx.connection, ret_reply, sizeof(*ret_reply), fds, ret_count, NULL);
	if (n <= 0)
		return dhow_fail(-EHOSTDOWN, "the node's daemon has ended");
	if (n != sizeof(*ret_reply) || ret_reply->protocol != NODE_PROTOCOL)
		return dhow_fail(-EPROTO, "the node's daemon speaks another version of dhow");
	return 0;
}

static int talk(struct node_request *request, int fd, struct node_reply *ret_reply, int *fds,
		int *ret_count, uint64_t deadline_ns)
{
	int rc;

	request->protocol = NODE_PROTOCOL;
	request->serial = ++ctx.serial ? ctx.serial : ++ctx.serial;
	request->rank = ctx.rank;
	rc = base_fd_send(ctx.connection, request, sizeof(*request), &fd, fd >= 0, 0);
	if (rc < 0)
		return dhow_fail(-EHOSTDOWN, "the node's daemon has ended");
	for (;;) {
		*ret_count = 0;
		rc = hear(ret_reply, fds, ret_count, deadline_ns);
		if (rc < 0 || ret_reply->serial == request->serial)
			return rc;
		for (int i = 0; i < *ret_count; i++)
			close(fds[i]);
		if (ret_reply->serial == 0)
			keep_news(ret_reply);
	}
}

int context_request(struct node_request *request, int fd, struct node_reply *ret_reply,
		    int *ret_fd, uint64_t deadline_ns)
{
	int fds[BASE_FD_PASS_MAX], count = 0, rc;

	pthread_mutex_lock(&ctx.talk);
	rc = talk(request, fd, ret_reply, fds, &count, deadline_ns);
	pthread_mutex_unlock(&ctx.talk);
	for (int i = ret_fd ? 1 : 0; rc == 0 && i < count; i++)
		close(fds[i]);
	if (ret_fd)
		*ret_fd = rc == 0 && count > 0 ? fds[0] : -1;
	return rc < 0 ? rc : ret_reply->rc;
}

void context_tell(struct node_request *request)
{
	request->protocol = NODE_PROTOCOL;
	pthread_mutex_lock(&ctx.talk);
	request->serial = ++ctx.serial;
	base_fd_send(ctx.connection, request, sizeof(*request), NULL, 0, 0);
	pthread_mutex_unlock(&ctx.talk);
}

int context_news(struct node_reply *ret_news)
{
	int rc = 0;

	pthread_mutex_lock(&ctx.talk);
	if (ctx.news) {
		struct news *first = ctx.news;

		*ret_news = first->reply;
		ctx.news = first->next;
		ctx.news_count--;
		free(first);
		rc = 1;
	} else {
		int count = 0;

		rc = hear(ret_news, NULL, &count, 0);
		rc = rc == 0 ? 1 : rc == -ETIMEDOUT ? 0 : -EHOSTDOWN;
	}
	pthread_mutex_unlock(&ctx.talk);
	return rc;
}

int context_connection(void)
{
	return ctx.connection;
}

int context_bell(void)
{
	return ctx.bell;
}

void context_secret(uint8_t ret_secret[DHOW_SECRET_BYTES])
{
	memcpy(ret_secret, ctx.secret, DHOW_SECRET_BYTES);
	explicit_bzero(ctx.secret, sizeof(ctx.secret));
}

/* ---- segments ---- */

static int add_pool(int fd, struct dhow_pool **ret_pool)
{
	struct dhow_pool *pool = calloc(1, sizeof(*pool));
	struct base_err err = { "" };
	unsigned slot = 0;
	int rc;

	if (!pool)
		return dhow_fail(-ENOMEM, "out of memory");
	while (slot < SEGMENT_MAX && (ctx.pools[slot] || ctx.burnt >> slot & 1))
		slot++;
	rc = slot == SEGMENT_MAX ? base_err(&err, -ENFILE, "at most %d segments in a process",
					    SEGMENT_MAX) :
				   segment_map(fd, &pool->segment, &err);
	if (rc < 0) {
		free(pool);
		return dhow_fail(rc, "%s", err.text);
	}
	pool->segment.slot = slot;
	pool->segment.bell = ctx.bell;
	rc = command(COMMAND_ENTER, &pool->segment);
	if (rc < 0) {
		pool->segment.fd = -1;
		segment_unmap(&pool->segment);
		free(pool);
		return dhow_fail(rc, "at most %d processes may use a segment", LAYOUT_PROCESSES);
	}
	pool->users = 1;
	ctx.pools[slot] = pool;
	*ret_pool = pool;
	return 0;
}

static void remove_pool(struct dhow_pool *pool)
{
	uint32_t me = pool->segment.me;

	liveness_forget(&pool->segment);
	command(COMMAND_LEAVE, &pool->segment);
	ctx.pools[pool->segment.slot] = NULL;
	/* Other threads that used it still hold mutexes in it, which their end will touch. */
	if (liveness_has_threads(&pool->segment, me)) {
		ctx.burnt |= UINT64_C(1) << pool->segment.slot;
		return;
	}
	segment_unmap(&pool->segment);
	free(pool);
}

int context_add_pool(int fd, struct dhow_pool **ret_pool)
{
	int rc;

	pthread_mutex_lock(&ctx.lock);
	rc = add_pool(fd, ret_pool);
	pthread_mutex_unlock(&ctx.lock);
	return rc;
}

void context_drop_pool(struct dhow_pool *pool)
{
	struct node_request request = { .op = NODE_SEGMENT_DROP };

	pthread_mutex_lock(&ctx.lock);
	if (--pool->users == 0) {
		request.value = pool->segment.id;
		context_tell(&request);
		remove_pool(pool);
	}
	pthread_mutex_unlock(&ctx.lock);
}

int context_segment(uint32_t id, struct segment **ret_segment)
{
	struct node_request request = { .op = NODE_SEGMENT_GET, .value = id };
	struct dhow_pool *pool = NULL;
	struct node_reply reply;
	int fd = -1, rc = 0;

	pthread_mutex_lock(&ctx.lock);
	for (unsigned i = 0; i < SEGMENT_MAX && !pool; i++)
		if (ctx.pools[i] && ctx.pools[i]->segment.id == id)
			pool = ctx.pools[i];
	if (!pool) {
		rc = context_request(&request, -1, &reply, &fd, dhow_in_ms(ANSWER_MS));
		if (rc == -ENOENT)
			rc = dhow_fail(-ESTALE, "segment %u is gone, and its channels", id);
		if (rc == 0)
			rc = add_pool(fd, &pool);
		if (rc < 0 && fd >= 0)
			close(fd);
	}
	pthread_mutex_unlock(&ctx.lock);
	if (rc < 0)
		return rc;
	*ret_segment = &pool->segment;
	return liveness_check(*ret_segment);
}

struct segment *context_node(void)
{
	struct dhow_pool *pool = ctx.node;
	int rc = pool ? liveness_check(&pool->segment) : -ENOTCONN;

	if (rc == 0)
		return &pool->segment;
	dhow_fail(rc, rc == -ENFILE ? "too many threads use this node" :
				      "not attached to a node: call dhow_init() first, and again "
				      "after fork()");
	return NULL;
}

uint32_t context_rank(void)
{
	return ctx.rank;
}

/* ---- attaching ---- */

static uint32_t number_of(const char *name, uint32_t missing)
{
	const char *text = getenv(name);
	unsigned long value;
	char *end;

	if (!text || !*text)
		return missing;
	value = strtoul(text, &end, 10);
	return *end || value > INT32_MAX ? missing : (uint32_t)value;
}

static int through_door(int door)
{
	struct node_request request = { .protocol = NODE_PROTOCOL, .op = NODE_DOOR };
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return dhow_fail(-errno, "socketpair: %s", strerror(errno));
	rc = base_fd_send(door, &request, sizeof(request), &pair[1], 1, 1);
	close(pair[1]);
	if (rc < 0) {
		close(pair[0]);
		return dhow_fail(rc, "descriptor %d (" DHOW_ENV_NODE_FD ") leads to no daemon: %s",
				 door, strerror(-rc));
	}
	return pair[0];
}

static int connect_to(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(name);
	struct ucred who;
	socklen_t size = sizeof(who);
	int fd;

	if (length == 0 || length >= sizeof(address.sun_path))
		return dhow_fail(-EINVAL, "socket name \"%s\": must have 1 to 107 bytes", name);
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return dhow_fail(-errno, "socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0) {
		int rc = -errno;

		close(fd);
		return dhow_fail(rc, "no node is served at \"%s\": %s", name, strerror(-rc));
	}
	/* An abstract name is no proof of who listens. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 || who.uid != getuid()) {
		close(fd);
		return dhow_fail(-EPERM, "\"%s\" belongs to user %u", name, who.uid);
	}
	return fd;
}

/* Where the node is: a door of the launcher, a socket, or we are it. Sets ctx.connection. */
static int find_node(const char *socket, uint64_t pool_bytes)
{
	const char *door = getenv(DHOW_ENV_NODE_FD), *inherited = getenv(DHOW_ENV_NODE_SOCKET);
	int rc = -ENOENT;

	ctx.launched = !socket && (door || inherited);
	if (!socket && door)
		rc = through_door(atoi(door));
	if (rc < 0 && !socket && inherited)
		rc = connect_to(inherited);
	if (ctx.launched && rc < 0)
		return rc;
	if (socket) {
		rc = connect_to(socket);
		if (rc < 0 && rc != -ENOENT && rc != -ECONNREFUSED)
			return rc;
	}
	ctx.wants_own = rc < 0;
	ctx.own = (struct dhow_node_options){ .socket = socket,
					      .job = (uint32_t)getpid(),
					      .nodes = 1,
					      .pool_bytes = pool_bytes };
	ctx.connection = rc;
	return 0;
}

static int hello(bool is_agent)
{
	struct node_request request = { .op = is_agent ? NODE_HELLO_AGENT : NODE_HELLO };
	int fds[BASE_FD_PASS_MAX], count = 0, rc;
	struct dhow_pool *pool;
	struct node_reply reply;

	pthread_mutex_lock(&ctx.talk);
	rc = talk(&request, -1, &reply, fds, &count, dhow_in_ms(ANSWER_MS));
	pthread_mutex_unlock(&ctx.talk);
	if (rc == 0 && reply.rc < 0)
		rc = dhow_fail(reply.rc, "the node's daemon refused this process: %s", reply.why);
	if (rc == 0 && count != 2)
		rc = dhow_fail(-EPROTO, "the node's daemon sent no segment");
	if (rc < 0)
		goto err_fds;
	memcpy(ctx.secret, reply.secret, sizeof(ctx.secret));
	ctx.bell = fds[1];
	rc = add_pool(fds[0], &pool);
	if (rc == 0) {
		ctx.node = pool;
		return 0;
	}
err_fds:
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return rc;
}

static int attach(bool is_agent, const char *socket, uint64_t pool_bytes)
{
	int rc = find_node(socket, pool_bytes);

	if (rc < 0)
		return rc;
	ctx.is_agent = is_agent;
	ctx.pid = getpid();
	ctx.rank = is_agent ? UINT32_MAX : number_of(DHOW_ENV_RANK, 0);
	ctx.size = number_of(DHOW_ENV_SIZE, 1);
	ctx.local_rank = number_of(DHOW_ENV_LOCAL_RANK, 0);
	ctx.local_size = number_of(DHOW_ENV_LOCAL_SIZE, 1);
	rc = start_thread();
	if (rc == 0 && ctx.wants_own) {
		rc = through_door(ctx.own_door);
		close(ctx.own_door);
		ctx.connection = rc;
	}
	if (rc >= 0)
		rc = hello(is_agent);
	if (rc == 0)
		return 0;
	if (ctx.ready)
		stop_thread();
	if (ctx.connection >= 0)
		close(ctx.connection);
	ctx.connection = -1;
	return rc;
}

/* A forked child has its parent's memory but none of its life: start afresh. */
static void forget_parent(void)
{
	if (ctx.users == 0 || ctx.pid == getpid())
		return;
	memset(ctx.pools, 0, sizeof(ctx.pools));
	ctx.node = NULL;
	ctx.burnt = 0;
	ctx.users = 0;
	ctx.news = NULL;
	ctx.connection = -1;
}

int context_start(bool is_agent, const char *socket, uint64_t pool_bytes)
{
	int rc = 0;

	pthread_mutex_lock(&ctx.lock);
	forget_parent();
	if (ctx.users == 0)
		rc = attach(is_agent, socket, pool_bytes);
	if (rc == 0)
		ctx.users++;
	pthread_mutex_unlock(&ctx.lock);
	return rc;
}

int dhow_init(void)
{
	return context_start(false, NULL, 0);
}

int dhow_init_at(const char *socket, uint64_t pool_bytes)
{
	if (!socket || !*socket)
		return dhow_fail(-EINVAL, "socket name is empty");
	return context_start(false, socket, pool_bytes);
}

void dhow_fini(void)
{
	struct node_request bye = { .op = NODE_BYE };

	pthread_mutex_lock(&ctx.lock);
	forget_parent();
	if (ctx.users == 0 || --ctx.users > 0)
		goto out;
	for (unsigned i = SEGMENT_MAX; i-- > 0;)
		if (ctx.pools[i])
			remove_pool(ctx.pools[i]);
	ctx.node = NULL;
	/* First the thread: it takes the end of the connection for the end of the daemon. */
	stop_thread();
	context_tell(&bye);
	close(ctx.connection);
	close(ctx.bell);
	ctx.connection = -1;
out:
	pthread_mutex_unlock(&ctx.lock);
}

static uint32_t of_node(uint32_t value, uint32_t missing)
{
	return ctx.node ? value : missing;
}

int dhow_rank(void)
{
	return (int)of_node(ctx.rank, 0);
}

int dhow_size(void)
{
	return (int)of_node(ctx.size, 1);
}

int dhow_node(void)
{
	return ctx.node ? (int)ctx.node->segment.shm->node : 0;
}

int dhow_nodes(void)
{
	return ctx.node ? (int)ctx.node->segment.nodes_count : 1;
}

int dhow_local_rank(void)
{
	return (int)of_node(ctx.local_rank, 0);
}

int dhow_local_size(void)
{
	return (int)of_node(ctx.local_size, 1);
}
