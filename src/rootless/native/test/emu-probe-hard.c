/* Roots, long paths, signals, sudden death, many at once. */
#define _GNU_SOURCE
#include "emu-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

static void another_root(void)
{
	struct stat st;
	CHECK(mkdir("r", 0755) == 0 && mkdir("r/etc", 0755) == 0 && mkdir("r/proc", 0755) == 0);
	CHECK(symlink("/etc", "r/link") == 0 && chmod("r", 0777) == 0);
	int outside = open(".", O_RDONLY | O_DIRECTORY);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(chroot("r") == 0 && chdir("/etc") == 0);
		CHECK(close(open("f", O_CREAT | O_WRONLY, 0644)) == 0);
		CHECK(chown("/link/f", 5, 6) == 0); /* an absolute link, inside */
		CHECK(owned("/etc/f", 5, 6) && owned("f", 5, 6) && owned("../etc/f", 5, 6) && owned("/../etc/f", 5, 6));
		CHECK(fstatat(outside, "r/etc/f", &st, 0) == 0 && st.st_uid == 5);
		CHECK(setresuid(7, 7, 7) == 0 && close(open("/g", O_CREAT | O_WRONLY, 0644)) == 0 && owned("/g", 7, 0));
		_exit(0);
	}
	CHECK(probe_wait(pid) == 0);
	CHECK(owned("r/etc/f", 5, 6) && owned("r/g", 7, 0));
	CHECK(stat("/etc/f", &st) == -1);
}

static void long_paths(void)
{
	static char path[4096], name[250];
	memset(name, 'd', sizeof name - 1);
	CHECK(close(open("f", O_CREAT | O_WRONLY, 0644)) == 0 && chown("f", 3, 4) == 0);
	while (strlen(path) + 2 < sizeof path - 2)
		strcat(path, "./");
	strcat(path, "f"); /* PATH_MAX less one, relative: no room for a prefix */
	CHECK(owned(path, 3, 4) && chown(path, 5, 6) == 0 && owned("f", 5, 6));
	for (int i = 0; i < 20; i++) /* a directory whose name is longer than PATH_MAX */
		CHECK(mkdir(name, 0755) == 0 && chdir(name) == 0);
	CHECK(close(open("g", O_CREAT | O_WRONLY, 0644)) == 0 && chown("g", 7, 8) == 0 && owned("g", 7, 8));
}

static void tick(int signal)
{
	(void)signal;
}

/* Interrupted calls are neither lost nor made twice. */
static void signals_do_no_harm(void)
{
	const struct itimerval often = {{0, 150}, {0, 150}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	char name[16];
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setresgid(9, 9, 9) == 0 && setresuid(8, 8, 8) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof name, "f%d", i);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		CHECK(fd >= 0 && fd < 20 && close(fd) == 0);
		CHECK(owned(name, 8, 9));
		CHECK(unlink(name) == 0 && mkdir(name, 0700) == 0 && chown(name, 8, 9) == 0 && rmdir(name) == 0);
	}
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

static void work_until_killed(int number)
{
	char name[32];
	if (setresgid((gid_t)number, (gid_t)number, (gid_t)number) ||
		setresuid((uid_t)number, (uid_t)number, (uid_t)number))
		_exit(2);
	for (int i = 0;; i++) {
		snprintf(name, sizeof name, "k%d.%d", number, i & 7);
		int fd = open(name, O_CREAT | O_WRONLY, 0644);
		struct stat st;
		if (fstat(fd, &st) || st.st_uid != (uid_t)number)
			_exit(3);
		close(fd);
		unlink(name);
		if (getuid() != (uid_t)number || chown(".", 0, 0) == 0)
			_exit(4);
	}
}

static void sudden_death(void)
{
	for (int round = 0; round < 20; round++) {
		pid_t pids[4];
		for (int i = 0; i < 4; i++)
			if ((pids[i] = fork()) == 0)
				work_until_killed(100 + i);
		usleep((useconds_t)(500 + round * 37 % 3000));
		for (int i = 0; i < 4; i++) {
			CHECK(kill(pids[i], SIGKILL) == 0);
			CHECK(probe_wait(pids[i]) == 128 + SIGKILL);
		}
	}
	CHECK(getuid() == 0 && chown(".", 1, 1) == 0 && owned(".", 1, 1));
}

static void one_of_many(int number)
{
	char name[32];
	uid_t uid = (uid_t)(1000 + number);
	CHECK(setresuid(uid, uid, uid) == 0);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "m%d.%d", number, i);
		CHECK(close(open(name, O_CREAT | O_EXCL | O_WRONLY, 0644)) == 0 && owned(name, uid, 0));
	}
	_exit(0);
}

static void many_at_once(void)
{
	pid_t pids[12];
	for (int i = 0; i < 12; i++)
		if ((pids[i] = fork()) == 0)
			one_of_many(i);
	for (int i = 0; i < 12; i++)
		CHECK(probe_wait(pids[i]) == 0);
}

static void *make_and_look(void *unused)
{
	(void)unused;
	CHECK(close(open("t", O_CREAT | O_WRONLY, 0644)) == 0 && owned("t", 60, 61) && mkdir("d", 0755) == 0);
	CHECK(owned("d", 60, 61));
	return NULL;
}

static void in_a_thread(void)
{
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, make_and_look, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void a_thread_makes_files(void)
{
	CHECK(probe_as(60, 61, in_a_thread) == 0);
}

static void side_doors_are_shut(void)
{
	unsigned char params[120] = {0};
	REFUSED(syscall(425 /* io_uring_setup */, 1, params), ENOSYS);
#ifdef __x86_64__
	REFUSED(syscall(0x40000000 | SYS_getuid), ENOSYS);
#endif
}

#if defined(__x86_64__)
/* By the i386 entry, which takes addresses below 4 GB: those of a static program's data. */
static long i386(long nr, const volatile void *a, long b, long c, long d)
{
	long result;
	__asm__ volatile("int $0x80"
					 : "=a"(result)
					 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(0L)
					 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static char foreign_name[] = "foreign", foreign_link[] = "foreign-link";
static volatile uint32_t foreign_words[64];

static long at(long address)
{
	return address;
}

static void as_foreign_user(void)
{
	CHECK(i386(199 /* getuid32 */, NULL, 0, 0, 0) == 60 && i386(202 /* getegid32 */, NULL, 0, 0, 0) == 61);
	CHECK(i386(5 /* open */, foreign_name, O_CREAT | O_WRONLY, 0600, 0) >= 0 && owned(foreign_name, 60, 61));
	CHECK(i386(83 /* symlink */, foreign_name, at((long)foreign_link), 0, 0) == 0 && owned(foreign_link, 60, 61));
	CHECK(i386(212 /* chown32 */, foreign_name, 0, 0, 0) == -EPERM);
	CHECK(i386(213 /* setuid32 */, NULL, 0, 0, 0) == -EPERM);
}

static void foreign_abi_is_served(void)
{
	if (i386(199, NULL, 0, 0, 0) == -ENOSYS)
		return; /* a kernel without it */
	const long words = (long)(uintptr_t)foreign_words;
	CHECK(close(open(foreign_name, O_CREAT | O_WRONLY, 0644)) == 0);
	CHECK(i386(212, foreign_name, 33, 34, 0) == 0 && owned(foreign_name, 33, 34));
	CHECK(i386(195 /* stat64 */, foreign_name, words, 0, 0) == 0 && foreign_words[6] == 33 && foreign_words[7] == 34);
	CHECK(i386(300 /* fstatat64 */, (void *)(intptr_t)AT_FDCWD, at((long)foreign_name), words, 0) == 0);
	CHECK(foreign_words[6] == 33 && (foreign_words[4] & S_IFMT) == S_IFREG);
	CHECK(i386(298 /* fchownat */, (void *)(intptr_t)AT_FDCWD, at((long)foreign_name), 35, -1) == 0);
	CHECK(owned(foreign_name, 35, 34) && unlink(foreign_name) == 0);
	CHECK(i386(182 /* chown16 */, foreign_link, 1, 1, 0) == 0);
	CHECK(i386(75 /* setrlimit */, (void *)10, words, 0, 0) == 0 && getuid() == 0);
	CHECK(probe_as(60, 61, as_foreign_user) == 0);
	CHECK(i386(208 /* setresuid32 */, (void *)7, 7, 7, 0) == 0 && getuid() == 7);
}
#endif

const struct probe_case probe_hard[] = {
	{"another root", another_root},
	{"long paths", long_paths},
	{"signals do no harm", signals_do_no_harm},
	{"sudden death", sudden_death},
	{"many at once", many_at_once},
	{"a thread makes files", a_thread_makes_files},
	{"side doors are shut", side_doors_are_shut},
#if defined(__x86_64__)
	{"a foreign ABI is served", foreign_abi_is_served},
#endif
	{NULL, NULL},
};
