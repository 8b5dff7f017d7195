/* SPDX-License-Identifier: MIT */
/* owner.c - see owner.h. */
#include "sweep/owner.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sweep/sweep.h"

enum { PLACE_BYTES = 32, BOOT_DIGITS = 8 };

struct owner {
	char place[PLACE_BYTES];
	int pid;
	unsigned long long start;
};

/* Eight digits of the boot's number, a dot, the number of the pid namespace. */
static void print_place(char place[PLACE_BYTES])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	char boot[BOOT_DIGITS + 1] = "0";
	struct stat status = { .st_ino = 0 };

	if (file) {
		if (!fgets(boot, sizeof(boot), file))
			strcpy(boot, "0");
		fclose(file);
	}
	stat("/proc/self/ns/pid", &status);
	snprintf(place, PLACE_BYTES, "%s.%llu", boot, (unsigned long long)status.st_ino);
}

static int parse(const char *text, struct owner *ret_owner)
{
	char end;

	return sscanf(text, "%31[0-9a-f.]:%d:%llu%c", ret_owner->place, &ret_owner->pid,
		      &ret_owner->start, &end) == 3 && ret_owner->pid > 0;
}

void launch_owner_print(char ret_text[LAUNCH_OWNER_BYTES])
{
	char place[PLACE_BYTES];

	print_place(place);
	snprintf(ret_text, LAUNCH_OWNER_BYTES, "%s:%d:%llu", place, (int)getpid(),
		 launch_sweep_start_time(getpid()));
}

enum launch_owner_state launch_owner_look(const char *text)
{
	char here[PLACE_BYTES];
	struct owner owner;

	if (!parse(text, &owner))
		return LAUNCH_OWNER_LIVES;
	print_place(here);
	if (strcmp(here, owner.place) != 0)
		return LAUNCH_OWNER_ELSEWHERE;
	return launch_sweep_start_time(owner.pid) == owner.start ? LAUNCH_OWNER_LIVES :
								   LAUNCH_OWNER_DEAD;
}

int launch_owner_pid(const char *text)
{
	struct owner owner;

	return parse(text, &owner) ? owner.pid : 0;
}
