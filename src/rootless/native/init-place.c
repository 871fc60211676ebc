/* An init's way into its place: its cgroup, and the namespaces of another container. And out of a place that is shared. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "init.h"
#include "kernel.h"

static int join_one(struct init *in, const char *name, int type)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/%s", in->args->place->whose, name);
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, type) < 0)
		return fail(&in->failure, "join namespace", "%s", path);
	return 0;
}

/* What a container has as /dev/shm is in its mount namespace: in there, and back. */
static int take_shm(struct init *in)
{
	AUTO_FD own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (own < 0 || join_one(in, "mnt", CLONE_NEWNS) < 0)
		return -1;
	in->shm = mount_clone(AT_FDCWD, "/dev/shm", false);
	int err = errno;
	if (setns(own, CLONE_NEWNS) < 0)
		return fail(&in->failure, "join namespace", "%s", "mnt");
	errno = err;
	return in->shm < 0 ? fail(&in->failure, "share memory", "%s", "/dev/shm") : 0;
}

static int join(struct init *in)
{
	uint8_t joined = in->args->place->joined;

	if (joined & NS_IPC && (take_shm(in) < 0 || join_one(in, "ipc", CLONE_NEWIPC) < 0))
		return -1;
	if (joined & NS_UTS && join_one(in, "uts", CLONE_NEWUTS) < 0)
		return -1;
	return joined & NS_NET ? join_one(in, "net", CLONE_NEWNET) : 0;
}

/*
 * A procfs of the pid namespace of the other container, of which we may mount one: what loses its parent is to become our
 * child, and to be found by the number that we know it by.
 */
static int adopt_orphans(struct init *in)
{
	in->proc = mount_plain("proc", 0);
	if (in->proc < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return fail(&in->failure, "join namespace", "%s", "processes");
	return 0;
}

int place_settle(struct init *in)
{
	const struct placement *p = in->args->place;
	struct frame frame;

	if (p->held || p->processes) {
		if (!reader_next(&in->in, &frame) || frame.type != FR_GO)
			_exit(0);
	}
	if (p->held && !(p->shared & NS_CGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return fail(&in->failure, "namespaces", "%s", "cgroup");
	if (join(in) < 0)
		return -1;
	return p->joined & NS_PID ? adopt_orphans(in) : 0;
}

void place_pause(struct init *in, bool on)
{
	/* Every process of the namespace but this one, and no fork gets away meanwhile (kernel/fork.c, signal_pending). */
	if (in->proc < 0)
		kill(-1, on ? SIGSTOP : SIGCONT);
}

bool place_is_fenced(const struct init_args *a)
{
	/* Who asks for the host's processes asks for what can be done to them. */
	return a->parent != 0 && !(a->place->shared & NS_PID);
}
