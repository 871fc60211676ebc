/* Directories beneath a root: see beneath.h. */
#define _GNU_SOURCE
#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel.h"
#include "util.h"

bool good_path(const char *path)
{
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 0 || n > 255 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
		if (*p == '/' && !*++p)
			return false;
	}
	return true;
}

int open_dir_beneath(int root, const char *path, uint64_t resolve)
{
	return k_openat2(root, path[0] ? path : ".", O_RDONLY | O_DIRECTORY, 0, resolve | K_RESOLVE_NO_MAGICLINKS);
}

int make_dirs(int root, const char *path)
{
	char *prefix = xstrndup(path, strlen(path));
	int fd = -1;

	for (char *slash = prefix;; slash++) {
		slash = strchr(slash, '/');
		if (slash)
			*slash = 0;
		close_fd(&fd);
		fd = open_dir_beneath(root, prefix, K_RESOLVE_IN_ROOT);
		if (fd < 0 && errno == ENOENT) {
			char *name = strrchr(prefix, '/');
			if (name)
				*name = 0;
			AUTO_FD above = open_dir_beneath(root, name ? prefix : "", K_RESOLVE_IN_ROOT);
			if (name)
				*name = '/';
			if (above < 0 || mkdirat(above, name ? name + 1 : prefix, 0755) < 0)
				break;
			fd = open_dir_beneath(root, prefix, K_RESOLVE_IN_ROOT);
		}
		if (fd < 0 || !slash)
			break;
		*slash = '/';
	}
	free(prefix);
	return fd;
}
