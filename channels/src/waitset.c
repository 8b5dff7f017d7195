/* SPDX-License-Identifier: MIT */
/* waitset.c - see the internal waitset.h. */
#include "src/waitset.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "src/bell.h"
#include "src/context.h"
#include "src/liveness.h"

enum {
	SCAN_MS = 40,		/* as the slices of wait.c, and for the same reason */
	TRIES_A_SCAN = 256,	/* a look at the clock costs as much as a short look */
};

struct waitsets waitsets = { .lock = PTHREAD_MUTEX_INITIALIZER,
			     .scan_ns = SCAN_MS * BASE_MS };

/* ---- fork: a child has its parent's sets but none of its segments ---- */

static void before_fork(void)
{
	pthread_mutex_lock(&waitsets.lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&waitsets.lock);
}

static void in_child(void)
{
	pthread_mutex_init(&waitsets.lock, NULL);
	base_list_init(&waitsets.sets);
	base_list_init(&waitsets.remotes);
	for (unsigned i = 0; i < SEGMENT_MAX; i++)
		waitsets.segments[i] = NULL;
	waitsets.fork_count++;
	herald_forget();
}

static void set_up(void)
{
	base_list_init(&waitsets.sets);
	base_list_init(&waitsets.remotes);
	pthread_atfork(before_fork, after_fork, in_child);
}

/* ---- which segments are watched ---- */

static int watch_get(struct segment *segment)
{
	if (!segment->watch) {
		struct watch *watch = calloc(1, sizeof(*watch));

		if (!watch)
			return dhow_fail(-ENOMEM, "out of memory");
		for (unsigned i = 0; i < LAYOUT_CHANNELS; i++)
			base_list_init(&watch->members[i]);
		segment->watch = watch;
		waitsets.segments[segment->slot] = segment;
	}
	segment->watch->count++;
	return 0;
}

static void watch_put(struct segment *segment, struct segment *home)
{
	if (--segment->watch->count)
		return;
	free(segment->watch);
	segment->watch = NULL;
	waitsets.segments[segment->slot] = NULL;
	herald_drop(segment->slot, home);
}

/* ---- hot and cold ---- */

static void make_hot(struct member *member)
{
	if (base_list_empty(&member->hot))
		base_list_add_tail(&member->set->hot, &member->hot);
}

static void channel_rang(struct segment *segment, uint32_t index)
{
	struct watch *watch = segment->watch;
	struct base_list *members = &watch->members[index];

	if (index == LAYOUT_GATEWAY) {
		bell_clear(segment, index);
		members = &waitsets.remotes;
	} else if (base_list_empty(members)) {
		bell_clear(segment, index);	/* watched no more */
	} else {
		watch->seen[index / 64] |= UINT64_C(1) << (index % 64);
	}
	base_list_for(node, members)
		make_hot(base_list_entry(node, struct member, same));
}

static void collect_group(struct segment *segment, unsigned group)
{
	uint64_t news = bell_rung(segment, group) & ~segment->watch->seen[group];

	for (; news; news &= news - 1)
		channel_rang(segment, group * 64 + (unsigned)__builtin_ctzll(news));
}

void waitset_collect(struct segment *segment)
{
	for (unsigned group = 0; group < LAYOUT_CHANNELS / 64; group++)
		collect_group(segment, group);
}

void waitset_scan(struct dhow_waitset *set)
{
	uint64_t now = base_now_ns();

	if (now - set->scanned_ns < waitsets.scan_ns)
		return;
	set->scanned_ns = now;
	base_list_for(node, &set->members)
		make_hot(base_list_entry(node, struct member, all));
}

static unsigned look_local(struct member *member)
{
	struct dhow_channel *channel = member->channel;
	struct segment *segment = channel->segment;
	unsigned group = channel->index / 64;
	uint64_t bit = UINT64_C(1) << (channel->index % 64);
	bool rung = bell_rung(segment, group) & bit;
	unsigned now = channel_events(channel, member->events);

	/* With the bit not set before the look, a later change sets it (B1). */
	if (now || !rung)
		return now;
	collect_group(segment, group);
	bell_clear(segment, channel->index);
	segment->watch->seen[group] &= ~bit;
	return channel_events(channel, member->events);
}

static unsigned look_remote(struct member *member)
{
	struct remote_watch *watch = &member->remote;

	if (!watch->ready)
		watch->ready = remote_watch_look(watch, member->channel, member->events);
	return watch->ready;
}

/* The events of a hot member, which goes cold if it has none. */
static unsigned look(struct member *member)
{
	unsigned now = member->channel->is_remote ? look_remote(member) : look_local(member);

	base_list_del(&member->hot);
	if (now)
		make_hot(member);
	return now;
}

bool waitset_has_event(struct dhow_waitset *set)
{
	while (!base_list_empty(&set->hot))
		if (look(base_list_entry(set->hot.next, struct member, hot)))
			return true;
	return false;
}

void waitset_set_readable(struct dhow_waitset *set, bool readable)
{
	uint64_t count = 1;
	ssize_t done;

	if (set->fd < 0 || set->readable == readable)
		return;
	done = readable ? write(set->fd, &count, sizeof(count)) :
			  read(set->fd, &count, sizeof(count));
	/* EAGAIN: somebody read what he should not; the flag is right again all the same. */
	if (done >= 0 || errno == EAGAIN)
		set->readable = readable;
}

void waitset_wake(struct segment *segment)
{
	_Atomic uint32_t *bell = bell_word(segment);

	/* W1: the condition is the set's list, which the sleeper looks at after W2. */
	if (atomic_load_explicit(bell, memory_order_seq_cst) & WAIT_SLEEPING)
		wait_wake_all(bell, NULL);
}

/* ---- members ---- */

static struct member *find(struct dhow_waitset *set, struct dhow_channel *channel)
{
	struct base_list *list = &waitsets.remotes;

	if (!channel->watched)
		return NULL;
	if (!channel->is_remote)
		list = &channel->segment->watch->members[channel->index];
	base_list_for(node, list) {
		struct member *member = base_list_entry(node, struct member, same);

		if (member->channel == channel && (!set || member->set == set))
			return member;
	}
	return NULL;
}

static int check_events(unsigned events)
{
	if (events && !(events & ~(unsigned)(DHOW_IN | DHOW_OUT)))
		return 0;
	return dhow_fail(-EINVAL, "events 0x%x: DHOW_IN, DHOW_OUT or both", events);
}

/* Lock; -ENOTCONN: the set is a parent process's, or we are not attached. */
static int enter(struct dhow_waitset *set)
{
	int rc;

	pthread_mutex_lock(&waitsets.lock);
	rc = set->fork_count == waitsets.fork_count ? liveness_check(set->home) : -ENOTCONN;
	if (rc < 0) {
		pthread_mutex_unlock(&waitsets.lock);
		return dhow_fail(rc, "%s", dhow_strerror(rc));
	}
	return 0;
}

static void leave(void)
{
	pthread_mutex_unlock(&waitsets.lock);
}

static int add(struct dhow_waitset *set, struct dhow_channel *channel, unsigned events,
	       uint64_t user)
{
	struct segment *segment = channel->segment;
	struct member *member;
	int rc = liveness_check(segment);

	if (rc < 0)
		return dhow_fail(rc, "%s", dhow_strerror(rc));
	if (find(set, channel))
		return dhow_fail(-EEXIST, "the channel is in the wait-set already");
	member = calloc(1, sizeof(*member));
	if (!member)
		return dhow_fail(-ENOMEM, "out of memory");
	if (channel->is_remote)
		rc = remote_watch_open(channel, &member->remote);
	if (rc == 0)
		rc = watch_get(segment);
	if (rc < 0) {
		remote_watch_close(&member->remote);
		free(member);
		return rc;
	}
	member->set = set;
	member->channel = channel;
	member->events = events;
	member->user = user;
	base_list_init(&member->hot);
	base_list_add_tail(&set->members, &member->all);
	base_list_add_tail(channel->is_remote ? &waitsets.remotes :
						&segment->watch->members[channel->index],
			   &member->same);
	channel->watched++;
	set->counts[segment->slot]++;
	if (!channel->is_remote)
		bell_watch(segment, channel->index, events);
	make_hot(member);
	return 0;
}

static void del(struct member *member)
{
	struct dhow_channel *channel = member->channel;
	struct segment *segment = channel->segment;

	base_list_del(&member->all);
	base_list_del(&member->hot);
	base_list_del(&member->same);
	if (channel->is_remote)
		remote_watch_close(&member->remote);
	else if (base_list_empty(&segment->watch->members[channel->index])) {
		bell_unwatch(segment, channel->index, segment->me & (LAYOUT_PROCESSES - 1));
		segment->watch->seen[channel->index / 64] &=
			~(UINT64_C(1) << (channel->index % 64));
	}
	channel->watched--;
	member->set->counts[segment->slot]--;
	watch_put(segment, member->set->home);
	free(member);
}

int dhow_waitset_add(struct dhow_waitset *set, struct dhow_channel *channel, unsigned events,
		     uint64_t user)
{
	int rc = check_events(events);

	if (rc == 0)
		rc = enter(set);
	if (rc < 0)
		return rc;
	rc = add(set, channel, events, user);
	leave();
	if (rc == 0)
		waitset_wake(set->home);
	return rc;
}

int dhow_waitset_modify(struct dhow_waitset *set, struct dhow_channel *channel, unsigned events,
			uint64_t user)
{
	struct member *member;
	int rc = check_events(events);

	if (rc == 0)
		rc = enter(set);
	if (rc < 0)
		return rc;
	member = find(set, channel);
	if (!member) {
		rc = dhow_fail(-ENOENT, "the channel is not in the wait-set");
	} else {
		member->user = user;
		if (channel->is_remote && member->events != events)
			remote_watch_stop(&member->remote);
		else if (!channel->is_remote)
			bell_watch(channel->segment, channel->index, events);
		member->events = events;
		make_hot(member);
	}
	leave();
	if (rc == 0)
		waitset_wake(set->home);
	return rc;
}

int dhow_waitset_remove(struct dhow_waitset *set, struct dhow_channel *channel)
{
	struct member *member;
	int rc = enter(set);

	if (rc < 0)
		return rc;
	member = find(set, channel);
	if (member)
		del(member);
	leave();
	return member ? 0 : dhow_fail(-ENOENT, "the channel is not in the wait-set");
}

void waitset_forget(struct dhow_channel *channel)
{
	struct member *member;

	pthread_mutex_lock(&waitsets.lock);
	while ((member = find(NULL, channel)) && member->set->fork_count == waitsets.fork_count)
		del(member);
	leave();
}

/* ---- sets ---- */

int dhow_waitset_create(struct dhow_waitset **ret_set)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct segment *home = context_node();
	struct dhow_waitset *set;
	int rc;

	if (!home)
		return -ENOTCONN;
	pthread_once(&once, set_up);
	set = calloc(1, sizeof(*set));
	if (!set)
		return dhow_fail(-ENOMEM, "out of memory");
	base_list_init(&set->members);
	base_list_init(&set->hot);
	set->home = home;
	set->fd = -1;
	wait_habit_init(&set->habit, DHOW_WAIT_DEFAULT);
	pthread_mutex_lock(&waitsets.lock);
	rc = watch_get(home);
	if (rc == 0) {
		set->fork_count = waitsets.fork_count;
		base_list_add_tail(&waitsets.sets, &set->node);
	}
	leave();
	if (rc < 0) {
		free(set);
		return rc;
	}
	*ret_set = set;
	return 0;
}

void dhow_waitset_destroy(struct dhow_waitset *set)
{
	int error = errno;

	if (!set)
		return;
	pthread_mutex_lock(&waitsets.lock);
	if (set->fork_count == waitsets.fork_count) {
		base_list_for(node, &set->members)
			del(base_list_entry(node, struct member, all));
		base_list_del(&set->node);
		if (set->fd >= 0)
			herald_stop();
		watch_put(set->home, set->home);
	} else {
		base_list_for(node, &set->members)
			free(base_list_entry(node, struct member, all));
	}
	leave();
	if (set->fd >= 0)
		close(set->fd);
	free(set);
	errno = error;
}

void dhow_waitset_set_wait(struct dhow_waitset *set, enum dhow_wait_mode mode)
{
	wait_habit_init(&set->habit, mode);
}

int dhow_waitset_fd(struct dhow_waitset *set)
{
	int rc = enter(set);

	if (rc < 0)
		return rc;
	if (set->fd < 0) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		rc = fd < 0 ? dhow_fail(-errno, "no descriptor for a wait-set") : herald_start();
		if (rc < 0 && fd >= 0)
			close(fd);
		if (rc == 0)
			set->fd = fd;
	}
	leave();
	if (rc < 0)
		return rc;
	waitset_wake(set->home);
	return set->fd;
}

/* ---- waiting ---- */

struct turn {
	struct dhow_waitset *set;
	struct dhow_waitset_event *events;
	size_t room, count;
	unsigned tries;
};

/* Look at each hot member once, those first that were not reported lately. */
static void report(struct turn *turn)
{
	struct dhow_waitset *set = turn->set;
	struct base_list *last = set->hot.prev;

	while (!base_list_empty(&set->hot) && turn->count < turn->room) {
		struct member *member = base_list_entry(set->hot.next, struct member, hot);
		bool is_last = &member->hot == last;
		unsigned now = look(member);

		if (now) {
			turn->events[turn->count++] = (struct dhow_waitset_event){
				.channel = member->channel, .events = now, .user = member->user
			};
			member->remote.ready = 0;
		}
		if (is_last)
			break;
	}
}

static int try_turn(void *arg)
{
	struct turn *turn = arg;
	struct dhow_waitset *set = turn->set;

	pthread_mutex_lock(&waitsets.lock);
	if (turn->tries++ % TRIES_A_SCAN == 0)
		waitset_scan(set);
	for (unsigned slot = 0; slot < SEGMENT_MAX; slot++)
		if (set->counts[slot])
			waitset_collect(waitsets.segments[slot]);
	/* A look may have made others hot. */
	do
		report(turn);
	while (turn->count == 0 && !base_list_empty(&set->hot));
	waitset_set_readable(set, turn->count > 0);
	leave();
	return turn->count ? 0 : -EAGAIN;
}

static int sleep_turn(struct turn *turn, uint64_t deadline_ns)
{
	struct dhow_waitset *set = turn->set;
	_Atomic uint32_t *words[SEGMENT_MAX + 1];
	uint32_t values[SEGMENT_MAX + 1];
	unsigned count = 0;
	int rc;

	words[count++] = bell_word(set->home);
	pthread_mutex_lock(&waitsets.lock);
	for (unsigned slot = 0; slot < SEGMENT_MAX; slot++)
		if (set->counts[slot] && waitsets.segments[slot] != set->home)
			words[count++] = bell_word(waitsets.segments[slot]);
	leave();
	for (unsigned i = 0; i < count; i++)
		values[i] = wait_announce(words[i], WAIT_SLEEPING);
	turn->tries = 0;
	rc = try_turn(turn);
	if (rc != -EAGAIN)
		return rc;
	if (base_now_ns() >= deadline_ns)
		return -ETIMEDOUT;
	wait_sleep_any(words, values, count, deadline_ns);
	return -EAGAIN;
}

int dhow_waitset_wait(struct dhow_waitset *set, struct dhow_waitset_event *ret_events, size_t room,
		      size_t *ret_count, uint64_t deadline_ns)
{
	struct turn turn = { .set = set, .events = ret_events, .room = room };
	uint64_t begin;
	int rc;

	if (room == 0)
		return dhow_fail(-EINVAL, "room for no event");
	rc = enter(set);
	if (rc < 0)
		return rc;
	leave();
	rc = try_turn(&turn);
	if (rc == -EAGAIN && deadline_ns != DHOW_TRY) {
		begin = base_now_ns();
		rc = wait_spin(&set->habit, begin, deadline_ns, try_turn, &turn);
		if (rc == -EAGAIN) {
			do
				rc = sleep_turn(&turn, deadline_ns);
			while (rc == -EAGAIN);
			wait_learn(&set->habit, base_now_ns() - begin);
		}
	}
	if (rc == 0)
		*ret_count = turn.count;
	return rc;
}
