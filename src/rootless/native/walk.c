/*
 * Walks a directory that is an overlay upper or a snapshot, and sends it as a layer's entries: depth first, siblings
 * by the bytes of their names, one pass. Overlayfs keeps a removal as a character device 0:0 (all of them may share one
 * inode: they are no hard links) and an opaque directory as the xattr user.overlay.opaque=y.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "entry.h"
#include "owners.h"
#include "tree.h"

enum { XATTR_VALUE_MAX = 65536, DEPTH_LIMIT = 4000 };

/* Files with more than one link, by inode. */
struct inode {
	dev_t dev;
	ino_t ino;
	char *path;
	struct owner owner;
};

struct walk {
	struct writer *out;
	struct failure *f;
	bool content, single;
	struct owners *owners;
	/* Path of the entry at hand, relative to the root. */
	char *path;
	size_t path_len, path_cap;
	struct inode *inodes;
	size_t inode_count, inode_slots;
	char *value;
};

/* What the xattrs of a file say besides those of the image. */
struct marks {
	bool opaque;
	char device;
	struct owner owner;
	unsigned major, minor;
	uint32_t count;
	/* Names that belong to the image, sorted. */
	char *names[64];
};

static int walk_dir(struct walk *w, int fd, int depth);

static size_t slot_of(const struct walk *w, dev_t dev, ino_t ino)
{
	size_t i = ((size_t)ino * 2654435761u ^ (size_t)dev) & (w->inode_slots - 1);

	while (w->inodes[i].path && (w->inodes[i].ino != ino || w->inodes[i].dev != dev))
		i = (i + 1) & (w->inode_slots - 1);
	return i;
}

/* What this inode was seen as before; a new record without path the first time. */
static struct inode *seen_as(struct walk *w, const struct stat *st)
{
	if (w->inode_count * 2 >= w->inode_slots) {
		struct inode *old = w->inodes;
		size_t slots = w->inode_slots;
		w->inode_slots = slots ? slots * 2 : 256;
		w->inodes = xalloc(w->inode_slots * sizeof *old);
		for (size_t i = 0; i < slots; i++)
			if (old[i].path)
				w->inodes[slot_of(w, old[i].dev, old[i].ino)] = old[i];
		free(old);
	}
	return &w->inodes[slot_of(w, st->st_dev, st->st_ino)];
}

static void remember(struct walk *w, struct inode *slot, const struct stat *st, struct owner o)
{
	*slot = (struct inode){st->st_dev, st->st_ino, xstrndup(w->path, w->path_len), o};
	w->inode_count++;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_mark(struct walk *w, int fd, const char *name, struct marks *m)
{
	ssize_t n = fgetxattr(fd, name, w->value, XATTR_VALUE_MAX);

	if (n < 0)
		return;
	w->value[n] = 0;
	if (!strcmp(name, "user.overlay.opaque"))
		m->opaque = w->value[0] == 'y';
	else if (!strcmp(name, XATTR_DEVICE)) {
		if (sscanf(w->value, "%c:%u:%u", &m->device, &m->major, &m->minor) != 3)
			m->device = 0;
	} else if (w->single && !strcmp(name, XATTR_OWNER))
		owner_decode((uint8_t *)w->value, (size_t)n, &m->owner);
}

/* `list` is what the names point into; it must live as long as `m`. */
static int read_marks(struct walk *w, int fd, char *list, size_t list_size, struct marks *m)
{
	ssize_t len = flistxattr(fd, list, list_size);

	if (len < 0)
		return errno == ENOTSUP ? 0 : fail(w->f, "list attributes", "%s", w->path);
	for (char *name = list; name < list + len; name += strlen(name) + 1) {
		if (!xattr_belongs(name, w->single))
			read_mark(w, fd, name, m);
		else if (m->count < ARRAY_LEN(m->names))
			m->names[m->count++] = name;
		else
			return fail_with(w->f, E2BIG, "list attributes", w->path);
	}
	qsort(m->names, m->count, sizeof *m->names, by_name);
	return 0;
}

/*
 * File capabilities of version 3 name the namespace's root, which means nothing elsewhere; version 2 is what images
 * have (capabilities(7)). The kernel mostly converts by itself when asked from inside.
 */
static size_t portable_capability(uint8_t *value, size_t len)
{
	if (len != 24 || value[3] != 3)
		return len;
	value[3] = 2;
	return 20;
}

static int send_xattrs(struct walk *w, int fd, const struct marks *m)
{
	for (uint32_t i = 0; i < m->count; i++) {
		ssize_t n = fgetxattr(fd, m->names[i], w->value, XATTR_VALUE_MAX);
		if (n < 0)
			return fail(w->f, "read attribute", "%s: %s", w->path, m->names[i]);
		size_t len = (size_t)n;
		if (!strcmp(m->names[i], "security.capability"))
			len = portable_capability((uint8_t *)w->value, len);
		w_str(w->out, m->names[i], strlen(m->names[i]));
		w_u32(w->out, (uint32_t)len);
		w_bytes(w->out, w->value, len);
	}
	return 0;
}

static void send_plain(struct walk *w, const struct entry *e)
{
	entry_begin(w->out, e);
	w_end(w->out);
}

static int send_content(struct walk *w, int fd, uint64_t size)
{
	while (size) {
		ssize_t n = w_data_from(w->out, FR_DATA, fd, size);
		if (n == 0)
			return fail_with(w->f, ESTALE, "file changed while it was read", w->path);
		if (n < 0)
			return fail(w->f, "read", "%s", w->path);
		size -= (uint64_t)n;
	}
	return 0;
}

static struct entry entry_of(const struct walk *w, const struct stat *st, uint8_t type)
{
	return (struct entry){.type = type,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = st->st_mtime,
		.path = w->path};
}

/* Not inlined: its buffers shall not stay on the stack while a deep tree is walked. */
static __attribute__((noinline)) int send_open(struct walk *w, int fd, const struct stat *st, struct entry *e)
{
	char list[XATTR_VALUE_MAX / 8];
	struct marks m = {0};

	if (read_marks(w, fd, list, sizeof list, &m) < 0)
		return -1;
	*e = entry_of(w, st, S_ISDIR(st->st_mode) ? E_DIR : E_FILE);
	if (w->single) {
		e->uid = m.owner.uid;
		e->gid = m.owner.gid;
	}
	e->xattr_count = m.count;
	if (m.device && e->type == E_FILE) {
		e->type = m.device == 'b' ? E_BLOCK : E_CHAR;
		e->major = m.major;
		e->minor = m.minor;
	} else if (e->type == E_FILE)
		e->size = (uint64_t)st->st_size;
	entry_begin(w->out, e);
	if (send_xattrs(w, fd, &m) < 0)
		return -1;
	w_end(w->out);
	if (m.opaque && e->type == E_DIR)
		send_plain(w, &(struct entry){.type = E_OPAQUE, .path = w->path});
	return 0;
}

/* Regular files and directories: the kinds that can have xattrs. */
static int walk_open(
	struct walk *w, int dirfd, const char *name, const struct stat *st, int depth, struct owner *owner)
{
	int kind = S_ISDIR(st->st_mode) ? O_DIRECTORY : O_NONBLOCK;
	AUTO_FD fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | kind);
	struct entry e;

	if (fd < 0)
		return fail(w->f, "open", "%s", w->path);
	if (send_open(w, fd, st, &e) < 0)
		return -1;
	*owner = (struct owner){e.uid, e.gid};
	if (e.type == E_DIR)
		return walk_dir(w, take_fd(&fd), depth + 1);
	return e.type == E_FILE && w->content ? send_content(w, fd, e.size) : 0;
}

/* Links, fifos, whiteouts and (in a tree that real root made) devices. */
static __attribute__((noinline)) int walk_special(
	struct walk *w, int dirfd, const char *name, const struct stat *st, struct owner *owner)
{
	struct entry e = entry_of(w, st, E_FIFO);
	char target[4097];

	if (S_ISCHR(st->st_mode) && st->st_rdev == 0) {
		send_plain(w, &(struct entry){.type = E_WHITEOUT, .path = w->path});
		return 0;
	}
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(dirfd, name, target, sizeof target - 1);
		if (n < 0)
			return fail(w->f, "read link", "%s", w->path);
		target[n] = 0;
		e.type = E_SYMLINK;
		e.link = target;
	} else if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		e.type = S_ISCHR(st->st_mode) ? E_CHAR : E_BLOCK;
		e.major = major(st->st_rdev);
		e.minor = minor(st->st_rdev);
	}
	if (w->single) {
		struct owner o = {0, 0};
		owners_find(w->owners, w->path, &o);
		e.uid = o.uid;
		e.gid = o.gid;
	}
	*owner = (struct owner){e.uid, e.gid};
	send_plain(w, &e);
	return 0;
}

static int send_again(struct walk *w, const struct stat *st, const struct inode *first)
{
	struct entry e = entry_of(w, st, E_HARDLINK);

	e.uid = first->owner.uid;
	e.gid = first->owner.gid;
	e.link = first->path;
	send_plain(w, &e);
	return 0;
}

static int walk_name(struct walk *w, int dirfd, const char *name, int depth)
{
	struct inode *slot = NULL;
	struct owner owner = {0, 0};
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(w->f, "stat", "%s", w->path);
	if (S_ISSOCK(st.st_mode))
		return 0;
	bool whiteout = S_ISCHR(st.st_mode) && st.st_rdev == 0;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && !whiteout) {
		slot = seen_as(w, &st);
		if (slot->path)
			return send_again(w, &st, slot);
	}
	int result = S_ISDIR(st.st_mode) || S_ISREG(st.st_mode) ? walk_open(w, dirfd, name, &st, depth, &owner)
															: walk_special(w, dirfd, name, &st, &owner);
	if (slot && result == 0)
		remember(w, slot, &st, owner);
	return result;
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
	char list[XATTR_VALUE_MAX / 8];

	if (fd < 0)
		return fail(w->f, "open", "%s", dir);
	AUTO_FD parent = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	w->owners = owners_load(w->single ? parent : -1);
	if (read_marks(w, fd, list, sizeof list, &m) < 0)
		return -1;
	if (m.opaque)
		send_plain(w, &(struct entry){.type = E_OPAQUE, .path = ""});
	return walk_dir(w, take_fd(&fd), 0);
}

void request_walk(struct cursor *c, struct writer *out, const struct world *world)
{
	struct failure f = {0};
	const char *dir = c_str(c);
	struct walk w = {.out = out, .f = &f, .content = c_u8(c), .single = world->single};

	set_name(&w, 0, "");
	w.value = xrealloc(NULL, XATTR_VALUE_MAX + 1);
	if (c->bad || walk_root(&w, dir) < 0) {
		if (!f.err)
			fail_with(&f, EBADMSG, "walk", dir);
		/* A frame may be half written. */
		out->len = out->mark;
		w_failure(out, &f);
	} else
		w_empty(out, FR_OK);
	/* The worker lives on: give back what a big tree took. */
	for (size_t i = 0; i < w.inode_slots; i++)
		free(w.inodes[i].path);
	free(w.inodes);
	if (w.owners)
		owners_free(w.owners);
	free(w.path);
	free(w.value);
}
