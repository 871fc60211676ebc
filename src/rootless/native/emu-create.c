/*
 * New files: open, openat, creat, mkdir, mknod, symlink and their *at forms.
 *
 * An inode belongs to the file system ids of its maker, its group to a set-group-ID
 * directory around it (inode(7), open(2)). Root in an ordinary directory is what
 * the kernel does by itself. For all others the call is made here, with the
 * caller's umask, and the owner recorded before the caller can see the file.
 *
 * Not enforced: whether an emulated user may write to the directory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "emulate-internal.h"

/* A file to be made: its directory is in place, its name the rest of the path. */
struct birth {
	struct emu_place place;
	struct owner owner;
	mode_t umask;
};

/* The directory that holds path, in place; "." for a bare name. */
static void directory_of(const char *path, char *out)
{
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	while (length && path[length - 1] != '/')
		length--;
	if (!length)
		memcpy(out, ".", 2);
	else {
		memcpy(out, path, length);
		out[length] = 0;
	}
}

/*
 * Find whom the new file will belong to. False: to root, the kernel may make it.
 * On true, and only then, the place has begun.
 */
static bool birth_begin(struct emu_call *call, struct birth *birth, int dirfd, const char *path)
{
	char parent[PATH_MAX];
	struct stat st;
	const struct emu_cred *cred = emu_cred_of(call->emu, call->pid);
	if (!*path || emu_place_begin(call, &birth->place, dirfd, path, true) < 0)
		return false;
	birth->owner = (struct owner){cred->fsuid, cred->fsgid};
	directory_of(birth->place.path, parent);
	if (stat(parent, &st) == 0 && st.st_mode & S_ISGID) {
		struct owner dir = {0, 0};
		emu_owner_at(call->emu, parent, true, &dir);
		birth->owner.gid = dir.gid;
	}
	if (birth->owner.uid || birth->owner.gid)
		return true;
	emu_place_end(call, &birth->place);
	return false;
}

static void take_umask(struct emu_call *call, struct birth *birth)
{
	long mask = emu_status_field(call, "Umask", 8);
	birth->umask = umask(mask < 0 ? 022 : (mode_t)mask);
}

/* See struct emu, restarts. Under another root the path would lead elsewhere. */
static void note_made(struct emu_call *call, const struct birth *birth)
{
	struct emu *emu = call->emu;
	if (emu->restarts && !birth->place.entered)
		memcpy(emu->made, birth->place.path, strlen(birth->place.path) + 1);
}

/* Record the owner of what was just made at the place. */
static int64_t record(struct emu_call *call, struct birth *birth)
{
	int fd = open(birth->place.path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		emu_owner_set(call->emu, fd, birth->owner);
		close(fd);
		note_made(call, birth);
	}
	emu_place_end(call, &birth->place);
	return 0;
}

static int64_t inject(struct emu_call *call, int fd, int flags)
{
	struct emu *emu = call->emu;
	struct seccomp_notif_addfd add = {
		.id = call->id,
		.flags = emu->no_addfd_send ? 0 : SECCOMP_ADDFD_FLAG_SEND,
		.srcfd = (uint32_t)fd,
		.newfd_flags = (uint32_t)(flags & O_CLOEXEC),
	};
	int number = ioctl(emu->listener, (int)SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	/* Before 5.14 the number is answered apart; a signal between the two leaks a descriptor. */
	if (number < 0 && errno == EINVAL && !emu->no_addfd_send) {
		emu->no_addfd_send = true;
		return inject(call, fd, flags);
	}
	if (number < 0)
		return -errno;
	return emu->no_addfd_send ? number : EMU_SENT;
}

/*
 * Make the file, and only make it: one that exists is the kernel's to open.
 * O_EXCL keeps us from opening (and hanging on) a fifo that appears meanwhile.
 */
static int make_file(const char *path, int flags, mode_t mode)
{
	flags |= O_CLOEXEC | O_NOCTTY;
	int fd = open(path, flags | (flags & EMU_O_TMPFILE_BIT ? 0 : O_EXCL), mode);
	if (fd >= 0 || errno != EEXIST || flags & O_EXCL)
		return fd;
	struct stat st;
	if (stat(path, &st) == 0 || flags & O_NOFOLLOW) {
		errno = EEXIST;
		return -1;
	}
	/* A dangling symlink: O_CREAT makes what it points to. */
	fd = open(path, flags | O_NONBLOCK, mode);
	if (fd >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

/* Is it there, so that the kernel only has to open it? */
static bool is_there(const struct birth *birth, int flags)
{
	struct stat st;
	return !(flags & EMU_O_TMPFILE_BIT) && stat(birth->place.path, &st) == 0;
}

/* Make the file at the place, give it to its owner and to the caller. */
static int64_t give_birth(struct emu_call *call, struct birth *birth, int flags, mode_t mode)
{
	if (is_there(birth, flags))
		return EMU_CONTINUE;
	take_umask(call, birth);
	int fd = make_file(birth->place.path, flags, mode & 07777);
	int error = errno;
	umask(birth->umask);
	if (fd < 0)
		return error == EEXIST ? EMU_CONTINUE : -error;
	emu_owner_set(call->emu, fd, birth->owner);
	if (!(flags & EMU_O_TMPFILE_BIT))
		note_made(call, birth);
	int64_t result = inject(call, fd, flags);
	close(fd);
	return result;
}

static int64_t create_file(struct emu_call *call, int dirfd, uint64_t address, int flags, mode_t mode)
{
	char path[PATH_MAX];
	struct birth birth;
	if (flags & O_PATH || emu_read_string(call, address, path, sizeof path) < 0)
		return EMU_CONTINUE;
	if (!birth_begin(call, &birth, dirfd, path))
		return EMU_CONTINUE;
	int64_t result = give_birth(call, &birth, flags, mode);
	emu_place_end(call, &birth.place);
	return result;
}

int64_t emu_do_open(struct emu_call *call)
{
	return create_file(call, AT_FDCWD, call->args[0], (int)call->args[1], (mode_t)call->args[2]);
}

int64_t emu_do_openat(struct emu_call *call)
{
	return create_file(call, (int)call->args[0], call->args[1], (int)call->args[2], (mode_t)call->args[3]);
}

/*
 * Paths that are resolved in a way of their own (below a directory, without
 * links) would be another's path here: with those, a user's new file is
 * refused as on kernels before 5.6, and programs fall back to openat.
 */
int64_t emu_do_openat2(struct emu_call *call)
{
	struct {
		uint64_t flags, mode, resolve;
	} how;
	const struct emu_cred *cred = emu_cred_of(call->emu, call->pid);
	if (call->args[3] < sizeof how || emu_read(call, call->args[2], &how, sizeof how) < 0)
		return EMU_CONTINUE;
	if (!(how.flags & (O_CREAT | EMU_O_TMPFILE_BIT)))
		return EMU_CONTINUE;
	if (how.resolve)
		return cred->fsuid || cred->fsgid ? -ENOSYS : EMU_CONTINUE;
	return create_file(call, (int)call->args[0], call->args[1], (int)how.flags, (mode_t)how.mode);
}

int64_t emu_do_creat(struct emu_call *call)
{
	return create_file(call, AT_FDCWD, call->args[0], O_CREAT | O_WRONLY | O_TRUNC, (mode_t)call->args[1]);
}

/* ---- directories, nodes, symlinks -------------------------------------------------- */

static int64_t finish(struct emu_call *call, struct birth *birth, int made)
{
	int error = errno;
	if (made < 0) {
		emu_place_end(call, &birth->place);
		return -error;
	}
	return record(call, birth);
}

static void strip_slashes(char *path)
{
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		path[--length] = 0;
}

static int64_t make_directory(struct emu_call *call, int dirfd, uint64_t address, mode_t mode)
{
	char path[PATH_MAX];
	struct birth birth;
	if (emu_read_string(call, address, path, sizeof path) < 0)
		return EMU_CONTINUE;
	strip_slashes(path); /* mkdir("x/") makes x; record() must not follow it */
	if (!birth_begin(call, &birth, dirfd, path))
		return EMU_CONTINUE;
	take_umask(call, &birth);
	int made = mkdir(birth.place.path, mode & 07777);
	int error = errno;
	umask(birth.umask);
	errno = error;
	return finish(call, &birth, made);
}

int64_t emu_do_mkdir(struct emu_call *call)
{
	return make_directory(call, AT_FDCWD, call->args[0], (mode_t)call->args[1]);
}

int64_t emu_do_mkdirat(struct emu_call *call)
{
	return make_directory(call, (int)call->args[0], call->args[1], (mode_t)call->args[2]);
}

/* An empty file that says which device it stands for; mknod(2) refuses users the real one. */
static int make_device(const char *path, mode_t mode, dev_t dev)
{
	char text[40];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 07777);
	if (fd < 0)
		return -1;
	int length = snprintf(text, sizeof text, "%c:%u:%u", S_ISBLK(mode) ? 'b' : 'c', major(dev), minor(dev));
	uint8_t owner[OWNER_MAX];
	int error = fsetxattr(fd, XATTR_DEVICE, text, (size_t)length, 0) < 0 || fsetxattr(fd, XATTR_OWNER, owner, 0, 0) < 0
		? errno
		: 0;
	close(fd);
	if (!error)
		return 0;
	unlink(path);
	errno = error == EOPNOTSUPP ? EPERM : error;
	return -1;
}

/* Linux hands mknod a 32-bit number, minor split around major; libc's dev_t agrees below 2^32. */
static int64_t make_node(struct emu_call *call, int dirfd, uint64_t address, mode_t mode, dev_t dev)
{
	char path[PATH_MAX];
	struct birth birth;
	bool device = (S_ISCHR(mode) || S_ISBLK(mode)) && dev != 0;
	if (emu_read_string(call, address, path, sizeof path) < 0)
		return EMU_CONTINUE;
	if (device && !emu_cred_capable(emu_cred_of(call->emu, call->pid), EMU_CAP_MKNOD))
		return -EPERM;
	if (!birth_begin(call, &birth, dirfd, path)) {
		if (!device)
			return EMU_CONTINUE;
		birth.owner = (struct owner){0, 0};
		int error = emu_place_begin(call, &birth.place, dirfd, path, true);
		if (error < 0)
			return error;
	}
	take_umask(call, &birth);
	int made = device ? make_device(birth.place.path, mode, dev) : mknod(birth.place.path, mode, dev);
	int error = errno;
	umask(birth.umask);
	errno = error;
	return finish(call, &birth, made);
}

int64_t emu_do_mknod(struct emu_call *call)
{
	return make_node(call, AT_FDCWD, call->args[0], (mode_t)call->args[1], (dev_t)(uint32_t)call->args[2]);
}

int64_t emu_do_mknodat(struct emu_call *call)
{
	return make_node(call, (int)call->args[0], call->args[1], (mode_t)call->args[2], (dev_t)(uint32_t)call->args[3]);
}

static int64_t make_symlink(struct emu_call *call, uint64_t target_address, int dirfd, uint64_t address)
{
	char target[PATH_MAX], path[PATH_MAX];
	struct birth birth;
	if (emu_read_string(call, target_address, target, sizeof target) < 0 ||
		emu_read_string(call, address, path, sizeof path) < 0)
		return EMU_CONTINUE;
	if (!birth_begin(call, &birth, dirfd, path))
		return EMU_CONTINUE;
	return finish(call, &birth, symlink(target, birth.place.path));
}

int64_t emu_do_symlink(struct emu_call *call)
{
	return make_symlink(call, call->args[0], AT_FDCWD, call->args[1]);
}

int64_t emu_do_symlinkat(struct emu_call *call)
{
	return make_symlink(call, call->args[0], (int)call->args[1], call->args[2]);
}
