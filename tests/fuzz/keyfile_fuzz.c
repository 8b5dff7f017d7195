/* SPDX-License-Identifier: MIT */
/*
 * keyfile_fuzz.c - files that a server's clients read: keys, and where the server is.
 *
 * A file that is refused gives no key and says why; the words of its text are never in the reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "mutate.h"
#include "server/config_log.h"
#include "server/keyfile.h"

/* That of a test: 40 characters of Z85. */
#define KEY_A "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define KEY_B "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

static const char *const seeds[] = {
	"#   ZeroMQ CURVE\nmetadata\ncurve\n    public-key = \"" KEY_A "\"\n",
	"curve\n public-key = \"" KEY_A "\"\n secret-key = \"" KEY_B "\"\n"
	" server-key='" KEY_A "'\n",
	"DRAGON_SERVER_CONFIG: {\"interface\": \"l\", \"address\": \"tcp://127.0.0.1:5000\"}\n",
	"IP: x\nDRAGON_SERVER_CONFIG: {}\nDRAGON_SERVER_CONFIG: {\"address\": \"tcp://a\"}\n",
};
enum { SEEDS = sizeof(seeds) / sizeof(*seeds) };

static char folder[64], path[96];

static void clean(void)
{
	unlink(path);
	rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *in = getenv("TMPDIR");
	struct base_err err;

	(void)argc, (void)argv;
	base_log_set_level(BASE_LOG_ERROR);
	snprintf(folder, sizeof(folder), "%.40s/dhow-fuzz-XXXXXX", in ? in : "/tmp");
	FUZZ_CHECK(launch_keys_init(&err) == 0);
	FUZZ_CHECK(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/dragon_config.log", folder);
	atexit(clean);
	return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *at)
{
	if (index >= SEEDS)
		return 0;
	memcpy(at, seeds[index], strlen(seeds[index]));
	return strlen(seeds[index]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint8_t public[LAUNCH_KEY_BYTES], server[LAUNCH_KEY_BYTES];
	struct launch_keys *keys = NULL;
	struct base_err err = { "" };
	char endpoint[64];
	int rc;

	FUZZ_CHECK(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
	close(fd);
	rc = server_key_file_public(path, public, &err);
	FUZZ_CHECK(rc == 0 || (rc == -EBADMSG && err.text[0]));
	err.text[0] = '\0';
	rc = server_key_file_load(path, &keys, server, &err);
	FUZZ_CHECK((rc == 0) == (keys != NULL));
	FUZZ_CHECK(rc == 0 || (rc == -EBADMSG && err.text[0] && !strstr(err.text, KEY_B)));
	if (keys)
		FUZZ_CHECK(memcmp(keys->public, public, sizeof(public)) == 0);
	launch_keys_free(keys);
	rc = server_config_read(folder, endpoint, sizeof(endpoint), &err);
	FUZZ_CHECK(rc == 0 || rc == -EBADMSG);
	if (rc == 0)
		FUZZ_CHECK(strlen(endpoint) < sizeof(endpoint) && !strncmp(endpoint, "tcp://", 6));
	return 0;
}
