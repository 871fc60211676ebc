/*
 * chown, lchown, fchown, fchownat.
 *
 * The kernel gets a chown too, to the only id there is: it clears the set-id
 * bits and file capabilities, stamps ctime, refuses what is read-only, and
 * makes overlayfs copy the file up, so that a symlink whose record lies in the
 * owners file is part of the layer. The record comes after it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "emulate-internal.h"

/* chown(2): without CAP_CHOWN the owner may pass a file to a group of his. */
static bool permitted(const struct emu_cred *cred, struct owner had, struct owner wanted)
{
	if (emu_cred_capable(cred, EMU_CAP_CHOWN))
		return true;
	return cred->fsuid == had.uid && wanted.uid == had.uid &&
		(wanted.gid == had.gid || emu_cred_in_group(cred, wanted.gid));
}

static int64_t chown_fd(struct emu_call *call, int fd, uint32_t uid, uint32_t gid)
{
	struct owner had = {0, 0};
	emu_owner_get(call->emu, fd, &had);
	const struct owner wanted = {uid == EMU_KEEP ? had.uid : uid, gid == EMU_KEEP ? had.gid : gid};
	if (!permitted(emu_cred_of(call->emu, call->pid), had, wanted))
		return -EPERM;
	uid_t real_uid = uid == EMU_KEEP ? (uid_t)-1 : 0;
	gid_t real_gid = gid == EMU_KEEP ? (gid_t)-1 : 0;
	/* EPERM: the host's own file (a device node, /proc); only this step will see the owner. */
	if (fchownat(fd, "", real_uid, real_gid, AT_EMPTY_PATH) < 0 && errno != EPERM)
		return -errno;
	if (wanted.uid == had.uid && wanted.gid == had.gid)
		return 0;
	return emu_owner_set(call->emu, fd, wanted);
}

static int64_t chown_at(struct emu_call *call, int dirfd, const char *path, bool follow, uint32_t uid, uint32_t gid)
{
	int fd = emu_open_target(call, dirfd, path, follow);
	if (fd < 0)
		return EMU_CONTINUE; /* the kernel finds the same fault, and names it right */
	int64_t result = chown_fd(call, fd, uid, gid);
	close(fd);
	return result;
}

static int64_t chown_path(
	struct emu_call *call, int dirfd, uint64_t address, bool follow, bool empty, uint32_t uid, uint32_t gid)
{
	char path[PATH_MAX];
	if (emu_read_string(call, address, path, sizeof path) < 0 || (!*path && !empty))
		return EMU_CONTINUE;
	return chown_at(call, dirfd, path, follow, uid, gid);
}

int64_t emu_do_chown(struct emu_call *call)
{
	return chown_path(call, AT_FDCWD, call->args[0], true, false, (uint32_t)call->args[1], (uint32_t)call->args[2]);
}

int64_t emu_do_lchown(struct emu_call *call)
{
	return chown_path(call, AT_FDCWD, call->args[0], false, false, (uint32_t)call->args[1], (uint32_t)call->args[2]);
}

int64_t emu_do_fchown(struct emu_call *call)
{
	int fd = (int)call->args[0];
	if (fd < 0)
		return EMU_CONTINUE;
	return chown_at(call, fd, "", true, (uint32_t)call->args[1], (uint32_t)call->args[2]);
}

int64_t emu_do_fchownat(struct emu_call *call)
{
	int flags = (int)call->args[4];
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return EMU_CONTINUE;
	return chown_path(call, (int)call->args[0], call->args[1], !(flags & AT_SYMLINK_NOFOLLOW), flags & AT_EMPTY_PATH,
		(uint32_t)call->args[2], (uint32_t)call->args[3]);
}
