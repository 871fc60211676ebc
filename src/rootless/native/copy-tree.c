/*
 * Copies layers over each other: see copied.h. All names are taken one by one below descriptors, no link is followed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "copied.h"
#include "tree.h"
#include "whiteout.h"

enum { VALUE_MAX = 65536, LIST_MAX = 8192, PIECE = 1 << 30 };
#define FICLONE_NUMBER 0x40049409u

int copy_enter(struct copier *c, const char *name, size_t *length)
{
	*length = strlen(c->path);
	int n = snprintf(c->path + *length, sizeof c->path - *length, "%s%s", *length ? "/" : "", name);
	if ((size_t)n < sizeof c->path - *length)
		return 0;
	c->path[*length] = 0;
	return fail_with(c->f, ENAMETOOLONG, "copy", c->path);
}

void copy_leave(struct copier *c, size_t length)
{
	c->path[length] = 0;
}

/* What overlayfs keeps for itself is no attribute of the file. */
static bool is_mark(const char *name)
{
	return !strncmp(name, "user.overlay.", 13) || !strcmp(name, "user.tsbox.opaque");
}

static int copy_value(int from, int to, const char *name)
{
	char *value = xrealloc(NULL, VALUE_MAX);
	ssize_t n = fgetxattr(from, name, value, VALUE_MAX);
	/* As for a layer that is applied: a file system without them is no reason to refuse. */
	int result = n < 0 || (fsetxattr(to, name, value, (size_t)n, 0) < 0 && errno != ENOTSUP) ? -1 : 0;
	int err = errno;

	free(value);
	errno = err;
	return result;
}

static bool is_listed(const char *list, ssize_t len, const char *name)
{
	for (const char *p = list; p < list + len; p += strlen(p) + 1)
		if (!strcmp(p, name))
			return true;
	return false;
}

static int copy_xattrs(struct copier *c, int from, int to, bool fresh)
{
	char wanted[LIST_MAX], there[LIST_MAX];
	ssize_t n = flistxattr(from, wanted, sizeof wanted), old = fresh ? 0 : flistxattr(to, there, sizeof there);

	if (n < 0)
		return errno == ENOTSUP ? 0 : fail(c->f, "list attributes", "%s", c->path);
	for (const char *name = there; name < there + old; name += strlen(name) + 1)
		if (!is_listed(wanted, n, name))
			fremovexattr(to, name);
	for (const char *name = wanted; name < wanted + n; name += strlen(name) + 1) {
		bool kept = !strncmp(name, "user.", 5) || !strcmp(name, "security.capability");
		if (kept && !is_mark(name) && copy_value(from, to, name) < 0)
			return fail(c->f, "copy attribute", "%s: %s", c->path, name);
	}
	return 0;
}

static int set_attributes(struct copier *c, int from, int to, const struct stat *st, bool fresh)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};

	if (!c->single && fchown(to, st->st_uid, st->st_gid) < 0)
		return fail(c->f, "chown", "%s", c->path);
	/* After the owner: changing that takes set-id bits and capabilities away. */
	if (fchmod(to, st->st_mode & 07777) < 0)
		return fail(c->f, "chmod", "%s", c->path);
	if (copy_xattrs(c, from, to, fresh) < 0)
		return -1;
	return futimens(to, times) < 0 ? fail(c->f, "set times", "%s", c->path) : 0;
}

int copy_attributes(struct copier *c, int from, int to, const struct stat *st)
{
	return set_attributes(c, from, to, st, false);
}

static int copy_bytes(int from, int to, off_t size)
{
	if (ioctl(to, FICLONE_NUMBER, from) == 0)
		return 0;
	while (size > 0) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, PIECE, 0);
		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == ENOTSUP))
			n = sendfile(to, from, NULL, PIECE);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n == 0)
			return 0;
		size -= n > 0 ? n : 0;
	}
	return 0;
}

static int copy_file(struct copier *c, int from, int to, const char *name, const struct stat *st)
{
	AUTO_FD source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FD target = source < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (target < 0 || copy_bytes(source, target, st->st_size) < 0)
		return fail(c->f, "copy", "%s", c->path);
	return set_attributes(c, source, target, st, true);
}

static int copy_special(struct copier *c, int from, int to, const char *name, const struct stat *st)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	char text[4097];
	int result;

	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(from, name, text, sizeof text - 1);
		text[n > 0 ? n : 0] = 0;
		result = n < 0 ? -1 : symlinkat(text, to, name);
	} else
		result = mknodat(to, name, st->st_mode, st->st_rdev);
	if (result < 0)
		return fail(c->f, "copy", "%s", c->path);
	if (!c->single && fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(c->f, "chown", "%s", c->path);
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return fail(c->f, "chmod", "%s", c->path);
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? fail(c->f, "set times", "%s", c->path) : 0;
}

int copy_name(struct copier *c, int from, int to, const char *name, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return mkdirat(to, name, 0700) < 0 ? fail(c->f, "mkdir", "%s", c->path) : 0;
	if (c->link) {
		if (linkat(from, name, to, name, 0) == 0)
			return 0;
		/* Too many links to one file, or a layer of another file system: a copy does as well. */
		if (errno != EMLINK && errno != EXDEV && errno != EPERM)
			return fail(c->f, "link", "%s", c->path);
	}
	return S_ISREG(st->st_mode) ? copy_file(c, from, to, name, st) : copy_special(c, from, to, name, st);
}

/* Names of one inode stay names of one inode; a layer has few of those, so they are found by looking at them again. */
struct linked {
	dev_t dev;
	ino_t ino;
	char *path;
};

struct layer {
	struct copier *c;
	int from, to;
	struct linked *linked;
	size_t count, cap;
};

static int link_again(struct layer *l, int to, const char *name, const struct stat *st)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->linked[i].ino == st->st_ino && l->linked[i].dev == st->st_dev)
			return linkat(l->to, l->linked[i].path, to, name, 0) == 0;
	if (l->count == l->cap)
		l->linked = xrealloc(l->linked, (l->cap = l->cap ? l->cap * 2 : 64) * sizeof *l->linked);
	l->linked[l->count++] = (struct linked){st->st_dev, st->st_ino, xstrndup(l->c->path, strlen(l->c->path))};
	return 0;
}

static int add_dir(struct layer *l, int from, int to);

static int clear(struct copier *c, int to, const char *name)
{
	struct failure inner = {0};

	return remove_tree(to, name, &inner) < 0 ? fail_with(c->f, inner.err, "replace", c->path) : 0;
}

static int add_below(struct layer *l, int from, int to, const char *name, const struct stat *st)
{
	struct copier *c = l->c;
	struct stat old;
	AUTO_FD source = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (source < 0)
		return fail(c->f, "open", "%s", c->path);
	bool exists = fstatat(to, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
	if (exists && (!S_ISDIR(old.st_mode) || opaque_is(source))) {
		if (clear(c, to, name) < 0)
			return -1;
		exists = false;
	}
	if (!exists && copy_name(c, from, to, name, st) < 0)
		return -1;
	AUTO_FD target = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return fail(c->f, "open", "%s", c->path);
	if (add_dir(l, source, target) < 0)
		return -1;
	return copy_attributes(c, source, target, st);
}

static int add_name(struct layer *l, int from, int to, const char *name)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(l->c->f, "stat", "%s", l->c->path);
	if (S_ISDIR(st.st_mode))
		return add_below(l, from, to, name, &st);
	if (clear(l->c, to, name) < 0)
		return -1;
	if (whiteout_is(from, name, &st))
		return 0;
	if (!l->c->link && st.st_nlink > 1 && link_again(l, to, name, &st))
		return 0;
	return copy_name(l->c, from, to, name, &st);
}

static int add_dir(struct layer *l, int from, int to)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		return fail(l->c->f, "list", "%s", l->c->path);
	while (result == 0 && (errno = 0, e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		size_t length;
		if (copy_enter(l->c, e->d_name, &length) < 0)
			result = -1;
		else
			result = add_name(l, from, to, e->d_name);
		copy_leave(l->c, length);
	}
	closedir(dir);
	return result;
}

int copy_layer(struct copier *c, int from, int to)
{
	struct layer l = {.c = c, .from = from, .to = to};
	struct stat st;
	int result = fstat(from, &st) < 0 ? fail(c->f, "stat", "%s", c->path) : add_dir(&l, from, to);

	for (size_t i = 0; i < l.count; i++)
		free(l.linked[i].path);
	free(l.linked);
	return result < 0 ? -1 : copy_attributes(c, from, to, &st);
}
