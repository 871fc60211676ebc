/*
 * What a program may expect of the emulation, asked from inside: runs under
 * emu-run, each case in a process of its own that starts as root in a fresh
 * directory. Most cases hold for real root as well. Prints "ok CASE" or "not ok CASE: LINE: EXPRESSION (errno)".
 *
 *   emu-probe [CASE…]    in emu-probe-*.c; -CASE leaves one out
 *   emu-probe --ids      prints "RUID EUID RGID EGID"
 */
#define _GNU_SOURCE
#include "emu-probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *case_name;

void probe_fail(int line, const char *expression)
{
	printf("not ok %s: %d: %s (%s)\n", case_name, line, expression, strerror(errno));
	fflush(stdout);
	_exit(1);
}

int probe_wait(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int probe_as(uid_t uid, gid_t gid, void (*body)(void))
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		if (setgroups_none() || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
			probe_fail(__LINE__, "become");
		body();
		_exit(0);
	}
	return probe_wait(pid);
}

bool owned(const char *path, uid_t uid, gid_t gid)
{
	struct stat st;
	if (lstat(path, &st) == 0 && st.st_uid == uid && st.st_gid == gid)
		return true;
	printf("# %s: %.80s is %u:%u, not %u:%u\n", case_name, path, st.st_uid, st.st_gid, uid, gid);
	return false;
}

static int run(const struct probe_case *c, int number)
{
	char dir[32];
	snprintf(dir, sizeof dir, "/work/%d", number);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		case_name = c->name;
		umask(022);
		if (mkdir(dir, 0755) < 0 || chmod(dir, 0777) < 0 || chdir(dir) < 0)
			probe_fail(__LINE__, dir);
		c->body();
		printf("ok %s\n", c->name);
		fflush(stdout);
		_exit(0);
	}
	int status = probe_wait(pid);
	if (status > 1)
		printf("not ok %s: ended with %d\n", c->name, status);
	return status != 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case *const lists[] = {probe_ids, probe_files, probe_hard, probe_hostile};
	int failed = 0, number = 0;
	if (argc == 2 && !strcmp(argv[1], "--ids")) {
		printf("%u %u %u %u\n", getuid(), geteuid(), getgid(), getegid());
		return 0;
	}
	if (mkdir("/work", 0755) < 0 && errno != EEXIST)
		return 125;
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		for (const struct probe_case *c = lists[i]; c->name; c++) {
			bool wanted = argc == 1 || *argv[1] == '-';
			for (int k = 1; k < argc; k++) {
				wanted |= !strcmp(argv[k], c->name);
				wanted &= *argv[k] != '-' || strcmp(argv[k] + 1, c->name) != 0;
			}
			if (wanted)
				failed |= run(c, number++);
		}
	}
	return failed;
}
