/* SPDX-License-Identifier: MIT */
/* cmd_keygen.c - `dhow keygen`: keys of a server, and files of keys for clients elsewhere. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "server/keytree.h"

static const char help[] =
	"Usage: dhow keygen [FILE]\n\n"
	"Without FILE: make the keys of servers and clients of this user in $DHOW_KEY_PATH, else\n"
	"$SMARTSIM_KEY_PATH, else ~/.smartsim/keys, where SmartSim looks for them, too.\n"
	"With FILE: make a key for a client elsewhere. Servers that are started from now on let\n"
	"it in; carry FILE there by a way that others cannot read, and use it with --key FILE.\n";

/* laptop.key is let in as laptop. */
static void name_of(const char *path, char ret_name[128])
{
	const char *slash = strrchr(path, '/');
	char *dot;

	snprintf(ret_name, 128, "%s", slash ? slash + 1 : path);
	dot = strrchr(ret_name, '.');
	if (dot && dot != ret_name)
		*dot = 0;
}

int launch_cmd_keygen(int argc, char **argv)
{
	char root[PATH_MAX], name[128];
	struct base_err err;
	int rc;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fprintf(stderr, "dhow: keygen: \"%s\" is not understood\ntry: dhow keygen --help\n",
			argv[argc - 1]);
		return 2;
	}
	rc = launch_keys_init(&err);
	if (rc == 0)
		rc = server_keytree_root(root, &err);
	if (rc == 0)
		rc = server_keytree_create(root, &err);
	if (rc == 0)
		printf("keys made in %s\n", root);
	if (argc == 2 && (rc == 0 || rc == -EEXIST)) {
		name_of(argv[1], name);
		rc = server_keytree_export(root, name, argv[1], &err);
		if (rc == 0)
			printf("%s: servers started from now on let it in as \"%s\"\n", argv[1],
			       name);
	}
	if (rc < 0)
		fprintf(stderr, "dhow: keygen: %s\n", err.text);
	return rc < 0 ? 1 : 0;
}
