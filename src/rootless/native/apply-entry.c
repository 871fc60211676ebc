/* Makes one entry of a layer, in the place of what may be there: see apply.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "apply.h"
#include "beneath.h"
#include "kernel.h"
#include "tree.h"
#include "whiteout.h"

static int parent_of(struct apply *a, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	*name = slash ? slash + 1 : path;
	if (a->parent >= 0 && strlen(a->parent_path) == len && !strncmp(a->parent_path, path, len))
		return a->parent;
	close_fd(&a->parent);
	free(a->parent_path);
	a->parent_path = xstrndup(path, len);
	a->parent = open_dir_beneath(a->root, a->parent_path, K_RESOLVE_BENEATH | K_RESOLVE_NO_SYMLINKS);
	if (a->parent < 0 && (errno == ENOENT || errno == ELOOP))
		a->parent = make_dirs(a->root, a->parent_path);
	struct stat st;
	if (a->parent < 0 || fstat(a->parent, &st) < 0)
		return fail(a->f, "open parent", "%s", path);
	a->parent_sgid = st.st_mode & S_ISGID;
	return a->parent;
}

/* Makes way for an entry; a directory that goes takes the open parent with it. */
static int clear_name(struct apply *a, int parent, const char *name, const char *path)
{
	struct failure inner = {0};
	struct stat st;

	if (a->merge && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return fail_with(a->f, EISDIR, "replace", path);
	if (remove_tree(parent, name, &inner) < 0)
		return fail_with(a->f, inner.err, "replace", path);
	return 0;
}

int apply_dir(struct apply *a, const struct entry *e)
{
	const char *name;
	struct stat st;
	bool replaced = false;
	int parent = parent_of(a, e->path, &name);

	if (parent < 0)
		return -1;
	if (mkdirat(parent, name, 0755) < 0) {
		if (errno != EEXIST || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return fail(a->f, "mkdir", "%s", e->path);
		if (!S_ISDIR(st.st_mode) && a->merge)
			return fail_with(a->f, ENOTDIR, "replace", e->path);
		if (!S_ISDIR(st.st_mode)) {
			/* A directory where the layer removed something hides what was in that. */
			replaced = whiteout_is(parent, name, &st);
			if (clear_name(a, parent, name, e->path) < 0)
				return -1;
			if (mkdirat(parent, name, 0755) < 0)
				return fail(a->f, "mkdir", "%s", e->path);
		}
	}
	AUTO_FD fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(a->f, "open", "%s", e->path);
	if (replaced && apply_opaque_mark(a, fd, e->path) < 0)
		return -1;
	return apply_meta(a, fd, e, false);
}

static int create_file(struct apply *a, int parent, const char *name, const struct entry *e)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, e->mode & 0777);
		if (fd >= 0 || errno != EEXIST || attempt)
			return fd < 0 ? fail(a->f, "create", "%s", e->path) : fd;
		if (clear_name(a, parent, name, e->path) < 0)
			return -1;
	}
	return -1;
}

int apply_file(struct apply *a, const struct entry *e)
{
	const char *name;
	int parent = parent_of(a, e->path, &name);

	if (parent < 0)
		return -1;
	AUTO_FD fd = create_file(a, parent, name, e);
	if (fd < 0)
		return -1;
	if (e->type == E_CHAR || e->type == E_BLOCK) {
		char device[64], kind = e->type == E_CHAR ? 'c' : 'b';
		/* Only a file of root's is believed to be one: whose it is stands in the attribute (walk-entry.c). */
		int len = a->single || (!e->uid && !e->gid)
			? snprintf(device, sizeof device, "%c:%u:%u", kind, e->major, e->minor)
			: snprintf(device, sizeof device, "%c:%u:%u %u:%u", kind, e->major, e->minor, e->uid, e->gid);
		if (fsetxattr(fd, XATTR_DEVICE, device, (size_t)len, 0) < 0)
			return fail(a->f, "record device", "%s", e->path);
	}
	if (e->type == E_FILE && e->size) {
		a->file = take_fd(&fd);
		a->missing = e->size;
		return 0;
	}
	struct timespec t[2];
	apply_times(e->mtime, t);
	return apply_meta(a, fd, e, true) < 0 ? -1 : futimens(fd, t) < 0 ? fail(a->f, "set times", "%s", e->path) : 0;
}

int apply_link(struct apply *a, const struct entry *e)
{
	const char *name, *target_name;
	char *target = xstrndup(e->link, strlen(e->link));
	int parent, result = -1;

	char *slash = strrchr(target, '/');
	if (slash)
		*slash = 0;
	target_name = slash ? slash + 1 : target;
	AUTO_FD from = good_path(e->link) && e->link[0]
		? open_dir_beneath(a->root, slash ? target : "", K_RESOLVE_IN_ROOT)
		: (errno = EINVAL, -1);
	if (from < 0)
		fail(a->f, "hard link", "%s -> %s", e->path, e->link);
	else if ((parent = parent_of(a, e->path, &name)) >= 0) {
		result = linkat(from, target_name, parent, name, 0);
		if (result < 0 && errno == EEXIST) {
			struct stat x, y;
			bool same = fstatat(from, target_name, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
				fstatat(parent, name, &y, AT_SYMLINK_NOFOLLOW) == 0 && x.st_ino == y.st_ino;
			result = same ? 0 : clear_name(a, parent, name, e->path);
			if (!same && result == 0)
				result = linkat(from, target_name, parent, name, 0);
		}
		if (result < 0 && !a->f->err)
			fail(a->f, "hard link", "%s -> %s", e->path, e->link);
		if (result == 0 && a->single) {
			struct owner o;
			/* A second name of a link or fifo has the first one's owner. */
			if (owners_find(a->owners, e->link, &o)) {
				owners_put(a->owners, e->path, o);
				a->owners_changed = true;
			}
		}
	}
	free(target);
	return result;
}

static int make_special(struct apply *a, int parent, const char *name, const struct entry *e)
{
	if (e->type == E_SYMLINK)
		return symlinkat(e->link, parent, name);
	if (e->type == E_FIFO)
		return mkfifoat(parent, name, 0600);
	return whiteout_make(a->root, parent, name);
}

int apply_special(struct apply *a, const struct entry *e)
{
	const char *name;
	struct timespec t[2];
	int parent = parent_of(a, e->path, &name);

	if (parent < 0)
		return -1;
	if (make_special(a, parent, name, e) < 0) {
		if (errno != EEXIST)
			return fail(a->f, "create", "%s", e->path);
		if (clear_name(a, parent, name, e->path) < 0)
			return -1;
		if (make_special(a, parent, name, e) < 0)
			return fail(a->f, "create", "%s", e->path);
	}
	if (e->type == E_WHITEOUT)
		return 0;
	if (apply_owner_at(a, parent, name, e) < 0)
		return -1;
	if (e->type == E_FIFO && fchmodat(parent, name, e->mode & 07777, 0) < 0)
		return fail(a->f, "chmod", "%s", e->path);
	apply_times(e->mtime, t);
	return utimensat(parent, name, t, AT_SYMLINK_NOFOLLOW) < 0 ? fail(a->f, "set times", "%s", e->path) : 0;
}

int apply_opaque(struct apply *a, const char *path)
{
	AUTO_FD fd = make_dirs(a->root, path);

	return fd < 0 ? fail(a->f, "mark opaque", "%s", path) : apply_opaque_mark(a, fd, path);
}

/* A whiteout speaks of lower layers: what this layer has under the name stays, and hides them. */
int apply_whiteout(struct apply *a, const struct entry *e)
{
	const char *name;
	struct stat st;
	int parent = parent_of(a, e->path, &name);

	if (parent < 0)
		return -1;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return apply_special(a, e);
	return S_ISDIR(st.st_mode) ? apply_opaque(a, e->path) : 0;
}
