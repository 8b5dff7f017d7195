/* SPDX-License-Identifier: MIT */
/* links.h - the agents of this machine that may be asked, and what their links have done. */
#ifndef LAUNCH_LINKS_H
#define LAUNCH_LINKS_H

#include <jansson.h>

/* An object for each agent of this user (root: of all users) in this network namespace, as the
 * agent tells it, with its "links". One that does not answer has "error". Takes a second at most,
 * however many there are. One thread at a time. Return: a new array, by pid. */
json_t *launch_links_list(void);

/* The same for people. */
void launch_links_print(const json_t *agents);

#endif
