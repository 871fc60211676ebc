/* Reads a layer's entries as they come and has them written below a directory: see apply.h. */
#define _GNU_SOURCE
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "beneath.h"
#include "kernel.h"
#include "tree.h"

static int later_time(struct apply *a, const struct entry *e)
{
	if (a->time_count == a->time_cap)
		a->times = xrealloc(a->times, (a->time_cap = a->time_cap ? a->time_cap * 2 : 256) * sizeof *a->times);
	a->times[a->time_count++] = (struct dir_time){xstrndup(e->path, strlen(e->path)), e->mtime};
	return 0;
}

static int apply_root(struct apply *a, const struct entry *e)
{
	if (e->type == E_OPAQUE)
		return apply_opaque_mark(a, a->root, "/");
	if (e->type != E_DIR)
		return fail_with(a->f, EINVAL, "apply", "/");
	return apply_meta(a, a->root, e, false) < 0 ? -1 : later_time(a, e);
}

/* Writing clears file capabilities and set-id bits: they come when the content is there. */
static int finish_file(struct apply *a)
{
	struct frame frame = {.type = FR_ENTRY, .data = a->held, .len = a->held_len};
	AUTO_FD fd = take_fd(&a->file);
	struct timespec t[2];
	struct entry e;

	entry_parse(&frame, &e);
	apply_times(e.mtime, t);
	if (apply_meta(a, fd, &e, true) < 0)
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
		apply_times(d->mtime, t);
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
	if (a->owners_changed && beside >= 0 && owners_save(a->owners, beside) < 0)
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

void apply_all(struct apply *a, int beside, struct reader *in, struct writer *out)
{
	a->parent = a->file = -1;
	a->acls = a->root >= 0 && fgetxattr(a->root, "system.posix_acl_default", NULL, 0) > 0;
	a->owners = owners_load(a->single ? beside : -1);
	bool told = apply_frames(a, in, out);
	if (!a->f->err && finish(a, beside) == 0)
		w_empty(out, FR_OK);
	else if (!told)
		w_failure(out, a->f);
	release(a);
}

void request_apply(struct cursor *c, struct reader *in, struct writer *out, const struct world *world)
{
	struct failure f = {0};
	const char *dir = c_str(c);
	struct apply a = {.f = &f, .single = world->single, .root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};

	if (a.root < 0)
		fail(&f, "open", "%s", dir);
	AUTO_FD beside = a.root < 0 ? -1 : openat(a.root, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	apply_all(&a, beside, in, out);
}
