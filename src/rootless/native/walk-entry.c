/* What is sent of one file: its metadata, attributes and content. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "walk.h"

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
	if (!strcmp(name, "user.overlay.opaque") || !strcmp(name, "user.tsbox.opaque"))
		m->opaque = w->value[0] == 'y';
	else if (!strcmp(name, XATTR_DEVICE)) {
		struct owner owner = {0, 0};
		int parts = sscanf(w->value, "%c:%u:%u %u:%u", &m->device, &m->major, &m->minor, &owner.uid, &owner.gid);
		if (parts != 3 && parts != 5)
			m->device = 0;
		else if (parts == 5 && !w->single)
			m->owner = owner;
	} else if (w->single && !strcmp(name, XATTR_OWNER))
		owner_decode((uint8_t *)w->value, (size_t)n, &m->owner);
}

/* `list` is what the names point into; it must live as long as `m`. */
int walk_marks(struct walk *w, int fd, char *list, size_t list_size, struct marks *m)
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

void walk_send(struct walk *w, const struct entry *e)
{
	entry_begin(w->out, e);
	w_end(w->out);
}

static int send_zeros(struct walk *w, uint64_t size)
{
	static const uint8_t zeros[4096];

	while (size) {
		size_t n = size < sizeof zeros ? (size_t)size : sizeof zeros;
		w_begin(w->out, FR_DATA);
		w_bytes(w->out, zeros, n);
		w_end(w->out);
		size -= n;
	}
	return 0;
}

int walk_send_content(struct walk *w, int fd, uint64_t size)
{
	while (size) {
		ssize_t n = w_data_from(w->out, FR_DATA, fd, size);
		if (n == 0 && w->live)
			return send_zeros(w, size);
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
__attribute__((noinline)) int walk_send_open(struct walk *w, int fd, const struct stat *st, struct entry *e)
{
	char list[MARKS_LIST_MAX];
	struct marks m = {0};

	if (walk_marks(w, fd, list, sizeof list, &m) < 0)
		return -1;
	*e = entry_of(w, st, S_ISDIR(st->st_mode) ? E_DIR : E_FILE);
	if (w->single) {
		e->uid = m.owner.uid;
		e->gid = m.owner.gid;
	}
	e->xattr_count = m.count;
	if (m.device == 'c' && !m.major && !m.minor && e->type == E_FILE) {
		/* Where a real one could not be made: whiteout.h. */
		e->type = E_WHITEOUT;
		walk_send(w, &(struct entry){.type = E_WHITEOUT, .path = w->path});
		return 0;
	}
	/* Every user may give attributes to a file of his: where the kernel tells users apart, devices are root's to make. */
	bool may_be = w->single || st->st_uid == 0;
	if (m.device && e->type == E_FILE && may_be) {
		e->type = m.device == 'b' ? E_BLOCK : E_CHAR;
		e->major = m.major;
		e->minor = m.minor;
		if (!w->single && (m.owner.uid || m.owner.gid)) {
			e->uid = m.owner.uid;
			e->gid = m.owner.gid;
		}
	} else if (e->type == E_FILE)
		e->size = (uint64_t)st->st_size;
	entry_begin(w->out, e);
	if (send_xattrs(w, fd, &m) < 0)
		return -1;
	w_end(w->out);
	if (m.opaque && e->type == E_DIR)
		walk_send(w, &(struct entry){.type = E_OPAQUE, .path = w->path});
	return 0;
}

/* Links, fifos, whiteouts and (in a tree that real root made) devices. */
__attribute__((noinline)) int walk_send_special(
	struct walk *w, int dirfd, const char *name, const struct stat *st, struct owner *owner)
{
	struct entry e = entry_of(w, st, E_FIFO);
	char target[4097];

	if (S_ISCHR(st->st_mode) && st->st_rdev == 0) {
		walk_send(w, &(struct entry){.type = E_WHITEOUT, .path = w->path});
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
	walk_send(w, &e);
	return 0;
}

int walk_send_again(struct walk *w, const struct stat *st, const struct inode *first)
{
	struct entry e = entry_of(w, st, E_HARDLINK);

	e.uid = first->owner.uid;
	e.gid = first->owner.gid;
	e.link = first->path;
	walk_send(w, &e);
	return 0;
}
