/* SPDX-License-Identifier: MIT */
/* cmd_ps.c - `dhow ps`: what runs here; `--links`: the links between nodes, by their agents. */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/links.h"

static int print_links(int as_json)
{
	json_t *agents = launch_links_list();
	int rc = 0;

	if (as_json) {
		rc = json_dumpf(agents, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		launch_links_print(agents);
	}
	json_decref(agents);
	return rc < 0 ? 1 : 0;
}

int launch_cmd_ps(int argc, char **argv)
{
	int links = 0, as_json = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--links") == 0) {
			links = 1;
		} else if (strcmp(argv[i], "--json") == 0) {
			as_json = 1;
		} else {
			fprintf(stderr, "dhow: ps: unknown option \"%s\"; there are --links and "
				"--json\n", argv[i]);
			return 2;
		}
	}
	if (!links) {
		fprintf(stderr, "dhow: ps: say what to show: --links\n");
		return 2;
	}
	return print_links(as_json);
}
