/* SPDX-License-Identifier: MIT */
/*
 * pmix_check.c - a client of PMIx that asks for what MPI libraries seldom do.
 *
 * pmix_check modex | late | never | spawn | event TASKS-PER-NODE
 * Each rank says one line `RANK: good` when it found what it must find.
 * Ranks of one node ask each other nothing: libpmix 4.2 does not wait for one that is still
 * starting, under mpirun, too.
 */
#include <pmix.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LATE_US = 300000, LIMIT_S = 100, NEVER_S = 1, EVENT = -3141 };

static pmix_proc_t self;
static uint32_t size, tasks;
static atomic_int heard;	/* set by a thread of libpmix */

static void die(const char *what, pmix_status_t status)
{
	printf("%u: %s: %s\n", self.rank, what, PMIx_Error_string(status));
	fflush(stdout);
	_exit(1);
}

static void must(const char *what, pmix_status_t status)
{
	if (status != PMIX_SUCCESS)
		die(what, status);
}

static void put(const char *key, uint32_t number)
{
	pmix_value_t value = { .type = PMIX_UINT32, .data.uint32 = number };

	must("put", PMIx_Put(PMIX_GLOBAL, key, &value));
	must("commit", PMIx_Commit());
}

static pmix_status_t get(uint32_t rank, const char *key, int limit_s, uint32_t *ret_number)
{
	pmix_proc_t proc = self;
	pmix_value_t *value = NULL;
	pmix_info_t info;
	pmix_status_t status;

	proc.rank = rank;
	PMIX_INFO_LOAD(&info, PMIX_TIMEOUT, &limit_s, PMIX_INT);
	status = PMIx_Get(&proc, key, &info, 1, &value);
	if (status != PMIX_SUCCESS)
		return status;
	*ret_number = value->type == PMIX_UINT32 ? value->data.uint32 : UINT32_MAX;
	PMIX_VALUE_RELEASE(value);
	return status;
}

static int is_elsewhere(uint32_t rank)
{
	return rank / tasks != self.rank / tasks;
}

static void get_size(void)
{
	pmix_proc_t all = self;
	pmix_value_t *value = NULL;

	all.rank = PMIX_RANK_WILDCARD;
	must("size", PMIx_Get(&all, PMIX_JOB_SIZE, NULL, 0, &value));
	size = value->data.uint32;
	PMIX_VALUE_RELEASE(value);
}

/* Everybody asks everybody elsewhere, and nobody has fenced. */
static void modex(void)
{
	put("check.number", 100 + self.rank);
	for (uint32_t i = 0; i < size; i++) {
		uint32_t number = 100 + i;

		if (is_elsewhere(i))
			must("get", get(i, "check.number", LIMIT_S, &number));
		if (number != 100 + i)
			die("wrong number", PMIX_ERROR);
	}
}

/* The last one is asked before it has anything. */
static void late(void)
{
	uint32_t number = 0;

	if (self.rank == size - 1) {
		usleep(LATE_US);
		put("check.number", 7);
	} else if (is_elsewhere(size - 1)) {
		must("get", get(size - 1, "check.number", LIMIT_S, &number));
		if (number != 7)
			die("wrong number", PMIX_ERROR);
	}
}

/* It never has anything; then it has something else. */
static void never(void)
{
	uint32_t number = 0;
	pmix_status_t status;

	if (self.rank == 0) {
		status = get(size - 1, "check.number", NEVER_S, &number);
		if (status != PMIX_ERR_TIMEOUT && status != PMIX_ERR_NOT_FOUND)
			die("get", status);
	}
	must("fence", PMIx_Fence(NULL, 0, NULL, 0));
	put("check.other", 1);
	must("fence", PMIx_Fence(NULL, 0, NULL, 0));
	if (self.rank == 0) {
		status = get(size - 1, "check.number", NEVER_S, &number);
		if (status != PMIX_ERR_TIMEOUT && status != PMIX_ERR_NOT_FOUND)
			die("get of another key", status);
		must("get", get(size - 1, "check.other", LIMIT_S, &number));
	}
}

static void spawn(void)
{
	char name[PMIX_MAX_NSLEN + 1] = "", *words[] = { (char[]){ "true" }, NULL };
	pmix_app_t app = { .cmd = words[0], .argv = words, .maxprocs = 1 };
	pmix_status_t status = PMIx_Spawn(NULL, 0, &app, 1, name);

	if (status != PMIX_ERR_NOT_SUPPORTED)
		die("spawn", status);
}

static void on_event(size_t id, pmix_status_t status, const pmix_proc_t *source,
		     pmix_info_t infos[], size_t info_count, pmix_info_t *results,
		     size_t result_count, pmix_event_notification_cbfunc_fn_t done, void *done_arg)
{
	(void)id, (void)status, (void)infos, (void)info_count, (void)results, (void)result_count;
	if (source->rank == size - 1)
		heard = 1;
	if (done)
		done(PMIX_EVENT_ACTION_COMPLETE, NULL, 0, NULL, NULL, done_arg);
}

/* The last one says something to all of its run. */
static void event(void)
{
	pmix_status_t code = EVENT;
	pmix_status_t rc = PMIx_Register_event_handler(&code, 1, NULL, 0, on_event, NULL, NULL);

	if (rc < 0)
		die("register", rc);
	must("fence", PMIx_Fence(NULL, 0, NULL, 0));
	if (self.rank == size - 1)
		must("notify", PMIx_Notify_event(EVENT, &self, PMIX_RANGE_NAMESPACE, NULL, 0, NULL,
						 NULL));
	for (int i = 0; i < LIMIT_S * 100 && !heard && self.rank != size - 1; i++)
		usleep(10000);
	if (!heard && self.rank != size - 1)
		die("event", PMIX_ERR_TIMEOUT);
}

static const struct {
	const char *name;
	void (*run)(void);
} checks[] = {
	{ "modex", modex }, { "late", late }, { "never", never }, { "spawn", spawn },
	{ "event", event },
};

int main(int argc, char **argv)
{
	tasks = argc == 3 ? (uint32_t)atoi(argv[2]) : 0;
	if (!tasks)
		return 2;
	must("init", PMIx_Init(&self, NULL, 0));
	get_size();
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		if (strcmp(argv[1], checks[i].name) == 0)
			checks[i].run();
	/* Who is asked must be there. */
	must("fence", PMIx_Fence(NULL, 0, NULL, 0));
	printf("%u: good\n", self.rank);
	fflush(stdout);
	must("finalize", PMIx_Finalize(NULL, 0));
	return 0;
}
