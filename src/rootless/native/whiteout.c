/* Removals in a layer on disk: see whiteout.h. */
#define _GNU_SOURCE
#include "whiteout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "owners.h"

#define PLAIN_FILE "plain-whiteouts"
#define XATTR_OPAQUE "user.overlay.opaque"
#define XATTR_PLAIN_OPAQUE "user.tsbox.opaque"

static const char plain_whiteout[] = "c:0:0";

/* Overlayfs, and whoever else keeps these things to itself or has no room for them. */
static bool refused(int err)
{
	return err == EPERM || err == EACCES || err == ENOTSUP || err == EINVAL;
}

static int note_plain(int layer)
{
	AUTO_FD above = openat(layer, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD note = above < 0 ? -1 : openat(above, PLAIN_FILE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	return note < 0 ? -1 : 0;
}

int whiteout_make(int layer, int dirfd, const char *name)
{
	if (mknodat(dirfd, name, S_IFCHR, 0) == 0)
		return 0;
	if (!refused(errno))
		return -1;
	AUTO_FD fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fsetxattr(fd, XATTR_DEVICE, plain_whiteout, strlen(plain_whiteout), 0) < 0)
		return -1;
	return note_plain(layer);
}

int opaque_make(int layer, int fd)
{
	if (fsetxattr(fd, XATTR_OPAQUE, "y", 1, 0) == 0)
		return 0;
	if (!refused(errno) || fsetxattr(fd, XATTR_PLAIN_OPAQUE, "y", 1, 0) < 0)
		return -1;
	return note_plain(layer);
}

bool whiteout_is(int dirfd, const char *name, const struct stat *st)
{
	char value[16];

	if (S_ISCHR(st->st_mode))
		return st->st_rdev == 0;
	if (!S_ISREG(st->st_mode) || st->st_size)
		return false;
	AUTO_FD fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : fgetxattr(fd, XATTR_DEVICE, value, sizeof value);
	return n == (ssize_t)strlen(plain_whiteout) && !memcmp(value, plain_whiteout, (size_t)n);
}

bool opaque_is(int fd)
{
	char value;

	return (fgetxattr(fd, XATTR_OPAQUE, &value, 1) == 1 && value == 'y') ||
		(fgetxattr(fd, XATTR_PLAIN_OPAQUE, &value, 1) == 1 && value == 'y');
}

bool layer_is_plain(const char *layer)
{
	char path[4200];

	snprintf(path, sizeof path, "%s/../" PLAIN_FILE, layer);
	return access(path, F_OK) == 0;
}
