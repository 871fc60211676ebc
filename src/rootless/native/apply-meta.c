/* Owners, permissions, attributes and times of a layer's entry: see apply.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "apply.h"
#include "whiteout.h"

/* `fresh`: made by us just now, so that a plain file is root's already. */
static int set_owner(struct apply *a, int fd, const struct entry *e, bool fresh)
{
	if (fresh && e->type == E_FILE && !e->uid && !e->gid && !a->parent_sgid)
		return 0;
	if (a->single) {
		/* Without an owner nobody looks whether it is a device (emulate.h). */
		bool roots_device = (e->type == E_CHAR || e->type == E_BLOCK) && !e->uid && !e->gid;
		int result = roots_device ? fsetxattr(fd, XATTR_OWNER, "", 0, 0) : owner_set(fd, (struct owner){e->uid, e->gid});
		return result < 0 ? fail(a->f, "record owner", "%s", e->path) : 0;
	}
	bool device = e->type == E_CHAR || e->type == E_BLOCK;
	return fchown(fd, device ? 0 : e->uid, device ? 0 : e->gid) < 0 ? fail(a->f, "chown", "%s", e->path) : 0;
}

/* For links and fifos, which can't have xattrs and aren't opened. */
int apply_owner_at(struct apply *a, int parent, const char *name, const struct entry *e)
{
	if (a->single) {
		owners_put(a->owners, e->path, (struct owner){e->uid, e->gid});
		a->owners_changed = true;
		return 0;
	}
	if (fchownat(parent, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(a->f, "chown", "%s", e->path);
	return 0;
}

static int set_xattrs(struct apply *a, int fd, const struct entry *e)
{
	struct cursor c = e->xattrs;

	for (uint32_t i = 0; i < e->xattr_count && !c.bad; i++) {
		uint32_t len;
		const char *name = c_str(&c);
		const uint8_t *value = c_blob(&c, &len);
		if (c.bad || !xattr_belongs(name, a->single))
			continue;
		/* A file system without user xattrs is no reason to refuse an image. */
		if (fsetxattr(fd, name, value, len, 0) < 0 && errno != ENOTSUP)
			return fail(a->f, "set attribute", "%s: %s", e->path, name);
	}
	return c.bad ? fail_with(a->f, EBADMSG, "apply", e->path) : 0;
}

void apply_times(int64_t mtime, struct timespec t[2])
{
	t[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
	t[1] = (struct timespec){.tv_sec = (time_t)mtime};
}

int apply_meta(struct apply *a, int fd, const struct entry *e, bool fresh)
{
	if (set_owner(a, fd, e, fresh) < 0)
		return -1;
	/* Fresh files were made with their permissions. */
	if ((!fresh || a->acls || e->mode & 07000) && fchmod(fd, e->mode & 07777) < 0)
		return fail(a->f, "chmod", "%s", e->path);
	return set_xattrs(a, fd, e);
}

int apply_opaque_mark(struct apply *a, int fd, const char *path)
{
	return opaque_make(a->root, fd) < 0 ? fail(a->f, "mark opaque", "%s", path) : 0;
}
