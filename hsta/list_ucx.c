/* SPDX-License-Identifier: MIT */
/* list_ucx.c - what UCX finds, all transports and devices: it tells them only as text. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucp/api/ucp.h>

#include "hsta/list.h"

/* "#  resource 3  :  md 1  dev 2  flags -- tcp/lo" -> "tcp/lo" */
static void add_transports(ucp_context_h context, json_t *transports)
{
	char *print = NULL, *line, *rest;
	size_t bytes;
	FILE *stream = open_memstream(&print, &bytes);

	if (!stream)
		return;
	ucp_context_print_info(context, stream);
	fclose(stream);
	for (line = strtok_r(print, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const char *name = strstr(line, " -- ");

		if (strstr(line, "resource") && name && strchr(name, '/'))
			json_array_append_new(transports, json_string(name + strlen(" -- ")));
	}
	free(print);
}

int hsta_list_ucx(const struct fabric_options *options, json_t *row)
{
	const ucp_params_t params = {
		.field_mask = UCP_PARAM_FIELD_FEATURES,
		.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP,
	};
	json_t *transports = json_array();
	ucp_context_h context;
	ucp_config_t *config;

	(void)options;
	json_object_set_new(row, "version", json_string(ucp_get_version_string()));
	if (ucp_config_read(NULL, NULL, &config) == UCS_OK) {
		if (ucp_init(&params, config, &context) == UCS_OK) {
			add_transports(context, transports);
			ucp_cleanup(context);
		}
		ucp_config_release(config);
	}
	return json_object_set_new(row, "transports", transports) ? -ENOMEM : 0;
}
