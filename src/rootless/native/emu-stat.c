/*
 * stat and its relatives, and the listing of attributes.
 *
 * The hot path of the whole emulation: most files have no record, and what the
 * kernel says about them is right. So: one getxattr by path; without a record
 * the kernel answers the caller itself, errors included. Only an answer that
 * must differ is made here. Between the two looks at the path another process
 * may put another file there; the answer is then as stale as any stat's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "emulate-internal.h"

#define AT_NO_AUTOMOUNT_BIT 0x800
#define AT_STATX_BITS 0x6000

struct device {
	mode_t type; /* 0: none */
	unsigned major, minor;
};

/* Devices are empty files with an owner record; look no further for others. */
static struct device device_at(const char *path, mode_t mode, uint64_t size)
{
	struct device device = {0, 0, 0};
	char text[40], kind;
	if (!S_ISREG(mode) || size)
		return device;
	ssize_t n = getxattr(path, XATTR_DEVICE, text, sizeof text - 1);
	if (n <= 0)
		return device;
	text[n] = 0;
	if (sscanf(text, "%c:%u:%u", &kind, &device.major, &device.minor) == 3)
		device.type = kind == 'b' ? S_IFBLK : S_IFCHR;
	return device;
}

/* /proc/PID belongs to whom the process runs as: ps and start-stop-daemon go by that. */
static bool process_owner(struct emu_call *call, const char *path, struct owner *owner)
{
	char *end;
	if (strncmp(path, "/proc/", 6) || path[6] < '1' || path[6] > '9' || call->emu->foreign_proc)
		return false;
	long pid = strtol(path + 6, &end, 10);
	if (*end && strcmp(end, "/"))
		return false;
	const struct emu_cred *cred = emu_cred_of(call->emu, (pid_t)pid);
	*owner = (struct owner){cred->euid, cred->egid};
	return true;
}

/* Does the caller see an owner here that the kernel does not know? On true the place has begun. */
static bool find(
	struct emu_call *call, struct emu_place *place, int dirfd, const char *path, bool follow, struct owner *owner)
{
	if (emu_place_begin(call, place, dirfd, path, follow) < 0)
		return false;
	if (emu_owner_at(call->emu, place->path, follow || !*path, owner) || process_owner(call, place->path, owner))
		return true;
	emu_place_end(call, place);
	return false;
}

/* Read the path argument; a null one stands for the empty one where that is allowed. */
static bool path_argument(const struct emu_call *call, uint64_t address, int flags, char path[PATH_MAX])
{
	*path = 0;
	if (address && emu_read_string(call, address, path, PATH_MAX) < 0)
		return false;
	return *path || flags & AT_EMPTY_PATH;
}

static int64_t answer_stat(struct emu_call *call, int dirfd, const char *path, int flags, uint64_t out)
{
	struct emu_place place;
	struct owner owner;
	struct stat st;
	bool follow = !(flags & AT_SYMLINK_NOFOLLOW);
	if (!find(call, &place, dirfd, path, follow, &owner))
		return EMU_CONTINUE;
	int flag = follow || !*path ? 0 : AT_SYMLINK_NOFOLLOW;
	int64_t result = syscall(SYS_newfstatat, AT_FDCWD, place.path, &st, flag) < 0 ? -errno : 0;
	struct device device = {0, 0, 0};
	if (result == 0)
		device = device_at(place.path, st.st_mode, (uint64_t)st.st_size);
	emu_place_end(call, &place);
	if (result < 0)
		return EMU_CONTINUE;
	st.st_uid = owner.uid;
	st.st_gid = owner.gid;
	if (device.type) {
		st.st_mode = (st.st_mode & ~(mode_t)S_IFMT) | device.type;
		st.st_rdev = makedev(device.major, device.minor);
	}
	return call->foreign ? emu_foreign_stat(call, &st, out) : emu_write(call, out, &st, sizeof st);
}

int64_t emu_do_stat(struct emu_call *call)
{
	char path[PATH_MAX];
	if (!path_argument(call, call->args[0], 0, path))
		return EMU_CONTINUE;
	return answer_stat(call, AT_FDCWD, path, 0, call->args[1]);
}

int64_t emu_do_lstat(struct emu_call *call)
{
	char path[PATH_MAX];
	if (!path_argument(call, call->args[0], 0, path))
		return EMU_CONTINUE;
	return answer_stat(call, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, call->args[1]);
}

int64_t emu_do_fstat(struct emu_call *call)
{
	int fd = (int)call->args[0];
	return fd < 0 ? EMU_CONTINUE : answer_stat(call, fd, "", AT_EMPTY_PATH, call->args[1]);
}

int64_t emu_do_fstatat(struct emu_call *call)
{
	char path[PATH_MAX];
	int flags = (int)call->args[3];
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT_BIT))
		return EMU_CONTINUE;
	if (!path_argument(call, call->args[1], flags, path))
		return EMU_CONTINUE;
	return answer_stat(call, (int)call->args[0], path, flags, call->args[2]);
}

static void patch_statx(struct emu_statx *st, struct owner owner, struct device device)
{
	st->uid = owner.uid;
	st->gid = owner.gid;
	if (!device.type)
		return;
	st->mode = (uint16_t)((st->mode & ~S_IFMT) | device.type);
	st->rdev_major = device.major;
	st->rdev_minor = device.minor;
}

int64_t emu_do_statx(struct emu_call *call)
{
	char path[PATH_MAX];
	struct emu_place place;
	struct owner owner;
	struct emu_statx st;
	int flags = (int)call->args[2];
	uint32_t mask = (uint32_t)call->args[3];
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT_BIT | AT_STATX_BITS) ||
		!path_argument(call, call->args[1], flags, path))
		return EMU_CONTINUE;
	bool follow = !(flags & AT_SYMLINK_NOFOLLOW);
	if (!find(call, &place, (int)call->args[0], path, follow, &owner))
		return EMU_CONTINUE;
	int flag = (flags & AT_STATX_BITS) | (follow || !*path ? 0 : AT_SYMLINK_NOFOLLOW);
	/* Type, mode and size decide whether this is a device. */
	bool failed = syscall(SYS_statx, AT_FDCWD, place.path, flag, mask | 0x203u, &st) < 0;
	struct device device = {0, 0, 0};
	if (!failed)
		device = device_at(place.path, st.mode, st.size);
	emu_place_end(call, &place);
	if (failed)
		return EMU_CONTINUE;
	patch_statx(&st, owner, device);
	return emu_write(call, call->args[4], &st, sizeof st);
}

/* ---- listxattr: our two attributes are not listed ------------------------------------ */

/*
 * Tools that copy attributes (cp -a, mv, rsync -X, tar --xattrs) enumerate
 * them first. Copied, an owner record would be a chown that nobody asked for;
 * named outright, the attributes can be read and set.
 */
static size_t drop_private(char *list, size_t size)
{
	size_t kept = 0;
	for (size_t at = 0; at < size;) {
		size_t length = strlen(list + at) + 1;
		if (strcmp(list + at, XATTR_OWNER) && strcmp(list + at, XATTR_DEVICE)) {
			memmove(list + kept, list + at, length);
			kept += length;
		}
		at += length;
	}
	return kept;
}

static int64_t list(struct emu_call *call, int dirfd, const char *path, bool follow)
{
	struct emu_place place;
	struct owner owner;
	char *names = NULL;
	if (!find(call, &place, dirfd, path, follow, &owner))
		return EMU_CONTINUE;
	ssize_t size = follow || !*path ? listxattr(place.path, NULL, 0) : llistxattr(place.path, NULL, 0);
	if (size > 0 && (names = malloc((size_t)size)))
		size =
			follow || !*path ? listxattr(place.path, names, (size_t)size) : llistxattr(place.path, names, (size_t)size);
	emu_place_end(call, &place);
	int64_t result = EMU_CONTINUE;
	if (size > 0 && names) {
		size_t kept = drop_private(names, (size_t)size);
		uint64_t room = call->args[2];
		result = (int64_t)kept;
		if (room && room < kept)
			result = -ERANGE;
		else if (room && kept && emu_write(call, call->args[1], names, kept) < 0)
			result = -EFAULT;
	}
	free(names);
	return result;
}

static int64_t list_path(struct emu_call *call, bool follow)
{
	char path[PATH_MAX];
	if (!path_argument(call, call->args[0], 0, path))
		return EMU_CONTINUE;
	return list(call, AT_FDCWD, path, follow);
}

int64_t emu_do_listxattr(struct emu_call *call)
{
	return list_path(call, true);
}

int64_t emu_do_llistxattr(struct emu_call *call)
{
	return list_path(call, false);
}

int64_t emu_do_flistxattr(struct emu_call *call)
{
	int fd = (int)call->args[0];
	return fd < 0 ? EMU_CONTINUE : list(call, fd, "", true);
}
