/* SPDX-License-Identifier: MIT */
/* pmi.c - see pmi.h. */
#include "node/pmi.h"

#include <errno.h>

int launch_daemon_pmi_open(struct daemon_run *run, struct base_err *reterr)
{
	(void)reterr;
	run->pmi = NULL;
	return 0;
}

int launch_daemon_pmi_task(struct daemon_task *task, struct daemon_birth *birth,
			   struct base_spawn *spec, struct base_err *reterr)
{
	(void)task;
	(void)birth;
	(void)spec;
	(void)reterr;
	return 0;
}

void launch_daemon_pmi_task_ended(struct daemon_task *task, int status)
{
	(void)task;
	(void)status;
}

void launch_daemon_pmi_fenced(struct daemon_run *run, const struct launch_message *message)
{
	(void)run;
	(void)message;
}

/* Nobody here publishes anything. */
void launch_daemon_pmi_modex(struct daemon_run *run, const struct launch_message *message)
{
	struct launch_message answer = { .type = LAUNCH_MODEX_ANSWER };

	answer.modex_answer.run = run->id;
	answer.modex_answer.to = message->modex.origin;
	answer.modex_answer.ticket = message->modex.ticket;
	answer.modex_answer.rc = -ENOENT;
	launch_daemon_send(run->daemon, &answer);
}

void launch_daemon_pmi_modex_answer(struct daemon_run *run, const struct launch_message *message)
{
	(void)run;
	(void)message;
}

void launch_daemon_pmi_close(struct daemon_run *run)
{
	run->pmi = NULL;
}
