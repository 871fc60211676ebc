/*
 * Which namespaces a step's init is made in: new ones, the host's, or those of another container; and the user namespace
 * of its own that counts its processes.
 *
 * A limit of processes holds for a user in a user namespace, and a namespace remembers the limit of who made it for all
 * of its users together (kernel/ucount.c, UCOUNT_RLIMIT_NPROC): so an init that is cloned into a new user namespace under
 * RLIMIT_NPROC has a limit that no change of ids gets around. Its maps are those of the helper's own, each id as itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel.h"
#include "shared-pids.h"
#include "step-internal.h"

bool place_parse(struct cursor *c, struct placement *p)
{
	p->shared = c_u8(c);
	p->joined = c_u8(c);
	p->whose = (pid_t)c_u32(c);
	p->held = c_u8(c);
	p->processes = c_u64(c);
	const char *cgroup = c_str(c);
	/* The frame is gone when it is needed. */
	p->cgroup = xstrndup(cgroup, strlen(cgroup));
	p->foreign = c_u8(c);
	return !c->bad;
}

static uint64_t clone_flags(const struct placement *p, bool own_net)
{
	uint8_t old = p->shared | p->joined;
	uint64_t flags = K_CLONE_NEWNS;

	flags |= old & NS_IPC ? 0 : K_CLONE_NEWIPC;
	flags |= old & NS_UTS ? 0 : K_CLONE_NEWUTS;
	flags |= old & NS_PID ? 0 : K_CLONE_NEWPID;
	/* One that is moved into a cgroup makes its view of cgroups there. */
	flags |= old & NS_CGROUP || p->held ? 0 : K_CLONE_NEWCGROUP;
	flags |= own_net ? K_CLONE_NEWNET : 0;
	return flags | (p->processes ? K_CLONE_NEWUSER : 0);
}

static pid_t clone_with(uint64_t flags)
{
	struct k_clone_args args = {.exit_signal = SIGCHLD, .flags = flags};

	return k_clone(&args);
}

/* The same ids in a new namespace: each extent of ours, as itself. */
static int copy_map(pid_t pid, const char *name)
{
	char own[64], theirs[64], text[16384], out[16384];
	size_t used = 0;

	snprintf(own, sizeof own, "/proc/self/%s", name);
	snprintf(theirs, sizeof theirs, "/proc/%d/%s", pid, name);
	AUTO_FD fd = open(own, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return -1;
	text[n] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned inside, outside, len;
		if (sscanf(line, "%u %u %u", &inside, &outside, &len) != 3 || used + 48 > sizeof out)
			return errno = EINVAL, -1;
		used += (size_t)sprintf(out + used, "%u %u %u\n", inside, inside, len);
	}
	return write_file_at(AT_FDCWD, theirs, out);
}

static int map_users(pid_t pid, struct failure *f)
{
	if (copy_map(pid, "uid_map") < 0 || copy_map(pid, "gid_map") < 0)
		return fail(f, "write id map", "of process %d", pid);
	return 0;
}

/* A process that is cloned after this is in the pid namespace of another; what it was before comes back by the result. */
static int enter_pids(const struct placement *p)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/pid", p->whose);
	AUTO_FD before = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC), theirs = open(path, O_RDONLY | O_CLOEXEC);
	if (before < 0 || theirs < 0 || setns(theirs, CLONE_NEWPID) < 0)
		return -1;
	return take_fd(&before);
}

static pid_t clone_limited(const struct placement *p, uint64_t flags)
{
	struct rlimit before, limit;

	if (!p->processes)
		return clone_with(flags);
	getrlimit(RLIMIT_NPROC, &before);
	limit = before;
	if (limit.rlim_cur > p->processes)
		limit.rlim_cur = p->processes;
	setrlimit(RLIMIT_NPROC, &limit);
	pid_t pid = clone_with(flags);
	int err = errno;
	/* In both: it holds for the namespace, not for them. */
	setrlimit(RLIMIT_NPROC, &before);
	errno = err;
	return pid;
}

/*
 * In the pid namespace that we are in ourselves: because it was asked for, or (`flags` had a new one, and errno says why
 * not) because none is to be had and its processes can be found without one.
 */
static pid_t clone_sharing(struct step *s, struct init_args *a, uint64_t flags)
{
	int refusal = errno;
	/* Root without a user namespace could signal everybody: only where that was asked for. */
	AUTO_FD proc = refusal && s->world->host ? -1 : shared_pids_open();

	if (proc < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return errno = refusal, -1;
	s->shares_pids = true;
	*s->world->shares_pids = true;
	/* The agent takes notice when it wakes up. */
	kill(getppid(), SIGCHLD);
	a->parent = getpid();
	pid_t pid = clone_limited(&s->place, flags & ~K_CLONE_NEWPID);
	if (pid < 0 && refusal)
		errno = refusal;
	return pid;
}

static pid_t clone_in_pids(struct step *s, struct init_args *a, uint64_t flags)
{
	if (s->place.shared & NS_PID) {
		errno = 0;
		return clone_sharing(s, a, flags);
	}
	pid_t pid = clone_limited(&s->place, flags);
	bool refused = pid < 0 && (errno == EPERM || errno == ENOSPC || errno == EINVAL);
	return refused && flags & K_CLONE_NEWPID ? clone_sharing(s, a, flags) : pid;
}

pid_t place_clone(struct step *s, struct init_args *a)
{
	const struct placement *p = &s->place;
	int before = -1;

	if (p->joined & NS_PID && (before = enter_pids(p)) < 0)
		return fail(&s->failure, "join namespace", "pid of process %d", p->whose);
	pid_t pid = clone_in_pids(s, a, clone_flags(p, s->own_net));
	if (pid < 0)
		fail(&s->failure, "namespaces", "%s", "");
	if (before >= 0) {
		/* The init has no use for it, and the worker's own children belong where they always were. */
		if (pid != 0)
			setns(before, CLONE_NEWPID);
		close_fd(&before);
	}
	return pid;
}

int place_let_go(struct step *s)
{
	if (s->place.processes && map_users(s->init, &s->failure) < 0)
		return -1;
	if (s->place.held) {
		/* Who moves it into its cgroup says when that is done. */
		w_begin(s->out, FR_HELD);
		w_u32(s->out, (uint32_t)s->init);
		w_end(s->out);
		w_flush(s->out);
	} else if (s->place.processes)
		w_empty(&s->to_init, FR_GO);
	return 0;
}

void place_leave(struct placement *p)
{
	/* One that still has a process is not removed. */
	if (p->cgroup && p->cgroup[0])
		rmdir(p->cgroup);
	free(p->cgroup);
	p->cgroup = NULL;
}
