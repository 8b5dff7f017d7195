/* SPDX-License-Identifier: MIT */
/*
 * scrape.h - metrics over HTTP, for Prometheus and curl.
 *
 * A thread of its own by libmicrohttpd, which is loaded when it is wanted: it brings a library of
 * TLS that would double the start of every `dhow`. Plain HTTP without a password: it tells
 * numbers and nothing else, and listens at the address that was named. At most 8 clients, 5 s
 * and 16 KiB each.
 */
#ifndef LAUNCH_SERVER_SCRAPE_H
#define LAUNCH_SERVER_SCRAPE_H

#include "base/err.h"
#include "server/metrics.h"

struct server_scrape;

/**
 * server_scrape_open - answer GET /metrics at @where.
 * @where:   `IPV4:PORT`, or `PORT` at 127.0.0.1; port 0 = any that is free, told in the log.
 * @metrics: borrowed until server_scrape_close().
 *
 * Signals must be blocked by then: the thread inherits that.
 * Return: -EINVAL; -ENOSYS there is no libmicrohttpd; negative errno it cannot listen there.
 */
int server_scrape_open(const char *where, struct server_metrics *metrics,
		       struct server_scrape **ret_scrape, struct base_err *reterr);
/* Clients that are being answered are cut off. NULL is fine. */
void server_scrape_close(struct server_scrape *scrape);

#endif
