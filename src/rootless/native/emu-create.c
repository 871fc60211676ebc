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
#include "kernel.h"

/* A file to be made: its directory, open, and its name there. */
struct birth {
	struct emu_spot spot;
	int parent;
	char name[NAME_MAX + 1];
	struct owner owner;
	mode_t umask;
};

static void birth_end(struct emu_call *call, struct birth *birth)
{
	if (birth->parent >= 0)
		close(birth->parent);
	birth->parent = -1;
	emu_spot_end(call, &birth->spot);
}

/* Splits what is left of the path; false for names that are nobody's to make, which the kernel refuses itself. */
static bool split(const char *rest, char dir[PATH_MAX], char name[NAME_MAX + 1])
{
	const char *slash = strrchr(rest, '/'), *last = slash ? slash + 1 : rest;
	size_t length = (size_t)(last - rest);

	if (!*last || !strcmp(last, ".") || !strcmp(last, "..") || strlen(last) > NAME_MAX || length >= PATH_MAX)
		return false;
	memcpy(dir, length ? rest : ".", length ? length : 1);
	dir[length ? length : 1] = 0;
	memcpy(name, last, strlen(last) + 1);
	return true;
}

/* Opens the directory that the file is to be in; O_TMPFILE names that directory itself. */
static bool open_parent(struct birth *birth, bool itself)
{
	char dir[PATH_MAX];

	if (itself) {
		birth->parent = emu_spot_open(&birth->spot, birth->spot.rest, O_PATH | O_DIRECTORY);
		memcpy(birth->name, ".", 2);
	} else if (split(birth->spot.rest, dir, birth->name))
		birth->parent = emu_spot_open(&birth->spot, dir, O_PATH | O_DIRECTORY);
	return birth->parent >= 0;
}

enum whose { NOT_ROOTS, ANYBODYS };

/*
 * Root's file in a directory that hands on no group: most files of most steps, so this look goes by path. It tells and
 * changes nothing.
 */
static bool is_plainly_roots(struct emu_call *call, int dirfd, const char *path)
{
	const struct emu_cred *cred = emu_cred_of(call->emu, call->pid);
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) + 1 : 0;
	char dir[PATH_MAX];
	struct emu_place place;
	struct stat st;

	if (cred->fsuid || cred->fsgid || call->emu->roots_vary)
		return false;
	memcpy(dir, length ? path : ".", length ? length : 1);
	dir[length ? length : 1] = 0;
	if (emu_place_begin(call, &place, dirfd, dir, true) < 0)
		return false;
	bool plain = stat(place.path, &st) == 0 && !(st.st_mode & S_ISGID);
	emu_place_end(call, &place);
	return plain;
}

/*
 * Find the place of the new file, and whom it will belong to. False: the kernel may make it (as NOT_ROOTS it says no to
 * files of root), or knows why not. On true, and only then, birth_end is due.
 */
static bool birth_begin(
	struct emu_call *call, struct birth *birth, int dirfd, const char *path, bool itself, enum whose whose)
{
	struct stat st;
	const struct emu_cred *cred = emu_cred_of(call->emu, call->pid);

	birth->parent = -1;
	if (whose == NOT_ROOTS && !itself && is_plainly_roots(call, dirfd, path))
		return false;
	if (!*path || emu_spot_begin(call, &birth->spot, dirfd, path, true) < 0)
		return false;
	birth->owner = (struct owner){cred->fsuid, cred->fsgid};
	if (open_parent(birth, itself)) {
		if (fstat(birth->parent, &st) == 0 && st.st_mode & S_ISGID) {
			struct owner dir = {0, 0};
			emu_owner_get(call->emu, birth->parent, &dir);
			birth->owner.gid = dir.gid;
		}
		if (whose == ANYBODYS || birth->owner.uid || birth->owner.gid)
			return true;
	}
	birth_end(call, birth);
	return false;
}

static void take_umask(struct emu_call *call, struct birth *birth)
{
	long mask = emu_status_field(call, "Umask", 8);
	birth->umask = umask(mask < 0 ? 022 : (mode_t)mask);
}

/* See struct emu, restarts. */
static void note_made(struct emu_call *call, const struct birth *birth)
{
	struct emu *emu = call->emu;
	if (!emu->restarts)
		return;
	emu->made_in = fcntl(birth->parent, F_DUPFD_CLOEXEC, 0);
	memcpy(emu->made, birth->name, sizeof emu->made);
}

/* Record the owner of what was just made. */
static int64_t record(struct emu_call *call, struct birth *birth)
{
	int fd = openat(birth->parent, birth->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		emu_owner_set(call->emu, fd, birth->owner);
		close(fd);
		note_made(call, birth);
	}
	birth_end(call, birth);
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

/* Bits that open(2) knows; openat2(2) refuses all others. */
#define OPEN_FLAGS (~074 & 077777777)

/*
 * Make the file, and only make it: one that exists is the kernel's to open.
 * O_EXCL keeps us from opening (and hanging on) a fifo that appears meanwhile.
 */
static int make_file(const struct birth *birth, int flags, mode_t mode)
{
	flags |= O_CLOEXEC | O_NOCTTY;
	int fd = openat(birth->parent, birth->name, flags | (flags & EMU_O_TMPFILE_BIT ? 0 : O_EXCL), mode);
	if (fd >= 0 || errno != EEXIST || flags & (O_EXCL | O_NOFOLLOW))
		return fd;
	/* A dangling symlink: O_CREAT makes what it points to. */
	fd = k_openat2(birth->parent, birth->name, (uint64_t)((flags | O_NONBLOCK) & OPEN_FLAGS), mode,
		K_RESOLVE_NO_MAGICLINKS);
	if (fd >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	if (fd < 0 && errno == ELOOP)
		errno = EEXIST;
	return fd;
}

/* Is it there, or beyond our sight, so that the kernel has to open it? */
static bool is_there(const struct birth *birth, int flags)
{
	if (flags & EMU_O_TMPFILE_BIT)
		return false;
	int fd = k_openat2(birth->parent, birth->name, O_PATH, 0, K_RESOLVE_NO_MAGICLINKS);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != ENOENT;
}

/* Make the file at the place, give it to its owner and to the caller. */
static int64_t give_birth(struct emu_call *call, struct birth *birth, int flags, mode_t mode)
{
	if (is_there(birth, flags))
		return EMU_CONTINUE;
	take_umask(call, birth);
	int fd = make_file(birth, flags, mode & 07777);
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
	if (!birth_begin(call, &birth, dirfd, path, flags & EMU_O_TMPFILE_BIT, NOT_ROOTS))
		return EMU_CONTINUE;
	int64_t result = give_birth(call, &birth, flags, mode);
	birth_end(call, &birth);
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
		birth_end(call, birth);
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
	if (!birth_begin(call, &birth, dirfd, path, false, NOT_ROOTS))
		return EMU_CONTINUE;
	take_umask(call, &birth);
	int made = mkdirat(birth.parent, birth.name, mode & 07777);
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
static int make_device(const struct birth *birth, mode_t mode, dev_t dev)
{
	char text[40];
	int fd = openat(birth->parent, birth->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 07777);
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
	unlinkat(birth->parent, birth->name, 0);
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
	if (!birth_begin(call, &birth, dirfd, path, false, device ? ANYBODYS : NOT_ROOTS))
		return EMU_CONTINUE;
	take_umask(call, &birth);
	int made = device ? make_device(&birth, mode, dev) : mknodat(birth.parent, birth.name, mode, dev);
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
	if (!birth_begin(call, &birth, dirfd, path, false, NOT_ROOTS))
		return EMU_CONTINUE;
	return finish(call, &birth, symlinkat(target, birth.parent, birth.name));
}

int64_t emu_do_symlink(struct emu_call *call)
{
	return make_symlink(call, call->args[0], AT_FDCWD, call->args[1]);
}

int64_t emu_do_symlinkat(struct emu_call *call)
{
	return make_symlink(call, call->args[0], (int)call->args[1], call->args[2]);
}
