/* SPDX-License-Identifier: MIT */
/* keytree_test.c - keys in files: made, read as pyzmq writes them, refused when others could. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "server/folder.h"
#include "server/keyfile.h"
#include "server/keytree.h"

/* twenty: Z85 has none of them */
#define BACKSLASHES "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"

static char root[64], folder[32];
static struct base_err err;

static void setup(void)
{
	launch_keys_init(&err);
	base_log_set_level(BASE_LOG_ERROR);
	strcpy(folder, "/tmp/dhow-keys-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(root, sizeof(root), "%s/a/keys", folder);
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(keytree, .init = setup, .fini = teardown, .timeout = 200);

static unsigned mode_of(const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	cr_assert_eq(stat(path, &st), 0, "%s", path);
	return st.st_mode & 07777;
}

Test(keytree, what_is_made_can_be_read)
{
	struct server_keytree tree;

	umask(0);
	cr_assert_eq(server_keytree_create(root, &err), 0, "%s", err.text);
	cr_expect_eq(mode_of("server/priv/smartsim.key_secret"), 0600);
	cr_expect_eq(mode_of("client/priv/smartsim.key_secret"), 0600);
	cr_expect_eq(mode_of("client/pub/smartsim.key"), 0644);
	cr_expect_eq(mode_of("server/priv"), 0700);
	cr_expect_eq(mode_of("."), 0700);
	cr_assert_eq(server_keytree_load(root, &tree, &err), 0, "%s", err.text);
	cr_expect_eq(tree.allowed_count, 1);
	cr_expect(launch_keys_equal(tree.allowed[0], tree.client->public));
	cr_expect_not(launch_keys_equal(tree.server->public, tree.client->public));
	server_keytree_fini(&tree);
	cr_expect_eq(server_keytree_create(root, &err), -EEXIST);
}

/* The last of four files cannot be made: nothing is left that looks like keys. */
Test(keytree, half_a_tree_is_taken_back)
{
	static const char *const made[] = { "server/pub/smartsim.key",
					    "server/priv/smartsim.key_secret",
					    "client/priv/smartsim.key_secret" };
	char path[256];

	snprintf(path, sizeof(path), "%s/client/pub", root);
	cr_assert_eq(server_folder_make(path, &err), 0, "%s", err.text);
	snprintf(path, sizeof(path), "%s/client/pub/smartsim.key", root);
	cr_assert_eq(symlink("/nowhere/at/all", path), 0);
	cr_expect_lt(server_keytree_create(root, &err), 0);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, made[i]);
		cr_expect(access(path, F_OK) < 0, "%s", path);
	}
	snprintf(path, sizeof(path), "%s/client/pub/smartsim.key", root);
	cr_assert_eq(unlink(path), 0);
	cr_expect_eq(server_keytree_create(root, &err), 0, "%s", err.text);
}

Test(keytree, an_exported_key_may_enter_and_knows_the_server)
{
	struct server_keytree tree;
	struct launch_keys *keys;
	uint8_t server[LAUNCH_KEY_BYTES];
	char path[64];

	snprintf(path, sizeof(path), "%s/laptop.key", folder);
	cr_assert_eq(server_keytree_create(root, &err), 0);
	cr_assert_eq(server_keytree_export(root, "laptop", path, &err), 0, "%s", err.text);
	cr_expect_eq(server_keytree_export(root, "laptop", path, &err), -EEXIST);
	cr_expect_eq(server_keytree_export(root, "../x", path, &err), -EINVAL);
	cr_assert_eq(server_key_file_load(path, &keys, server, &err), 0, "%s", err.text);
	cr_assert_eq(server_keytree_load(root, &tree, &err), 0);
	cr_expect_eq(tree.allowed_count, 2);
	cr_expect(launch_keys_equal(server, tree.server->public));
	cr_expect(launch_keys_equal(tree.allowed[0], keys->public) ||
		  launch_keys_equal(tree.allowed[1], keys->public));
	launch_keys_free(keys);
	server_keytree_fini(&tree);
}

Test(keytree, wrong_modes_are_refused_with_the_cure)
{
	static const struct {
		const char *name;
		mode_t mode;
		const char *says;
	} rows[] = {
		{ "server/priv/smartsim.key_secret", 0640, "chmod 600" },
		{ "client/priv/smartsim.key_secret", 0604, "chmod 600" },
		{ "client/pub", 0777, "chmod go-w" },
		{ ".", 0707, "chmod go-w" },
	};
	struct server_keytree tree;
	char path[128];

	cr_assert_eq(server_keytree_create(root, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsigned before = mode_of(rows[i].name);

		snprintf(path, sizeof(path), "%s/%s", root, rows[i].name);
		chmod(path, rows[i].mode);
		cr_expect_eq(server_keytree_load(root, &tree, &err), -EPERM, "%s", rows[i].name);
		cr_expect(strstr(err.text, rows[i].says), "%s", err.text);
		chmod(path, before);
	}
	/* as SmartSim makes them where the umask is 002 */
	snprintf(path, sizeof(path), "%s/client/priv", root);
	chmod(path, 0771);
	cr_expect_eq(server_keytree_load(root, &tree, &err), 0, "%s", err.text);
	server_keytree_fini(&tree);
}

Test(keytree, damaged_files_are_named)
{
	static const char *const texts[] = {
		"", "public-key = \"short\"\n",
		"    public-key = \"0123456789012345678901234567890123456789\"\n",
		"public-key = \"" BACKSLASHES BACKSLASHES "\"\n",
	};
	uint8_t server[LAUNCH_KEY_BYTES];
	struct launch_keys *keys;
	char path[64];

	snprintf(path, sizeof(path), "%s/x.key_secret", folder);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		FILE *file = fopen(path, "w");

		fputs(texts[i], file);
		fclose(file);
		chmod(path, 0600);
		cr_expect_eq(server_key_file_load(path, &keys, server, &err), -EBADMSG, "%zu", i);
		cr_expect(strstr(err.text, path), "%s", err.text);
	}
}

/* The first '=' ends the name, and the key has one of its own. */
Test(keytree, a_file_of_pyzmq)
{
	static const char text[] =
		"#   ****  Generated on 2026-11-25 22:00:00 by pyzmq  ****\n"
		"#   ZeroMQ CURVE Public Certificate\n\nmetadata\n    owner = \"me\"\ncurve\n"
		"    public-key = \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI=\"\n";
	uint8_t key[LAUNCH_KEY_BYTES];
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/x.key", folder);
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
	cr_expect_eq(server_key_file_public(path, key, &err), 0, "%s", err.text);
	file = fopen(path, "w");
	fprintf(file, "public-key= '=ne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID'\n");
	fclose(file);
	cr_expect_eq(server_key_file_public(path, key, &err), 0, "%s", err.text);
}

Test(keytree, root_by_environment)
{
	char found[PATH_MAX];

	setenv("HOME", "/home/x", 1);
	unsetenv("DHOW_KEY_PATH");
	unsetenv("SMARTSIM_KEY_PATH");
	cr_expect_eq(server_keytree_root(found, &err), 0);
	cr_expect_str_eq(found, "/home/x/.smartsim/keys");
	setenv("SMARTSIM_KEY_PATH", "/k", 1);
	cr_expect_eq(server_keytree_root(found, &err), 0);
	cr_expect_str_eq(found, "/k");
	setenv("DHOW_KEY_PATH", "/d", 1);
	cr_expect_eq(server_keytree_root(found, &err), 0);
	cr_expect_str_eq(found, "/d");
}
