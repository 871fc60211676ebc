/* Small things that every part uses. */
#define _GNU_SOURCE
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int fail_with(struct failure *f, int err, const char *stage, const char *detail)
{
	snprintf(f->stage, sizeof f->stage, "%s", stage);
	snprintf(f->detail, sizeof f->detail, "%s", detail);
	f->err = err;
	return -1;
}

int fail(struct failure *f, const char *stage, const char *detail_fmt, ...)
{
	char detail[sizeof f->detail];
	int err = errno;
	va_list args;

	va_start(args, detail_fmt);
	vsnprintf(detail, sizeof detail, detail_fmt, args);
	va_end(args);
	return fail_with(f, err, stage, detail);
}

void close_fd(int *fd)
{
	int err = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = err;
}

int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

void *xrealloc(void *p, size_t size)
{
	void *q = realloc(p, size ? size : 1);

	if (!q)
		_exit(112);
	return q;
}

void *xalloc(size_t size)
{
	/* Not memset: pages that were never touched cost nothing. */
	void *p = calloc(1, size ? size : 1);

	if (!p)
		_exit(112);
	return p;
}

char *xstrndup(const char *s, size_t len)
{
	char *copy = xrealloc(NULL, len + 1);

	memcpy(copy, s, len);
	copy[len] = 0;
	return copy;
}

int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int read_exact(int fd, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = read(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		p += n;
		len -= (size_t)n;
	}
	return 1;
}

int write_file_at(int dirfd, const char *path, const char *text)
{
	AUTO_FD fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	return write_all(fd, text, strlen(text));
}

void die_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (parent && getppid() != parent)
		_exit(1);
}

void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < 65; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
