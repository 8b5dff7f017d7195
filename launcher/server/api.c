/* SPDX-License-Identifier: MIT */
/* api.c - <dhow/server.h> in terms of client.h. */
#include <dhow/server.h>

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/client.h"

/* The public type is the client under another name. */
static struct server_client *of(struct dhow_server *server)
{
	return (struct server_client *)(void *)server;
}

static int tell(int rc, const struct base_err *err, char *ret_error)
{
	if (rc < 0 && ret_error)
		snprintf(ret_error, DHOW_SERVER_ERROR_BYTES, "%s", err->text);
	return rc;
}

int dhow_server_connect(const char *server, const char *key_file,
			struct dhow_server **ret_server, char *ret_error)
{
	struct server_client *client;
	struct base_err err;
	int rc = server_client_open(server, key_file, &client, &err);

	*ret_server = (struct dhow_server *)(void *)client;
	return tell(rc, &err, ret_error);
}

/* Return: 0; -1 it is no UTF-8, or there is no body. */
static int set_text(json_t *body, const char *name, const char *value)
{
	return value ? json_object_set_new(body, name, json_string(value)) : 0;
}

int dhow_server_run(struct dhow_server *server, const struct dhow_server_run *run,
		    char ret_id[DHOW_SERVER_ID_BYTES], char *ret_error)
{
	char here[PATH_MAX];
	const char *wdir = run->wdir ? run->wdir : getcwd(here, sizeof(here));
	json_t *body, *answer;
	struct base_err err;
	const char *id;
	int rc;

	if (!run->argv || !run->argv[0] || !wdir)
		return tell(base_err(&err, -EINVAL, "there is nothing to run"), &err, ret_error);
	body = server_client_run_body(run->argv, run->env ? run->env : environ, wdir,
				      run->nodes ? run->nodes : 1,
				      run->tasks_per_node ? run->tasks_per_node : 1);
	if (!body || set_text(body, "name", run->name) ||
	    set_text(body, "output_file", run->output_file) ||
	    set_text(body, "error_file", run->error_file)) {
		json_decref(body);
		return tell(base_err(&err, -EINVAL, "what is to run is no UTF-8"), &err, ret_error);
	}
	rc = server_client_ask(of(server), SERVER_RUN, body, &answer, &err);
	if (rc < 0)
		return tell(rc, &err, ret_error);
	id = json_string_value(json_object_get(answer, "step_id"));
	if (id)
		snprintf(ret_id, DHOW_SERVER_ID_BYTES, "%s", id);
	else
		rc = base_err(&err, -EPROTO, "the server does not answer as one");
	json_decref(answer);
	return tell(rc, &err, ret_error);
}

int dhow_server_status(struct dhow_server *server, const char *id,
		       struct dhow_server_status *ret_status, char *ret_error)
{
	json_t *answer, *status;
	struct base_err err;
	int rc = server_client_ask(of(server), SERVER_UPDATE_STATUS,
				   json_pack("{s:[s]}", "step_ids", id), &answer, &err);

	if (rc < 0)
		return tell(rc, &err, ret_error);
	status = json_object_get(json_object_get(answer, "statuses"), id);
	ret_status->state = (enum dhow_server_state)
		server_client_state(json_string_value(json_array_get(status, 0)));
	ret_status->code = server_client_worst(json_array_get(status, 1));
	json_decref(answer);
	return 0;
}

int dhow_server_stop(struct dhow_server *server, const char *id, char *ret_error)
{
	struct base_err err;
	json_t *answer;
	int rc = server_client_ask(of(server), SERVER_STOP, json_pack("{s:s}", "step_id", id),
				   &answer, &err);

	json_decref(rc == 0 ? answer : NULL);
	return tell(rc, &err, ret_error);
}

int dhow_server_shutdown(struct dhow_server *server, int immediate, char *ret_error)
{
	struct base_err err;
	json_t *answer;
	int rc = server_client_ask(of(server), SERVER_SHUTDOWN,
				   json_pack("{s:b}", "immediate", immediate), &answer, &err);

	json_decref(rc == 0 ? answer : NULL);
	return tell(rc, &err, ret_error);
}

void dhow_server_close(struct dhow_server *server)
{
	server_client_close(of(server));
}
