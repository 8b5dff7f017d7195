/* SPDX-License-Identifier: MIT */
/*
 * space.h - network namespaces without names, each with one TUN device.
 *
 * They are held by descriptors only, so nothing is left when the test dies in any way.
 */
#ifndef FIRE_SPACE_H
#define FIRE_SPACE_H

#include <stdbool.h>
#include <stddef.h>

/* Of namespace number @index, 0 to 7. */
#define SPACE_ADDRESS_FORMAT "10.77.0.%u"
#define SPACE_DEVICE "tun0"
enum { SPACE_FIRST = 1, SPACES_MAX = 8 };	/* last byte of the first one's address */

/**
 * space_create - make namespace number @index, with lo and tun0 up.
 * @ret_space: descriptor for setns(); @ret_tun: its packets, non-blocking.
 * @why: on failure what is missing.
 * Return: 0; negative errno. The caller stays where it was.
 */
int space_create(unsigned index, int *ret_space, int *ret_tun, char *why, size_t why_bytes);

/* Its device goes down, or up again. 0; negative errno. The caller stays where it was. */
int space_device(int space, bool up);

#endif
