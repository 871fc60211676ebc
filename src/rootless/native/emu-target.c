/*
 * The caller of a notified system call: its paths and descriptors.
 *
 * Invariants
 * - While emu serves, its working directory is /proc: "PID/cwd/x" and
 *   "PID/fd/3" are paths, even if the step mounts something over /proc.
 * - A path means for us what it means for the caller as long as both have the
 *   same root. Once any process of the step has asked for another one
 *   (roots_vary), we take over the caller's root for the duration of a call.
 * - Magic links (/proc/PID/fd/3) lead where we may go, not where the caller
 *   may: through our own there are files that it must not reach. What is made
 *   or changed for a caller is opened without following any but the caller's
 *   own, at the path's beginning; stat, which changes nothing, goes by path.
 * - Another thread of the caller may change a path after we read it; nothing is
 *   guarded by what we read (it could do the same to its own files without us).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "emulate-internal.h"
#include "kernel.h"

/*
 * /proc/self is another process for us than for the caller, and /dev/fd and
 * its kin lead there. Only the spelled-out prefix is recognised; a symlink to
 * it from elsewhere is not.
 */
static const char *own_names(const char *path, bool follow, char *out, size_t size, pid_t pid)
{
	static const struct {
		const char *prefix, *replacement;
		bool link; /* a symlink in itself: only what lies behind it moves */
	} names[] = {
		{"/proc/self", "", true},
		{"/proc/thread-self", "", true},
		{"/dev/fd", "/fd", true},
		{"/dev/stdin", "/fd/0", true},
		{"/dev/stdout", "/fd/1", true},
		{"/dev/stderr", "/fd/2", true},
	};
	if (strncmp(path, "/proc/", 6) && strncmp(path, "/dev/", 5))
		return path;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t length = strlen(names[i].prefix);
		if (strncmp(path, names[i].prefix, length) || (path[length] && path[length] != '/'))
			continue;
		if (!path[length] && !follow)
			return path;
		snprintf(out, size, "/proc/%d%s%s", (int)pid, names[i].replacement, path + length);
		return out;
	}
	return path;
}

static void leave_caller(struct emu *emu)
{
	/* chroot does not move the working directory: that is how we get back. */
	if (fchdir(emu->root) < 0 || (emu->roots_vary && chroot(".") < 0) || fchdir(emu->proc) < 0)
		abort(); /* pid 1 in the wrong root must not go on */
}

/*
 * A magic link of the caller's own at the beginning of a path, which may be followed: its base, and what is left. NULL
 * where there is none.
 */
static const char *own_link(const char *path, pid_t pid, char *base, size_t size)
{
	static const char *const links[] = {"cwd", "root"};
	int length = snprintf(base, size, "/proc/%d/", (int)pid);
	if (strncmp(path, base, (size_t)length))
		return NULL;
	const char *name = path + length, *end = NULL;
	if (!strncmp(name, "fd/", 3) && name[3] >= '0' && name[3] <= '9')
		end = name + 3 + strspn(name + 3, "0123456789");
	for (size_t i = 0; i < sizeof links / sizeof links[0] && !end; i++)
		if (!strncmp(name, links[i], strlen(links[i])))
			end = name + strlen(links[i]);
	if (!end || (*end && *end != '/') || (size_t)(end - path) >= size)
		return NULL;
	/* Our working directory is a /proc that the step can't mount over. */
	memcpy(base, path + 6, (size_t)(end - path) - 6);
	base[end - path - 6] = 0;
	return end + strspn(end, "/");
}

/* The root alone: what is opened from here on begins at a descriptor, or at that root. */
static int enter_root(struct emu_call *call)
{
	char path[64];
	snprintf(path, sizeof path, "%d/root", (int)emu_proc_pid(call));
	int error = chdir(path) < 0 || chroot(".") < 0 ? -errno : 0;
	return fchdir(call->emu->proc) < 0 ? -errno : error;
}

int emu_spot_begin(struct emu_call *call, struct emu_spot *spot, int dirfd, const char *path, bool follow)
{
	char base[64];
	pid_t pid = emu_proc_pid(call);
	spot->at = -1;
	spot->entered = false;
	if (pid < 0)
		return -ESRCH;
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	spot->rest = spot->named;
	if (*path == '/') {
		const char *named = own_names(path, follow, spot->named, sizeof spot->named, pid);
		if (named == path)
			memcpy(spot->named, path, strlen(path) + 1);
		const char *rest = own_link(spot->named, pid, base, sizeof base);
		if (!rest || (!*rest && !follow))
			*base = 0;
		else
			spot->rest = rest;
	} else {
		memcpy(spot->named, path, strlen(path) + 1);
		if (dirfd == AT_FDCWD)
			snprintf(base, sizeof base, "%d/cwd", (int)pid);
		else
			snprintf(base, sizeof base, "%d/fd/%d", (int)pid, dirfd);
	}
	if (*base && (spot->at = open(base, O_PATH | O_CLOEXEC)) < 0)
		return -errno;
	if (!call->emu->roots_vary)
		return 0;
	spot->entered = true;
	int error = enter_root(call);
	if (error < 0)
		emu_spot_end(call, spot);
	return error;
}

void emu_spot_end(struct emu_call *call, struct emu_spot *spot)
{
	if (spot->at >= 0)
		close(spot->at);
	spot->at = -1;
	if (spot->entered)
		leave_caller(call->emu);
	spot->entered = false;
}

int emu_spot_open(struct emu_spot *spot, const char *rest, int flags)
{
	/* The base itself, which was opened through its link. */
	if (!*rest)
		return fcntl(spot->at, F_DUPFD_CLOEXEC, 0);
	return k_openat2(spot->at < 0 ? AT_FDCWD : spot->at, rest, (uint64_t)flags, 0, K_RESOLVE_NO_MAGICLINKS);
}

/* What the link at the end of a path says, as far as it is absolute; false where there is no such link. */
static bool link_at_end(struct emu_spot *spot, char out[PATH_MAX])
{
	struct statfs fs;
	int fd = *spot->rest ? emu_spot_open(spot, spot->rest, O_PATH | O_NOFOLLOW) : -1;
	/* The words of a magic link are no path of the container's. */
	bool plain = fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type != 0x9fa0; /* PROC_SUPER_MAGIC */
	ssize_t n = plain ? readlinkat(fd, "", out, PATH_MAX - 1) : -1;
	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = 0;
	return out[0] == '/';
}

int emu_open_target(struct emu_call *call, int dirfd, const char *path, bool follow)
{
	enum { LINKS_MAX = 8 };
	char link[PATH_MAX];
	struct emu_spot spot;
	int fd = -1;
	/* A log file that is a link to /dev/stdout leads to a magic link of the caller's: each hop is looked at anew. */
	for (int hops = 0; hops < LINKS_MAX; hops++) {
		int error = emu_spot_begin(call, &spot, dirfd, path, follow);
		if (error < 0)
			return error;
		fd = emu_spot_open(&spot, spot.rest, O_PATH | (follow ? 0 : O_NOFOLLOW));
		error = fd < 0 ? -errno : 0;
		bool again = error == -ELOOP && follow && link_at_end(&spot, link);
		emu_spot_end(call, &spot);
		if (!again)
			return fd < 0 ? error : fd;
		path = link;
	}
	return -ELOOP;
}

static int enter_caller(struct emu_call *call, const char *base)
{
	char path[64];
	struct emu *emu = call->emu;
	int at = base ? open(base, O_PATH | O_CLOEXEC) : -1;
	if (base && at < 0)
		return -errno;
	int error = 0;
	if (emu->roots_vary) {
		snprintf(path, sizeof path, "%d/root", (int)emu_proc_pid(call));
		if (chdir(path) < 0 || chroot(".") < 0)
			error = -errno;
	}
	if (!error && base && fchdir(at) < 0)
		error = -errno;
	if (at >= 0)
		close(at);
	return error;
}

void emu_place_end(struct emu_call *call, struct emu_place *place)
{
	if (place->entered)
		leave_caller(call->emu);
	place->entered = false;
}

int emu_place_begin(struct emu_call *call, struct emu_place *place, int dirfd, const char *path, bool follow)
{
	char named[PATH_MAX + 32], base[64];
	pid_t pid = emu_proc_pid(call);
	place->entered = false;
	if (pid < 0)
		return -ESRCH;
	if (dirfd == AT_FDCWD)
		snprintf(base, sizeof base, "%d/cwd", (int)pid);
	else
		snprintf(base, sizeof base, "%d/fd/%d", (int)pid, dirfd);
	if (!*path) { /* dirfd itself; its magic link needs no root */
		memcpy(place->path, base, strlen(base) + 1);
		return 0;
	}
	bool absolute = *path == '/';
	path = absolute ? own_names(path, follow, named, sizeof named, pid) : path;
	size_t length = strlen(path), prefix = absolute ? 0 : strlen(base) + 1;
	if (length >= sizeof place->path)
		return -ENAMETOOLONG;
	if (call->emu->roots_vary || prefix + length >= sizeof place->path) {
		int error = enter_caller(call, absolute ? NULL : base);
		place->entered = true;
		if (error < 0) {
			emu_place_end(call, place);
			return error;
		}
		prefix = 0;
	}
	if (prefix) {
		memcpy(place->path, base, prefix - 1);
		place->path[prefix - 1] = '/';
	}
	memcpy(place->path + prefix, path, length + 1);
	return 0;
}

