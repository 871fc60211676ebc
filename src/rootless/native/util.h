/* Small things that every part uses. */
#ifndef TSBOX_UTIL_H
#define TSBOX_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* What went wrong: the operation, what it was done to, and errno. TypeScript attaches a hint by the stage. */
struct failure {
	char stage[48];
	char detail[512];
	int err;
};

/* Records errno; returns -1 so that callers can return it. */
int fail(struct failure *f, const char *stage, const char *detail_fmt, ...) __attribute__((format(printf, 3, 4)));
int fail_with(struct failure *f, int err, const char *stage, const char *detail);

/* Closes on leaving the scope, errno kept. */
void close_fd(int *fd);
#define AUTO_FD __attribute__((cleanup(close_fd))) int
/* Takes the descriptor out of an AUTO_FD. */
int take_fd(int *fd);

/* Never returns NULL: a helper without memory ends. */
void *xalloc(size_t size);
void *xrealloc(void *p, size_t size);
char *xstrndup(const char *s, size_t len);

/* Whole buffers; EINTR handled. write_all returns -1 on error, read_exact 0 on end of file. */
int write_all(int fd, const void *data, size_t len);
int read_exact(int fd, void *data, size_t len);
int write_file_at(int dirfd, const char *path, const char *text);

/* SIGKILL when the parent dies; exits if it is dead already. `parent` 0: unknown (another pid namespace). */
void die_with_parent(pid_t parent);
/* Default dispositions and an empty mask. */
void reset_signals(void);

#endif
