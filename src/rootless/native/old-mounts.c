/* Mounts by mount(2): see old-mounts.h. */
#define _GNU_SOURCE
#include "old-mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "util.h"

enum { FD_PATH = 40 };

/* Of the init of one step, which makes its mounts once. */
static int place_dir = -1;
static unsigned place_count;

void old_use(int scratch)
{
	place_dir = scratch;
}

static const char *fd_path(int fd, char path[FD_PATH])
{
	snprintf(path, FD_PATH, "/proc/self/fd/%d", fd);
	return path;
}

/* An empty directory or file to mount on. */
static int new_place(bool directory)
{
	char name[24];

	snprintf(name, sizeof name, "m%u", place_count++);
	if (directory)
		return mkdirat(place_dir, name, 0755) < 0 ? -1 : openat(place_dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mknodat(place_dir, name, S_IFREG | 0600, 0) < 0)
		return -1;
	return openat(place_dir, name, O_PATH | O_CLOEXEC);
}

/* What is mounted on the place now: its descriptor still means what lies below. */
static int top_of_place(void)
{
	char name[24];

	snprintf(name, sizeof name, "m%u", place_count - 1);
	return openat(place_dir, name, O_PATH | O_CLOEXEC);
}

/* K_ATTR_RDONLY, NOSUID, NODEV and NOEXEC have the numbers of MS_RDONLY and so on. */
int old_new(const char *fstype, const char *options, unsigned attrs)
{
	char path[FD_PATH];
	AUTO_FD place = new_place(true);

	if (place < 0 || mount(fstype, fd_path(place, path), fstype, attrs, options) < 0)
		return -1;
	return top_of_place();
}

int old_clone(int dirfd, const char *path, bool recursive)
{
	char from[FD_PATH], to[FD_PATH];
	struct stat st;
	AUTO_FD source = path[0] ? openat(dirfd, path, O_PATH | O_CLOEXEC) : dup(dirfd);

	if (source < 0 || fstat(source, &st) < 0)
		return -1;
	AUTO_FD place = new_place(S_ISDIR(st.st_mode));
	if (place < 0 ||
		mount(fd_path(source, from), fd_path(place, to), NULL, MS_BIND | (recursive ? MS_REC : 0u), NULL) < 0)
		return -1;
	return top_of_place();
}

int old_move(int mounted, int target)
{
	char from[FD_PATH], to[FD_PATH];

	return mount(fd_path(mounted, from), fd_path(target, to), NULL, MS_MOVE, NULL);
}

/* A line of the mount table. */
struct mounted {
	int id, parent;
	bool wanted;
	unsigned long flags;
	char *place;
};

struct table {
	struct mounted *lines;
	size_t count;
};

/* Blanks and the like are \040 there. */
static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		unsigned code;
		if (*in == '\\' && sscanf(in + 1, "%3o", &code) == 1) {
			*out++ = (char)code;
			in += 3;
		} else
			*out++ = *in;
	}
	*out = 0;
}

static unsigned long flags_of(char *options)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} known[] = {{"ro", MS_RDONLY}, {"nosuid", MS_NOSUID}, {"nodev", MS_NODEV}, {"noexec", MS_NOEXEC},
		{"noatime", MS_NOATIME}, {"nodiratime", MS_NODIRATIME}, {"relatime", MS_RELATIME}};
	unsigned long flags = 0;

	for (char *rest, *name = strtok_r(options, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			if (!strcmp(name, known[i].name))
				flags |= known[i].flag;
	return flags;
}

static bool parse_line(char *line, struct mounted *m)
{
	char *field[6], *rest = NULL;

	for (int i = 0; i < 6; i++)
		if (!(field[i] = strtok_r(i ? NULL : line, " ", &rest)))
			return false;
	*m = (struct mounted){.id = atoi(field[0]), .parent = atoi(field[1]), .flags = flags_of(field[5])};
	unescape(field[4]);
	m->place = xstrndup(field[4], strlen(field[4]));
	return true;
}

static int read_table(struct table *t)
{
	FILE *in = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0, cap = 0;

	*t = (struct table){0};
	if (!in)
		return -1;
	while (getline(&line, &size, in) > 0) {
		if (t->count == cap)
			t->lines = xrealloc(t->lines, (cap = cap ? cap * 2 : 64) * sizeof *t->lines);
		t->count += parse_line(line, &t->lines[t->count]);
	}
	free(line);
	fclose(in);
	return 0;
}

static void free_table(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->lines[i].place);
	free(t->lines);
}

static int mount_id(int fd)
{
	char path[64], text[256];

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	AUTO_FD info = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = info < 0 ? -1 : read(info, text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	const char *line = strstr(text, "mnt_id:");
	return line ? atoi(line + 7) : -1;
}

static struct mounted *find_mount(const struct table *t, int id)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->lines[i].id == id)
			return &t->lines[i];
	return NULL;
}

/* mount(2) changes only what stands somewhere; a mount of open_tree(2) does not yet. */
static int attach(int mounted)
{
	struct stat st;

	if (fstat(mounted, &st) < 0)
		return -1;
	AUTO_FD place = new_place(S_ISDIR(st.st_mode));
	return place < 0 ? -1 : k_move_mount(mounted, place);
}

static void choose_below(struct table *t)
{
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < t->count; i++) {
			const struct mounted *parent = t->lines[i].wanted ? NULL : find_mount(t, t->lines[i].parent);
			if (parent && parent->wanted)
				more = t->lines[i].wanted = true;
		}
	}
}

static int set_one(int fd, unsigned long flags, uint64_t attrs)
{
	char path[FD_PATH];

	return mount(NULL, fd_path(fd, path), NULL, MS_REMOUNT | MS_BIND | flags | (unsigned long)attrs, NULL);
}

static int set_all(int mounted, const struct table *t, const struct mounted *top, uint64_t attrs)
{
	size_t above = strlen(top->place);

	for (size_t i = 0; i < t->count; i++) {
		const struct mounted *m = &t->lines[i];
		if (!m->wanted || m == top)
			continue;
		const char *rest = m->place + (above > 1 ? above : 0);
		AUTO_FD fd = k_openat2(mounted, rest + strspn(rest, "/"), O_PATH, 0, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_SYMLINKS);
		/* Hidden below another mount: so nobody can reach it either. */
		if (fd < 0 || mount_id(fd) != m->id)
			continue;
		if (set_one(fd, m->flags, attrs) < 0)
			return -1;
	}
	return set_one(mounted, top->flags, attrs);
}

int old_setattr(int mounted, bool recursive, uint64_t attrs, unsigned long propagation)
{
	struct table t;
	char path[FD_PATH];
	int id = mount_id(mounted), result = -1;

	if (read_table(&t) < 0)
		return -1;
	if (!find_mount(&t, id)) {
		free_table(&t);
		if (attach(mounted) < 0 || read_table(&t) < 0)
			return -1;
	}
	struct mounted *top = find_mount(&t, id);
	if (top) {
		top->wanted = true;
		if (recursive)
			choose_below(&t);
		result = attrs ? set_all(mounted, &t, top, attrs) : 0;
		if (result == 0 && propagation)
			result = mount(NULL, fd_path(mounted, path), NULL, propagation | (recursive ? MS_REC : 0u), NULL);
	} else
		errno = ENOENT;
	free_table(&t);
	return result;
}
