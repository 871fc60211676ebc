/*
 * /dev of a container: a tmpfs with the host's harmless nodes bound in (a user namespace can't make nodes), the usual
 * links, and terminals, shared memory and message queues of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "old-mounts.h"
#include "site.h"

/* A size that says that there is no /dev/shm. */
#define NO_SHM UINT64_MAX

static int bind_node(struct site *s, int dev, const char *name)
{
	char source[32];

	snprintf(source, sizeof source, "/dev/%s", name);
	AUTO_FD mount = mount_clone(AT_FDCWD, source, false);
	if (mount < 0)
		return errno == ENOENT ? 0 : fail(s->f, "bind device", "%s", source);
	if (mknodat(dev, name, S_IFREG | 0666, 0) < 0)
		return fail(s->f, "bind device", "%s", name);
	AUTO_FD target = openat(dev, name, O_PATH | O_CLOEXEC);
	return mount_attach(s, take_fd(&mount), target, source);
}

static int mount_below(struct site *s, int dev, const char *name, int mount)
{
	AUTO_FD m = mount;

	if (m < 0)
		return -1;
	if (mkdirat(dev, name, 0755) < 0)
		return fail(s->f, "mkdir", "/dev/%s", name);
	AUTO_FD target = openat(dev, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return mount_attach(s, take_fd(&m), target, name);
}

static int pts_mount(struct site *s)
{
	AUTO_FD fs = k_fsopen("devpts");

	if (fs < 0 && errno == ENOSYS) {
		const char *options = s->world->single ? "newinstance,ptmxmode=0666,mode=0620" : "newinstance,ptmxmode=0666,mode=0620,gid=5";
		int old = old_new("devpts", options, K_ATTR_NOSUID | K_ATTR_NOEXEC);
		return old < 0 ? fail(s->f, "mount devpts", "%s", "") : old;
	}
	bool ok = fs >= 0 && k_fsconfig(fs, K_FSCONFIG_FLAG, "newinstance", NULL) == 0 &&
		k_fsconfig(fs, K_FSCONFIG_STRING, "ptmxmode", "0666") == 0 &&
		k_fsconfig(fs, K_FSCONFIG_STRING, "mode", "0620") == 0;

	/* Group tty, where it is mapped. */
	if (ok && !s->world->single)
		k_fsconfig(fs, K_FSCONFIG_STRING, "gid", "5");
	if (!ok || k_fsconfig(fs, K_FSCONFIG_CREATE, NULL, NULL) < 0)
		return fail(s->f, "mount devpts", "%s", "");
	int mount = k_fsmount(fs, K_ATTR_NOSUID | K_ATTR_NOEXEC);
	return mount < 0 ? fail(s->f, "mount devpts", "%s", "") : mount;
}

static int make_links(struct site *s, int dev)
{
	static const char *const links[][2] = {{"/proc/self/fd", "fd"},
		{"/proc/self/fd/0", "stdin"},
		{"/proc/self/fd/1", "stdout"},
		{"/proc/self/fd/2", "stderr"},
		{"/proc/kcore", "core"},
		{"pts/ptmx", "ptmx"}};

	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0)
			return fail(s->f, "symlink", "/dev/%s", links[i][1]);
	return 0;
}

static int mount_own(struct site *s, int dev, uint64_t shm_size)
{
	unsigned attrs = K_ATTR_NOSUID | K_ATTR_NODEV | K_ATTR_NOEXEC;
	struct tmpfs_options shm = {.size = shm_size, .mode = 01777, .attrs = attrs};

	if (mount_below(s, dev, "pts", pts_mount(s)) < 0)
		return -1;
	if (s->shm >= 0 ? mount_below(s, dev, "shm", take_fd(&s->shm)) < 0
					: shm_size != NO_SHM && mount_below(s, dev, "shm", mount_tmpfs(s, &shm)) < 0)
		return -1;
	/* Kernels without POSIX message queues exist. */
	int mqueue = mount_plain("mqueue", attrs);
	return mqueue < 0 ? 0 : mount_below(s, dev, "mqueue", mqueue);
}

int make_dev(struct site *s, const char *path, uint64_t shm_size)
{
	static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
	struct tmpfs_options o = {.size = 64 * 1024, .mode = 0755, .attrs = K_ATTR_NOSUID};

	AUTO_FD mount = mount_tmpfs(s, &o);
	if (mount < 0)
		return -1;
	AUTO_FD dev = dup(mount);
	if (mount_at(s, take_fd(&mount), path, TARGET_DIR) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
		if (bind_node(s, dev, nodes[i]) < 0)
			return -1;
	if (make_links(s, dev) < 0 || mount_own(s, dev, shm_size) < 0)
		return -1;
	if (s->tty && mknodat(dev, "console", S_IFREG | 0600, 0) < 0)
		return fail(s->f, "create", "%s", "/dev/console");
	return 0;
}
