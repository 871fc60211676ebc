/*
 * Walks a directory that is an overlay upper or a snapshot, and sends it as a layer's entries: depth first, siblings
 * by the bytes of their names, one pass. Overlayfs keeps a removal as a character device 0:0 (all of them may share one
 * inode: they are no hard links) and an opaque directory as the xattr user.overlay.opaque=y.
 */
#define _GNU_SOURCE
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

enum { DEPTH_LIMIT = 4000 };

static int walk_dir(struct walk *w, int fd, int depth);

/* What every container has mounted there. */
static bool is_kernels(const char *path)
{
	return !strcmp(path, "dev") || !strcmp(path, "proc") || !strcmp(path, "sys");
}

/* Regular files and directories: the kinds that can have xattrs. */
static int walk_open(
	struct walk *w, int dirfd, const char *name, const struct stat *st, int depth, struct owner *owner)
{
	int kind = S_ISDIR(st->st_mode) ? O_DIRECTORY : O_NONBLOCK;
	AUTO_FD fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | kind);
	struct stat now;
	struct entry e;

	if (fd < 0 && w->live && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR || errno == ENXIO))
		return 0;
	if (fd < 0)
		return fail(w->f, "open", "%s", w->path);
	if (w->live) {
		/* It may be another file than the one that was looked at, of any kind. */
		if (fstat(fd, &now) < 0 || ((now.st_mode ^ st->st_mode) & S_IFMT))
			return 0;
		st = &now;
	}
	if (walk_send_open(w, fd, st, &e) < 0)
		return -1;
	*owner = (struct owner){e.uid, e.gid};
	if (e.type == E_DIR && w->of_root && depth == 1 && is_kernels(w->path))
		return 0;
	if (e.type == E_DIR)
		return walk_dir(w, take_fd(&fd), depth + 1);
	return e.type == E_FILE && w->content ? walk_send_content(w, fd, e.size) : 0;
}

static int walk_name(struct walk *w, int dirfd, const char *name, int depth)
{
	struct inode *slot = NULL;
	struct owner owner = {0, 0};
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return w->live && errno == ENOENT && w->path_len ? 0 : fail(w->f, "stat", "%s", w->path);
	if (S_ISSOCK(st.st_mode))
		return 0;
	bool whiteout = S_ISCHR(st.st_mode) && st.st_rdev == 0;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && !whiteout) {
		slot = walk_seen_as(w, &st);
		if (slot->path)
			return walk_send_again(w, &st, slot);
	}
	int result = S_ISDIR(st.st_mode) || S_ISREG(st.st_mode) ? walk_open(w, dirfd, name, &st, depth, &owner)
															: walk_send_special(w, dirfd, name, &st, &owner);
	if (slot && result == 0)
		walk_remember(w, slot, &st, owner);
	return result;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **names_of(int fd, size_t *count)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	char **names = NULL;
	size_t cap = 0;

	*count = 0;
	if (!dir) {
		close(fd);
		return NULL;
	}
	while ((errno = 0, e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (*count == cap)
			names = xrealloc(names, (cap = cap ? cap * 2 : 32) * sizeof *names);
		names[(*count)++] = xstrndup(e->d_name, strlen(e->d_name));
	}
	int err = errno;
	closedir(dir);
	errno = err;
	if (!names && !err)
		names = xalloc(sizeof *names);
	qsort(names, *count, sizeof *names, by_name);
	return names;
}

static void set_name(struct walk *w, size_t parent_len, const char *name)
{
	size_t len = strlen(name), slash = parent_len ? 1 : 0;

	if (w->path_cap < parent_len + slash + len + 1)
		w->path = xrealloc(w->path, w->path_cap = 2 * (parent_len + slash + len + 1));
	if (slash)
		w->path[parent_len] = '/';
	memcpy(w->path + parent_len + slash, name, len + 1);
	w->path_len = parent_len + slash + len;
}

/* Takes `fd`. */
static int walk_dir(struct walk *w, int fd, int depth)
{
	size_t parent_len = w->path_len, count;
	int result = 0;

	if (depth > DEPTH_LIMIT) {
		close(fd);
		return fail_with(w->f, ENAMETOOLONG, "walk", w->path);
	}
	char **names = names_of(dup(fd), &count);
	if (!names || errno)
		result = fail(w->f, "list", "%s", w->path);
	for (size_t i = 0; i < count; i++) {
		if (result == 0) {
			set_name(w, parent_len, names[i]);
			result = walk_name(w, fd, names[i], depth);
		}
		free(names[i]);
	}
	free(names);
	close(fd);
	w->path_len = parent_len;
	w->path[parent_len] = 0;
	return result;
}

static int walk_root(struct walk *w, const char *dir)
{
	AUTO_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct marks m = {0};
	char list[MARKS_LIST_MAX];

	if (fd < 0)
		return fail(w->f, "open", "%s", dir);
	AUTO_FD parent = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	w->owners = owners_load(w->single ? parent : -1);
	if (walk_marks(w, fd, list, sizeof list, &m) < 0)
		return -1;
	if (m.opaque)
		walk_send(w, &(struct entry){.type = E_OPAQUE, .path = ""});
	return walk_dir(w, take_fd(&fd), 0);
}

int walk_from(struct walk *w, int dirfd, const char *name)
{
	return walk_name(w, dirfd, name, 0);
}

void walk_call(struct walk *w, const char *path)
{
	set_name(w, 0, path);
}

void walk_init(struct walk *w)
{
	set_name(w, 0, "");
	w->value = xrealloc(NULL, XATTR_VALUE_MAX + 1);
}

void walk_conclude(struct walk *w)
{
	if (w->f->err) {
		/* A frame may be half written. */
		w->out->len = w->out->mark;
		w_failure(w->out, w->f);
	} else
		w_empty(w->out, FR_OK);
	walk_forget(w);
	if (w->owners)
		owners_free(w->owners);
	free(w->path);
	free(w->value);
}

void request_walk(struct cursor *c, struct writer *out, const struct world *world)
{
	struct failure f = {0};
	const char *dir = c_str(c);
	struct walk w = {.out = out, .f = &f, .content = c_u8(c), .single = world->single};

	walk_init(&w);
	if ((c->bad || walk_root(&w, dir) < 0) && !f.err)
		fail_with(&f, EBADMSG, "walk", dir);
	walk_conclude(&w);
}
