/* SPDX-License-Identifier: MIT */
/* fabrics.c - see fabrics.h. */
#include "cli/fabrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/select.h"

enum { LIST_MS = 20000, LIST_BYTES = 64 * 1024 };

static const char *const transports[] = { "tcp", "hsta" };

static void add_rows(json_t *list, const char *transport, json_t *answer)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "fabrics"), i, row) {
		json_object_set_new(row, "transport", json_string(transport));
		json_array_append(list, row);
	}
}

static json_t *ask(const char *transport, char *text, const char **ret_why)
{
	char name[32], path[PATH_MAX];
	char *argv[] = { name, (char[]){ "--list" }, (char[]){ "--json" }, NULL };

	snprintf(name, sizeof(name), "dhow-%s", transport);
	*ret_why = "its agent is not installed";
	if (launch_program_find(name, path) < 0)
		return NULL;
	*ret_why = "its agent does not answer";
	if (launch_ask(path, argv, LIST_MS, text, LIST_BYTES) != 0)
		return NULL;
	return json_loads(text, 0, NULL);
}

json_t *launch_fabrics_list(void)
{
	char *text = malloc(LIST_BYTES);
	json_t *list = json_array();

	for (size_t i = 0; text && i < sizeof(transports) / sizeof(*transports); i++) {
		const char *why;
		json_t *answer = ask(transports[i], text, &why);

		if (answer)
			add_rows(list, transports[i], answer);
		else
			json_array_append_new(list, json_pack("{s:s, s:s}", "transport",
							      transports[i], "error", why));
		json_decref(answer);
	}
	free(text);
	return list;
}

json_t *launch_fabrics_chosen(void)
{
	struct launch_wishes wishes = { 0 };
	struct launch_selection got;
	struct base_err err;

	launch_wishes_environment(&wishes);
	if (launch_select(&wishes, "/sys", 1, &got, &err) != 0)
		return json_pack("{s:s}", "error", err.text);
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "transport", got.transport, "fabric",
			 got.fabric, "provider", got.provider, "nic", got.nic, "why", got.why);
}

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

static void print_words(const json_t *words)
{
	json_t *word;
	size_t i;

	json_array_foreach(words, i, word)
		printf(" %s", json_string_value(word));
}

static void print_providers(const json_t *row)
{
	json_t *provider;
	size_t i;

	json_array_foreach(json_object_get(row, "providers"), i, provider) {
		int usable = json_is_true(json_object_get(provider, "usable"));
		const json_t *devices = json_object_get(provider, "devices");

		printf("  %-15s %-3s  %s:", text_of(provider, "name"), usable ? "yes" : "no",
		       text_of(provider, "note"));
		if (json_array_size(devices))
			print_words(devices);
		else
			printf(" no device");
		if (usable && !json_is_true(json_object_get(provider, "rdma")))
			printf(" (only when named)");
		putchar('\n');
	}
}

/* Parts that can be switched: what is used, and why one is not. */
static void print_features(const json_t *row)
{
	json_t *feature;
	size_t i;

	json_array_foreach(json_object_get(row, "features"), i, feature) {
		int usable = json_is_true(json_object_get(feature, "usable"));
		int standard = json_is_true(json_object_get(feature, "standard"));

		printf("  %-15s %-3s  %s", text_of(feature, "name"), usable ? "yes" : "no",
		       text_of(feature, "what"));
		if (!usable)
			printf(", Linux %s: %s\n", text_of(feature, "since"),
			       text_of(feature, "why"));
		else
			printf(", %s\n", standard ? "used" : "off: it did not help where measured");
	}
}

void launch_fabrics_print(const json_t *list, const json_t *chosen)
{
	json_t *row;
	size_t i;

	json_array_foreach(list, i, row) {
		int usable = json_is_true(json_object_get(row, "usable"));

		if (*text_of(row, "error")) {
			printf("%-12s no   %s\n", text_of(row, "transport"), text_of(row, "error"));
			continue;
		}
		printf("%-12s %-3s  %s", text_of(row, "name"), usable ? "yes" : "no",
		       text_of(row, "transport"));
		if (*text_of(row, "version"))
			printf(", version %s", text_of(row, "version"));
		printf("%s%s\n", *text_of(row, "why") ? ": " : "", text_of(row, "why"));
		print_providers(row);
		print_features(row);
		if (json_object_get(row, "transports")) {
			printf("  %-15s     ", "transports");
			print_words(json_object_get(row, "transports"));
			putchar('\n');
		}
	}
	if (*text_of(chosen, "error"))
		printf("would take   nothing: %s\n", text_of(chosen, "error"));
	else
		printf("would take   %s%s%s: %s\n", text_of(chosen, "transport"),
		       *text_of(chosen, "fabric") ? ", fabric " : "", text_of(chosen, "fabric"),
		       text_of(chosen, "why"));
}
