/*
 * The number of the caller in our /proc. Where the container's own /proc could
 * not be mounted, it is one of an outer pid namespace, which counts otherwise.
 *
 * - A pidfd's fdinfo tells the number that this /proc uses, since 6.9 also that
 *   of a thread (Go's programs call from any).
 * - Before, threads are looked for: the last number of NSpid in a status is the
 *   innermost one. What was found is remembered, and looked at again before it
 *   is used.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emulate-internal.h"

#define PIDFD_THREAD O_EXCL

static pid_t by_pidfd(pid_t pid)
{
	char path[64], text[512];
	int pidfd = (int)syscall(SYS_pidfd_open, pid, PIDFD_THREAD);
	if (pidfd < 0)
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -1;
	snprintf(path, sizeof path, "self/fdinfo/%d", pidfd);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	close(pidfd);
	if (n <= 0)
		return -1;
	text[n] = 0;
	const char *line = strstr(text, "\nPid:");
	return line ? (pid_t)strtol(line + 5, NULL, 10) : -1;
}

/* The numbers after NSpid in the status of the task at dir, outermost first: how many, at most 32. */
static int numbers_of(int dir, long numbers[32])
{
	char text[4096];
	int fd = openat(dir, "status", O_RDONLY | O_CLOEXEC), count = 0;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	char *at = strstr(text, "\nNSpid:");
	for (at = at ? at + 7 : NULL; at && *at == '\t' && count < 32; count++)
		numbers[count] = strtol(at, &at, 10);
	return count;
}

/* Is the task at dir, of our pid namespace or one below, called so in ours? */
static bool is_called(int dir, pid_t pid, int depth)
{
	long numbers[32];
	return numbers_of(dir, numbers) >= depth && depth > 0 && numbers[depth - 1] == pid;
}

/* Which of the numbers are those of our namespace, counted from 1. */
static int depth_of_self(void)
{
	long numbers[32];
	int self = open("self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int depth = self < 0 ? 0 : numbers_of(self, numbers);
	if (self >= 0)
		close(self);
	return depth;
}

static bool same_namespace(int dir)
{
	struct stat own, other;
	return stat("self/ns/pid", &own) == 0 && fstatat(dir, "ns/pid", &other, 0) == 0 && own.st_ino == other.st_ino &&
		own.st_dev == other.st_dev;
}

static pid_t in_tasks(int process, pid_t pid, int depth)
{
	int fd = openat(process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
	pid_t found = -1;
	if (!tasks) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (struct dirent *entry; found < 0 && (entry = readdir(tasks));) {
		int task = *entry->d_name < '1' ? -1 : openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (task >= 0 && is_called(task, pid, depth))
			found = (pid_t)strtol(entry->d_name, NULL, 10);
		if (task >= 0)
			close(task);
	}
	closedir(tasks);
	return found;
}

static pid_t by_search(pid_t pid)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), depth = depth_of_self();
	DIR *processes = fd < 0 ? NULL : fdopendir(fd);
	pid_t found = -1;
	if (!processes) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (struct dirent *entry; found < 0 && (entry = readdir(processes));) {
		if (*entry->d_name < '1' || *entry->d_name > '9')
			continue;
		int process = openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (process >= 0 && same_namespace(process))
			found = in_tasks(process, pid, depth);
		if (process >= 0)
			close(process);
	}
	closedir(processes);
	return found;
}

/* What was found by a search: slot by number, the task looked at again. */
static pid_t remembered(struct emu *emu, pid_t pid)
{
	const struct emu_known_pid *known = &emu->known_pids[(size_t)pid % EMU_KNOWN_PIDS];
	char path[32];
	if (known->pid != pid)
		return -1;
	snprintf(path, sizeof path, "%d", (int)known->proc_pid);
	int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool still = dir >= 0 && is_called(dir, pid, depth_of_self());
	if (dir >= 0)
		close(dir);
	return still ? known->proc_pid : -1;
}

static pid_t translate(struct emu *emu, pid_t pid)
{
	pid_t found = by_pidfd(pid);
	if (found < 0)
		found = remembered(emu, pid);
	if (found < 0 && (found = by_search(pid)) >= 0)
		emu->known_pids[(size_t)pid % EMU_KNOWN_PIDS] = (struct emu_known_pid){pid, found};
	return found;
}

pid_t emu_proc_pid(struct emu_call *call)
{
	if (!call->proc_pid)
		call->proc_pid = call->emu->foreign_proc ? translate(call->emu, call->pid) : call->pid;
	return call->proc_pid;
}
