/*
 * Programs that mean harm: to the supervisor, which is pid 1 with more rights than they have, and to what lies outside
 * of the container. None may crash it, keep it from answering others, or borrow its rights.
 */
#define _GNU_SOURCE
#include "emu-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* It still answers, and rightly. */
static void still_serves(void)
{
	const char *name = "/work/serves";
	unlink(name);
	CHECK(close(open(name, O_CREAT | O_WRONLY, 0644)) == 0);
	CHECK(chown(name, 5, 6) == 0 && owned(name, 5, 6) && unlink(name) == 0);
	CHECK(getuid() == 0);
}

/* ---- its descriptors ------------------------------------------------------------ */

/* Through the rights of pid 1: each way of asking it to make something where only it can look. */
static void borrow(const char *place)
{
	char path[300];
	struct stat st;
	snprintf(path, sizeof path, "%s/stolen", place);
	CHECK(mkdir(path, 0700) == -1);
	CHECK(open(path, O_CREAT | O_WRONLY, 0600) == -1);
	CHECK(open(path, O_CREAT | O_EXCL | O_RDWR, 0600) == -1);
	CHECK(open(place, O_TMPFILE | O_RDWR, 0600) == -1);
	CHECK(symlink("x", path) == -1);
	CHECK(mkfifo(path, 0600) == -1);
	CHECK(mknod(path, S_IFREG | 0600, 0) == -1);
	CHECK(mknod(path, S_IFCHR | 0600, 0x501) == -1);
	CHECK(chown(place, 1, 1) == -1);
	CHECK(stat(place, &st) == -1);
	CHECK(execl(place, "x", (char *)NULL) == -1);
}

static void borrow_all(void)
{
	static const char *const up[] = {"", "/..", "/../..", "/../../../../../.."};
	char path[100], link[40];
	for (int fd = 0; fd < 48; fd++) {
		for (size_t i = 0; i < sizeof up / sizeof *up; i++) {
			snprintf(path, sizeof path, "/proc/1/fd/%d%s", fd, up[i]);
			borrow(path);
			snprintf(link, sizeof link, "link%d.%zu", fd, i);
			CHECK(symlink(path, link) == 0);
			borrow(link);
			snprintf(path, sizeof path, "/proc/self/../1/fd/%d%s", fd, up[i]);
			borrow(path);
		}
	}
	borrow("/proc/1/cwd/self/fd");
	borrow("/proc/1/root/work");
	borrow("/proc/self/task/../../1/cwd");
}

static void no_rights_are_lent(void)
{
	CHECK(chmod("/work", 0777) == 0);
	CHECK(probe_as(60, 61, borrow_all) == 0);
	borrow("/proc/1/fd/0/..");
	still_serves();
}

static void use_own_names(void)
{
	char path[100], name[64];
	int dir = open(".", O_PATH | O_DIRECTORY);
	static const char *const ways[] = {"/proc/self/fd/%d/a%d", "/proc/thread-self/fd/%d/a%d", "/dev/fd/%d/a%d"};
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, ways[i], dir, i);
		snprintf(name, sizeof name, "a%d", i);
		CHECK(mkdir(path, 0755) == 0 && owned(name, 60, 61) && owned(path, 60, 61));
	}
	CHECK(symlink("x", "/proc/self/cwd/b") == 0 && owned("b", 60, 61));
	CHECK(getcwd(name, sizeof name) && snprintf(path, sizeof path, "/proc/self/root%s/c", name) > 0);
	CHECK(close(open(path, O_CREAT | O_WRONLY, 0600)) == 0 && owned("c", 60, 61));
	snprintf(path, sizeof path, "/proc/self/fd/%d", open("c", O_PATH));
	CHECK(chown(path, 60, 61) == 0);
	REFUSED(chown(path, 0, 0), EPERM);
	struct stat st;
	CHECK(lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && lstat("/proc/self", &st) == 0 && S_ISLNK(st.st_mode));
}

static void own_names_work(void)
{
	CHECK(probe_as(60, 61, use_own_names) == 0);
}

/* ---- its memory ------------------------------------------------------------------- */

/* Calls that are answered, less those that would end or multiply the caller. */
static const int answered[] = {
#ifdef SYS_stat
	SYS_stat, SYS_lstat, SYS_chown, SYS_lchown, SYS_open, SYS_creat, SYS_mkdir, SYS_mknod, SYS_symlink,
#endif
	SYS_fstat, SYS_newfstatat, SYS_statx, SYS_listxattr, SYS_llistxattr, SYS_flistxattr, SYS_fchown, SYS_fchownat,
	SYS_openat, 437 /* openat2 */, SYS_mkdirat, SYS_mknodat, SYS_symlinkat, SYS_getuid, SYS_geteuid, SYS_getgid,
	SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_setgid, SYS_setregid, SYS_setresgid, SYS_setfsuid,
	SYS_setfsgid, SYS_setgroups, SYS_capset, SYS_capget, SYS_execve, SYS_execveat, SYS_setns, SYS_unshare,
	SYS_prlimit64, SYS_getsockopt, SYS_setresuid, SYS_setreuid, SYS_setuid};

static void throw_garbage(unsigned seed)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED && munmap(page + 4096, 4096) == 0);
	memset(page, 'A', 4096); /* a string without an end, before nothing */
	const uint64_t values[] = {0, 1, 2, 10, 17, 0x1000, UINT64_MAX, (uint64_t)AT_FDCWD, 1ull << 63, INT64_MAX,
		0xffff800000000000u, (uint64_t)(uintptr_t)page, (uint64_t)(uintptr_t)(page + 4095),
		(uint64_t)(uintptr_t)(page + 4096), 0x80000000u, 0x41, 65537, 0x1000ull << 32};
	const unsigned count = sizeof values / sizeof *values;
	for (size_t i = 0; i < sizeof answered / sizeof *answered; i++) {
		for (int round = 0; round < 12; round++) {
			uint64_t a[6];
			for (int k = 0; k < 6; k++)
				a[k] = values[(seed = seed * 1103515245 + 12345) / 65536 % count];
			syscall(answered[i], a[0], a[1], a[2], a[3], a[4], a[5]);
		}
	}
	_exit(0);
}

static void garbage_is_refused(void)
{
	for (unsigned seed = 1; seed < 24; seed++) {
		pid_t pid = fork();
		if (pid == 0)
			throw_garbage(seed);
		/* Some of it may well end the thrower: an alternative root, a descriptor gone. */
		CHECK(probe_wait(pid) >= 0);
	}
	still_serves();
}

static atomic_bool stop;
static char *shared_page;

static void *flip_path(void *unused)
{
	while (!stop) {
		memcpy(shared_page, "victim", 7);
		memset(shared_page, 'x', 4095);
		memcpy(shared_page, "../../../..", 12);
		memcpy(shared_page, "link/file", 10);
	}
	return unused;
}

static void *flip_page(void *unused)
{
	while (!stop) {
		mprotect(shared_page, 4096, PROT_NONE);
		mprotect(shared_page, 4096, PROT_READ | PROT_WRITE);
		madvise(shared_page, 4096, MADV_DONTNEED);
	}
	return unused;
}

static void *flip_link(void *unused)
{
	while (!stop) {
		unlink("link");
		symlink("one", "link");
		unlink("link");
		symlink("/proc/1/fd", "link");
		unlink("link");
		mkdir("link", 0755);
		rmdir("link");
	}
	return unused;
}

static void *flip_descriptor(void *unused)
{
	while (!stop) {
		int fd = open("one", O_RDONLY | O_DIRECTORY);
		dup2(fd, 700);
		close(fd);
		fd = open("victim", O_RDWR);
		dup2(fd, 700);
		close(fd);
		close(700);
	}
	return unused;
}

static void race_with(void *(*flip)(void *))
{
	pthread_t thread;
	struct stat st;
	unsigned char x[256];
	stop = false;
	CHECK(pthread_create(&thread, NULL, flip, NULL) == 0);
	for (int i = 0; i < 200; i++) {
		syscall(SYS_fchownat, AT_FDCWD, shared_page, 7, 7, 0);
		syscall(SYS_openat, AT_FDCWD, shared_page, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
		syscall(SYS_mkdirat, AT_FDCWD, shared_page, 0700);
		syscall(SYS_newfstatat, AT_FDCWD, "link/file", shared_page, 0);
		syscall(SYS_statx, AT_FDCWD, shared_page, 0, 0x7ff, x);
		syscall(SYS_getresuid, shared_page, shared_page + 8, shared_page + 4094);
		syscall(SYS_fchownat, AT_FDCWD, "link/file", 7, 7, AT_SYMLINK_NOFOLLOW);
		fchown(700, 8, 8);
		fstat(700, &st);
		syscall(SYS_close_range, 40, 600, 0);
	}
	stop = true;
	CHECK(pthread_join(thread, NULL) == 0);
}

static void races_as_user(void)
{
	race_with(flip_path);
	race_with(flip_page);
	race_with(flip_link);
	race_with(flip_descriptor);
}

static void races_are_lost(void)
{
	shared_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared_page != MAP_FAILED && mkdir("one", 0777) == 0 && chmod("one", 0777) == 0);
	CHECK(close(open("victim", O_CREAT | O_WRONLY, 0666)) == 0);
	CHECK(probe_as(60, 61, races_as_user) == 0);
	CHECK(owned("victim", 0, 0)); /* root's: never theirs to give away */
	races_as_user();
	still_serves();
}

/* ---- its time ------------------------------------------------------------------------ */

static void *ask(void *number)
{
	char name[32];
	struct stat st;
	snprintf(name, sizeof name, "t%d", (int)(intptr_t)number);
	int fd;
	while ((fd = open(name, O_CREAT | O_RDWR, 0600)) < 0 && errno == EMFILE)
		sched_yield(); /* the others hold them all */
	if (fd < 0 || fstat(fd, &st) || st.st_uid != 60 || getuid() != 60 || close(fd))
		return (void *)1;
	return NULL;
}

#define THREADS 1500

static void many_threads(void)
{
	static pthread_t threads[THREADS];
	pthread_attr_t small;
	void *failed;
	int started = 0;
	CHECK(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 65536) == 0);
	for (intptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[started], &small, ask, (void *)i) == 0)
			started++;
	CHECK(started > 100); /* a limit of processes may be in the way of more */
	for (int i = 0; i < started; i++)
		CHECK(pthread_join(threads[i], &failed) == 0 && !failed);
}

static void thousands_of_threads(void)
{
	CHECK(probe_as(60, 61, many_threads) == 0);
	still_serves();
}

static _Noreturn void *ask_for_ever(void *name)
{
	for (;;) {
		close(open(name, O_CREAT | O_WRONLY, 0600));
		unlink(name);
		getuid();
	}
}

/* The whole group dies, or becomes another program, while calls of its threads are being answered. */
static void vanish(void)
{
	static char names[8][4] = {"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"};
	pthread_t thread;
	for (int i = 0; i < 8; i++)
		CHECK(pthread_create(&thread, NULL, ask_for_ever, names[i]) == 0);
	usleep(2000);
	if (getpid() % 2)
		execl("/emu-probe", "/emu-probe", "--ids", (char *)NULL);
	_exit(0);
}

static void groups_vanish(void)
{
	int null = open("/dev/null", O_WRONLY), out = dup(1);
	fflush(stdout);
	CHECK(dup2(null, 1) == 1);
	for (int i = 0; i < 12; i++)
		CHECK(probe_as(60, 61, vanish) == 0);
	CHECK(dup2(out, 1) == 1);
	still_serves();
}

static void secretive(void)
{
	CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
	CHECK(mkdir("hidden", 0700) == 0 && owned("hidden", 60, 61) && getuid() == 60);
}

static void undumpable_ones_are_served(void)
{
	CHECK(probe_as(60, 61, secretive) == 0);
}

/* More rows than are looked through without a sweep, on a file system whose inode numbers count on. */
static void forgotten_links_are_forgotten(void)
{
	CHECK(symlink("x", "/dev/shm/kept") == 0 && lchown("/dev/shm/kept", 3, 4) == 0);
	for (int i = 0; i < 17000; i++) {
		CHECK(symlink("x", "/dev/shm/l") == 0);
		CHECK(lchown("/dev/shm/l", 1, 1) == 0);
		CHECK(unlink("/dev/shm/l") == 0);
	}
	CHECK(owned("/dev/shm/kept", 3, 4));
}

const struct probe_case probe_hostile[] = {
	{"no rights are lent", no_rights_are_lent},
	{"own magic links work", own_names_work},
	{"garbage is refused", garbage_is_refused},
	{"races are lost", races_are_lost},
	{"thousands of threads", thousands_of_threads},
	{"groups vanish", groups_vanish},
	{"undumpable ones are served", undumpable_ones_are_served},
	{"forgotten links are forgotten", forgotten_links_are_forgotten},
	{NULL, NULL},
};
