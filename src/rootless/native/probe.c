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
#include "tree.h"

static int close_ok(int fd)
{
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int mount_new(const char *fstype)
{
	AUTO_FD fs = k_fsopen(fstype);

	if (fs < 0 || k_fsconfig(fs, K_FSCONFIG_CREATE, NULL, NULL) < 0)
		return -1;
	return close_ok(k_fsmount(fs, 0));
}

static int try_tmpfs(int dir)
{
	(void)dir;
	return mount_new("tmpfs");
}

static int try_proc(int dir)
{
	(void)dir;
	return mount_new("proc");
}

static int try_mqueue(int dir)
{
	(void)dir;
	return mount_new("mqueue");
}

static int try_devpts(int dir)
{
	(void)dir;
	return mount_new("devpts");
}

static int try_sysfs(int dir)
{
	(void)dir;
	return unshare(CLONE_NEWNET) < 0 ? -1 : mount_new("sysfs");
}

static int try_network(int dir)
{
	(void)dir;
	return unshare(CLONE_NEWNET);
}

static int try_bind(int dir)
{
	AUTO_FD tree = k_open_tree(dir, "", K_OPEN_TREE_CLONE | AT_EMPTY_PATH);

	return tree < 0 ? -1 : k_mount_setattr(tree, 0, K_ATTR_RDONLY, 0);
}

/* By descriptors, as overlay.c has it for kernels without lowerdir+. */
static int overlay_classic(char paths[4][32])
{
	char options[200];

	snprintf(options, sizeof options, "lowerdir=%s:%s,upperdir=%s,workdir=%s,userxattr", paths[0], paths[1], paths[2],
		paths[3]);
	return mount("overlay", paths[0], "overlay", 0, options);
}

static int try_overlay(int dir)
{
	static const char *const names[] = {"l1", "l2", "u", "w"};
	static const char *const keys[] = {"lowerdir+", "lowerdir+", "upperdir", "workdir"};
	AUTO_FD fs = k_fsopen("overlay");
	char paths[4][32];
	bool ok = fs >= 0;

	for (int i = 0; ok && i < 4; i++) {
		if (mkdirat(dir, names[i], 0755) < 0)
			return -1;
		snprintf(paths[i], sizeof paths[i], "/proc/self/fd/%d", openat(dir, names[i], O_PATH | O_DIRECTORY));
	}
	for (int i = 0; ok && i < 4; i++)
		ok = k_fsconfig(fs, K_FSCONFIG_STRING, keys[i], paths[i]) == 0;
	ok = ok && k_fsconfig(fs, K_FSCONFIG_FLAG, "userxattr", NULL) == 0 &&
		k_fsconfig(fs, K_FSCONFIG_CREATE, NULL, NULL) == 0;
	if (!ok)
		return errno == EINVAL ? overlay_classic(paths) : -1;
	return close_ok(k_fsmount(fs, 0));
}

static int try_whiteout(int dir)
{
	return mknodat(dir, "whiteout", S_IFCHR, 0);
}

static int try_xattr(int dir)
{
	AUTO_FD fd = openat(dir, "xattr", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : fsetxattr(fd, XATTR_OWNER, "", 0, 0);
}

static int try_chown(int dir)
{
	AUTO_FD fd = openat(dir, "chown", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : fchown(fd, 1, 1);
}

static int try_notify(int dir)
{
	struct sock_filter allow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
	struct sock_fprog program = {1, &allow};

	(void)dir;
	return close_ok((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

static int try_pidfd(int dir)
{
	AUTO_FD pidfd = k_pidfd_open(getpid());

	return pidfd < 0 ? -1 : close_ok(k_pidfd_getfd(pidfd, dir));
}

static const struct {
	const char *name;
	int (*attempt)(int dir);
} attempts[] = {
	{"tmpfs", try_tmpfs},
	{"proc", try_proc},
	{"mqueue", try_mqueue},
	{"devpts", try_devpts},
	{"bind", try_bind},
	{"overlay", try_overlay},
	{"whiteout", try_whiteout},
	{"xattr", try_xattr},
	{"chown", try_chown},
	{"network", try_network},
	{"sysfs", try_sysfs},
	{"seccomp-notify", try_notify},
	{"pidfd", try_pidfd},
};

/* In namespaces as a step's. The pid namespace must be one that a new procfs may show. */
static int in_child(int (*attempt)(int), const char *path)
{
	struct k_clone_args args = {
		.exit_signal = SIGCHLD, .flags = K_CLONE_NEWNS | K_CLONE_NEWPID | K_CLONE_NEWIPC | K_CLONE_NEWUTS};
	int status;
	pid_t pid = (pid_t)syscall(NR_clone3, &args, sizeof args);

	if (pid < 0)
		pid = (pid_t)syscall(SYS_clone, args.flags | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		return errno;
	if (pid == 0) {
		/* Opened here: only mounts of one's own mount namespace may be cloned. */
		int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		_exit(dir < 0 || attempt(dir) < 0 ? errno & 255 : 0);
	}
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

void request_probe(struct cursor *c, struct writer *out)
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
		send_result(out, attempts[i].name, in_child(attempts[i].attempt, path));
	if (remove_tree(AT_FDCWD, path, &f) < 0)
		w_failure(out, &f);
	else
		w_empty(out, FR_OK);
}
