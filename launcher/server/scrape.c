/* SPDX-License-Identifier: MIT */
/* scrape.c - see scrape.h. */
#include "server/scrape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#ifdef DHOW_HAVE_MICROHTTPD
#include <dlfcn.h>
#include <microhttpd.h>

enum { CLIENTS_MAX = 8, CLIENT_S = 5, CLIENT_BYTES = 16 * 1024 };

static const char library_name[] = "libmicrohttpd.so.12";

struct server_scrape {
	struct server_metrics *metrics;
	struct MHD_Daemon *daemon;
	void *library;
	__typeof__(&MHD_start_daemon) start_daemon;
	__typeof__(&MHD_stop_daemon) stop_daemon;
	__typeof__(&MHD_get_daemon_info) get_daemon_info;
	__typeof__(&MHD_create_response_from_buffer) create_response_from_buffer;
	__typeof__(&MHD_destroy_response) destroy_response;
	__typeof__(&MHD_add_response_header) add_response_header;
	__typeof__(&MHD_queue_response) queue_response;
};

static int load(struct server_scrape *scrape, struct base_err *reterr)
{
	const struct {
		const char *name;
		void **at;
	} functions[] = {
		{ "MHD_start_daemon", (void **)&scrape->start_daemon },
		{ "MHD_stop_daemon", (void **)&scrape->stop_daemon },
		{ "MHD_get_daemon_info", (void **)&scrape->get_daemon_info },
		{ "MHD_create_response_from_buffer",
		  (void **)&scrape->create_response_from_buffer },
		{ "MHD_destroy_response", (void **)&scrape->destroy_response },
		{ "MHD_add_response_header", (void **)&scrape->add_response_header },
		{ "MHD_queue_response", (void **)&scrape->queue_response },
	};

	scrape->library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
	if (!scrape->library)
		return base_err(reterr, -ENOSYS, "--metrics needs libmicrohttpd: %s", dlerror());
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		*functions[i].at = dlsym(scrape->library, functions[i].name);
		if (!*functions[i].at)
			return base_err(reterr, -ENOSYS, "--metrics: %s has no %s", library_name,
					functions[i].name);
	}
	return 0;
}

static enum MHD_Result answer(struct server_scrape *scrape, struct MHD_Connection *connection,
			      unsigned code, const char *text, size_t bytes)
{
	struct MHD_Response *response = scrape->create_response_from_buffer(
		bytes, (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (!response)
		return MHD_NO;
	if (scrape->add_response_header(response, "Content-Type",
					"text/plain; version=0.0.4; charset=utf-8") == MHD_YES)
		result = scrape->queue_response(connection, code, response);
	scrape->destroy_response(response);
	return result;
}

/* libmicrohttpd calls it once for the header and once when the request is complete. */
static enum MHD_Result serve(void *arg, struct MHD_Connection *connection, const char *url,
			     const char *method, const char *version, const char *data,
			     size_t *data_bytes, void **state)
{
	static const char absent[] = "there is /metrics\n", method_bad[] = "GET or HEAD\n";
	static char header_seen;
	struct server_scrape *scrape = arg;
	struct launch_writer writer = { 0 };
	enum MHD_Result result = MHD_NO;

	(void)version, (void)data;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer(scrape, connection, MHD_HTTP_METHOD_NOT_ALLOWED, method_bad,
			      sizeof(method_bad) - 1);
	if (!*state) {
		*state = &header_seen;
		return MHD_YES;
	}
	*data_bytes = 0;
	if (strcmp(url, "/metrics") != 0)
		return answer(scrape, connection, MHD_HTTP_NOT_FOUND, absent, sizeof(absent) - 1);
	server_metrics_print(scrape->metrics, &writer);
	if (!writer.failed)
		result = answer(scrape, connection, MHD_HTTP_OK, (const char *)writer.data,
				writer.used);
	launch_writer_fini(&writer);
	return result;
}

/* Return: 0; -EINVAL. */
static int parse(const char *where, struct sockaddr_in *ret_address)
{
	const char *colon = strrchr(where, ':'), *digits = colon ? colon + 1 : where;
	char host[INET_ADDRSTRLEN] = "127.0.0.1", *end;
	unsigned long port;

	if (colon && (colon == where || (size_t)(colon - where) >= sizeof(host)))
		return -EINVAL;
	if (colon)
		snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	port = strtoul(digits, &end, 10);
	if (*digits < '0' || *digits > '9' || *end || port > 65535)
		return -EINVAL;
	*ret_address = (struct sockaddr_in){ .sin_family = AF_INET,
					     .sin_port = htons((uint16_t)port) };
	return inet_pton(AF_INET, host, &ret_address->sin_addr) == 1 ? 0 : -EINVAL;
}

static int listen_at(struct server_scrape *scrape, const struct sockaddr_in *address)
{
	char host[INET_ADDRSTRLEN];
	unsigned port = ntohs(address->sin_port);

	errno = 0;
	scrape->daemon = scrape->start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, (uint16_t)port, NULL, NULL, serve,
		scrape, MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CLIENT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_BYTES, MHD_OPTION_END);
	if (!scrape->daemon)
		return errno ? -errno : -EADDRNOTAVAIL;
	if (!port)
		port = scrape->get_daemon_info(scrape->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
	base_log_info("metrics at http://%s:%u/metrics",
		      inet_ntop(AF_INET, &address->sin_addr, host, sizeof(host)), port);
	return 0;
}

int server_scrape_open(const char *where, struct server_metrics *metrics,
		       struct server_scrape **ret_scrape, struct base_err *reterr)
{
	struct server_scrape *scrape;
	struct sockaddr_in address;
	int rc = parse(where, &address);

	if (rc < 0)
		return base_err(reterr, rc, "--metrics \"%.100s\": IPV4:PORT or PORT", where);
	scrape = calloc(1, sizeof(*scrape));
	if (!scrape)
		return base_err(reterr, -ENOMEM, "no memory for metrics");
	scrape->metrics = metrics;
	rc = load(scrape, reterr);
	if (rc == 0) {
		rc = listen_at(scrape, &address);
		if (rc < 0)
			base_err(reterr, rc, "--metrics %.100s: cannot listen there: %s", where,
				 strerror(-rc));
	}
	if (rc < 0)
		server_scrape_close(scrape);
	else
		*ret_scrape = scrape;
	return rc;
}

void server_scrape_close(struct server_scrape *scrape)
{
	if (!scrape)
		return;
	if (scrape->daemon)
		scrape->stop_daemon(scrape->daemon);
	if (scrape->library)
		dlclose(scrape->library);
	free(scrape);
}
#else
int server_scrape_open(const char *where, struct server_metrics *metrics,
		       struct server_scrape **ret_scrape, struct base_err *reterr)
{
	(void)metrics, (void)ret_scrape;
	return base_err(reterr, -ENOSYS, "--metrics %.100s: built without libmicrohttpd", where);
}

void server_scrape_close(struct server_scrape *scrape)
{
	(void)scrape;
}
#endif
