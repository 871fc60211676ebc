/*
 * The copy of a stack of layers, and what a step changed in it: see copied.h.
 *
 * The list of what was copied has a record for each name, sorted by directory and name:
 *
 *     MODE UID GID SIZE CTIME.NS BIRTH.NS PATH\0
 */
#define _GNU_SOURCE
#include "copied.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "emulate-uapi.h"
#include "kernel.h"
#include "owners.h"
#include "tree.h"
#include "whiteout.h"

#define ROOT "root"
#define LIST "copied"
#define FRESH "upper.new"
#define OLD "upper.old"

/* What of an inode tells whether it was changed. */
struct trace {
	unsigned mode, uid, gid;
	unsigned long long size;
	long long changed, changed_ns, born, born_ns;
};

struct record {
	struct trace trace;
	char *path;
	/* Length of the path of its directory. */
	size_t above;
};

struct list {
	struct record *items;
	size_t count, cap;
};

static int trace_of(int dirfd, const char *name, struct trace *t)
{
	struct emu_statx st;

	/* All basic fields, and the birth where it is known. */
	if (syscall(SYS_statx, dirfd, name, AT_SYMLINK_NOFOLLOW, 0x7ffu | EMU_STATX_BTIME, &st) < 0)
		return -1;
	bool born = st.mask & EMU_STATX_BTIME, directory = S_ISDIR(st.mode);
	*t = (struct trace){.mode = st.mode, .uid = st.uid, .gid = st.gid, .size = directory ? 0 : st.size,
		.changed = st.ctime.sec, .changed_ns = st.ctime.nsec, .born = born ? st.btime.sec : 0,
		.born_ns = born ? st.btime.nsec : 0};
	return 0;
}

static bool same_birth(const struct trace *a, const struct trace *b)
{
	return a->born == b->born && a->born_ns == b->born_ns;
}

static bool same(const struct trace *a, const struct trace *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->size == b->size &&
		a->changed == b->changed && a->changed_ns == b->changed_ns && same_birth(a, b);
}

static size_t length_above(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

static int order(const char *x, size_t x_above, const char *y, size_t y_above)
{
	int by_dir = strncmp(x, y, x_above < y_above ? x_above : y_above);

	if (by_dir || x_above != y_above)
		return by_dir ? by_dir : x_above < y_above ? -1 : 1;
	return strcmp(x + x_above, y + y_above);
}

static int by_place(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return order(x->path, x->above, y->path, y->above);
}

static void put(struct list *list, const char *path, const struct trace *t)
{
	if (list->count == list->cap)
		list->items = xrealloc(list->items, (list->cap = list->cap ? list->cap * 2 : 1024) * sizeof *list->items);
	list->items[list->count++] = (struct record){*t, xstrndup(path, strlen(path)), length_above(path)};
}

static void free_list(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].path);
	free(list->items);
	*list = (struct list){0};
}

/* First record that does not come before a path. */
static size_t seek(const struct list *list, const char *path, size_t above)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (order(list->items[middle].path, list->items[middle].above, path, above) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct record *find(const struct list *list, const char *path)
{
	size_t at = seek(list, path, length_above(path));

	return at < list->count && !strcmp(list->items[at].path, path) ? &list->items[at] : NULL;
}

/* ---- walking: each directory's names ------------------------------------------- */

typedef int visit(void *with, int dirfd, const char *name);

static int each_name(struct copier *c, int dirfd, visit *visitor, void *with)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		return fail(c->f, "list", "%s", c->path);
	while (result == 0 && (errno = 0, e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		size_t length;
		if (copy_enter(c, e->d_name, &length) < 0)
			result = -1;
		else
			result = visitor(with, dirfd, e->d_name);
		copy_leave(c, length);
	}
	closedir(dir);
	return result;
}

/* ---- the list ------------------------------------------------------------------- */

struct listing {
	struct copier *c;
	struct list list;
	long long last, last_ns;
};

static int list_name(void *with, int dirfd, const char *name)
{
	struct listing *l = with;
	struct trace t;

	if (trace_of(dirfd, name, &t) < 0)
		return fail(l->c->f, "stat", "%s", l->c->path);
	put(&l->list, l->c->path, &t);
	if (t.changed > l->last || (t.changed == l->last && t.changed_ns > l->last_ns)) {
		l->last = t.changed;
		l->last_ns = t.changed_ns;
	}
	if (!S_ISDIR(t.mode))
		return 0;
	AUTO_FD fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? fail(l->c->f, "open", "%s", l->c->path) : each_name(l->c, fd, list_name, l);
}

/* Times of files come from a clock that ticks some hundred times a second. */
static void await_tick(const struct listing *l)
{
	struct timespec now, nap = {.tv_nsec = 1000000};

	/* A server's clock may be ahead of ours. */
	for (int tries = 0; tries < 100; tries++) {
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
		if (now.tv_sec > l->last || (now.tv_sec == l->last && now.tv_nsec > l->last_ns))
			return;
		nanosleep(&nap, NULL);
	}
}

static int save_list(struct listing *l, int work)
{
	struct list *list = &l->list;

	if (list->count)
		qsort(list->items, list->count, sizeof *list->items, by_place);
	int fd = openat(work, LIST ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out)
		return -1;
	for (size_t i = 0; i < list->count; i++) {
		const struct trace *t = &list->items[i].trace;
		fprintf(out, "%o %u %u %llu %lld.%lld %lld.%lld %s", t->mode, t->uid, t->gid, t->size, t->changed,
			t->changed_ns, t->born, t->born_ns, list->items[i].path);
		fputc(0, out);
	}
	bool failed = ferror(out) != 0;
	return fclose(out) || failed ? -1 : 0;
}

static int load_list(int work, struct list *list)
{
	AUTO_FD fd = openat(work, LIST, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *in = fd < 0 ? NULL : fdopen(take_fd(&fd), "r");
	char *text = NULL;
	size_t size = 0;

	if (!in)
		return -1;
	while (getdelim(&text, &size, 0, in) > 0) {
		struct trace t;
		int at = 0;
		if (sscanf(text, "%o %u %u %llu %lld.%lld %lld.%lld%n", &t.mode, &t.uid, &t.gid, &t.size, &t.changed,
				&t.changed_ns, &t.born, &t.born_ns, &at) == 8 &&
			text[at] == ' ')
			put(list, text + at + 1, &t);
	}
	free(text);
	fclose(in);
	return 0;
}

/* ---- copying --------------------------------------------------------------------- */

static int copy_from(struct copier *c, const char *layer, int to)
{
	AUTO_FD from = open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return from < 0 ? fail(c->f, "open", "%s", layer) : copy_layer(c, from, to);
}

static int copy_stack(struct copier *c, const struct layer_stack *k, int to)
{
	for (uint32_t i = k->count; i > 0; i--)
		if (copy_from(c, k->layers[i - 1], to) < 0)
			return -1;
	return 0;
}

static int new_dir(int above, const char *name, struct failure *f)
{
	if (remove_tree(above, name, f) < 0)
		return -1;
	if (mkdirat(above, name, 0755) < 0)
		return fail(f, "mkdir", "%s", name);
	int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? fail(f, "open", "%s", name) : fd;
}

int copied_links(const struct layer_stack *k, int place, const char *name, struct failure *f)
{
	struct copier *c = xalloc(sizeof *c);

	*c = (struct copier){.f = f, .single = k->single, .link = true};
	AUTO_FD to = new_dir(place, name, f);
	int result = to < 0 ? -1 : copy_stack(c, k, to);
	free(c);
	return result < 0 ? -1 : take_fd(&to);
}

bool copied_begun(const char *work)
{
	char path[4200];

	snprintf(path, sizeof path, "%s/" LIST, work);
	return access(path, F_OK) == 0;
}

int copied_discard(int place, struct failure *f)
{
	int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		return fail(f, "list", "%s", "copies");
	while (result == 0 && (errno = 0, e = readdir(dir)))
		if (!strncmp(e->d_name, COPIES, strlen(COPIES)))
			result = remove_tree(place, e->d_name, f);
	closedir(dir);
	return result;
}

int copied_open(const struct layer_stack *k, struct failure *f)
{
	AUTO_FD work = open(k->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (work < 0)
		return fail(f, "open", "%s", k->work);
	if (faccessat(work, LIST, F_OK, 0) == 0) {
		int fd = openat(work, ROOT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? fail(f, "open", "%s/" ROOT, k->work) : fd;
	}
	struct copier *c = xalloc(sizeof *c);
	struct listing l = {.c = c};
	*c = (struct copier){.f = f, .single = k->single};
	AUTO_FD to = new_dir(work, ROOT, f);
	int result = to < 0 || copy_stack(c, k, to) < 0 || each_name(c, to, list_name, &l) < 0 ? -1 : 0;
	if (result == 0 && save_list(&l, work) < 0)
		result = fail(f, "write", "%s/" LIST, k->work);
	await_tick(&l);
	/* What an earlier start changed is a change still: copied after the tick. */
	if (result == 0)
		result = copy_from(c, k->upper, to);
	if (result == 0 && renameat(work, LIST ".new", work, LIST) < 0)
		result = fail(f, "write", "%s/" LIST, k->work);
	free_list(&l.list);
	free(c);
	return result < 0 ? -1 : take_fd(&to);
}

/* ---- what changed ----------------------------------------------------------------- */

struct delta {
	struct copier *c;
	const struct list *list;
	/* The layer's place, and the directory of the new one that is being filled. */
	int layer, to;
	bool kept;
};

static int keep_dir(struct delta *d, int from, const char *name, const struct trace *now, const struct record *before);

static int keep_name(void *with, int dirfd, const char *name)
{
	struct delta *d = with;
	const struct record *before = find(d->list, d->c->path);
	struct trace now;
	struct stat st;

	if (trace_of(dirfd, name, &now) < 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(d->c->f, "stat", "%s", d->c->path);
	if (S_ISDIR(now.mode))
		return keep_dir(d, dirfd, name, &now, before);
	if (before && same(&now, &before->trace))
		return 0;
	d->kept = true;
	return copy_name(d->c, dirfd, d->to, name, &st);
}

/* Names that were copied and are gone. */
static int add_whiteouts(struct delta *d, int from)
{
	char first[sizeof d->c->path + 1];
	size_t above = strlen(d->c->path);
	struct stat st;

	snprintf(first, sizeof first, "%s/", d->c->path);
	for (size_t i = seek(d->list, above ? first : "", above); i < d->list->count; i++) {
		const struct record *r = &d->list->items[i];
		const char *name = r->path + above + (above ? 1 : 0);
		if (r->above != above || strncmp(r->path, d->c->path, above))
			break;
		if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (whiteout_make(d->layer, d->to, name) < 0)
			return fail(d->c->f, "mark removed", "%s", r->path);
		d->kept = true;
	}
	return 0;
}

static int fill_dir(struct delta *d, int from)
{
	return each_name(d->c, from, keep_name, d) < 0 ? -1 : add_whiteouts(d, from);
}

static int keep_dir(struct delta *d, int above, const char *name, const struct trace *now, const struct record *before)
{
	struct copier *c = d->c;
	struct stat st;
	AUTO_FD from = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (from < 0 || fstat(from, &st) < 0 || mkdirat(d->to, name, 0700) < 0)
		return fail(c->f, "mkdir", "%s", c->path);
	AUTO_FD to = openat(d->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return fail(c->f, "open", "%s", c->path);
	bool was_dir = before && S_ISDIR(before->trace.mode);
	/* Another one than was there: what that had is hidden as a whole. */
	bool replaced = was_dir && !same_birth(now, &before->trace);
	struct delta below = {.c = c, .list = d->list, .layer = d->layer, .to = to};
	if ((replaced ? each_name(c, from, keep_name, &below) : fill_dir(&below, from)) < 0)
		return -1;
	if (!below.kept && was_dir && same(now, &before->trace))
		return unlinkat(d->to, name, AT_REMOVEDIR) < 0 ? fail(c->f, "remove", "%s", c->path) : 0;
	d->kept = true;
	/* Before the mark, which is no attribute of what is copied. */
	if (copy_attributes(c, from, to, &st) < 0)
		return -1;
	return replaced && opaque_make(d->layer, to) < 0 ? fail(c->f, "mark opaque", "%s", c->path) : 0;
}

static int keep_changes(struct copier *c, const struct list *list, int layer, int root, int fresh)
{
	struct delta d = {.c = c, .list = list, .layer = layer, .to = fresh};
	struct stat st;

	if (fill_dir(&d, root) < 0)
		return -1;
	return fstat(root, &st) < 0 ? fail(c->f, "stat", "%s", "/") : copy_attributes(c, root, fresh, &st);
}

/* Records of owners speak about the whole copy; those of the layer are for what is in it. */
static int restrict_owners(int above, int layer)
{
	struct owners *all = owners_load(above);
	int result = owners_restrict(all, layer) ? owners_save(all, above) : 0;

	owners_free(all);
	return result;
}

static int swap(int above, const char *name, int work, struct failure *f)
{
	if (remove_tree(work, OLD, f) < 0)
		return -1;
	if (renameat(above, name, work, OLD) < 0 || renameat(work, FRESH, above, name) < 0)
		return fail(f, "replace", "%s", name);
	/* From here on the layer counts. */
	if (unlinkat(work, LIST, 0) < 0)
		return fail(f, "remove", LIST);
	return remove_tree(work, OLD, f) < 0 || remove_tree(work, ROOT, f) < 0 ? -1 : 0;
}

int copied_finish(const char *upper, const char *work_path, struct failure *f)
{
	AUTO_FD work = open(work_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct list list = {0};
	const char *name = strrchr(upper, '/');

	if (work < 0 || !name || load_list(work, &list) < 0)
		return errno == ENOENT ? 0 : fail(f, "read", "%s/" LIST, work_path);
	AUTO_FD root = openat(work, ROOT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char *parent = xstrndup(upper, (size_t)(name - upper));
	AUTO_FD above = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD layer = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct copier *c = xalloc(sizeof *c);
	*c = (struct copier){.f = f, .link = true};
	AUTO_FD fresh = root < 0 || above < 0 || layer < 0 ? fail(f, "open", "%s", work_path) : new_dir(work, FRESH, f);
	int result = fresh < 0 ? -1 : keep_changes(c, &list, layer, root, fresh);
	if (result == 0 && restrict_owners(above, fresh) < 0)
		result = fail(f, "record owners", "%s", parent);
	if (result == 0)
		result = swap(above, name + 1, work, f);
	free(c);
	free(parent);
	free_list(&list);
	return result;
}
