/*
 * Writes a layer's entries below a directory.
 *
 * The entries may come from a hostile archive. Every name is checked, every parent is opened with openat2 beneath the
 * root, and the last component is only ever created exclusively, unlinked, or opened with O_NOFOLLOW: nothing outside
 * of the root can be reached, whatever links the archive has. A parent that is a link is followed as if the root were
 * `/`, as tools that unpack in a chroot do.
 *
 * Owner before mode (chown clears set-id bits, chown(2)), times last, those of directories when all is written.
 */
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

#include "beneath.h"
#include "entry.h"
#include "kernel.h"
#include "owners.h"
#include "tree.h"

struct dir_time {
	char *path;
	int64_t mtime;
};

struct apply {
	struct failure *f;
	bool single;
	int root;
	/* The store has default ACLs: what is created does not get the permissions asked for (acl(5)). */
	bool acls;
	struct owners *owners;
	bool owners_changed;
	/* The last parent, kept open: siblings follow each other. */
	char *parent_path;
	int parent;
	/* New files in it get its group (inode(7), S_ISGID). */
	bool parent_sgid;
	struct dir_time *times;
	size_t time_count, time_cap;
	/* The file that data goes to, what it still lacks, and a copy of its entry. */
	int file;
	uint64_t missing;
	uint8_t *held;
	uint32_t held_len;
};

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

	if (remove_tree(parent, name, &inner) < 0)
		return fail_with(a->f, inner.err, "replace", path);
	return 0;
}

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
	return fchown(fd, e->uid, e->gid) < 0 ? fail(a->f, "chown", "%s", e->path) : 0;
}

/* For links and fifos, which can't have xattrs and aren't opened. */
static int set_owner_at(struct apply *a, int parent, const char *name, const struct entry *e)
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

static void times_of(int64_t mtime, struct timespec t[2])
{
	t[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
	t[1] = (struct timespec){.tv_sec = (time_t)mtime};
}

static int set_meta(struct apply *a, int fd, const struct entry *e, bool fresh)
{
	if (set_owner(a, fd, e, fresh) < 0)
		return -1;
	/* Fresh files were made with their permissions. */
	if ((!fresh || a->acls || e->mode & 07000) && fchmod(fd, e->mode & 07777) < 0)
		return fail(a->f, "chmod", "%s", e->path);
	return set_xattrs(a, fd, e);
}

static int make_opaque(struct apply *a, int fd, const char *path)
{
	return fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0 ? fail(a->f, "mark opaque", "%s", path) : 0;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static int apply_dir(struct apply *a, const struct entry *e)
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
		if (!S_ISDIR(st.st_mode)) {
			/* A directory where the layer removed something hides what was in that. */
			replaced = is_whiteout(&st);
			if (clear_name(a, parent, name, e->path) < 0)
				return -1;
			if (mkdirat(parent, name, 0755) < 0)
				return fail(a->f, "mkdir", "%s", e->path);
		}
	}
	AUTO_FD fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(a->f, "open", "%s", e->path);
	if (replaced && make_opaque(a, fd, e->path) < 0)
		return -1;
	return set_meta(a, fd, e, false);
}

static int later_time(struct apply *a, const struct entry *e)
{
	if (a->time_count == a->time_cap)
		a->times = xrealloc(a->times, (a->time_cap = a->time_cap ? a->time_cap * 2 : 256) * sizeof *a->times);
	a->times[a->time_count++] = (struct dir_time){xstrndup(e->path, strlen(e->path)), e->mtime};
	return 0;
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

static int apply_file(struct apply *a, const struct entry *e)
{
	const char *name;
	int parent = parent_of(a, e->path, &name);

	if (parent < 0)
		return -1;
	AUTO_FD fd = create_file(a, parent, name, e);
	if (fd < 0)
		return -1;
	if (e->type == E_CHAR || e->type == E_BLOCK) {
		char device[48];
		int len = snprintf(device, sizeof device, "%c:%u:%u", e->type == E_CHAR ? 'c' : 'b', e->major, e->minor);
		if (fsetxattr(fd, XATTR_DEVICE, device, (size_t)len, 0) < 0)
			return fail(a->f, "record device", "%s", e->path);
	}
	if (e->type == E_FILE && e->size) {
		a->file = take_fd(&fd);
		a->missing = e->size;
		return 0;
	}
	struct timespec t[2];
	times_of(e->mtime, t);
	return set_meta(a, fd, e, true) < 0 ? -1 : futimens(fd, t) < 0 ? fail(a->f, "set times", "%s", e->path) : 0;
}

static int apply_link(struct apply *a, const struct entry *e)
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

static int make_special(int parent, const char *name, const struct entry *e)
{
	if (e->type == E_SYMLINK)
		return symlinkat(e->link, parent, name);
	if (e->type == E_FIFO)
		return mkfifoat(parent, name, 0600);
	/* A whiteout is the only device that a user namespace may make. */
	return mknodat(parent, name, S_IFCHR, makedev(0, 0));
}

static int apply_special(struct apply *a, const struct entry *e)
{
	const char *name;
	struct timespec t[2];
	int parent = parent_of(a, e->path, &name);

	if (parent < 0)
		return -1;
	if (make_special(parent, name, e) < 0) {
		if (errno != EEXIST)
			return fail(a->f, "create", "%s", e->path);
		if (clear_name(a, parent, name, e->path) < 0)
			return -1;
		if (make_special(parent, name, e) < 0)
			return fail(a->f, "create", "%s", e->path);
	}
	if (e->type == E_WHITEOUT)
		return 0;
	if (set_owner_at(a, parent, name, e) < 0)
		return -1;
	if (e->type == E_FIFO && fchmodat(parent, name, e->mode & 07777, 0) < 0)
		return fail(a->f, "chmod", "%s", e->path);
	times_of(e->mtime, t);
	return utimensat(parent, name, t, AT_SYMLINK_NOFOLLOW) < 0 ? fail(a->f, "set times", "%s", e->path) : 0;
}

static int apply_opaque(struct apply *a, const char *path)
{
	AUTO_FD fd = make_dirs(a->root, path);

	return fd < 0 ? fail(a->f, "mark opaque", "%s", path) : make_opaque(a, fd, path);
}

/* A whiteout speaks of lower layers: what this layer has under the name stays, and hides them. */
static int apply_whiteout(struct apply *a, const struct entry *e)
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

static int apply_root(struct apply *a, const struct entry *e)
{
	if (e->type == E_OPAQUE)
		return make_opaque(a, a->root, "/");
	if (e->type != E_DIR)
		return fail_with(a->f, EINVAL, "apply", "/");
	return set_meta(a, a->root, e, false) < 0 ? -1 : later_time(a, e);
}

/* Writing clears file capabilities and set-id bits: they come when the content is there. */
static int finish_file(struct apply *a)
{
	struct frame frame = {.type = FR_ENTRY, .data = a->held, .len = a->held_len};
	AUTO_FD fd = take_fd(&a->file);
	struct timespec t[2];
	struct entry e;

	entry_parse(&frame, &e);
	times_of(e.mtime, t);
	if (set_meta(a, fd, &e, true) < 0)
		return -1;
	return futimens(fd, t) < 0 ? fail(a->f, "set times", "%s", e.path) : 0;
}

static int apply_data(struct apply *a, const struct frame *frame)
{
	if (a->file < 0 || frame->len > a->missing)
		return fail_with(a->f, EMSGSIZE, "apply", "more content than announced");
	if (write_all(a->file, frame->data, frame->len) < 0)
		return fail(a->f, "write", "%s", "content");
	a->missing -= frame->len;
	return a->missing ? 0 : finish_file(a);
}

static void hold(struct apply *a, const struct frame *frame)
{
	a->held = xrealloc(a->held, frame->len);
	memcpy(a->held, frame->data, frame->len);
	a->held_len = frame->len;
}

static int apply_entry(struct apply *a, const struct frame *frame)
{
	struct entry e;

	if (!entry_parse(frame, &e) || !good_path(e.path))
		return fail_with(a->f, EINVAL, "apply", e.path ? e.path : "");
	if (a->file >= 0)
		return fail_with(a->f, ENODATA, "apply", "less content than announced");
	if (!e.path[0])
		return apply_root(a, &e);
	switch (e.type) {
	case E_DIR:
		return apply_dir(a, &e) < 0 ? -1 : later_time(a, &e);
	case E_HARDLINK:
		return apply_link(a, &e);
	case E_WHITEOUT:
		return apply_whiteout(a, &e);
	case E_OPAQUE:
		return apply_opaque(a, e.path);
	case E_SYMLINK:
	case E_FIFO:
		return apply_special(a, &e);
	default:
		if (apply_file(a, &e) < 0)
			return -1;
		if (a->file >= 0)
			hold(a, frame);
		return 0;
	}
}

static int set_dir_times(struct apply *a)
{
	for (size_t i = 0; i < a->time_count; i++) {
		const struct dir_time *d = &a->times[i];
		struct timespec t[2];
		times_of(d->mtime, t);
		AUTO_FD fd = k_openat2(a->root, d->path[0] ? d->path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
			K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
		/* A later entry may have replaced it by something else. */
		if (fd >= 0 && futimens(fd, t) < 0)
			return fail(a->f, "set times", "%s", d->path);
	}
	return 0;
}

static int finish(struct apply *a, int beside)
{
	if (a->file >= 0)
		return fail_with(a->f, ENODATA, "apply", "less content than announced");
	if (a->owners_changed && owners_save(a->owners, beside) < 0)
		return fail(a->f, "record owner", "%s", OWNERS_FILE);
	return set_dir_times(a);
}

/* Node hears of a failure at once and sends the end soon; what was under way until then is dropped. */
static bool apply_frames(struct apply *a, struct reader *in, struct writer *out)
{
	bool told = false;
	struct frame frame;

	do {
		if (a->f->err && !told) {
			w_failure(out, a->f);
			told = true;
		}
		if (!reader_next(in, &frame))
			_exit(1);
		if (a->f->err)
			continue;
		if (frame.type == FR_ENTRY)
			apply_entry(a, &frame);
		else if (frame.type == FR_DATA)
			apply_data(a, &frame);
	} while (frame.type != FR_END);
	return told;
}

static void release(struct apply *a)
{
	for (size_t i = 0; i < a->time_count; i++)
		free(a->times[i].path);
	free(a->times);
	free(a->parent_path);
	free(a->held);
	owners_free(a->owners);
	close_fd(&a->parent);
	close_fd(&a->file);
	close_fd(&a->root);
}

void request_apply(struct cursor *c, struct reader *in, struct writer *out, const struct world *world)
{
	struct failure f = {0};
	struct apply a = {.f = &f, .single = world->single, .parent = -1, .file = -1};
	const char *dir = c_str(c);

	a.root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a.root < 0)
		fail(&f, "open", "%s", dir);
	a.acls = a.root >= 0 && fgetxattr(a.root, "system.posix_acl_default", NULL, 0) > 0;
	AUTO_FD beside = a.root < 0 ? -1 : openat(a.root, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	a.owners = owners_load(a.single ? beside : -1);
	bool told = apply_frames(&a, in, out);
	if (!f.err && finish(&a, beside) == 0)
		w_empty(out, FR_OK);
	else if (!told)
		w_failure(out, &f);
	release(&a);
}
