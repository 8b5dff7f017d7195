/* SPDX-License-Identifier: MIT */
/* describe.c - all steps with what is known of them, and pieces of their output. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/answer.h"
#include "server/core.h"

enum {
	LOGS_BYTES = 64 * 1024,		/* of a file in one answer */
	LIST_OVER_MAX = 1000,		/* steps that are over in one list */
};

static json_t *describe(const struct server_step *step)
{
	struct launch_writer status = { 0 };
	json_t *codes = NULL, *object;

	server_step_print_status(step, &status);
	if (!status.failed)
		codes = json_loadb((char *)status.data, status.used, 0, NULL);
	launch_writer_fini(&status);
	object = json_pack("{s:s,s:s,s:O?,s:s?,s:s?,s:i,s:i,s:s?,s:s?,s:I,s:I,s:I}",
			   "step_id", step->id, "status", server_state_name(step->state), "codes",
			   json_array_get(codes, 1), "name", step->name, "command", step->command,
			   "nodes", (int)step->nodes, "tasks_per_node", (int)step->tasks_per_node,
			   "output_file", step->output, "error_file", step->error, "queued_ms",
			   (json_int_t)step->queued_ms, "started_ms", (json_int_t)step->started_ms,
			   "ended_ms", (json_int_t)step->ended_ms);
	json_decref(codes);
	return object;
}

/* All that are not over, and the newest that are. */
void server_answer_list(struct server *server, struct launch_writer *answer)
{
	json_t *list = json_array();
	struct server_step *step;
	unsigned over = 0;

	for (uint64_t i = 0; (step = server_steps_newest(server->steps, i)) != NULL; i++)
		if (!server_step_is_over(step) || over++ < LIST_OVER_MAX)
			json_array_append_new(list, describe(step));
	server_put_body(answer, SERVER_LIST,
		 json_pack("{s:n,s:o,s:i,s:i,s:s,s:b}", "error_message", "steps", list, "nodes",
			   (int)server_hosts_count(server->hosts), "pid", (int)getpid(), "schedule",
			   server_schedule_name(server->schedule), "ending", server->ending));
}

/* Return: bytes read, or negative errno. */
static ssize_t read_piece(const char *path, uint64_t offset, uint8_t *piece, int64_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	*ret_size = st.st_size;
	n = pread(fd, piece, LOGS_BYTES, (off_t)offset);
	n = n < 0 ? -errno : n;
	close(fd);
	return n;
}

void server_answer_logs(struct server *server, const struct server_logs *logs,
			struct launch_writer *answer)
{
	static uint8_t piece[LOGS_BYTES];
	static char text[sodium_base64_ENCODED_LEN(LOGS_BYTES, sodium_base64_VARIANT_ORIGINAL)];
	struct server_step *step = server_steps_find(server->steps, logs->step_id);
	const char *path = NULL;
	int64_t size = 0;
	int over = 1;
	ssize_t n = 0;

	if (step) {
		/* first, so that what comes after is all there is */
		over = server_step_is_over(step);
		path = logs->is_error ? step->error : step->output;
	}
	if (!step || !path) {
		server_put_plain(answer, SERVER_LOGS, step ? "the step has no such file" :
			  "there is no such step");
		return;
	}
	n = read_piece(path, logs->offset, piece, &size);
	if (n < 0 && !(n == -ENOENT && !over)) {
		server_put_plain(answer, SERVER_LOGS, strerror((int)-n));
		return;
	}
	sodium_bin2base64(text, sizeof(text), piece, n > 0 ? (size_t)n : 0,
			  sodium_base64_VARIANT_ORIGINAL);
	server_put_body(answer, SERVER_LOGS,
			json_pack("{s:n,s:s,s:I,s:b}", "error_message", "data", text, "size",
				  (json_int_t)size, "over", over));
}
