/* SPDX-License-Identifier: MIT */
/* request.c - see request.h. jansson reads the JSON: it refuses what others let pass. */
#include "server/request.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>

enum { SHOWN_BYTES = 60 };	/* of a client's text in a message */

static const struct {
	const char *name, *answer;
} kinds[] = {
	[SERVER_HANDSHAKE] = { "handshake", "handshake" },
	[SERVER_RUN] = { "run", "run" },
	[SERVER_UPDATE_STATUS] = { "update_status", "status_update" },
	[SERVER_STOP] = { "stop", "stop" },
	[SERVER_SHUTDOWN] = { "shutdown", "shutdown" },
	[SERVER_LIST] = { "list", "list" },
	[SERVER_LOGS] = { "logs", "logs" },
	[SERVER_KINDS] = { "error", "error" },
};

/* What a field must be. */
enum shape {
	TEXT,			/* string */
	TEXT_SOME,		/* string that is not empty */
	TEXT_OR_NULL,		/* shorter than limit: a step keeps it when it is over */
	ARGUMENTS,		/* list of strings */
	VARIABLES,		/* object: string or null each */
	NUMBER,			/* 0 to limit */
	COUNT,			/* 1 to limit */
	BOOLEAN,
	POLICY,			/* null or object */
};

struct field {
	enum server_kind kind;
	const char *name;
	enum shape shape;
	int is_needed;
	json_int_t limit;
};

static const struct field fields[] = {
	{ SERVER_RUN, "exe", TEXT_SOME, 1, 0 },
	{ SERVER_RUN, "path", TEXT_SOME, 1, 0 },
	{ SERVER_RUN, "exe_args", ARGUMENTS, 0, 0 },
	{ SERVER_RUN, "nodes", COUNT, 0, SERVER_NODES_MAX },
	{ SERVER_RUN, "tasks_per_node", COUNT, 0, SERVER_TASKS_PER_NODE_MAX },
	{ SERVER_RUN, "output_file", TEXT_OR_NULL, 0, PATH_MAX },
	{ SERVER_RUN, "error_file", TEXT_OR_NULL, 0, PATH_MAX },
	{ SERVER_RUN, "name", TEXT_OR_NULL, 0, SERVER_NAME_BYTES },
	{ SERVER_RUN, "token", TEXT_OR_NULL, 0, SERVER_TOKEN_BYTES },
	{ SERVER_RUN, "env", VARIABLES, 0, 0 },
	{ SERVER_RUN, "current_env", VARIABLES, 0, 0 },
	{ SERVER_RUN, "pmi_enabled", BOOLEAN, 0, 0 },
	{ SERVER_RUN, "policy", POLICY, 0, 0 },
	{ SERVER_UPDATE_STATUS, "step_ids", ARGUMENTS, 1, 0 },
	{ SERVER_STOP, "step_id", TEXT, 1, 0 },
	{ SERVER_SHUTDOWN, "immediate", BOOLEAN, 0, 0 },
	{ SERVER_SHUTDOWN, "frontend_shutdown", BOOLEAN, 0, 0 },
	{ SERVER_LOGS, "step_id", TEXT, 1, 0 },
	{ SERVER_LOGS, "offset", NUMBER, 0, LLONG_MAX },
	{ SERVER_LOGS, "is_error", BOOLEAN, 0, 0 },
};

const char *server_kind_name(enum server_kind kind)
{
	return kinds[kind].name;
}

const char *server_answer_name(enum server_kind kind)
{
	return kinds[kind].answer;
}

long server_numbers_max(const json_t *list)
{
	json_int_t most = -1;

	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_integer_value(json_array_get(list, i)) > most)
			most = json_integer_value(json_array_get(list, i));
	return (long)most;
}

static int check_numbers(const json_t *list, json_int_t limit)
{
	if (!json_is_array(list))
		return 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *number = json_array_get(list, i);

		if (!json_is_integer(number) || json_integer_value(number) < 0 ||
		    json_integer_value(number) >= limit)
			return 0;
	}
	return 1;
}

static int check_strings(const json_t *list)
{
	if (!json_is_array(list))
		return 0;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!json_is_string(json_array_get(list, i)))
			return 0;
	return 1;
}

/* A name with '=' would become another variable. SmartSim may send an empty name: it is dropped
 * where the environment is made. */
static int check_variables(json_t *object)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return 0;
	json_object_foreach(object, name, value)
		if ((!json_is_string(value) && !json_is_null(value)) || strchr(name, '='))
			return 0;
	return 1;
}

static int check_policy(const json_t *policy)
{
	static const char *const names[] = { "cpu_affinity", "gpu_affinity" };

	if (!json_is_object(policy))
		return json_is_null(policy);
	for (int i = 0; i < 2; i++) {
		const json_t *list = json_object_get(policy, names[i]);

		if (list && !check_numbers(list, SERVER_CPUS_MAX))
			return 0;
	}
	return 1;
}

static int is_between(const json_t *value, json_int_t least, json_int_t most)
{
	return json_is_integer(value) && json_integer_value(value) >= least &&
	       json_integer_value(value) <= most;
}

/* Return: NULL it is right; else what it must be. */
static const char *check_shape(const struct field *field, json_t *value)
{
	switch (field->shape) {
	case TEXT:
		return json_is_string(value) ? NULL : "a string";
	case TEXT_SOME:
		return json_is_string(value) && json_string_length(value) ? NULL :
		       "a string that is not empty";
	case TEXT_OR_NULL:
		return json_is_null(value) || (json_is_string(value) &&
		       (json_int_t)json_string_length(value) < field->limit) ? NULL :
		       "null or a string that is not too long";
	case ARGUMENTS:
		return check_strings(value) ? NULL : "a list of strings";
	case VARIABLES:
		return check_variables(value) ? NULL :
		       "an object of strings and nulls, without '=' in names";
	case NUMBER:
		return is_between(value, 0, field->limit) ? NULL : "a number that is not negative "
		       "and not too large";
	case COUNT:
		return is_between(value, 1, field->limit) ? NULL : "a number from 1 to its limit";
	case BOOLEAN:
		return json_is_boolean(value) ? NULL : "true or false";
	case POLICY:
		return check_policy(value) ? NULL :
		       "null or {cpu_affinity, gpu_affinity}, each a list of CPU or GPU numbers";
	}
	return "known";
}

static int check_fields(const struct server_request *request, struct base_err *reterr)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const struct field *field = &fields[i];
		const char *kind = server_kind_name(request->kind), *wanted;
		json_t *value = json_object_get(request->body, field->name);

		if (field->kind != request->kind)
			continue;
		if (!value && field->is_needed)
			return base_err(reterr, -EINVAL, "%s: the field \"%s\" is missing", kind,
					field->name);
		wanted = value ? check_shape(field, value) : NULL;
		if (wanted) {
			/* Cut anywhere it is still text. An environment may hold secrets. */
			char *text = json_is_object(value) ? NULL :
				     json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT |
						JSON_ENSURE_ASCII);

			base_err(reterr, -EINVAL, "%s: \"%s\" is %.*s; it must be %s", kind,
				 field->name, SHOWN_BYTES, text ? text : "{...}", wanted);
			free(text);
			return -EINVAL;
		}
	}
	return 0;
}

static const char *text_of(const json_t *body, const char *name)
{
	return json_string_value(json_object_get(body, name));
}

static uint32_t number_of(const json_t *body, const char *name, uint32_t usual)
{
	const json_t *value = json_object_get(body, name);

	return value ? (uint32_t)json_integer_value(value) : usual;
}

static int flag_of(const json_t *body, const char *name, int usual)
{
	const json_t *value = json_object_get(body, name);

	return value ? json_is_true(value) : usual;
}

/* An empty text is the same as none. */
static const char *file_of(const json_t *body, const char *name)
{
	const char *text = text_of(body, name);

	return text && *text ? text : NULL;
}

static void fill_run(const json_t *body, struct server_run *run)
{
	const json_t *policy = json_object_get(body, "policy");

	*run = (struct server_run){
		.exe = text_of(body, "exe"),
		.path = text_of(body, "path"),
		.output_file = file_of(body, "output_file"),
		.error_file = file_of(body, "error_file"),
		.name = file_of(body, "name"),
		.token = file_of(body, "token"),
		.nodes = number_of(body, "nodes", 1),
		.tasks_per_node = number_of(body, "tasks_per_node", 1),
		.exe_args = json_object_get(body, "exe_args"),
		.current_env = json_object_get(body, "current_env"),
		.env = json_object_get(body, "env"),
		.cpus = json_object_get(policy, "cpu_affinity"),
		.gpus = json_object_get(policy, "gpu_affinity"),
		.pmi = flag_of(body, "pmi_enabled", 1),
	};
}

static void fill(struct server_request *request)
{
	const json_t *body = request->body;

	switch (request->kind) {
	case SERVER_RUN:
		fill_run(body, &request->run);
		break;
	case SERVER_UPDATE_STATUS:
		request->step_ids = json_object_get(body, "step_ids");
		break;
	case SERVER_STOP:
		request->step_id = text_of(body, "step_id");
		break;
	case SERVER_SHUTDOWN:
		request->shutdown.immediate = flag_of(body, "immediate", 1);
		request->shutdown.frontend = flag_of(body, "frontend_shutdown", 1);
		break;
	case SERVER_LOGS:
		request->logs.step_id = text_of(body, "step_id");
		request->logs.offset = (uint64_t)json_integer_value(json_object_get(body,
										    "offset"));
		request->logs.is_error = flag_of(body, "is_error", 0);
		break;
	case SERVER_HANDSHAKE:
	case SERVER_LIST:
	case SERVER_KINDS:
		break;
	}
}

static enum server_kind find_kind(const char *data, size_t bytes)
{
	enum server_kind kind = SERVER_HANDSHAKE;

	while (kind < SERVER_KINDS &&
	       (strlen(kinds[kind].name) != bytes || memcmp(kinds[kind].name, data, bytes) != 0))
		kind++;
	return kind;
}

/* jansson stops at a depth of 2048 by itself, which is safe but more than anybody needs. */
static int is_too_deep(const char *data, size_t bytes)
{
	int depth = 0, in_string = 0;

	for (size_t i = 0; i < bytes; i++) {
		if (in_string) {
			if (data[i] == '\\')
				i++;
			else if (data[i] == '"')
				in_string = 0;
		} else if (data[i] == '"') {
			in_string = 1;
		} else if (data[i] == '{' || data[i] == '[') {
			if (++depth > SERVER_DEPTH_MAX)
				return 1;
		} else if (data[i] == '}' || data[i] == ']') {
			depth--;
		}
	}
	return 0;
}

/* What strangers wrote, fit for a log: cut, and only what can be printed. */
static void show(const char *data, size_t bytes, char ret_text[SHOWN_BYTES + 1])
{
	size_t shown = bytes < SHOWN_BYTES ? bytes : SHOWN_BYTES;

	for (size_t i = 0; i < shown; i++)
		ret_text[i] = data[i] >= ' ' && data[i] < 127 ? data[i] : '?';
	ret_text[shown] = 0;
}

int server_request_parse(const char *data, size_t bytes, struct server_request *ret_request,
			 struct base_err *reterr)
{
	struct server_request *request = ret_request;
	const char *bar = memchr(data, '|', bytes < 64 ? bytes : 64);
	char text[SHOWN_BYTES + 1];
	json_error_t error;
	size_t left;
	int rc;

	memset(request, 0, sizeof(*request));
	request->kind = bar ? find_kind(data, (size_t)(bar - data)) : SERVER_KINDS;
	if (request->kind == SERVER_KINDS) {
		show(data, bar ? (size_t)(bar - data) : bytes, text);
		return base_err(reterr, -EBADMSG, "unknown request \"%s\"", text);
	}
	if (bytes > SERVER_REQUEST_BYTES_MAX)
		return base_err(reterr, -E2BIG, "%s: a request of %zu bytes; at most %d are taken",
				server_kind_name(request->kind), bytes, SERVER_REQUEST_BYTES_MAX);
	left = bytes - (size_t)(bar + 1 - data);
	if (is_too_deep(bar + 1, left))
		return base_err(reterr, -EBADMSG, "%s: nested more than %d deep",
				server_kind_name(request->kind), SERVER_DEPTH_MAX);
	request->body = json_loadb(bar + 1, left, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(request->body)) {
		show(error.text, request->body ? 0 : strlen(error.text), text);
		return base_err(reterr, -EBADMSG, "%s: no JSON object: %s",
				server_kind_name(request->kind), text);
	}
	rc = check_fields(request, reterr);
	if (rc == 0)
		fill(request);
	return rc;
}

void server_request_fini(struct server_request *request)
{
	json_decref(request->body);
	request->body = NULL;
}

/* 1 if @name has a value in the end. */
static int is_set(const struct server_run *run, const char *name)
{
	const json_t *value = json_object_get(run->env, name);

	if (!value)
		value = json_object_get(run->current_env, name);
	return *name && json_is_string(value);
}

char **server_run_environment(const struct server_run *run)
{
	json_t *tables[] = { (json_t *)run->current_env, (json_t *)run->env };
	size_t count = 0, bytes = 0, at = 0;
	const char *name;
	json_t *value;
	char **list, *text;

	for (int i = 0; i < 2; i++)
		json_object_foreach(tables[i], name, value) {
			count++;
			bytes += strlen(name) + json_string_length(value) + 2;
		}
	list = malloc((count + 1) * sizeof(*list) + bytes);
	if (!list)
		return NULL;
	text = (char *)(list + count + 1);
	for (int i = 0; i < 2; i++)
		json_object_foreach(tables[i], name, value) {
			/* env comes second and wins: what it names is left out of the first. */
			if (!is_set(run, name) || (i == 0 && json_object_get(tables[1], name)))
				continue;
			list[at++] = text;
			text = stpcpy(stpcpy(text, name), "=");
			text = stpcpy(text, json_string_value(value)) + 1;
		}
	list[at] = NULL;
	return list;
}

char **server_run_arguments(const struct server_run *run)
{
	size_t count = json_array_size(run->exe_args);
	char **list = malloc((count + 2) * sizeof(*list));

	if (!list)
		return NULL;
	list[0] = (char *)run->exe;
	for (size_t i = 0; i < count; i++)
		list[1 + i] = (char *)json_string_value(json_array_get(run->exe_args, i));
	list[1 + count] = NULL;
	return list;
}
