/* SPDX-License-Identifier: MIT */
/* layout.c - see layout.h. */
#include "pmi/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct launch_pmi_layout *launch_pmi_layout_new(uint32_t size)
{
	struct launch_pmi_layout *layout = size ? calloc(1, sizeof(*layout)) : NULL;

	if (!layout)
		return NULL;
	layout->size = size;
	layout->here = LAUNCH_PMI_NOWHERE;
	layout->ranks = calloc(size, sizeof(*layout->ranks));
	layout->by_node = calloc(size, sizeof(*layout->by_node));
	if (!layout->ranks || !layout->by_node) {
		launch_pmi_layout_free(layout);
		return NULL;
	}
	return layout;
}

void launch_pmi_layout_free(struct launch_pmi_layout *layout)
{
	if (!layout)
		return;
	free(layout->ranks);
	free(layout->nodes);
	free(layout->by_node);
	free(layout);
}

int launch_pmi_layout_add(struct launch_pmi_layout *layout, uint32_t count, uint32_t number,
			  uint32_t app)
{
	if (count > layout->size - layout->filled)
		return -E2BIG;
	while (count--) {
		struct launch_pmi_rank *rank = &layout->ranks[layout->filled++];

		rank->node = number;	/* its index, once it is sealed */
		rank->app = app;
		if (app >= layout->app_count)
			layout->app_count = app + 1;
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The numbers of nodes that have ranks, each once, ascending: by_node is free for this until then.
 * Return: how many. */
static uint32_t node_numbers(struct launch_pmi_layout *layout)
{
	uint32_t *numbers = layout->by_node, count = 0;

	for (uint32_t i = 0; i < layout->size; i++)
		if (!count || numbers[count - 1] != layout->ranks[i].node)
			numbers[count++] = layout->ranks[i].node;
	qsort(numbers, count, sizeof(*numbers), by_number);
	for (uint32_t i = 0, all = count; i < all; i++)
		if (!i)
			count = 1;
		else if (numbers[i] != numbers[count - 1])
			numbers[count++] = numbers[i];
	return count;
}

static uint32_t node_index(const struct launch_pmi_layout *layout, uint32_t number)
{
	uint32_t low = 0, high = layout->node_count;

	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (layout->nodes[middle].number <= number)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static int count_apps(struct launch_pmi_layout *layout)
{
	uint32_t *counts = calloc(layout->app_count, sizeof(*counts));

	if (!counts)
		return -ENOMEM;
	for (uint32_t i = 0; i < layout->size; i++)
		layout->ranks[i].app_rank = counts[layout->ranks[i].app]++;
	free(counts);
	return 0;
}

int launch_pmi_layout_seal(struct launch_pmi_layout *layout, uint32_t here,
			   void (*host)(void *arg, uint32_t number,
					char ret_name[LAUNCH_PMI_HOST_BYTES]),
			   void *arg)
{
	if (layout->filled != layout->size)
		return -EINVAL;
	layout->node_count = node_numbers(layout);
	layout->nodes = calloc(layout->node_count, sizeof(*layout->nodes));
	if (!layout->nodes)
		return -ENOMEM;
	for (uint32_t i = 0; i < layout->node_count; i++) {
		struct launch_pmi_node *node = &layout->nodes[i];

		node->number = layout->by_node[i];
		if (node->number == here)
			layout->here = (int32_t)i;
		if (host)
			host(arg, node->number, node->host);
		else
			snprintf(node->host, sizeof(node->host), "node%u", node->number);
	}
	for (uint32_t i = 0; i < layout->size; i++) {
		struct launch_pmi_rank *rank = &layout->ranks[i];

		rank->node = node_index(layout, rank->node);
		rank->local = layout->nodes[rank->node].count++;
	}
	for (uint32_t i = 1; i < layout->node_count; i++)
		layout->nodes[i].first = layout->nodes[i - 1].first + layout->nodes[i - 1].count;
	for (uint32_t i = 0; i < layout->size; i++)
		layout->by_node[layout->nodes[layout->ranks[i].node].first +
				layout->ranks[i].local] = i;
	return count_apps(layout);
}

uint32_t launch_pmi_layout_local_size(const struct launch_pmi_layout *layout)
{
	return layout->here < 0 ? 0 : layout->nodes[layout->here].count;
}

uint32_t launch_pmi_layout_rank(const struct launch_pmi_layout *layout, uint32_t local)
{
	return layout->by_node[layout->nodes[layout->here].first + local];
}

uint32_t launch_pmi_layout_app_size(const struct launch_pmi_layout *layout, uint32_t app)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < layout->size; i++)
		count += layout->ranks[i].app == app;
	return count;
}

/* open_memstream() remembers that memory ran out. */
static char *finish(FILE *stream, char **text)
{
	int bad;

	if (!stream)
		return NULL;
	bad = ferror(stream);
	if (fclose(stream) || bad) {
		free(*text);
		return NULL;
	}
	return *text;
}

static void print_peers(FILE *stream, const struct launch_pmi_node *node, const uint32_t *by_node)
{
	for (uint32_t i = 0; i < node->count; i++)
		fprintf(stream, "%s%u", i ? "," : "", by_node[node->first + i]);
}

char *launch_pmi_layout_peers(const struct launch_pmi_layout *layout, uint32_t node)
{
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);

	if (stream)
		print_peers(stream, &layout->nodes[node], layout->by_node);
	return finish(stream, &text);
}

char *launch_pmi_layout_procs(const struct launch_pmi_layout *layout)
{
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);

	for (uint32_t i = 0; stream && i < layout->node_count; i++) {
		if (i)
			fputc(';', stream);
		print_peers(stream, &layout->nodes[i], layout->by_node);
	}
	return finish(stream, &text);
}

char *launch_pmi_layout_hosts(const struct launch_pmi_layout *layout)
{
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);

	for (uint32_t i = 0; stream && i < layout->node_count; i++)
		fprintf(stream, "%s%s", i ? "," : "", layout->nodes[i].host);
	return finish(stream, &text);
}

char *launch_pmi_layout_counts(const struct launch_pmi_layout *layout)
{
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);

	for (uint32_t i = 0, next; stream && i < layout->node_count; i = next) {
		uint32_t count = layout->nodes[i].count;

		for (next = i + 1; next < layout->node_count; next++)
			if (layout->nodes[next].count != count)
				break;
		fprintf(stream, "%s%u", i ? "," : "", count);
		if (next - i > 1)
			fprintf(stream, "(x%u)", next - i);
	}
	return finish(stream, &text);
}

/* @count ranks on each of @nodes nodes from index @first on. */
struct block {
	uint32_t first, nodes, count;
};

/* Ranks in their order as blocks. Return: how many. */
static size_t make_blocks(const struct launch_pmi_layout *layout, struct block *blocks)
{
	size_t used = 0;

	for (uint32_t i = 0, next; i < layout->size; i = next) {
		uint32_t node = layout->ranks[i].node;
		struct block *last = used ? &blocks[used - 1] : NULL;

		for (next = i + 1; next < layout->size && layout->ranks[next].node == node; next++)
			;
		if (last && last->count == next - i && last->first + last->nodes == node)
			last->nodes++;
		else
			blocks[used++] = (struct block){ node, 1, next - i };
	}
	return used;
}

char *launch_pmi_layout_mapping(const struct launch_pmi_layout *layout)
{
	struct block *blocks = calloc(layout->size, sizeof(*blocks));
	char *text = NULL;
	size_t bytes, used, same = 1;
	FILE *stream;

	if (!blocks)
		return NULL;
	used = make_blocks(layout, blocks);
	while (same < used && memcmp(&blocks[same], &blocks[0], sizeof(*blocks)) == 0)
		same++;
	if (same == used)	/* cyclic placement */
		used = 1;
	stream = open_memstream(&text, &bytes);
	if (stream)
		fputs("(vector", stream);
	for (size_t i = 0; stream && i < used; i++)
		fprintf(stream, ",(%u,%u,%u)", blocks[i].first, blocks[i].nodes, blocks[i].count);
	if (stream)
		fputc(')', stream);
	free(blocks);
	return finish(stream, &text);
}
