/* Streams files, each found beneath a root without following any link. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "tree.h"

static int open_file(int root, const char *path, struct stat *st)
{
	AUTO_FD fd = k_openat2(root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0,
		K_RESOLVE_BENEATH | K_RESOLVE_NO_SYMLINKS | K_RESOLVE_NO_MAGICLINKS);

	if (fd < 0 || fstat(fd, st) < 0)
		return -1;
	if (!S_ISREG(st->st_mode))
		return errno = S_ISDIR(st->st_mode) ? EISDIR : EINVAL, -1;
	return take_fd(&fd);
}

static int send_file(struct writer *out, uint32_t index, int root, const char *path, struct failure *f)
{
	struct stat st;
	AUTO_FD fd = open_file(root, path, &st);
	ssize_t n;

	if (fd < 0)
		return fail(f, "read", "%s", path);
	w_begin(out, FR_FILE);
	w_u32(out, index);
	w_end(out);
	while ((n = w_data_from(out, FR_DATA, fd, st.st_size > 0 ? (size_t)st.st_size : 4096)) > 0)
		;
	return n < 0 ? fail(f, "read", "%s", path) : 0;
}

void request_read(struct cursor *c, struct writer *out)
{
	struct failure f = {0};
	uint32_t count = c_u32(c);
	const char *last = "";
	AUTO_FD root = -1;

	for (uint32_t i = 0; i < count && !f.err; i++) {
		const char *dir = c_str(c), *path = c_str(c);
		/* The same root mostly comes many times in a row; an empty one says so. */
		if (dir[0] && strcmp(dir, last)) {
			close_fd(&root);
			root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
			last = dir;
			if (root < 0)
				fail(&f, "read", "%s", dir);
		}
		if (!f.err)
			send_file(out, i, root, path, &f);
	}
	if (c->bad && !f.err)
		fail_with(&f, EBADMSG, "read", "");
	if (f.err)
		w_failure(out, &f);
	else
		w_empty(out, FR_OK);
}
