/*
 * What hostile programs of an image do that a shell can't: `attack WHAT [ARGS]`. Each prints one line a try.
 *
 *   flip A B STOP     exchanges two names until the file STOP is there
 *   reach PID         traces, reads and takes descriptors of another process
 *   signals           sends every signal to process 1
 *   bomb N            forks until it is refused, at most N processes: prints how many there were at once
 *   keys              looks for the key tsbox-canary in the session's keyring
 *   with-key COMMAND  puts that key into a new session's keyring and executes
 *   descriptors       lists what is open beyond 0, 1 and 2
 *   mark FILE         gives a file the attribute by which tsbox knows devices
 *   hold FILE STOP    opens FILE again and again until STOP is there: prints how often it was not empty
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void say(const char *what, long result)
{
	printf("%s %s\n", what, result < 0 ? strerror(errno) : "done");
}

static int flip(char **a)
{
	while (access(a[2], F_OK) < 0)
		for (int i = 0; i < 2000; i++)
			syscall(SYS_renameat2, AT_FDCWD, a[0], AT_FDCWD, a[1], 2 /* RENAME_EXCHANGE */);
	return 0;
}

static int reach(char **a)
{
	pid_t pid = (pid_t)atoi(a[0]);
	char path[64], byte[4096];
	struct iovec local = {byte, 16}, remote = {(void *)0x400000, 16};

	for (const char *const *name = (const char *const[]){"mem", "environ", "maps", "stack", "syscall", NULL}; *name; name++) {
		snprintf(path, sizeof path, "/proc/%d/%s", pid, *name);
		int fd = open(path, strcmp(*name, "mem") ? O_RDONLY : O_RDWR);
		say(*name, fd < 0 || !strcmp(*name, "mem") ? fd : read(fd, byte, sizeof byte));
	}
	for (const char *const *name = (const char *const[]){"root", "cwd", "exe", "fd/0", "fd/3", "fd/4", "ns/mnt", NULL}; *name;
		 name++) {
		snprintf(path, sizeof path, "/proc/%d/%s", pid, *name);
		say(*name, readlink(path, byte, sizeof byte));
	}
	say("vm", process_vm_readv(pid, &local, 1, &remote, 1, 0));
	long pidfd = syscall(434 /* pidfd_open */, pid, 0);
	for (int fd = 0; fd < 16; fd++)
		say("getfd", syscall(438 /* pidfd_getfd */, pidfd, fd, 0));
	say("setns", syscall(SYS_setns, pidfd, 0x20000 /* CLONE_NEWNS */));
	say("seize", ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	say("attach", ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	return 0;
}

static int signals(void)
{
	for (int i = 1; i < 65; i++)
		kill(1, i);
	puts(kill(1, 0) == 0 ? "alive" : "dead");
	return 0;
}

static int bomb(char **a)
{
	int most = atoi(a[0]), count = 0;

	for (pid_t pid; count < most && (pid = fork()) >= 0; count++)
		if (pid == 0) {
			pause();
			_exit(0);
		}
	printf("%d %s\n", count, count < most ? strerror(errno) : "all");
	return 0;
}

static int keys(void)
{
	char value[64] = "";

	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "tsbox-canary", 0);
	if (key >= 0)
		syscall(SYS_keyctl, KEYCTL_READ, key, value, sizeof value - 1);
	printf("key %s\n", key < 0 ? strerror(errno) : value);
	return 0;
}

static int with_key(char **a)
{
	static const char value[] = "only-the-host-has-this";

	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
		syscall(SYS_add_key, "user", "tsbox-canary", value, sizeof value - 1, KEY_SPEC_SESSION_KEYRING) < 0) {
		perror("no keys");
		return 99;
	}
	execvp(a[0], a);
	perror(a[0]);
	return 1;
}

static int descriptors(void)
{
	char path[32], link[4096];

	for (int fd = 3; fd < 4096; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
			ssize_t n = readlink(path, link, sizeof link - 1);
			link[n > 0 ? n : 0] = 0;
			printf("%d %s\n", fd, link);
		}
	puts("end");
	return 0;
}

static int hold(char **a)
{
	char byte[64];
	long full = 0;

	while (access(a[1], F_OK) < 0)
		for (int i = 0; i < 500; i++) {
			int fd = open(a[0], O_RDONLY);
			if (fd >= 0 && read(fd, byte, sizeof byte) > 0)
				full++;
			if (fd >= 0)
				close(fd);
		}
	printf("%ld\n", full);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "flip") && argc == 5)
		return flip(argv + 2);
	if (!strcmp(what, "reach") && argc == 3)
		return reach(argv + 2);
	if (!strcmp(what, "signals"))
		return signals();
	if (!strcmp(what, "bomb") && argc == 3)
		return bomb(argv + 2);
	if (!strcmp(what, "keys"))
		return keys();
	if (!strcmp(what, "with-key") && argc > 2)
		return with_key(argv + 2);
	if (!strcmp(what, "descriptors"))
		return descriptors();
	if (!strcmp(what, "mark") && argc == 3) {
		say("mark", setxattr(argv[2], "user.tsbox.device", "b:8:0", 5, 0));
		return 0;
	}
	if (!strcmp(what, "hold") && argc == 4)
		return hold(argv + 2);
	return 2;
}
