/* SPDX-License-Identifier: MIT */
/*
 * uring_options.h - what of io_uring is used: each a switch, because what helps on one machine
 * harms on another. The defaults are those of docs/adr/0009-what-of-io-uring-is-used.md.
 */
#ifndef TCP_URING_OPTIONS_H
#define TCP_URING_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum uring_feature {
	URING_DEFER,	 /* completions are made when we look, not when they happen */
	URING_MULTISHOT, /* one receive for many arrivals, into a ring of buffers */
	URING_FILES,	 /* sockets are registered */
	URING_ZC,	 /* bulk data is sent from where it lies */
	URING_FIXED,	 /* segments are registered: bulk data is received without mapping them */
	URING_SQPOLL,	 /* a thread of the kernel takes what we submit */
	URING_FEATURES,
};

struct uring_feature_row {
	const char *name, *what;
	const char *since; /* of Linux */
	bool standard;	   /* used unless told otherwise */
};
extern const struct uring_feature_row uring_features[URING_FEATURES];

struct uring_options {
	bool on[URING_FEATURES];
};

/**
 * uring_options_parse - read "NAME=on|off,..."; NULL or empty: the defaults.
 * @why: on failure the word that is wrong, and what there is.
 * Return: 0; -EINVAL.
 */
int uring_options_parse(const char *text, struct uring_options *ret_options, char *why,
			size_t why_bytes);

#endif
