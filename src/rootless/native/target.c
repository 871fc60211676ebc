/* Container paths → descriptors: see site.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "site.h"

enum { LINKS_MAX = 40, PATH_LIMIT = 8192 };

static int open_in_root(const struct site *s, const char *path, uint64_t flags)
{
	while (*path == '/')
		path++;
	return k_openat2(s->root, *path ? path : ".", O_PATH | flags, 0, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
}

int target_find(const struct site *s, const char *path)
{
	return open_in_root(s, path, 0);
}

/* Where a path leads when parts of it are missing: walked by hand, links counted from the root. */
struct way {
	/* Existing, link-free part without leading slash, and what is still to walk. */
	char done[PATH_LIMIT], rest[PATH_LIMIT];
	int links;
};

static int next_name(struct way *w, char name[256])
{
	char *p = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(p, "/");

	if (n > 255)
		return errno = ENAMETOOLONG, -1;
	memcpy(name, p, n);
	name[n] = 0;
	memmove(w->rest, p + n, strlen(p + n) + 1);
	return n > 0;
}

static int step_into_link(struct way *w, int parent, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(parent, name, target, sizeof target - 1);

	if (n < 0)
		return -1;
	target[n] = 0;
	if (++w->links > LINKS_MAX)
		return errno = ELOOP, -1;
	if ((size_t)n + strlen(w->rest) + 2 > sizeof w->rest)
		return errno = ENAMETOOLONG, -1;
	memmove(w->rest + n + 1, w->rest, strlen(w->rest) + 1);
	memcpy(w->rest, target, (size_t)n);
	w->rest[n] = '/';
	if (target[0] == '/')
		w->done[0] = 0;
	return 0;
}

static void step_up(struct way *w)
{
	char *slash = strrchr(w->done, '/');

	*(slash ? slash : w->done) = 0;
}

static int step_down(struct way *w, const char *name)
{
	size_t len = strlen(w->done);

	if (len + strlen(name) + 2 > sizeof w->done)
		return errno = ENAMETOOLONG, -1;
	sprintf(w->done + len, "%s%s", len ? "/" : "", name);
	return 0;
}

static void announce(struct site *s, const char *path)
{
	w_begin(s->ctl, FR_CREATED);
	w_str(s->ctl, path, strlen(path));
	w_end(s->ctl);
	w_flush(s->ctl);
}

/* Makes `name` and gives the parent its times back: a mount point is no change of the image. */
static int make_name(struct site *s, const struct way *w, int parent, const char *name, bool dir, bool stays)
{
	struct stat before, root;
	char path[PATH_LIMIT + 260];

	if (fstat(parent, &before) < 0 || fstat(s->root, &root) < 0)
		return -1;
	if (dir ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0))
		return -1;
	if (stays)
		return 0;
	struct timespec t[2] = {before.st_atim, before.st_mtim};
	utimensat(parent, ".", t, 0);
	/* On another file system (a tmpfs of the plan) it vanishes by itself. */
	if (before.st_dev == root.st_dev) {
		snprintf(path, sizeof path, "%s%s%s", w->done, w->done[0] ? "/" : "", name);
		announce(s, path);
	}
	return 0;
}

static bool only_slashes(const char *s)
{
	return s[strspn(s, "/")] == 0;
}

static int walk_name(struct site *s, struct way *w, const char *name, bool dir, bool stays, bool *made)
{
	struct stat st;
	AUTO_FD parent = open_in_root(s, w->done, O_DIRECTORY);

	if (parent < 0)
		return -1;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT || make_name(s, w, parent, name, dir || !only_slashes(w->rest), stays) < 0)
			return -1;
		*made = true;
	} else if (S_ISLNK(st.st_mode))
		return step_into_link(w, parent, name);
	return step_down(w, name);
}

static int make_way(struct site *s, const char *path, bool dir, bool stays, bool *made)
{
	struct way *w = xalloc(sizeof *w);
	char name[256];
	int more, fd = -1, result = 0;

	*made = false;
	if (strlen(path) >= sizeof w->rest) {
		free(w);
		return errno = ENAMETOOLONG, -1;
	}
	strcpy(w->rest, path);
	while (result == 0 && (more = next_name(w, name)) != 0) {
		if (more < 0)
			result = -1;
		else if (!strcmp(name, ".."))
			step_up(w);
		else if (strcmp(name, "."))
			result = walk_name(s, w, name, dir, stays, made);
	}
	if (result == 0)
		fd = open_in_root(s, w->done, O_NOFOLLOW);
	free(w);
	return fd;
}

static int check_kind(struct site *s, int fd, const char *path, enum target_kind kind)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) == (kind == TARGET_DIR))
		return fd;
	close(fd);
	return fail_with(s->f, kind == TARGET_DIR ? ENOTDIR : EISDIR, "mount point", path);
}

int target_mount_point(struct site *s, const char *path, enum target_kind kind)
{
	bool made;
	int fd = target_find(s, path);

	if (fd < 0 && errno == ENOENT)
		fd = make_way(s, path, kind == TARGET_DIR, false, &made);
	return fd < 0 ? fail(s->f, "mount point", "%s", path) : check_kind(s, fd, path, kind);
}

int target_make_dir(struct site *s, const char *path, bool *made)
{
	int fd = target_find(s, path);

	*made = false;
	if (fd < 0 && errno == ENOENT)
		fd = make_way(s, path, true, true, made);
	if (fd < 0)
		return fail(s->f, "mkdir", "%s", path);
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode)) {
		close(fd);
		return fail_with(s->f, ENOTDIR, "mkdir", path);
	}
	return fd;
}
