/* SPDX-License-Identifier: MIT */
/* tracer.c - see tracer.h. */
#include "tracer.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { SURVIVOR_LIMIT_S = 20, VICTIM_LIMIT_S = 60 };

/* The signal that stopped it; 0: it ended. */
static int wait_for_stop(pid_t pid)
{
	int status;

	return waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

static _Noreturn void be_victim(struct scene *scene, const struct operation *operation,
				unsigned number)
{
	struct account *mine = &scene->accounts[number];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
	alarm(VICTIM_LIMIT_S);	/* the default action ends us, should the tracer forget us */
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	scene_become_victim(scene, operation);
	raise(SIGSTOP);
	atomic_store(&mine->started, 1);
	operation->run(scene, mine, number);
	atomic_store(&mine->finished, 1);
	for (;;)
		raise(SIGSTOP);	/* ends a run to a breakpoint that is not reached */
}

pid_t tracer_start(struct scene *scene, const struct operation *operation, unsigned number)
{
	pid_t pid = fork();

	if (pid < 0)
		scene_die("fork: %s", strerror(errno));
	if (pid == 0)
		be_victim(scene, operation, number);
	if (!wait_for_stop(pid))
		scene_die("the victim of \"%s\" did not start", operation->name);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL);
	while (!atomic_load(&scene->accounts[number].started))
		if (!tracer_step(pid))
			scene_die("the victim of \"%s\" ended", operation->name);
	return pid;
}

bool tracer_step(pid_t pid)
{
	return ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0 && wait_for_stop(pid) != 0;
}

void tracer_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) == pid && !WIFSIGNALED(status) && !WIFEXITED(status))
		;
}

#if defined(__x86_64__)
unsigned long tracer_at(pid_t pid)
{
	return (unsigned long)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip),
				     NULL);
}

static void go_to(pid_t pid, unsigned long address)
{
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rip), address);
}

/* int3 in place of the instruction's first byte. */
static unsigned long with_breakpoint(unsigned long text)
{
	return (text & ~0xffUL) | 0xcc;
}
#else	/* stepping works everywhere; breakpoints only where they are written down here */
unsigned long tracer_at(pid_t pid)
{
	(void)pid;
	return 0;
}

static void go_to(pid_t pid, unsigned long address)
{
	(void)pid, (void)address;
}

static unsigned long with_breakpoint(unsigned long text)
{
	return text;
}
#endif

static bool run_to_next(pid_t pid, unsigned long address)
{
	unsigned long text;

	errno = 0;
	text = (unsigned long)ptrace(PTRACE_PEEKTEXT, pid, address, NULL);
	if (errno || ptrace(PTRACE_POKETEXT, pid, address, with_breakpoint(text)) < 0)
		return false;
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	if (wait_for_stop(pid) != SIGTRAP)
		return false;
	ptrace(PTRACE_POKETEXT, pid, address, text);
	go_to(pid, address);
	return true;
}

bool tracer_run_to(pid_t pid, unsigned long address, unsigned hit)
{
	bool there = tracer_at(pid) == address;

	for (unsigned reached = there; reached < hit; reached++) {
		if (there && !tracer_step(pid))
			return false;
		if (!run_to_next(pid, address))
			return false;
		there = true;
	}
	return true;
}

bool tracer_let_finish(pid_t pid, const _Atomic int *finished)
{
	uint64_t deadline = base_now_ns() + 10000 * BASE_MS;

	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	while (!atomic_load(finished)) {
		if (base_now_ns() > deadline)
			return false;
		sched_yield();
	}
	return true;
}

static char watched[160];

static void on_alarm(int signal)
{
	(void)signal;
	if (write(STDERR_FILENO, watched, strlen(watched)) < 0)
		_exit(2);
	_exit(1);
}

void tracer_watch(const char *what, unsigned long point)
{
	alarm(0);
	if (!what)
		return;
	snprintf(watched, sizeof(watched), "BAD: a survivor is blocked: %s, point %lu\n", what,
		 point);
	signal(SIGALRM, on_alarm);
	alarm(SURVIVOR_LIMIT_S);
}

void tracer_share_a_core(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : (size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

bool tracer_works(void)
{
	bool works = true;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	if (!wait_for_stop(pid) || !tracer_step(pid))
		works = false;
	tracer_kill(pid);
	if (!works)
		printf("skipped: ptrace is not allowed here\n");
	return works;
}
