/* SPDX-License-Identifier: MIT */
/* join.c - the daemon's place in the tree: its link to the root, to its parent, to those below. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "node/daemon.h"

static struct launch_tree tree_of(const struct daemon *daemon)
{
	return (struct launch_tree){ daemon->boot->nodes, daemon->boot->fanout };
}

/* The nodes below connect here; their keys, like ours, follow from the secret. */
static int serve(struct daemon *daemon, struct base_err *reterr)
{
	const struct launch_tree tree = tree_of(daemon);
	struct launch_boot *boot = daemon->boot;
	struct launch_link_spec spec = { .address = boot->bind, .keys = &boot->keys,
					 .tree = tree };
	struct launch_keys *keys = launch_keys_alloc(sizeof(*keys));
	uint8_t (*allowed)[LAUNCH_KEY_BYTES];
	struct launch_link *below;
	uint32_t count;
	int rc = -ENOMEM;

	spec.first = launch_tree_children(&tree, boot->node, &count);
	allowed = calloc(count + 1, sizeof(*allowed));
	if (keys && allowed) {
		for (uint32_t i = 0; i < count; i++) {
			launch_keys_derive(boot->secret, spec.first + i, keys);
			memcpy(allowed[i], keys->public, LAUNCH_KEY_BYTES);
		}
		spec.allowed = (const uint8_t (*)[LAUNCH_KEY_BYTES])allowed;
		spec.count = count;
		rc = launch_link_serve(&spec, &below, reterr);
	} else {
		base_err(reterr, rc, "no locked memory for keys (see ulimit -l)");
	}
	launch_keys_free(keys);
	free(allowed);
	if (rc == 0)
		launch_relay_serve(daemon->relay, below);
	return rc;
}

static int learn_parent_key(struct daemon *daemon, uint32_t parent, struct base_err *reterr)
{
	struct launch_keys *keys = launch_keys_alloc(sizeof(*keys));

	if (!keys)
		return base_err(reterr, -ENOMEM, "no locked memory for keys (see ulimit -l)");
	launch_keys_derive(daemon->boot->secret, parent, keys);
	memcpy(daemon->parent_key, keys->public, LAUNCH_KEY_BYTES);
	launch_keys_free(keys);
	return 0;
}

static int watch_links(struct daemon *daemon, int from, struct base_err *reterr)
{
	int fds[3], rc = 0;

	launch_relay_fds(daemon->relay, fds);
	for (int i = from; rc == 0 && i < 3; i++)
		if (fds[i] >= 0)
			rc = launch_daemon_watch(daemon, fds[i], EPOLLIN, &daemon->on_link,
						 reterr);
	return rc;
}

int launch_daemon_tree_open(struct daemon *daemon, struct base_err *reterr)
{
	const struct launch_tree tree = tree_of(daemon);
	struct launch_boot *boot = daemon->boot;
	uint32_t parent = launch_tree_parent(&tree, boot->node), count;
	struct launch_link *root;
	int rc = launch_link_connect(NULL, boot->endpoint, boot->node, &boot->keys, boot->server,
				     &root, reterr);

	if (rc < 0)
		return rc;
	daemon->relay = launch_relay_open(&tree, boot->node, root);
	if (!daemon->relay)
		return base_err(reterr, -ENOMEM, "no memory for the control link");
	launch_tree_children(&tree, boot->node, &count);
	if (count)
		rc = serve(daemon, reterr);
	daemon->joined = parent == LAUNCH_TREE_ROOT;
	if (rc == 0 && !daemon->joined)
		rc = learn_parent_key(daemon, parent, reterr);
	return rc < 0 ? rc : watch_links(daemon, 0, reterr);
}

void launch_daemon_hear_parent(struct daemon *daemon, const struct launch_message *message)
{
	const struct launch_message joined = { .type = LAUNCH_JOINED };
	struct launch_boot *boot = daemon->boot;
	struct launch_link *parent;
	struct base_err err;
	int fds[3];

	if (daemon->joined)
		return;
	if (launch_link_connect(NULL, message->parent.endpoint, boot->node, &boot->keys,
				daemon->parent_key, &parent, &err) < 0) {
		launch_daemon_fail(daemon, DAEMON_FAILED, "cannot reach node %u, its parent in the "
				   "tree: %.150s", message->parent.node, err.text);
		return;
	}
	launch_relay_join(daemon->relay, parent);
	launch_relay_fds(daemon->relay, fds);
	if (launch_daemon_watch(daemon, fds[1], EPOLLIN, &daemon->on_link, &err) < 0) {
		launch_daemon_fail(daemon, DAEMON_FAILED, "%s", err.text);
		return;
	}
	daemon->joined = 1;
	launch_daemon_send(daemon, &joined);
	launch_daemon_check_ready(daemon);
}
