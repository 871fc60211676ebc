/* Ends processes that no pid namespace holds together: see shared-pids.h. */
#define _GNU_SOURCE
#include "shared-pids.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "util.h"

/* landlock_create_ruleset(2): the third field came with Linux 6.12. */
struct k_ruleset {
	uint64_t fs, net, scoped;
};
#define K_SCOPE_SIGNAL 2ull

int shared_pids_open(void)
{
	char self[32] = "";
	AUTO_FD proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc < 0)
		return -1;
	/* One of another pid namespace has other numbers. */
	if (readlinkat(proc, "self", self, sizeof self - 1) < 0 || atoi(self) != getpid())
		return errno = ESRCH, -1;
	return take_fd(&proc);
}

/* The fourth field; the second one is a name that may hold anything. */
static pid_t parent_of(int proc, const char *pid)
{
	char path[64], text[512];

	snprintf(path, sizeof path, "%s/stat", pid);
	AUTO_FD fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return -1;
	text[n] = 0;
	const char *end = strrchr(text, ')');
	return end && strlen(end) > 4 ? atoi(end + 4) : -1;
}

/* @return how many there were */
static unsigned end_children(int proc, const struct shared_pids_ending *e)
{
	int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	unsigned count = 0;

	while (dir && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);
		if (!isdigit((unsigned char)entry->d_name[0]) || parent_of(proc, entry->d_name) != getpid() ||
			(e->keep && e->keep(e->with, pid)))
			continue;
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (e->ended)
			e->ended(e->with, pid, status);
		count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

void shared_pids_end(int proc, const struct shared_pids_ending *e)
{
	/* Each death may bring us its children. */
	while (end_children(proc, e) > 0)
		;
}

bool shared_pids_fence(void)
{
	struct k_ruleset rules = {.scoped = K_SCOPE_SIGNAL};
	AUTO_FD set = (int)syscall(NR_landlock_create_ruleset, &rules, sizeof rules, 0);

	return set >= 0 && syscall(NR_landlock_restrict_self, set, 0) == 0;
}
