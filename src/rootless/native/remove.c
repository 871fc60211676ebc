/*
 * Removes trees. The namespace's root may enter directories of mode 000 and of other mapped owners; links are never
 * followed. Trees can be deeper than there are descriptors: what is too deep is moved up to the top and taken later.
 */
#define _GNU_SOURCE
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 100 };

struct removal {
	/* Top directory of the tree, where too deep ones are moved to. */
	int top;
	unsigned long moved;
	bool again;
};

static int empty_dir(struct removal *r, int fd, int depth, struct failure *f);

static int remove_entry(struct removal *r, int dirfd, const char *name, int depth, struct failure *f)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EACCES)
		return fail(f, "remove", "%s", name);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return fail(f, "remove", "%s", name);
	if (depth >= DEPTH_MAX) {
		char moved[48];
		snprintf(moved, sizeof moved, ".tsbox-deep-%d-%lu", getpid(), r->moved++);
		if (renameat(dirfd, name, r->top, moved) < 0)
			return fail(f, "remove", "%s", name);
		r->again = true;
		return 0;
	}
	int child = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0)
		return fail(f, "remove", "%s", name);
	if (empty_dir(r, child, depth + 1, f) < 0)
		return -1;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? fail(f, "remove", "%s", name) : 0;
}

/* Takes `fd`. */
static int empty_dir(struct removal *r, int fd, int depth, struct failure *f)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	int result = 0;

	if (!dir) {
		close(fd);
		return fail(f, "remove", "%s", "");
	}
	while (result == 0 && (errno = 0, e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			result = remove_entry(r, fd, e->d_name, depth, f);
	closedir(dir);
	return result;
}

int remove_tree(int dirfd, const char *name, struct failure *f)
{
	struct stat st;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT || errno == ENOTDIR)
		return 0;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return fail(f, "remove", "%s", name);
	AUTO_FD top = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0)
		return fail(f, "remove", "%s", name);
	struct removal r = {.top = top};
	do {
		int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r.again = false;
		if (fd < 0 || empty_dir(&r, fd, 1, f) < 0)
			return fd < 0 ? fail(f, "remove", "%s", name) : -1;
	} while (r.again);
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? fail(f, "remove", "%s", name) : 0;
}

void request_remove(struct cursor *c, struct writer *out)
{
	struct failure f = {0};
	uint32_t count = c_u32(c);

	for (uint32_t i = 0; i < count && !f.err; i++) {
		const char *path = c_str(c);
		if (path[0] != '/')
			fail_with(&f, EINVAL, "remove", path);
		else if (remove_tree(AT_FDCWD, path, &f) < 0 && strcmp(f.detail, path)) {
			struct failure inner = f;
			errno = inner.err;
			fail(&f, inner.stage, "%s/…/%s", path, inner.detail);
		}
	}
	if (f.err)
		w_failure(out, &f);
	else
		w_empty(out, FR_OK);
}
