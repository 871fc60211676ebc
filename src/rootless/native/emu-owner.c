/*
 * Recorded owners. A file of the step belongs to the one mapped id for the
 * kernel; whom it belongs to for the step is in an extended attribute, or in
 * the table for inodes that can't have one. No record means 0:0.
 *
 * Invariant: the working directory is /proc, so that "self/fd/N" leads from an
 * O_PATH descriptor to its inode (fgetxattr refuses O_PATH; symlink(7), open(2)).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "emulate-internal.h"

/* type, mode, nlink, ino, btime */
#define WANTED_MASK (0x1u | 0x2u | 0x4u | 0x100u | EMU_STATX_BTIME)

int emu_inode_of(int dirfd, const char *path, int flags, struct emu_inode *out)
{
	struct emu_statx st;
	if (syscall(SYS_statx, dirfd, path, flags, WANTED_MASK, &st) < 0)
		return -errno;
	out->dev = (uint64_t)st.dev_major << 32 | st.dev_minor;
	out->ino = st.ino;
	out->born_s = st.mask & EMU_STATX_BTIME ? st.btime.sec : 0;
	out->born_ns = st.mask & EMU_STATX_BTIME ? st.btime.nsec : 0;
	out->links = st.nlink;
	out->mode = st.mode;
	return 0;
}

static int read_attribute(const char *path, bool follow, struct owner *out)
{
	uint8_t bytes[64];
	ssize_t n =
		follow ? getxattr(path, XATTR_OWNER, bytes, sizeof bytes) : lgetxattr(path, XATTR_OWNER, bytes, sizeof bytes);
	return n >= 0 && owner_decode(bytes, (size_t)n, out);
}

bool emu_owner_at(struct emu *emu, const char *path, bool follow, struct owner *out)
{
	struct emu_inode inode;
	if (read_attribute(path, follow, out))
		return true;
	if (!emu->table.count || emu_inode_of(AT_FDCWD, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, &inode) < 0)
		return false;
	const struct emu_row *row = emu_table_find(&emu->table, &inode);
	if (row)
		*out = row->owner;
	return row != NULL;
}

bool emu_owner_get(struct emu *emu, int fd, struct owner *out)
{
	char path[32];
	struct emu_inode inode;
	snprintf(path, sizeof path, "self/fd/%d", fd);
	if (read_attribute(path, true, out))
		return true;
	*out = (struct owner){0, 0};
	if (!emu->table.count || emu_inode_of(fd, "", AT_EMPTY_PATH, &inode) < 0)
		return false;
	const struct emu_row *row = emu_table_find(&emu->table, &inode);
	if (row)
		*out = row->owner;
	return row != NULL;
}

/* Where the container sees this inode; NULL when it has no name there. */
static const char *name_of(const char *link, char *out, size_t size)
{
	ssize_t n = readlink(link, out, size - 1);
	if (n <= 1 || (size_t)n == size - 1 || out[0] != '/')
		return NULL;
	out[n] = 0;
	return out + 1;
}

static int set_row(struct emu *emu, int fd, const char *link, struct owner owner)
{
	char name[PATH_MAX];
	struct emu_inode inode;
	int error = emu_inode_of(fd, "", AT_EMPTY_PATH, &inode);
	if (error < 0)
		return error;
	bool root = !owner.uid && !owner.gid;
	if (root && !emu_table_find(&emu->table, &inode))
		return 0;
	if ((error = emu_table_room(emu)) < 0)
		return error;
	emu->touched_ms = emu_now_ms();
	if (!emu->changed_ms)
		emu->changed_ms = emu->touched_ms;
	return emu_table_put(&emu->table, &inode, owner, name_of(link, name, sizeof name));
}

int emu_owner_set(struct emu *emu, int fd, struct owner owner)
{
	char path[32];
	uint8_t bytes[OWNER_MAX];
	snprintf(path, sizeof path, "self/fd/%d", fd);
	if (!owner.uid && !owner.gid) {
		/* A device keeps its owner attribute: stat looks for a device only behind it. */
		int error = 0;
		if (getxattr(path, XATTR_DEVICE, NULL, 0) >= 0)
			error = setxattr(path, XATTR_OWNER, bytes, 0, 0);
		else
			error = removexattr(path, XATTR_OWNER);
		return error == 0 || errno == ENODATA ? 0 : set_row(emu, fd, path, owner);
	}
	size_t n = owner_encode(owner, bytes);
	if (setxattr(path, XATTR_OWNER, bytes, n, 0) == 0)
		return 0;
	/* Symlinks and the like (EPERM), file systems without attributes, full ones. */
	return errno == EROFS ? -EROFS : set_row(emu, fd, path, owner);
}
