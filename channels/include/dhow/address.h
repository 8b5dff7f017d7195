/* SPDX-License-Identifier: MIT */
/*
 * address.h - where a channel is, as a value and as one short string.
 *
 * The string `dhow:JOB.NODE.SEGMENT.INDEX.GENERATION.CHECK` holds lower case
 * hexadecimal numbers (NODE decimal with a leading n) and fits in an argument:
 * it needs no quoting in a shell. CHECK tells a damaged string from a valid one.
 */
#ifndef DHOW_ADDRESS_H
#define DHOW_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Room for any address string with its terminating zero, in bytes. */
#define DHOW_ADDRESS_BYTES 64

/* A channel's place; a value, to be copied and compared. */
struct dhow_address {
	uint32_t job;		/* job id: another job's channels are never reached */
	uint32_t node;		/* home node, 0 to nodes-1 */
	uint32_t segment;	/* segment of that node, 0 = the node's own */
	uint32_t index;		/* channel of that segment */
	uint32_t generation;	/* differs for each channel that used the index */
};

/**
 * dhow_address_print - write an address as a string.
 * @address: borrowed.
 * @buffer:  at least DHOW_ADDRESS_BYTES.
 * Thread-safe. No system call.
 */
void dhow_address_print(const struct dhow_address *address, char buffer[DHOW_ADDRESS_BYTES]);

/**
 * dhow_address_parse - read an address string.
 * @text: zero-terminated; may be anything.
 * @ret_address: written on success only.
 *
 * Thread-safe. No system call.
 * Return: 0; -EINVAL it is no address; -EBADMSG it is one, but damaged.
 */
int dhow_address_parse(const char *text, struct dhow_address *ret_address);

#ifdef __cplusplus
}
#endif
#endif
