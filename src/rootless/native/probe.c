/* Tries what steps need, each thing for itself, in a child that is thrown away. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel.h"
#include "owners.h"
#include "shared-pids.h"
#include "site.h"
#include "tree.h"

static int close_ok(int fd)
{
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/* What an attempt works with: a container's mounts as they are made, and a directory on the store. */
struct trial {
	struct site site;
	int dir;
	/* Why there is no pid namespace, 0 with one. */
	int no_pids;
};

static int try_tmpfs(struct trial *t)
{
	/* The scratch is one, and is there already. */
	return t->site.scratch < 0 ? -1 : 0;
}

static int try_proc(struct trial *t)
{
	(void)t;
	return close_ok(mount_plain("proc", 0));
}

static int try_sysfs(struct trial *t)
{
	(void)t;
	return unshare(CLONE_NEWNET) < 0 ? -1 : close_ok(mount_plain("sysfs", 0));
}

static int try_network(struct trial *t)
{
	(void)t;
	return unshare(CLONE_NEWNET);
}

static int try_pids(struct trial *t)
{
	return errno = t->no_pids, t->no_pids ? -1 : 0;
}

static int try_hostname(struct trial *t)
{
	(void)t;
	return sethostname("tsbox", 5);
}

static int try_bind(struct trial *t)
{
	AUTO_FD tree = mount_clone(t->dir, "", false);

	return tree < 0 ? -1 : mount_readonly(&t->site, tree, false, "");
}

/* As the layers of a step, by whatever interface there is. */
static int try_overlay(struct trial *t)
{
	static const char *const names[] = {"l1", "l2", "u", "w"};
	char paths[4][40];

	for (int i = 0; i < 4; i++) {
		if (mkdirat(t->dir, names[i], 0755) < 0)
			return -1;
		snprintf(paths[i], sizeof paths[i], "/proc/self/fd/%d", openat(t->dir, names[i], O_PATH | O_DIRECTORY));
	}
	return close_ok(mount_stacked(&t->site, (const char *[]){paths[0], paths[1]}, 2, paths[2], paths[3]));
}

/* Each layer by itself, as Linux 6.7 takes them: else all are one short text. */
static int try_lowerdir(struct trial *t)
{
	AUTO_FD fs = k_fsopen("overlay");
	char path[40];

	if (fs < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "empty" : "nothing";
		snprintf(path, sizeof path, "/proc/self/fd/%d", openat(t->site.scratch, name, O_PATH | O_DIRECTORY));
		if (k_fsconfig(fs, K_FSCONFIG_STRING, "lowerdir+", path) < 0)
			return -1;
	}
	if (k_fsconfig(fs, K_FSCONFIG_FLAG, "userxattr", NULL) < 0)
		return -1;
	return k_fsconfig(fs, K_FSCONFIG_CREATE, NULL, NULL);
}

static int try_setattr(struct trial *t)
{
	AUTO_FD tree = k_open_tree(t->dir, "", K_OPEN_TREE_CLONE | AT_EMPTY_PATH);

	return tree < 0 ? -1 : k_mount_setattr(tree, 0, K_ATTR_RDONLY, 0);
}

static int try_whiteout(struct trial *t)
{
	return mknodat(t->dir, "whiteout", S_IFCHR, 0);
}

static int set_xattr(int dir)
{
	AUTO_FD fd = openat(dir, "xattr", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : fsetxattr(fd, XATTR_OWNER, "", 0, 0);
}

static int try_xattr(struct trial *t)
{
	return set_xattr(t->dir);
}

static int try_memory_xattr(struct trial *t)
{
	return set_xattr(t->site.scratch);
}

static int try_chown(struct trial *t)
{
	AUTO_FD fd = openat(t->dir, "chown", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : fchown(fd, 1, 1);
}

static int try_notify(struct trial *t)
{
	struct sock_filter allow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
	struct sock_fprog program = {1, &allow};

	(void)t;
	return close_ok((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

static int try_pidfd(struct trial *t)
{
	AUTO_FD pidfd = k_pidfd_open(getpid());

	return pidfd < 0 ? -1 : close_ok(k_pidfd_getfd(pidfd, t->dir));
}

/* Keeps what has no pid namespace from signalling others. */
static int try_fence(struct trial *t)
{
	(void)t;
	return shared_pids_fence() ? 0 : -1;
}

static const struct {
	const char *name;
	int (*attempt)(struct trial *t);
} attempts[] = {
	{"tmpfs", try_tmpfs},
	{"pids", try_pids},
	{"proc", try_proc},
	{"hostname", try_hostname},
	{"bind", try_bind},
	{"overlay", try_overlay},
	{"lowerdir", try_lowerdir},
	{"mount-setattr", try_setattr},
	{"whiteout", try_whiteout},
	{"xattr", try_xattr},
	{"memory-xattr", try_memory_xattr},
	{"chown", try_chown},
	{"network", try_network},
	{"sysfs", try_sysfs},
	{"seccomp-notify", try_notify},
	{"pidfd", try_pidfd},
	{"fence", try_fence},
};

static _Noreturn void in_trial(
	int (*attempt)(struct trial *), const char *path, const struct world *world, int no_pids)
{
	struct failure failed = {0};
	char place[4300];
	/* Opened here: only mounts of one's own mount namespace may be cloned. */
	struct trial t = {.site = {.f = &failed, .world = world, .root_path = place, .root = -1, .scratch = -1, .upper = -1,
		.owners = -1}, .dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), .no_pids = no_pids};

	snprintf(place, sizeof place, "%s/place", path);
	if (t.dir < 0 || (mkdir(place, 0700) < 0 && errno != EEXIST) || scratch_open(&t.site) < 0)
		_exit((failed.err ? failed.err : errno) & 255);
	int result = attempt(&t);
	_exit(result < 0 ? (failed.err ? failed.err : errno) & 255 : 0);
}

/* In namespaces as a step's. The pid namespace, where there is one, must be one that a new procfs may show. */
static int in_child(int (*attempt)(struct trial *), const char *path, const struct world *world)
{
	struct k_clone_args args = {
		.exit_signal = SIGCHLD, .flags = K_CLONE_NEWNS | K_CLONE_NEWPID | K_CLONE_NEWIPC | K_CLONE_NEWUTS};
	int status, no_pids = 0;
	pid_t pid = k_clone(&args);

	if (pid < 0) {
		no_pids = errno;
		args.flags &= ~K_CLONE_NEWPID;
		pid = k_clone(&args);
	}
	if (pid < 0)
		return errno;
	if (pid == 0)
		in_trial(attempt, path, world, no_pids);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static void send_result(struct writer *out, const char *name, int err)
{
	w_begin(out, FR_PROBED);
	w_str(out, name, strlen(name));
	w_u32(out, (uint32_t)err);
	w_end(out);
}

void request_probe(struct cursor *c, struct writer *out, const struct world *world)
{
	const char *parent = c_str(c);
	struct failure f = {0};
	char path[4200];

	snprintf(path, sizeof path, "%s/tsbox-probe-%d", parent, getpid());
	if (mkdir(path, 0700) < 0) {
		fail(&f, "probe", "%s", parent);
		w_failure(out, &f);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
		send_result(out, attempts[i].name, in_child(attempts[i].attempt, path, world));
	if (remove_tree(AT_FDCWD, path, &f) < 0)
		w_failure(out, &f);
	else
		w_empty(out, FR_OK);
}
