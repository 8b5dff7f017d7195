/* SPDX-License-Identifier: MIT */
/* select.c - see select.h. */
#include "cli/select.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"

enum { USAGE = 2, FAILED = 125, CHECK_MS = 20000, ANSWER_BYTES = 1024 };

static const struct {
	const char *name, *transport;
} fabrics[] = {
	{ "uring", "tcp" },
	{ "epoll", "tcp" },
	{ "ofi", "hsta" },
	{ "ucx", "hsta" },
};

enum { FABRICS = sizeof(fabrics) / sizeof(*fabrics) };

/* Slingshot; InfiniBand, RoCE and EFA. */
static const char *const classes[] = { "cxi", "infiniband" };

static int is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* The first variable that is set wins; an empty one is as good as none. */
void launch_wishes_environment(struct launch_wishes *wishes)
{
	const struct {
		struct launch_wish *wish;
		const char *names[2];
	} rows[] = {
		{ &wishes->transport, { "DHOW_TRANSPORT", "SMARTSIM_DRAGON_TRANSPORT" } },
		{ &wishes->fabric, { "DHOW_FABRIC" } },
		{ &wishes->provider, { "DHOW_PROVIDER" } },
		{ &wishes->nic, { "DHOW_NIC" } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (int j = 0; j < 2 && rows[i].names[j] && !rows[i].wish->value; j++) {
			const char *value = getenv(rows[i].names[j]);

			if (value && *value)
				*rows[i].wish = (struct launch_wish){ .value = value,
								      .origin = rows[i].names[j] };
		}
	}
}

int launch_rdma_find(const char *sys, char *ret_text, size_t room)
{
	int rc = -ENODEV;

	for (unsigned i = 0; rc && i < sizeof(classes) / sizeof(*classes); i++) {
		char path[PATH_MAX];
		struct dirent *entry;
		DIR *dir;

		snprintf(path, sizeof(path), "%s/class/%s", sys, classes[i]);
		dir = opendir(path);
		while (dir && rc && (entry = readdir(dir)) != NULL) {
			if (entry->d_name[0] == '.')
				continue;
			snprintf(ret_text, room, "%s (class %s)", entry->d_name, classes[i]);
			rc = 0;
		}
		if (dir)
			closedir(dir);
	}
	return rc;
}

/* "" for none and for auto, which says nothing. */
static const char *value_of(const struct launch_wish *wish)
{
	return wish->value && !is(wish->value, "auto") ? wish->value : "";
}

static const char *transport_of(const char *fabric)
{
	for (int i = 0; i < FABRICS; i++)
		if (is(fabrics[i].name, fabric))
			return fabrics[i].transport;
	return NULL;
}

/* Names that can be checked without asking anybody. */
static int check_names(const struct launch_wishes *wishes, struct base_err *reterr)
{
	const struct {
		const struct launch_wish *wish;
		size_t room;
	} texts[] = {
		{ &wishes->fabric, sizeof(((struct launch_selection *)0)->fabric) },
		{ &wishes->provider, sizeof(((struct launch_selection *)0)->provider) },
		{ &wishes->nic, sizeof(((struct launch_selection *)0)->nic) },
	};
	const char *transport = value_of(&wishes->transport), *fabric = value_of(&wishes->fabric);

	if (wishes->transport.value && !is(wishes->transport.value, "auto") &&
	    !is(transport, "tcp") && !is(transport, "hsta"))
		return base_err(reterr, USAGE, "%s \"%.60s\": unknown transport; there are tcp, "
				"hsta and auto", wishes->transport.origin, transport);
	if (wishes->fabric.value && !is(wishes->fabric.value, "auto") && !transport_of(fabric))
		return base_err(reterr, USAGE, "%s \"%.60s\": unknown fabric; there are uring and "
				"epoll (tcp), ofi and ucx (hsta), and auto", wishes->fabric.origin,
				fabric);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const struct launch_wish *wish = texts[i].wish;

		if (wish->value && (!*wish->value || strlen(wish->value) >= texts[i].room))
			return base_err(reterr, USAGE, "%s \"%.60s\": a name of 1 to %zu "
					"characters is needed", wish->origin, wish->value,
					texts[i].room - 1);
	}
	return 0;
}

/* The transport that the wishes name, in the order of how directly they do. NULL: none. */
static const char *named_transport(const struct launch_wishes *wishes,
				   const struct launch_wish **ret_by)
{
	const struct {
		const struct launch_wish *wish;
		const char *transport;
	} rows[] = {
		{ &wishes->transport, value_of(&wishes->transport) },
		{ &wishes->fabric, transport_of(value_of(&wishes->fabric)) },
		{ &wishes->provider, *value_of(&wishes->provider) ? "hsta" : "" },
		{ &wishes->nic, *value_of(&wishes->nic) ? "hsta" : "" },
	};

	/* All options first: a variable may be a site's default. */
	for (int is_option = 1; is_option >= 0; is_option--)
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
			if (rows[i].wish->is_option == is_option && rows[i].transport &&
			    *rows[i].transport) {
				*ret_by = rows[i].wish;
				return rows[i].transport;
			}
	*ret_by = NULL;
	return NULL;
}

/* Copy a wish that belongs to transport @owner. */
static int take(const struct launch_wish *wish, const char *owner,
		const struct launch_selection *selection, const struct launch_wish *by,
		char *ret_text, size_t room, struct base_err *reterr)
{
	const char *value = value_of(wish);
	int fits = !*value || is(owner, selection->transport);

	ret_text[0] = 0;
	if (!fits && by && by->is_option && !wish->is_option)
		return 0;
	if (!fits)
		return base_err(reterr, USAGE, "%s \"%s\": this is for transport %s, and %s is %s\n"
				"try: --transport %s", wish->origin, value, owner,
				by ? by->origin : "the transport",
				by ? by->value : selection->transport, owner);
	snprintf(ret_text, room, "%s", value);
	return 0;
}

static int take_all(const struct launch_wishes *wishes, const struct launch_wish *by,
		    struct launch_selection *selection, struct base_err *reterr)
{
	const char *owner = transport_of(value_of(&wishes->fabric));
	int code = take(&wishes->fabric, owner ? owner : selection->transport, selection, by,
			selection->fabric, sizeof(selection->fabric), reterr);

	if (!code)
		code = take(&wishes->provider, "hsta", selection, by, selection->provider,
			    sizeof(selection->provider), reterr);
	if (!code)
		code = take(&wishes->nic, "hsta", selection, by, selection->nic,
			    sizeof(selection->nic), reterr);
	return code;
}

/* Ask the agent what it would run. 0 with the fabric named; else its reason in @ret_why. */
static int check_agent(struct launch_selection *selection, char *ret_why, size_t room)
{
	char *argv[9] = { (char[]){ "dhow-hsta" }, (char[]){ "--check" } };
	char answer[ANSWER_BYTES], *line, *rest = NULL;
	int count = 2, code;

	const struct {
		const char *option;
		char *value;
	} settings[] = {
		{ "--fabric", selection->fabric },
		{ "--provider", selection->provider },
		{ "--nic", selection->nic },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		if (!*settings[i].value)
			continue;
		argv[count++] = (char *)(uintptr_t)settings[i].option;
		argv[count++] = settings[i].value;
	}
	code = launch_ask(selection->agent, argv, CHECK_MS, answer, sizeof(answer));
	line = strtok_r(answer, "\n", &rest);
	if (code == 0 && line && strlen(line) < sizeof(selection->fabric)) {
		snprintf(selection->fabric, sizeof(selection->fabric), "%s", line);
		line = strtok_r(NULL, "\n", &rest);
	} else if (code == 0) {
		code = -EPROTO;
	}
	if (line)
		snprintf(ret_why, room, "%s", line);
	else
		snprintf(ret_why, room, "dhow-hsta --check: %s",
			 code < 0 ? strerror(-code) : "no answer");
	return code;
}

/* The wish for hsta was uttered: it is possible, or an error. */
static int check_hsta(struct launch_selection *selection, const char *sys,
		      const struct launch_wish *by, struct base_err *reterr)
{
	const char *agents = getenv("DHOW_HSTA_PROVIDER");	/* the agent's own variable */
	char device[128], why[256];
	size_t used = strlen(selection->why);

	if (!*selection->provider && !(agents && *agents) &&
	    launch_rdma_find(sys, device, sizeof(device)) < 0)
		return base_err(reterr, FAILED, "%s \"%s\": no RDMA device here\n"
				"try: --transport tcp, or --provider 'tcp;ofi_rxm' to try HSTA "
				"over TCP sockets", by->origin, by->value);
	if (check_agent(selection, why, sizeof(why)) != 0)
		return base_err(reterr, FAILED, "transport hsta: %.220s\ntry: dhow info",
				why);
	snprintf(selection->why + used, sizeof(selection->why) - used, "; %s", why);
	return 0;
}

/* Nobody has said anything: hsta where it runs. */
static void choose_by_device(struct launch_selection *selection, const char *sys)
{
	char device[128], why[256];

	selection->transport = "tcp";
	if (launch_rdma_find(sys, device, sizeof(device)) < 0) {
		snprintf(selection->why, sizeof(selection->why), "no RDMA device here");
		return;
	}
	if (launch_program_find("dhow-hsta", selection->agent) < 0) {
		snprintf(selection->why, sizeof(selection->why), "there is %s, but the agent "
			 "dhow-hsta is not installed", device);
		return;
	}
	if (check_agent(selection, why, sizeof(why)) != 0) {
		snprintf(selection->why, sizeof(selection->why), "there is %s, but %s", device,
			 why);
		return;
	}
	selection->transport = "hsta";
	snprintf(selection->why, sizeof(selection->why), "there is %s; %s", device, why);
}

int launch_select(const struct launch_wishes *wishes, const char *sys, int needed,
		  struct launch_selection *ret_selection, struct base_err *reterr)
{
	struct launch_selection *selection = ret_selection;
	const struct launch_wish *by;
	char program[32];
	int code = check_names(wishes, reterr);

	memset(selection, 0, sizeof(*selection));
	if (code)
		return code;
	selection->transport = named_transport(wishes, &by);
	if (by)
		snprintf(selection->why, sizeof(selection->why), "%s is %s", by->origin, by->value);
	else if (needed)
		choose_by_device(selection, sys);
	else
		selection->transport = "tcp";
	code = take_all(wishes, by, selection, reterr);
	if (code || (!needed && !(by && by->is_option)))
		return code;
	snprintf(program, sizeof(program), "dhow-%s", selection->transport);
	if (launch_program_find(program, selection->agent) < 0)
		return base_err(reterr, FAILED, "transport %s: its agent %s is not installed "
				"beside dlaunch\ntry: --transport %s", selection->transport,
				program, is(selection->transport, "tcp") ? "hsta" : "tcp");
	return by && is(selection->transport, "hsta") ? check_hsta(selection, sys, by, reterr) : 0;
}
