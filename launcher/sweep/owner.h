/* SPDX-License-Identifier: MIT */
/*
 * owner.h - the dlaunch that owns a run, as text in the environment of all its processes.
 *
 * `PLACE:PID:START`: a pid and its start time name a process for good, but only in their PLACE, the
 * boot of a machine and the pid namespace there. On another node of the run, or in another
 * container, the same pid is somebody else or nobody, which says nothing of the owner.
 */
#ifndef LAUNCH_OWNER_H
#define LAUNCH_OWNER_H

enum { LAUNCH_OWNER_BYTES = 64 };

enum launch_owner_state {
	LAUNCH_OWNER_LIVES,	/* also if the text is damaged: whoever ends things may not */
	LAUNCH_OWNER_DEAD,
	LAUNCH_OWNER_ELSEWHERE,	/* cannot be told from here */
};

/* This process. */
void launch_owner_print(char ret_text[LAUNCH_OWNER_BYTES]);
enum launch_owner_state launch_owner_look(const char *text);
/* Return: its pid; 0 the text is damaged. */
int launch_owner_pid(const char *text);

#endif
