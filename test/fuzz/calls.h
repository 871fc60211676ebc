/*
 * Comes before every file of the helper that is fuzzed (`-include`): the calls by which it would change the machine go
 * to calls.c instead, which makes up their results out of the input, or lets them through where a target works on files
 * of its own. Everything else of the helper is what users get.
 */
#ifndef TSBOX_FUZZ_CALLS_H
#define TSBOX_FUZZ_CALLS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef FUZZ_CALLS_THEMSELVES
#define malloc(n) fuzz_realloc(NULL, n)
#define calloc(n, size) memset(fuzz_realloc(NULL, (n) * (size)), 0, (n) * (size))
#define realloc(p, n) fuzz_realloc(p, n)
#define free(p) fuzz_free(p)
#define _exit(n) fuzz_exit(n)

#define open(...) fuzz_open(__VA_ARGS__)
#define openat(...) fuzz_openat(__VA_ARGS__)
#define syscall(...) fuzz_syscall(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define dup(fd) fuzz_dup(fd)
#define socket(a, b, c) fuzz_fd("socket")
#define accept4(...) fuzz_fd("accept4")
#define pipe2(ends, flags) fuzz_pipe(ends)
#define read(fd, p, n) fuzz_read(fd, p, n)
#define write(fd, p, n) fuzz_write(fd, p, n)
#define send(fd, p, n, flags) fuzz_write(fd, p, n)
#define sendmsg(...) fuzz_result("sendmsg")
#define recvmsg(...) fuzz_refuse("recvmsg")

#define stat(path, st) fuzz_stat(AT_FDCWD, path, st, 0)
#define fstat(fd, st) fuzz_fstat(fd, st)
#define fstatat(fd, name, st, flags) fuzz_stat(fd, name, st, flags)
#define fstatfs(...) fuzz_refuse("fstatfs")
#define readlinkat(fd, name, p, n) fuzz_readlinkat(fd, name, p, n)
#define fgetxattr(fd, name, p, n) fuzz_fgetxattr(fd, name, p, n)
#define flistxattr(fd, p, n) fuzz_flistxattr(fd, p, n)
#define fdopendir(fd) fuzz_fdopendir(fd)
#define getline(line, size, file) fuzz_getline(line, size)
#define getdelim(line, size, end, file) fuzz_getline(line, size)
#define realpath(path, out) fuzz_realpath(path, out)
#define copy_file_range(...) fuzz_refuse("copy_file_range")

/* What changes files. */
#define FUZZ_FILES(call, ...) (fuzz_real ? (call)(__VA_ARGS__) : fuzz_result(#call))
#define mkdirat(...) FUZZ_FILES(mkdirat, __VA_ARGS__)
#define mkdir(...) FUZZ_FILES(mkdir, __VA_ARGS__)
#define rmdir(...) FUZZ_FILES(rmdir, __VA_ARGS__)
#define unlinkat(...) FUZZ_FILES(unlinkat, __VA_ARGS__)
#define symlinkat(...) FUZZ_FILES(symlinkat, __VA_ARGS__)
#define linkat(...) FUZZ_FILES(linkat, __VA_ARGS__)
#define mknodat(...) FUZZ_FILES(mknodat, __VA_ARGS__)
#define mkfifoat(...) FUZZ_FILES(mkfifoat, __VA_ARGS__)
#define rename(...) FUZZ_FILES(rename, __VA_ARGS__)
#define renameat(...) FUZZ_FILES(renameat, __VA_ARGS__)
#define utimensat(...) FUZZ_FILES(utimensat, __VA_ARGS__)
#define futimens(...) FUZZ_FILES(futimens, __VA_ARGS__)
#define fchmod(...) FUZZ_FILES(fchmod, __VA_ARGS__)
#define fchmodat(...) FUZZ_FILES(fchmodat, __VA_ARGS__)
#define ftruncate(...) FUZZ_FILES(ftruncate, __VA_ARGS__)
#define chmod(...) fuzz_result("chmod")
/* Owners and attributes need powers, or file systems, that a fuzzer does not have. */
#define fchown(...) fuzz_result("fchown")
#define fchownat(...) fuzz_result("fchownat")
#define fsetxattr(...) fuzz_result("fsetxattr")
#define fremovexattr(...) fuzz_result("fremovexattr")

#define chdir(...) fuzz_result("chdir")
#define fchdir(...) fuzz_result("fchdir")
#define mount(...) fuzz_result("mount")
#define umount2(...) fuzz_result("umount2")
#define unshare(...) fuzz_result("unshare")
#define setgroups(...) fuzz_result("setgroups")
#define setresuid(...) fuzz_result("setresuid")
#define setresgid(...) fuzz_result("setresgid")
#define setrlimit(...) fuzz_result("setrlimit")
#define sethostname(...) fuzz_result("sethostname")
#define setsid() fuzz_result("setsid")
#define prctl(...) fuzz_result("prctl")
#define ioctl(...) fuzz_result("ioctl")
#define fcntl(...) fuzz_result("fcntl")
#define dup2(...) fuzz_result("dup2")
#define dup3(...) fuzz_result("dup3")
#define bind(...) fuzz_result("bind")
#define listen(...) fuzz_result("listen")
#define kill(...) fuzz_result("kill")
#define getsockopt(...) fuzz_refuse("getsockopt")
#define tcgetattr(...) fuzz_refuse("tcgetattr")
#define tcsetattr(...) fuzz_refuse("tcsetattr")
#define fork() fuzz_refuse("fork")
#define waitpid(...) fuzz_refuse("waitpid")
#define execv(...) fuzz_refuse("execv")
#define execve(...) fuzz_refuse("execve")
#define execvp(...) fuzz_refuse("execvp")
#define poll(...) fuzz_refuse("poll")
#endif

/* True: files are really made and read, below the directory of the target. */
extern bool fuzz_real;
/* Descriptor that stands for the lane: it reads the input's frames, and swallows what is written. */
enum { FUZZ_LANE = 900 };

void *fuzz_realloc(void *p, size_t size);
void fuzz_free(void *p);
_Noreturn void fuzz_exit(int status);

int fuzz_open(const char *path, int flags, ...);
int fuzz_openat(int dir, const char *path, int flags, ...);
long fuzz_syscall(long number, ...);
int fuzz_dup(int fd);
int fuzz_fd(const char *call);
int fuzz_pipe(int ends[2]);
ssize_t fuzz_read(int fd, void *out, size_t size);
ssize_t fuzz_write(int fd, const void *data, size_t size);
int fuzz_stat(int dir, const char *path, struct stat *st, int flags);
int fuzz_fstat(int fd, struct stat *st);
ssize_t fuzz_readlinkat(int dir, const char *path, char *out, size_t size);
ssize_t fuzz_fgetxattr(int fd, const char *name, void *out, size_t size);
ssize_t fuzz_flistxattr(int fd, char *out, size_t size);
DIR *fuzz_fdopendir(int fd);
ssize_t fuzz_getline(char **line, size_t *size);
char *fuzz_realpath(const char *path, char *out);
/* 0, or -1 and an errno, as the input has it. */
int fuzz_result(const char *call);
/* Always -1. */
int fuzz_refuse(const char *call);

/* The harness's side: `luck` decides results, `stream` is what the lane reads. */
void fuzz_prepare(const uint8_t *luck, size_t luck_size, const uint8_t *stream, size_t stream_size);
/* Where fuzz_exit goes; setjmp(3) is the caller's. */
extern jmp_buf fuzz_end;
/* Frees what the helper had, and closes its descriptors. */
void fuzz_clear(void);

#endif
