/* SPDX-License-Identifier: MIT */
/* keytree.c - see keytree.h: the tree. The files themselves are keyfile.c's. */
#include "server/keytree.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "server/folder.h"
#include "server/keyfile.h"

static const char server_public[] = "server/pub/smartsim.key";
static const char server_secret[] = "server/priv/smartsim.key_secret";
static const char client_public[] = "client/pub/smartsim.key";
static const char client_secret[] = "client/priv/smartsim.key_secret";
static const char client_folder[] = "client/pub";

int server_keytree_root(char ret_root[PATH_MAX], struct base_err *reterr)
{
	static const char *const names[] = { "DHOW_KEY_PATH", "SMARTSIM_KEY_PATH" };
	const char *home = getenv("HOME");
	int used;

	for (int i = 0; i < 2; i++) {
		const char *value = getenv(names[i]);

		if (!value || !*value)
			continue;
		used = snprintf(ret_root, PATH_MAX, "%s", value);
		return used < PATH_MAX ? 0 :
		       base_err(reterr, -ENAMETOOLONG, "%s is too long", names[i]);
	}
	if (!home || !*home)
		return base_err(reterr, -ENOENT, "where are the keys? HOME is not set, and neither "
				"is DHOW_KEY_PATH nor SMARTSIM_KEY_PATH");
	used = snprintf(ret_root, PATH_MAX, "%s/.smartsim/keys", home);
	return used < PATH_MAX ? 0 : base_err(reterr, -ENAMETOOLONG, "HOME is too long");
}

static int join(char ret_path[PATH_MAX], const char *root, const char *name,
		struct base_err *reterr)
{
	if (snprintf(ret_path, PATH_MAX, "%s/%s", root, name) < PATH_MAX)
		return 0;
	return base_err(reterr, -ENAMETOOLONG, "the key path \"%.60s...\" is too long", root);
}

/* A folder that others may change is as good as their own keys. SmartSim makes folders by the
 * umask: where every user has a group of his own, writable by the group is usual. */
static int check_folder(const char *path, struct base_err *reterr)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return base_err(reterr, -errno, "the key folder %.150s: %s", path, strerror(errno));
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return base_err(reterr, -EPERM, "the key folder %.150s belongs to user %u, not to "
				"you", path, st.st_uid);
	if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		return base_err(reterr, -EPERM, "everybody may change the key folder %.100s (mode "
				"%04o)\ntry: chmod go-w %.100s", path, st.st_mode & 07777, path);
	if (st.st_mode & S_IWGRP)
		base_log_warn("the key folder %s may be changed by its group (mode %04o); if that "
			      "is not you alone: chmod g-w", path, st.st_mode & 07777);
	return 0;
}

static int check_folders(const char *root, struct base_err *reterr)
{
	static const char *const names[] = { "", "server", "server/pub", "server/priv", "client",
					     "client/pub", "client/priv" };
	char path[PATH_MAX];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(names) / sizeof(*names); i++) {
		rc = join(path, root, names[i], reterr);
		if (rc == 0)
			rc = check_folder(path, reterr);
	}
	return rc;
}

static int load_pair(const char *root, const char *name, struct launch_keys **ret_keys,
		     struct base_err *reterr)
{
	uint8_t ignored[LAUNCH_KEY_BYTES];
	char path[PATH_MAX];
	int rc = join(path, root, name, reterr);

	return rc < 0 ? rc : server_key_file_load(path, ret_keys, ignored, reterr);
}

static int is_key(const char *name)
{
	size_t bytes = strlen(name);

	return bytes > 4 && *name != '.' && strcmp(name + bytes - 4, ".key") == 0;
}

/* One that cannot be read lets nobody in, and keeps nobody out. */
static int load_allowed(const char *root, struct server_keytree *tree, struct base_err *reterr)
{
	char folder[PATH_MAX], path[PATH_MAX];
	struct dirent *entry;
	struct base_err err;
	DIR *dir;
	int rc = join(folder, root, client_folder, reterr);

	if (rc < 0)
		return rc;
	dir = opendir(folder);
	if (!dir)
		return base_err(reterr, -errno, "the key folder %.150s: %s", folder,
				strerror(errno));
	tree->allowed = calloc(SERVER_CLIENTS_MAX, sizeof(*tree->allowed));
	while (tree->allowed && (entry = readdir(dir)) != NULL) {
		if (!is_key(entry->d_name) || join(path, folder, entry->d_name, NULL) < 0)
			continue;
		if (tree->allowed_count == SERVER_CLIENTS_MAX) {
			base_log_warn("%s has more than %d keys: the rest may not enter", folder,
				      SERVER_CLIENTS_MAX);
			break;
		}
		if (server_key_file_public(path, tree->allowed[tree->allowed_count], &err) == 0)
			tree->allowed_count++;
		else
			base_log_warn("%s", err.text);
	}
	closedir(dir);
	if (!tree->allowed)
		return base_err(reterr, -ENOMEM, "no memory for the list of keys");
	if (!tree->allowed_count)
		return base_err(reterr, -ENOENT, "no key in %.180s: nobody could enter", folder);
	return 0;
}

int server_keytree_load(const char *root, struct server_keytree *ret_tree,
			struct base_err *reterr)
{
	struct server_keytree *tree = ret_tree;
	int rc;

	memset(tree, 0, sizeof(*tree));
	if (access(root, F_OK) < 0)
		return base_err(reterr, -errno, "no keys in %.150s: %s\ntry: dhow keygen", root,
				strerror(errno));
	rc = check_folders(root, reterr);
	if (rc == 0)
		rc = load_pair(root, server_secret, &tree->server, reterr);
	if (rc == 0)
		rc = load_pair(root, client_secret, &tree->client, reterr);
	if (rc == 0)
		rc = load_allowed(root, tree, reterr);
	if (rc < 0)
		server_keytree_fini(tree);
	return rc;
}

void server_keytree_fini(struct server_keytree *tree)
{
	launch_keys_free(tree->server);
	launch_keys_free(tree->client);
	free(tree->allowed);
	memset(tree, 0, sizeof(*tree));
}

static int create_pair(const char *root, const char *public_name, const char *secret_name,
		       struct base_err *reterr)
{
	char public_path[PATH_MAX], secret_path[PATH_MAX];
	struct launch_keys *keys = NULL;
	int rc = join(public_path, root, public_name, reterr);

	if (rc == 0)
		rc = join(secret_path, root, secret_name, reterr);
	if (rc == 0 && launch_keys_create(&keys) < 0)
		rc = base_err(reterr, -ENOMEM, "no locked memory for keys (see ulimit -l)");
	if (rc == 0)
		rc = server_key_file_write(secret_path, keys, NULL, reterr);
	if (rc == 0) {
		rc = server_key_file_write_public(public_path, keys->public, reterr);
		if (rc < 0)
			unlink(secret_path);
	}
	launch_keys_free(keys);
	return rc;
}

/* Half a tree would look like keys to whoever comes next. */
static void remove_pair(const char *root, const char *public_name, const char *secret_name)
{
	char path[PATH_MAX];

	if (join(path, root, public_name, NULL) == 0)
		unlink(path);
	if (join(path, root, secret_name, NULL) == 0)
		unlink(path);
}

int server_keytree_create(const char *root, struct base_err *reterr)
{
	static const char *const folders[] = { "server/pub", "server/priv", "client/pub",
					       "client/priv" };
	static const char *const files[] = { server_public, server_secret, client_public,
					     client_secret };
	char path[PATH_MAX];
	int rc;

	for (int i = 0; i < 4; i++) {
		rc = join(path, root, files[i], reterr);
		if (rc < 0)
			return rc;
		if (access(path, F_OK) == 0)
			return base_err(reterr, -EEXIST, "there are keys in %.180s; remove them "
					"first", root);
	}
	for (int i = 0; i < 4; i++) {
		rc = join(path, root, folders[i], reterr);
		if (rc == 0)
			rc = server_folder_make(path, reterr);
		if (rc < 0)
			return rc;
	}
	rc = create_pair(root, server_public, server_secret, reterr);
	if (rc < 0)
		return rc;
	rc = create_pair(root, client_public, client_secret, reterr);
	if (rc < 0)
		remove_pair(root, server_public, server_secret);
	return rc;
}

static int is_name(const char *name)
{
	return *name && *name != '.' && strlen(name) < 100 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
	       strlen(name);
}

int server_keytree_export(const char *root, const char *name, const char *path,
			  struct base_err *reterr)
{
	char public_path[PATH_MAX], server_path[PATH_MAX], file[128];
	uint8_t server[LAUNCH_KEY_BYTES];
	struct launch_keys *keys = NULL;
	int rc;

	if (!is_name(name))
		return base_err(reterr, -EINVAL, "\"%.100s\" is no name for a key; letters, "
				"digits, '-', '_' and '.' are", name);
	snprintf(file, sizeof(file), "%s/%s.key", client_folder, name);
	rc = join(public_path, root, file, reterr);
	if (rc == 0)
		rc = join(server_path, root, server_public, reterr);
	if (rc == 0)
		rc = server_key_file_public(server_path, server, reterr);
	if (rc == 0 && launch_keys_create(&keys) < 0)
		rc = base_err(reterr, -ENOMEM, "no locked memory for keys (see ulimit -l)");
	if (rc == 0)
		rc = server_key_file_write(path, keys, server, reterr);
	if (rc == 0) {
		rc = server_key_file_write_public(public_path, keys->public, reterr);
		if (rc < 0)
			unlink(path);
	}
	launch_keys_free(keys);
	return rc;
}
