/*
 * What of a container's mounts must be the kernel's own file system, and stay in sight.
 *
 * Whatever hides and write-protects paths of /proc and /sys goes by path. Were /proc a link of the image into a volume,
 * another container with that volume could exchange what it leads to between the mount and the masks (CVE-2019-19921,
 * CVE-2023-27561); and a volume over /proc would show this container a /proc of its own making (CVE-2019-16884).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/vfs.h>

#include "kernel.h"
#include "site.h"

enum { PROC_MAGIC = 0x9fa0 };

bool is_procfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_MAGIC;
}

/* What lxcfs gives: a container's own view of what the machine has. */
static bool is_a_view(const char *path)
{
	static const char *const views[] = {"cpuinfo", "diskstats", "loadavg", "meminfo", "net/dev", "slabinfo", "stat",
		"swaps", "uptime"};
	static const char proc[] = "/proc/";

	if (strncmp(path, proc, sizeof proc - 1) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(views); i++)
		if (!strcmp(path + sizeof proc - 1, views[i]))
			return true;
	return false;
}

bool may_cover(int target, const char *path)
{
	return !is_procfs(target) || is_a_view(path);
}

int mount_at_no_link(struct site *s, int mount, const char *path)
{
	const char *relative = path + strspn(path, "/");
	AUTO_FD m = mount;
	AUTO_FD target = k_openat2(
		s->root, relative, O_PATH | O_DIRECTORY, 0, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS | K_RESOLVE_NO_SYMLINKS);

	if (target < 0 && errno == ENOENT)
		return mount_at(s, take_fd(&m), path, TARGET_DIR);
	return target < 0 ? fail(s->f, "mount point", "%s", path) : mount_attach(s, take_fd(&m), target, path);
}
