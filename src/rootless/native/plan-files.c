/* The operations of a plan that make or write files, and those about the namespaces themselves. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "owners.h"
#include "plan-ops.h"

static int set_owner(struct site *s, int fd, uint32_t uid, uint32_t gid)
{
	if (!s->world->single)
		return fchown(fd, uid, gid);
	/* Not every file system has room for it; the file is the user's own in any case. */
	return owner_set(fd, (struct owner){uid, gid}) < 0 && errno != ENOTSUP ? -1 : 0;
}

int op_file(struct site *s, struct cursor *c)
{
	const char *target = c_str(c);
	uint32_t len;
	const uint8_t *content = c_blob(c, &len);
	uint32_t mode = c_u32(c), uid = c_u32(c), gid = c_u32(c);
	bool readonly = c_u8(c);
	char name[32];

	snprintf(name, sizeof name, "f%u", s->scratch_names++);
	AUTO_FD fd = openat(s->scratch, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, content, len) < 0 || set_owner(s, fd, uid, gid) < 0 || fchmod(fd, mode & 07777) < 0)
		return fail(s->f, "write", "%s", target);
	AUTO_FD mount = mount_clone(s->scratch, name, false);
	if (mount < 0)
		return fail(s->f, "bind", "%s", target);
	if (readonly && mount_readonly(s, mount, false, target) < 0)
		return -1;
	return mount_at(s, take_fd(&mount), target, TARGET_FILE);
}

int op_symlink(struct site *s, struct cursor *c)
{
	const char *path = c_str(c), *text = c_str(c), *slash = strrchr(path, '/');
	char *above = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	bool made;
	AUTO_FD parent = target_make_dir(s, above, &made);

	if (parent < 0)
		return -1;
	if (symlinkat(text, parent, slash ? slash + 1 : path) < 0 && errno != EEXIST)
		return fail(s->f, "symlink", "%s", path);
	return 0;
}

int op_mkdir(struct site *s, struct cursor *c)
{
	const char *path = c_str(c);
	uint32_t mode = c_u32(c), uid = c_u32(c), gid = c_u32(c);
	bool made;
	AUTO_FD found = target_make_dir(s, path, &made);

	if (found < 0 || !made)
		return found < 0 ? -1 : 0;
	AUTO_FD fd = openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || set_owner(s, fd, uid, gid) < 0 || fchmod(fd, mode & 07777) < 0)
		return fail(s->f, "mkdir", "%s", path);
	return 0;
}

int op_write(struct site *s, struct cursor *c)
{
	const char *path = c_str(c), *text = c_str(c);
	bool optional = c_u8(c);

	while (*path == '/')
		path++;
	AUTO_FD fd = k_openat2(s->root, path, O_WRONLY | O_NOCTTY, 0, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
	/* Settings only: nothing else is worth a write with our power (CVE-2025-52881). */
	bool setting = fd >= 0 && (is_procfs(fd) || (errno = EPERM, false));
	if ((!setting || write_all(fd, text, strlen(text)) < 0) && !optional)
		return fail(s->f, "write", "/%s", path);
	return 0;
}

int op_hostname(struct site *s, struct cursor *c)
{
	const char *name = c_str(c);

	if (sethostname(name, strlen(name)) == 0)
		return 0;
	if (errno != EPERM && errno != ENOSYS)
		return fail(s->f, "set hostname", "%s", name);
	/* A filter around tsbox (podman's own profile): files of the container say it all the same. */
	s->keeps_hostname = true;
	return 0;
}

/* Of this process, and of the payload that it will fork; through the host's /proc, the container's may be anything. */
int op_oom_score(struct site *s, struct cursor *c)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d", (int32_t)c_u32(c));
	AUTO_FD fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	return fd < 0 || write_all(fd, text, (size_t)n) < 0 ? fail(s->f, "set oom score", "%s", text) : 0;
}

/* The processors of this process, and of the payload that it will fork; whoever can set his own can leave them. */
int op_affinity(struct site *s, struct cursor *c)
{
	uint32_t len;
	const uint8_t *mask = c_blob(c, &len);
	/* The kernel takes whole words only. */
	unsigned long words[128] = {0};

	if (len > sizeof words)
		return fail_with(s->f, E2BIG, "set processors", "");
	/* A frame that ends too early has none. */
	if (!c->bad)
		memcpy(words, mask, len);
	if (syscall(SYS_sched_setaffinity, 0, sizeof words, words) < 0)
		return fail(s->f, "set processors", "%s", "");
	return 0;
}

int op_loopback(struct site *s, struct cursor *c)
{
	(void)c;
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return fail(s->f, "bring up loopback", "%s", "lo");
	return 0;
}
