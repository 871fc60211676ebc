/*
 * Copies files out of a container and into it, from within: a child of the init, in the container's mounts and with its
 * root, so that whatever links there are, and however they change meanwhile, no path leads out (CVE-2018-15664). It talks
 * to the client itself, whose connection the monitor handed over.
 *
 *   LOOK path, flag: follow     → ENTRY of what the path names, under its path without links where they are followed; OK
 *   OUT  path, flag: follow     → ENTRY ("" is what the path names, others go from there) and DATA, OK
 *   IN   path, flag: -          → OK, then takes ENTRY and DATA up to END: written below the directory, OK
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply.h"
#include "init.h"
#include "kernel.h"
#include "tree.h"
#include "walk.h"

enum copy_what { COPY_LOOK = 0, COPY_OUT = 1, COPY_IN = 2 };

/* The last component is found in its directory, so that it can be a link. `name` is "." where there is none. */
static int open_parent(const char *path, char **name)
{
	const char *end = path + strlen(path);

	while (end > path && end[-1] == '/')
		end--;
	const char *from = end;
	while (from > path && from[-1] != '/')
		from--;
	size_t len = (size_t)(end - from);
	bool dots = len == 0 || (len == 1 && from[0] == '.') || (len == 2 && from[0] == '.' && from[1] == '.');
	/* Dots are resolved with the rest, and what they lead to is taken as a whole. */
	char *dir = dots ? xstrndup(path, strlen(path)) : xstrndup(path, (size_t)(from - path));
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	*name = dots ? xstrndup(".", 1) : xstrndup(from, len);
	int fd = k_openat2(root, dir[0] ? dir : "/", O_PATH | O_DIRECTORY, 0, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
	free(dir);
	return fd;
}

/* With the link followed: its target is what is looked at. */
static int open_followed(const char *path)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return k_openat2(root, path, O_PATH | O_DIRECTORY, 0, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
}

static bool is_root(int dirfd, const char *name)
{
	struct stat at, root;

	return fstatat(dirfd, name, &at, AT_SYMLINK_NOFOLLOW) == 0 && stat("/", &root) == 0 && at.st_ino == root.st_ino &&
		at.st_dev == root.st_dev;
}

/* A path without a link at its end: as realpath(3), which stays in our root. */
static char *followed(const char *path, struct failure *f)
{
	char *real = realpath(path, NULL);

	if (!real)
		fail(f, "copy", "%s", path);
	return real;
}

static void send_out(struct walk *w, const char *path, bool follow, bool all)
{
	char *real = follow ? followed(path, w->f) : xstrndup(path, strlen(path)), *name = NULL;

	if (real) {
		AUTO_FD dir = open_parent(real, &name);
		struct stat st;
		if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			fail(w->f, "copy", "%s", path);
		else if (!all)
			walk_call(w, real + strspn(real, "/"));
		if (w->f->err)
			;
		else if (all || !S_ISDIR(st.st_mode)) {
			w->of_root = is_root(dir, name);
			walk_from(w, dir, name);
		} else
			walk_send(w, &(struct entry){.type = E_DIR, .mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid,
							 .mtime = st.st_mtime, .path = w->path});
	}
	free(name);
	free(real);
}

static void take_in(const char *path, bool single, struct reader *in, struct writer *out)
{
	struct failure f = {0};
	AUTO_FD at = open_followed(path);
	struct apply a = {.f = &f, .single = single, .merge = true};

	a.root = at < 0 ? -1 : openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a.root < 0) {
		fail(&f, "copy", "%s", path);
		w_failure(out, &f);
		return;
	}
	/* What is sent before that, a monitor of the same container may have read. */
	w_empty(out, FR_OK);
	apply_all(&a, -1, in, out);
}

static _Noreturn void copy_main(const struct init *in, const struct frame *frame)
{
	struct cursor c = cursor_of(frame);
	enum copy_what what = c_u8(&c);
	bool follow = c_u8(&c);
	const char *path = c_str(&c);
	struct failure f = {0};
	struct reader from;
	struct writer to;

	reader_init(&from, 0);
	writer_init(&to, 0);
	if (c.bad || what > COPY_IN || path[0] != '/') {
		fail_with(&f, EBADMSG, "copy", "malformed");
		w_failure(&to, &f);
	} else if (what == COPY_IN)
		take_in(path, in->args->world->single, &from, &to);
	else {
		struct walk w = {
			.out = &to, .f = &f, .content = what == COPY_OUT, .single = in->args->world->single, .live = true};
		w.owners = owners_load(-1);
		walk_init(&w);
		send_out(&w, path, follow, what == COPY_OUT);
		walk_conclude(&w);
	}
	_exit(0);
}

void copy_start(struct init *in, const struct frame *frame)
{
	AUTO_FD client = fd_receive(in->args->pass);
	pid_t parent = getpid();

	if (client < 0 || fork() != 0)
		/* Where that failed, the end of the connection says so. */
		return;
	die_with_parent(parent);
	reset_signals();
	signal(SIGPIPE, SIG_IGN);
	if (dup2(client, 0) < 0)
		_exit(1);
	syscall(NR_close_range, 1, ~0u, 0);
	fcntl(0, F_SETFL, fcntl(0, F_GETFL) & ~O_NONBLOCK);
	copy_main(in, frame);
}
