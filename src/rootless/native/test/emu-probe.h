#ifndef EMU_PROBE_H
#define EMU_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/syscall.h>
#include <unistd.h>

struct probe_case {
	const char *name;
	void (*body)(void);
};
/* Each ends with an empty one. */
extern const struct probe_case probe_ids[], probe_files[], probe_hard[], probe_hostile[];

_Noreturn void probe_fail(int line, const char *expression);
#define CHECK(expression) \
	do { \
		if (!(expression)) \
			probe_fail(__LINE__, #expression); \
	} while (0)
/* The call fails with this errno. */
#define REFUSED(call, error) CHECK((call) == -1 && errno == (error))

/* Exit code, or 128 + signal. */
int probe_wait(pid_t pid);
/* Run body in a child with these ids and no groups; its exit code. */
int probe_as(uid_t uid, gid_t gid, void (*body)(void));
/* lstat says so. */
bool owned(const char *path, uid_t uid, gid_t gid);

static inline int setgroups_none(void)
{
	return (int)syscall(SYS_setgroups, 0, NULL);
}

#endif
