/* Owners: chown(2), open(2), mkdir(2), mknod(2), symlink(2), stat(2). */
#define _GNU_SOURCE
#include "emu-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define EMPTY_PATH 0x1000

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && close(fd) == 0);
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	CHECK(lstat(path, &st) == 0);
	return st.st_mode;
}

/* ---- chown --------------------------------------------------------------------- */

static void chown_is_seen_by_stat(void)
{
	touch("f");
	CHECK(owned("f", 0, 0));
	CHECK(chown("f", 1, 2) == 0 && owned("f", 1, 2));
	CHECK(chown("f", 70000, 4294967294u) == 0 && owned("f", 70000, 4294967294u));
	CHECK(chown("f", -1, 3) == 0 && owned("f", 70000, 3));
	CHECK(chown("f", 4, -1) == 0 && owned("f", 4, 3));
	CHECK(chown("f", -1, -1) == 0 && owned("f", 4, 3));
	CHECK(chown("f", 0, 0) == 0 && owned("f", 0, 0));
}

static void chown_by_descriptor(void)
{
	touch("f");
	CHECK(mkdir("d", 0755) == 0);
	int fd = open("f", O_RDONLY), dir = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(fchown(fd, 5, 6) == 0 && owned("f", 5, 6));
	CHECK(fchown(dir, 7, 8) == 0 && owned("d", 7, 8));
	CHECK(fchownat(dir, "../f", 9, 10, 0) == 0 && owned("f", 9, 10));
	CHECK(fchownat(fd, "", 11, 12, EMPTY_PATH) == 0 && owned("f", 11, 12));
	CHECK(fchmod(fd, 0) == 0 && fchown(fd, 13, 14) == 0 && owned("f", 13, 14));
	CHECK(symlink("f", "l") == 0);
	int link = open("l", O_PATH | O_NOFOLLOW);
	CHECK(fchownat(link, "", 15, 16, EMPTY_PATH) == 0 && owned("l", 15, 16) && owned("f", 13, 14));
	CHECK(fchownat(link, "", 17, 18, EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0 && owned("l", 17, 18));
	CHECK(fchownat(AT_FDCWD, "l", 19, 20, AT_SYMLINK_NOFOLLOW | EMPTY_PATH) == 0 && owned("l", 19, 20));
	CHECK(fchownat(AT_FDCWD, "l", 21, 22, 0) == 0 && owned("f", 21, 22) && owned("l", 19, 20));
	CHECK(fchownat(AT_FDCWD, "", 23, 24, EMPTY_PATH) == 0 && owned(".", 23, 24));
	/* An absolute path needs no directory. */
	char path[256];
	CHECK(getcwd(path, sizeof path - 2) && strcat(path, "/f") && fchownat(99, path, 25, 26, 0) == 0);
	CHECK(owned("f", 25, 26) && fchownat(dir, "", 27, 28, EMPTY_PATH) == 0 && owned("d", 27, 28));
}

static void chown_fails_as_ever(void)
{
	touch("f");
	REFUSED(chown("none", 1, 1), ENOENT);
	REFUSED(chown("", 1, 1), ENOENT);
	REFUSED(chown("f/x", 1, 1), ENOTDIR);
	REFUSED(fchown(99, 1, 1), EBADF);
	REFUSED(fchownat(99, "f", 1, 1, 0), EBADF);
	REFUSED(fchownat(AT_FDCWD, "f", 1, 1, 0x40000000), EINVAL);
	REFUSED(chown((const char *)8, 1, 1), EFAULT);
}

static void chown_clears_set_id_bits(void)
{
	touch("f");
	CHECK(mkdir("d", 0755) == 0 && chmod("f", 06755) == 0 && chmod("d", 06755) == 0);
	CHECK(chown("f", 1, 1) == 0 && chown("d", 1, 1) == 0);
	CHECK((mode_of("f") & 07777) == 0755 && (mode_of("d") & 07777) == 06755);
}

static void own_files(void)
{
	touch("mine");
	CHECK(owned("mine", 50, 51));
	REFUSED(chown("mine", 0, -1), EPERM);
	REFUSED(chown("mine", -1, 52), EPERM);
	REFUSED(chown("roots", 50, -1), EPERM);
	CHECK(chown("mine", 50, 51) == 0 && owned("mine", 50, 51));
}

static void users_may_not_chown(void)
{
	touch("roots");
	CHECK(probe_as(50, 51, own_files) == 0);
}

static void links_have_owners(void)
{
	touch("f");
	CHECK(symlink("f", "l") == 0 && mkfifo("p", 0644) == 0);
	CHECK(lchown("l", 5, 6) == 0 && owned("l", 5, 6) && owned("f", 0, 0));
	CHECK(chown("l", 7, 8) == 0 && owned("l", 5, 6) && owned("f", 7, 8));
	CHECK(chown("p", 9, 10) == 0 && owned("p", 9, 10));
	CHECK(rename("l", "m") == 0 && owned("m", 5, 6));
	CHECK(link("m", "n") == 0 && owned("n", 5, 6));
	CHECK(unlink("m") == 0 && unlink("n") == 0);
	CHECK(symlink("g", "o") == 0 && owned("o", 0, 0)); /* maybe the same inode number */
}

static void dev_stdout(void)
{
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0644);
	char path[64];
	CHECK(fd >= 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	CHECK(chown(path, 5, 6) == 0 && owned("f", 5, 6));
	snprintf(path, sizeof path, "/dev/fd/%d", fd);
	struct stat st;
	CHECK(stat(path, &st) == 0 && st.st_uid == 5);
}

/* ---- new files -------------------------------------------------------------------- */

static void make_things(void)
{
	umask(027);
	touch("f");
	CHECK(owned("f", 60, 61) && (mode_of("f") & 07777) == 0640);
	CHECK(mkdir("d", 0777) == 0 && owned("d", 60, 61) && (mode_of("d") & 07777) == 0750);
	CHECK(mkdir("d/e/", 0777) == 0 && owned("d/e", 60, 61));
	CHECK(symlink("f", "l") == 0 && owned("l", 60, 61));
	CHECK(mkfifo("p", 0666) == 0 && owned("p", 60, 61) && (mode_of("p") & 07777) == 0640);
	int dir = open("d", O_RDONLY | O_DIRECTORY);
	int fd = openat(dir, "x", O_CREAT | O_EXCL | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && owned("d/x", 60, 61) && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK((fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) == (O_RDWR | O_APPEND));
	CHECK(write(fd, "x", 1) == 1);
	REFUSED(openat(dir, "x", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	REFUSED(open("none/x", O_CREAT | O_RDWR, 0600), ENOENT);
	REFUSED(mkdir("d", 0755), EEXIST);
	REFUSED(symlink("x", "f"), EEXIST);
	REFUSED(open("d", O_CREAT | O_RDWR, 0600), EISDIR);
	CHECK(symlinkat("x", dir, "y") == 0 && mkdirat(dir, "z", 0700) == 0 && mknodat(dir, "w", S_IFREG | 0600, 0) == 0);
	CHECK(owned("d/y", 60, 61) && owned("d/z", 60, 61) && owned("d/w", 60, 61));
	CHECK(link("f", "hard") == 0 && owned("hard", 60, 61));
}

static void new_files_belong_to_their_maker(void)
{
	CHECK(probe_as(60, 61, make_things) == 0);
	touch("roots");
	CHECK(owned("roots", 0, 0));
}

static void open_odd_files(void)
{
	int fd = open("roots", O_CREAT | O_WRONLY | O_TRUNC, 0644);
	CHECK(fd >= 0 && close(fd) == 0 && owned("roots", 0, 0)); /* not made, only opened */
	CHECK(symlink("target", "dangling") == 0);
	CHECK((fd = open("dangling", O_CREAT | O_WRONLY, 0644)) >= 0 && owned("target", 60, 61));
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	REFUSED(open("dangling2", O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0644), EEXIST);
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	if (fd >= 0) {
		struct stat st;
		CHECK(fstat(fd, &st) == 0 && st.st_uid == 60 && st.st_gid == 61);
	}
	CHECK((fd = open("/dev/null", O_CREAT | O_WRONLY, 0644)) >= 0 && write(fd, "x", 1) == 1);
	CHECK((fd = (int)syscall(SYS_openat, AT_FDCWD, "c", O_CREAT | O_WRONLY | O_TRUNC, 0644)) >= 0);
	CHECK(owned("c", 60, 61));
}

static int open_2(const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	const uint64_t how[3] = {flags, mode, resolve};
	return (int)syscall(437 /* openat2 */, AT_FDCWD, path, how, sizeof how);
}

static void openat2_as_user(void)
{
	CHECK(open_2("f", O_CREAT | O_WRONLY, 0600, 0) >= 0 && owned("f", 60, 61));
	CHECK(open_2("f", O_RDONLY, 0, 8 /* RESOLVE_BENEATH */) >= 0);
	/* Without emulation it would simply work. */
	int fd = open_2("g", O_CREAT | O_WRONLY, 0600, 8);
	CHECK(fd >= 0 ? owned("g", 60, 61) : errno == ENOSYS);
}

static void openat2_is_followed(void)
{
	CHECK(open_2("roots", O_CREAT | O_WRONLY, 0600, 8) >= 0 && owned("roots", 0, 0));
	CHECK(probe_as(60, 61, openat2_as_user) == 0);
}

static void odd_files_are_opened(void)
{
	touch("roots");
	CHECK(chmod("roots", 0666) == 0 && symlink("nowhere", "dangling2") == 0);
	CHECK(probe_as(60, 61, open_odd_files) == 0);
}

static void make_in_shared(void)
{
	touch("shared/f");
	CHECK(mkdir("shared/d", 0755) == 0 && symlink("x", "shared/l") == 0);
}

static void directories_hand_on_their_group(void)
{
	CHECK(mkdir("shared", 0777) == 0 && chown("shared", 1, 77) == 0 && chmod("shared", 02777) == 0);
	CHECK(probe_as(60, 61, make_in_shared) == 0);
	CHECK(owned("shared/f", 60, 77) && owned("shared/d", 60, 77) && owned("shared/l", 60, 77));
	CHECK(mode_of("shared/d") & S_ISGID);
	touch("shared/roots");
	CHECK(owned("shared/roots", 0, 77));
}

/* ---- devices ------------------------------------------------------------------------ */

static void try_device(void)
{
	REFUSED(mknod("no", S_IFCHR | 0600, makedev(5, 1)), EPERM);
}

static void devices_are_remembered(void)
{
	struct stat st;
	CHECK(mknod("c", S_IFCHR | 0620, makedev(5, 1)) == 0 && mknod("b", S_IFBLK | 0600, makedev(259, 300)) == 0);
	CHECK(stat("c", &st) == 0 && S_ISCHR(st.st_mode) && (st.st_mode & 0777) == 0600 && st.st_rdev == makedev(5, 1));
	CHECK(stat("b", &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == makedev(259, 300) && owned("b", 0, 0));
	CHECK(chown("c", 5, 6) == 0 && chown("c", 0, 0) == 0 && S_ISCHR(mode_of("c")));
	REFUSED(mknod("c", S_IFCHR | 0600, makedev(5, 1)), EEXIST);
	CHECK(probe_as(60, 61, try_device) == 0);
}

/* ---- looking --------------------------------------------------------------------------- */

static void every_stat_agrees(void)
{
	struct stat st;
	unsigned char x[256];
	touch("f");
	CHECK(symlink("f", "l") == 0 && chown("f", 1, 2) == 0 && lchown("l", 3, 4) == 0);
	int fd = open("f", O_RDONLY), link = open("l", O_PATH | O_NOFOLLOW);
	CHECK(stat("l", &st) == 0 && st.st_uid == 1 && st.st_gid == 2 && S_ISREG(st.st_mode));
	CHECK(lstat("l", &st) == 0 && st.st_uid == 3 && st.st_gid == 4 && S_ISLNK(st.st_mode));
	CHECK(fstat(fd, &st) == 0 && st.st_uid == 1);
	CHECK(fstat(link, &st) == 0 && st.st_uid == 3);
	CHECK(fstatat(fd, "", &st, EMPTY_PATH) == 0 && st.st_uid == 1);
	CHECK(fstatat(AT_FDCWD, "l", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == 3);
	REFUSED(fstatat(fd, "", &st, 0), ENOENT);
	CHECK(syscall(SYS_statx, AT_FDCWD, "l", 0, 0x7ff, x) == 0 && x[20] == 1 && x[24] == 2);
	CHECK(syscall(SYS_statx, link, "", EMPTY_PATH, 0x7ff, x) == 0 && x[20] == 3 && x[24] == 4);
	REFUSED(stat("f/x", &st), ENOTDIR);
	REFUSED(stat("none", &st), ENOENT);
	REFUSED(syscall(SYS_newfstatat, AT_FDCWD, "f", 8, 0), EFAULT);
}

static void private_attributes_are_not_listed(void)
{
	char names[256];
	touch("f");
	CHECK(setxattr("f", "user.mine", "x", 1, 0) == 0 && chown("f", 1, 2) == 0);
	CHECK(listxattr("f", names, sizeof names) == 10 && !strcmp(names, "user.mine"));
	CHECK(listxattr("f", NULL, 0) == 10);
	REFUSED(listxattr("f", names, 3), ERANGE);
	CHECK(mknod("c", S_IFCHR | 0600, makedev(5, 1)) == 0 && listxattr("c", names, sizeof names) == 0);
	CHECK(mkdir("d", 0755) == 0 && llistxattr("d", names, sizeof names) == 0);
}

const struct probe_case probe_files[] = {
	{"chown is seen by stat", chown_is_seen_by_stat},
	{"chown by descriptor", chown_by_descriptor},
	{"chown fails as ever", chown_fails_as_ever},
	{"chown clears set-id bits", chown_clears_set_id_bits},
	{"users may not chown", users_may_not_chown},
	{"links and fifos have owners", links_have_owners},
	{"/proc/self is the caller's", dev_stdout},
	{"new files belong to their maker", new_files_belong_to_their_maker},
	{"odd files are opened", odd_files_are_opened},
	{"openat2 is followed", openat2_is_followed},
	{"set-group-ID directories hand on their group", directories_hand_on_their_group},
	{"devices are remembered", devices_are_remembered},
	{"every stat agrees", every_stat_agrees},
	{"private attributes are not listed", private_attributes_are_not_listed},
	{NULL, NULL},
};
