/* Overlay mounts, with the interface of newer kernels or that of older ones. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copied.h"
#include "kernel.h"
#include "owners.h"
#include "site.h"
#include "tree.h"
#include "whiteout.h"

/* Layers topmost first. */
struct stack {
	const char **layers;
	uint32_t count;
	const char *upper, *work;
};

/* fsconfig(2) takes at most 255 bytes, and a colon or comma means something to overlayfs: a descriptor has neither. */
static const char *short_path(const char *path, char buffer[32], bool always)
{
	if (!always && strlen(path) < 256 && !strpbrk(path, ":,\\"))
		return path;
	/* Left open: the path must stand until the mount is made, and exec closes it. */
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	snprintf(buffer, 32, "/proc/self/fd/%d", fd);
	return buffer;
}

static int set_path(struct site *s, int fs, const char *key, const char *path)
{
	char buffer[32];
	const char *shorter = short_path(path, buffer, false);

	if (!shorter)
		return fail(s->f, "mount overlay", "%s", path);
	return k_fsconfig(fs, K_FSCONFIG_STRING, key, shorter) < 0 ? fail(s->f, "mount overlay", "%s", path) : 0;
}

/* The kernel says in words what is wrong with an overlay; those are the detail. */
static int overlay_failure(struct site *s, int fs)
{
	int err = errno;
	char words[256] = "";
	ssize_t n = read(fs, words, sizeof words - 1);

	words[n > 0 ? n : 0] = 0;
	words[strcspn(words, "\n")] = 0;
	return fail_with(s->f, err, "mount overlay", n > 2 ? words + 2 : "");
}

/* Kernels before 6.7 have no lowerdir+ and say EINVAL, those before 6.5 only when the mount is made. */
static int overlay_new(struct site *s, const struct stack *k)
{
	AUTO_FD fs = k_fsopen("overlay");

	if (fs < 0)
		return fail(s->f, "mount overlay", "%s", "");
	for (uint32_t i = 0; i < k->count; i++) {
		char buffer[32];
		const char *path = short_path(k->layers[i], buffer, false);
		if (!path)
			return fail(s->f, "mount overlay", "%s", k->layers[i]);
		if (k_fsconfig(fs, K_FSCONFIG_STRING, "lowerdir+", path) < 0)
			return fail(s->f, "mount overlay", "%s", k->layers[i]);
	}
	if (k->upper && (set_path(s, fs, "upperdir", k->upper) < 0 || set_path(s, fs, "workdir", k->work) < 0))
		return -1;
	if (k_fsconfig(fs, K_FSCONFIG_FLAG, "userxattr", NULL) < 0 ||
		(k->upper && k_fsconfig(fs, K_FSCONFIG_FLAG, "volatile", NULL) < 0))
		return overlay_failure(s, fs);
	int mount = mount_create(fs, "overlay", 0);
	return mount < 0 ? overlay_failure(s, fs) : mount;
}

/* mount(2) takes one page of options: the layers go in as descriptors. It needs a place, the scratch's. */
static int overlay_classic(struct site *s, const struct stack *k)
{
	char *options = xalloc(32 * ((size_t)k->count + 4)), buffer[32], place[32];
	const char *path;
	size_t len = 0;

	for (uint32_t i = 0; i < k->count; i++) {
		if (!(path = short_path(k->layers[i], buffer, true)))
			return fail(s->f, "mount overlay", "%s", k->layers[i]);
		len += (size_t)sprintf(options + len, "%s%s", i ? ":" : "lowerdir=", path);
	}
	if (k->upper) {
		if (!(path = short_path(k->upper, buffer, true)))
			return fail(s->f, "mount overlay", "%s", k->upper);
		len += (size_t)sprintf(options + len, ",upperdir=%s", path);
		if (!(path = short_path(k->work, buffer, true)))
			return fail(s->f, "mount overlay", "%s", k->work);
		len += (size_t)sprintf(options + len, ",workdir=%s,volatile", path);
	}
	sprintf(options + len, ",userxattr");
	snprintf(place, sizeof place, "o%u", s->scratch_names++);
	if (mkdirat(s->scratch, place, 0755) < 0)
		return fail(s->f, "mkdir", "%s", place);
	AUTO_FD target = openat(s->scratch, place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(buffer, sizeof buffer, "/proc/self/fd/%d", target);
	int result = mount("overlay", buffer, "overlay", 0, options);
	free(options);
	if (result < 0)
		return fail(s->f, "mount overlay", "%u layers", k->count);
	AUTO_FD mounted = openat(s->scratch, place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int clone = mount_clone(mounted, "", false);
	return clone < 0 ? fail(s->f, "mount overlay", "%s", "") : clone;
}

static int layers_of(struct site *s, struct cursor *c, struct stack *k)
{
	uint32_t given = c_u32(c);

	if (given > 1000)
		return fail_with(s->f, E2BIG, "mount overlay", "");
	k->layers = xalloc((given + 2) * sizeof *k->layers);
	for (k->count = 0; k->count < given; k->count++)
		k->layers[k->count] = c_str(c);
	k->upper = c_str(c);
	k->work = c_str(c);
	if (!k->upper[0])
		k->upper = NULL;
	return c->bad ? fail_with(s->f, EBADMSG, "mount overlay", "") : 0;
}

static int open_beside(const char *dir, int flags)
{
	AUTO_FD fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD parent = fd < 0 ? -1 : openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return parent < 0 ? -1 : openat(parent, OWNERS_FILE, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
}

/* What the emulation will want to know can only be opened now. */
static int open_owners(struct site *s, const struct stack *k)
{
	s->lower_owners = xalloc((k->count + 1) * sizeof *s->lower_owners);
	if (k->upper) {
		/* A mount of its own: whoever gets hold of this descriptor can't climb from it to the host's files. */
		s->upper = mount_clone(AT_FDCWD, k->upper, false);
		s->owners = open_beside(k->upper, O_RDWR | O_CREAT);
		if (s->upper < 0 || s->owners < 0)
			return fail(s->f, "open owners", "%s", k->upper);
		int again = open_beside(k->upper, O_RDONLY);
		if (again >= 0)
			s->lower_owners[s->lower_count++] = again;
	}
	for (uint32_t i = 0; i < k->count; i++) {
		int fd = open_beside(k->layers[i], O_RDONLY);
		if (fd >= 0)
			s->lower_owners[s->lower_count++] = fd;
	}
	return 0;
}

/* Without an upper overlayfs wants two layers, else one; what is missing is made up by empty ones. */
static void fill_up(struct site *s, struct stack *k, char paths[2][32])
{
	static const char *const names[2] = {"empty", "nothing"};
	uint32_t wanted = k->upper ? 1 : 2;

	for (int i = 0; k->count < wanted; i++) {
		int dir = openat(s->scratch, names[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		snprintf(paths[i], sizeof paths[i], "/proc/self/fd/%d", dir);
		k->layers[k->count++] = paths[i];
	}
}

static int overlay_either(struct site *s, const struct stack *k)
{
	int mount = overlay_new(s, k);

	if (mount < 0 && (s->f->err == EINVAL || s->f->err == ENOSYS)) {
		struct failure first = *s->f;
		s->f->err = 0;
		mount = overlay_classic(s, k);
		/* Refused either way: the newer interface knows why. */
		if (mount < 0 && s->f->err == EINVAL)
			*s->f = first;
	}
	return mount;
}

int mount_stacked(struct site *s, const char **layers, uint32_t count, const char *upper, const char *work)
{
	return overlay_either(s, &(struct stack){layers, count, upper, work});
}

/* A layer that was made where overlayfs can't be understands only copying; a copy that was begun is gone on with. */
static bool must_copy(const struct stack *k)
{
	bool plain = k->upper && (layer_is_plain(k->upper) || copied_begun(k->work));

	for (uint32_t i = 0; !plain && i < k->count; i++)
		plain = layer_is_plain(k->layers[i]);
	return plain;
}

/* File systems that can't carry an upper, kernels and sandboxes that don't let this user have overlays. */
static bool may_copy(int err)
{
	return err == EINVAL || err == EPERM || err == EACCES || err == ENODEV || err == EOPNOTSUPP || err == EREMOTE;
}

static void tell_copied(struct site *s, const char *work)
{
	w_begin(s->ctl, FR_COPIED);
	w_str(s->ctl, work, strlen(work));
	w_end(s->ctl);
	w_flush(s->ctl);
}

/* See copied.h. */
static int copy_mount(struct site *s, const struct stack *k, bool is_root)
{
	struct layer_stack stack = {.layers = k->layers, .count = k->count, .upper = k->upper, .work = k->work,
		.single = s->world->single};
	char name[32];

	snprintf(name, sizeof name, COPIES "%u", s->scratch_names++);
	/* Before: whatever of it is made has to go. What a tree was changed to is nobody's business. */
	tell_copied(s, is_root && k->upper ? k->work : "");
	AUTO_FD dir = k->upper ? copied_open(&stack, s->f) : copied_links(&stack, s->place, name, s->f);
	if (dir < 0)
		return -1;
	AUTO_FD mount = mount_clone(dir, "", false);
	if (mount < 0)
		return fail(s->f, "bind", "%s", "copied layers");
	if (!k->upper && mount_readonly(s, mount, true, "copied layers") < 0)
		return -1;
	if (is_root && s->upper >= 0) {
		/* All of it is the step's own: owners are recorded as for an upper. */
		close(s->upper);
		s->upper = take_fd(&dir);
	}
	return take_fd(&mount);
}

int mount_overlay(struct site *s, struct cursor *spec, bool is_root)
{
	struct stack k = {0};
	char incompat[4200], paths[2][32];
	struct failure ignored;

	if (layers_of(s, spec, &k) < 0 || (is_root && s->world->single && open_owners(s, &k) < 0))
		return -1;
	if (k.upper) {
		/* A volatile overlay refuses a second mount of what may not have been written; ours is younger than the boot. */
		snprintf(incompat, sizeof incompat, "%s/work/incompat", k.work);
		remove_tree(AT_FDCWD, incompat, &ignored);
	}
	bool copy = must_copy(&k);
	fill_up(s, &k, paths);
	int mount = copy ? -1 : overlay_either(s, &k);
	if (mount < 0 && (copy || may_copy(s->f->err))) {
		s->f->err = 0;
		mount = copy_mount(s, &k, is_root);
	}
	free(k.layers);
	return mount;
}
