/*
 * The caller of a notified system call: its memory, its paths, its descriptors.
 *
 * Invariants
 * - While emu serves, its working directory is /proc: "PID/cwd/x" and
 *   "PID/fd/3" are paths, even if the step mounts something over /proc.
 * - A path means for us what it means for the caller as long as both have the
 *   same root. Once any process of the step has asked for another one
 *   (roots_vary), we take over the caller's root for the duration of a call.
 * - The caller may be killed at any instant, and its number be given anew:
 *   emu_alive() comes before every write to it. Another thread of it may
 *   change a path after we read it; nothing is guarded by what we read (the
 *   caller could do the same to its own files without us).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "emulate-internal.h"

bool emu_alive(const struct emu_call *call)
{
	uint64_t id = call->id;
	return ioctl(call->emu->listener, (int)SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/*
 * With a /proc of an outer pid namespace (the container's own could not be
 * mounted) a pidfd's fdinfo tells the number that this /proc uses.
 */
static pid_t translate_pid(pid_t pid)
{
	char path[64], text[512];
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -1;
	snprintf(path, sizeof path, "self/fdinfo/%d", pidfd);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	close(pidfd);
	if (n <= 0)
		return -1;
	text[n] = 0;
	const char *line = strstr(text, "\nPid:");
	return line ? (pid_t)strtol(line + 5, NULL, 10) : -1;
}

pid_t emu_proc_pid(struct emu_call *call)
{
	if (!call->proc_pid)
		call->proc_pid = call->emu->foreign_proc ? translate_pid(call->pid) : call->pid;
	return call->proc_pid;
}

int emu_read(const struct emu_call *call, uint64_t address, void *out, size_t size)
{
	struct iovec local = {out, size};
	struct iovec remote = {(void *)(uintptr_t)address, size};
	return process_vm_readv(call->pid, &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

int emu_read_string(const struct emu_call *call, uint64_t address, char *out, size_t size)
{
	/* Page by page: the next one may not exist, and the string may end before it. */
	const size_t page = 4096;
	size_t done = 0;
	while (done < size) {
		size_t chunk = page - (size_t)((address + done) & (page - 1));
		if (chunk > size - done)
			chunk = size - done;
		int error = emu_read(call, address + done, out + done, chunk);
		if (error < 0)
			return error;
		if (memchr(out + done, 0, chunk))
			return 0;
		done += chunk;
	}
	return -ENAMETOOLONG;
}

int emu_write(const struct emu_call *call, uint64_t address, const void *data, size_t size)
{
	if (!emu_alive(call))
		return -ESRCH;
	struct iovec local = {(void *)(uintptr_t)data, size};
	struct iovec remote = {(void *)(uintptr_t)address, size};
	return process_vm_writev(call->pid, &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

long emu_status_field(struct emu_call *call, const char *key, int base)
{
	char path[64], text[2048];
	snprintf(path, sizeof path, "%d/status", (int)emu_proc_pid(call));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -ESRCH;
	text[n] = 0;
	size_t length = strlen(key);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, length) && line[length] == ':')
			return strtol(line + length + 1, NULL, base);
	}
	return -ENOENT;
}

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

static void leave_caller(struct emu *emu)
{
	/* chroot does not move the working directory: that is how we get back. */
	if (fchdir(emu->root) < 0 || (emu->roots_vary && chroot(".") < 0) || fchdir(emu->proc) < 0)
		abort(); /* pid 1 in the wrong root must not go on */
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

int emu_open_target(struct emu_call *call, int dirfd, const char *path, bool follow)
{
	struct emu_place place;
	int error = emu_place_begin(call, &place, dirfd, path, follow);
	if (error < 0)
		return error;
	/* An empty path is a magic link, which must be followed to what it holds. */
	int fd = open(place.path, O_PATH | O_CLOEXEC | (follow || !*path ? 0 : O_NOFOLLOW));
	error = -errno;
	emu_place_end(call, &place);
	return fd < 0 ? error : fd;
}
