/* SPDX-License-Identifier: MIT */
/* list.h - intrusive doubly linked list; a head is a node that points to itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct base_list {
	struct base_list *next, *prev;
};

#define base_list_entry(node, type, member) \
	((type *)(void *)((char *)(node)-offsetof(type, member)))
#define base_list_for(pos, head) \
	for (struct base_list *pos = (head)->next, *pos##_next = pos->next; pos != (head); \
	     pos = pos##_next, pos##_next = pos->next)

static inline void base_list_init(struct base_list *head)
{
	head->next = head->prev = head;
}

static inline bool base_list_empty(const struct base_list *head)
{
	return head->next == head;
}

static inline void base_list_add_tail(struct base_list *head, struct base_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void base_list_del(struct base_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	base_list_init(node);
}

#endif
