/*
 * The agent: one per invocation of tsbox.
 *
 *   tsbox (Node) ═ lane 0..N-1 ═ agent (user + mount namespace) ── worker per lane ── init per running step
 *
 * Invariants: the end of lane 0 is the end of everything; each process dies with its parent, and what a worker leaves
 * behind becomes a child of the agent, which waits for all of it before it exits. Only Node decides what a signal
 * from the terminal means: all of the helper's processes ignore those.
 *
 * The agent executes itself from a sealed memfd once it is inside: a payload can thus never reach, through
 * /proc/PID/exe, a helper that it could write to (CVE-2019-5736), and the process becomes dumpable in its own
 * namespace again (ptrace(2)), so that it may open its own /proc files.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "idmap.h"
#include "kernel.h"
#include "program.h"
#include "shared-pids.h"
#include "worker.h"

enum { FIRST_LANE = 3, LANES_MAX = 256 };

static int parse_lanes(const char *text)
{
	int n = atoi(text);

	return n >= 1 && n <= LANES_MAX ? n : -1;
}

static void ignore_terminal(void)
{
	static const int ignored[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2};

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

static int start(struct frame *frame, const char *lanes, int copy, struct failure *f)
{
	struct cursor c = cursor_of(frame);
	uint8_t method = frame->len ? frame->data[0] : MAP_SINGLE;
	const char *kind = map_is_single(method) ? "single" : method == MAP_HOST ? "host" : "subid";
	char parent[16];

	if (enter_namespaces(&c, f) < 0)
		return -1;
	/* Changing ids disarms it (prctl(2)). */
	die_with_parent(0);
	snprintf(parent, sizeof parent, "%d", getppid());
	const char *argv[] = {"tsbox-helper", "inside", lanes, kind, parent, NULL};
	char *env[] = {NULL};
	syscall(SYS_execveat, copy, "", argv, env, 0x1000 /* AT_EMPTY_PATH */);
	return fail(f, "re-execute the helper", "%s", "");
}

int agent_main(char **argv)
{
	struct reader control;
	struct writer out;
	struct frame frame;
	struct failure f = {0};

	if (parse_lanes(argv[0]) < 0)
		return 2;
	die_with_parent(getppid());
	ignore_terminal();
	int copy = program_sealed(argv[1] ? atoi(argv[1]) : 0);
	if (copy < 0)
		fail(&f, "copy the helper to memory", "%s", "");
	reader_init(&control, FIRST_LANE);
	writer_init(&out, FIRST_LANE);
	if (!reader_next(&control, &frame) || frame.type != FR_START)
		return 2;
	if (!f.err)
		start(&frame, argv[0], copy, &f);
	w_failure(&out, &f);
	return 1;
}

static void raise_nofile(struct world *world)
{
	getrlimit(RLIMIT_NOFILE, &world->nofile);
	struct rlimit most = {world->nofile.rlim_max, world->nofile.rlim_max};
	setrlimit(RLIMIT_NOFILE, &most);
}

struct lane {
	int fd;
	/* Its worker; 0 where none runs. */
	pid_t worker;
};

static void reset_child_signal(void)
{
	sigset_t none;

	signal(SIGCHLD, SIG_DFL);
	signal(WORKER_END, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void start_worker(struct lane *lanes, int count, int which, const struct world *world)
{
	pid_t agent = getpid(), pid = fork();

	if (pid == 0) {
		die_with_parent(agent);
		for (int i = 0; i < count; i++)
			if (i != which && lanes[i].fd >= 0)
				close(lanes[i].fd);
		reset_child_signal();
		worker_main(lanes[which].fd, world);
	}
	/* Were the fork to fail, closing the lane tells Node. */
	close(lanes[which].fd);
	lanes[which] = (struct lane){-1, pid > 0 ? pid : 0};
}

static void note_end(struct lane *lanes, int count, pid_t pid)
{
	for (int i = 0; i < count; i++)
		if (lanes[i].worker == pid)
			lanes[i].worker = 0;
}

static void reap(struct lane *lanes, int count)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		note_end(lanes, count, pid);
}

/* While there is a child in our process group, or only while `more` says so. */
static void wait_for_group(struct lane *lanes, int count, bool (*more)(const struct lane *lanes, int count))
{
	/* To look again at who is in the group: that one leaves it tells nobody. */
	const struct timespec pause = {.tv_nsec = 5000000};
	sigset_t child;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while ((!more || more(lanes, count)) && ((pid = waitpid(0, NULL, WNOHANG)) >= 0 || errno == EINTR))
		if (pid > 0)
			note_end(lanes, count, pid);
		else
			sigtimedwait(&child, NULL, &pause);
}

static bool has_workers(const struct lane *lanes, int count)
{
	for (int i = 0; i < count; i++)
		if (lanes[i].worker && getpgid(lanes[i].worker) == getpgrp())
			return true;
	return false;
}

/*
 * The workers would die with us, but somebody waits for our end to remove what their steps had open. One that is a
 * container's monitor ignores that, and is no longer waited for once it has left our process group.
 */
static void end_workers(struct lane *lanes, int count)
{
	for (int i = 0; i < count; i++)
		if (lanes[i].worker)
			kill(lanes[i].worker, WORKER_END);
	wait_for_group(lanes, count, has_workers);
}

static void wake(int signal_number)
{
	(void)signal_number;
}

static void serve(struct lane *lanes, int count, const struct world *world)
{
	struct pollfd poll_set[count];
	struct sigaction on_child = {.sa_handler = wake};
	sigset_t child, waiting;

	/* Delivered only inside ppoll: a worker's death between two looks is not missed. */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &waiting);
	sigaction(SIGCHLD, &on_child, NULL);
	for (;;) {
		for (int i = 0; i < count; i++)
			poll_set[i] = (struct pollfd){.fd = lanes[i].fd, .events = POLLIN};
		if (ppoll(poll_set, (nfds_t)count, NULL, &waiting) < 0 && errno != EINTR)
			return;
		if (poll_set[0].revents)
			return;
		for (int i = 1; i < count; i++)
			if (poll_set[i].revents)
				start_worker(lanes, count, i, world);
		reap(lanes, count);
		/* Then there is more to do at the end than to die: the end of the lane says when. */
		if (*world->shares_pids)
			prctl(PR_SET_PDEATHSIG, 0);
	}
}

struct lanes {
	const struct lane *lanes;
	int count;
};

/* One that became a container's monitor has a session of its own, and stays. */
static bool is_monitor(const void *with, pid_t pid)
{
	const struct lanes *all = with;

	for (int i = 0; i < all->count; i++)
		if (all->lanes[i].worker == pid)
			return true;
	return false;
}

/* Where no pid namespace does it: shared-pids.h. Once its worker is gone, what a step left is our child. */
static void end_orphans(struct lane *lanes, int count)
{
	struct lanes all = {lanes, count};
	AUTO_FD proc = shared_pids_open();

	if (proc >= 0)
		shared_pids_end(proc, &(struct shared_pids_ending){.keep = is_monitor, .with = &all});
}

int inside_main(char **argv)
{
	int count = parse_lanes(argv[0]);

	if (count < 0)
		return 2;
	/* No more than is there: the stack is copied into every process that stays. */
	struct lane lanes[count];
	struct world world = {.single = strcmp(argv[1], "single") == 0, .host = strcmp(argv[1], "host") == 0};
	struct writer out;
	die_with_parent(atoi(argv[2]));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	ignore_terminal();
	umask(0);
	raise_nofile(&world);
	world.shares_pids = mmap(NULL, sizeof *world.shares_pids, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world.shares_pids == MAP_FAILED)
		return 2;
	for (int i = 0; i < count; i++) {
		lanes[i] = (struct lane){FIRST_LANE + i, 0};
		fcntl(lanes[i].fd, F_SETFD, FD_CLOEXEC);
	}
	writer_init(&out, FIRST_LANE);
	w_empty(&out, FR_READY);
	writer_release(&out);
	serve(lanes, count, &world);
	end_workers(lanes, count);
	if (*world.shares_pids)
		end_orphans(lanes, count);
	wait_for_group(lanes, count, NULL);
	return 0;
}
