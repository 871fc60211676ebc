/*
 * Kernel interfaces that a C library or its headers may be too old for. Numbers from 424 on are the same on every
 * architecture.
 */
#ifndef TSBOX_KERNEL_H
#define TSBOX_KERNEL_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	NR_open_tree = 428,
	NR_move_mount = 429,
	NR_fsopen = 430,
	NR_fsconfig = 431,
	NR_fsmount = 432,
	NR_pidfd_open = 434,
	NR_clone3 = 435,
	NR_close_range = 436,
	NR_openat2 = 437,
	NR_pidfd_getfd = 438,
	NR_mount_setattr = 442,
	NR_landlock_create_ruleset = 444,
	NR_landlock_restrict_self = 446,
};

/* openat2(2) */
struct k_open_how {
	uint64_t flags, mode, resolve;
};
#define K_RESOLVE_NO_XDEV 0x01
#define K_RESOLVE_NO_MAGICLINKS 0x02
#define K_RESOLVE_NO_SYMLINKS 0x04
#define K_RESOLVE_BENEATH 0x08
#define K_RESOLVE_IN_ROOT 0x10

/* mount_setattr(2) */
struct k_mount_attr {
	uint64_t attr_set, attr_clr, propagation, userns_fd;
};
#define K_ATTR_RDONLY 0x1
#define K_ATTR_NOSUID 0x2
#define K_ATTR_NODEV 0x4
#define K_ATTR_NOEXEC 0x8

#define K_OPEN_TREE_CLONE 1u
#define K_MOVE_FROM_EMPTY 0x04u
#define K_MOVE_TO_EMPTY 0x40u
#define K_AT_RECURSIVE 0x8000u

/* fsopen(2) and its kin */
#define K_FSOPEN_CLOEXEC 1u
#define K_FSMOUNT_CLOEXEC 1u
enum { K_FSCONFIG_FLAG = 0, K_FSCONFIG_STRING = 1, K_FSCONFIG_CREATE = 6 };

/* clone3(2) */
struct k_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};
#define K_CLONE_NEWTIME 0x80ull
#define K_CLONE_NEWNS 0x00020000ull
#define K_CLONE_NEWCGROUP 0x02000000ull
#define K_CLONE_NEWUTS 0x04000000ull
#define K_CLONE_NEWIPC 0x08000000ull
#define K_CLONE_NEWUSER 0x10000000ull
#define K_CLONE_NEWPID 0x20000000ull
#define K_CLONE_NEWNET 0x40000000ull

/* A child in new namespaces, without a stack of its own. */
static inline pid_t k_clone(const struct k_clone_args *args)
{
	pid_t pid = (pid_t)syscall(NR_clone3, args, sizeof *args);

	/* Sandboxes that filter calls can't look into clone3's structure and deny it. */
	if (pid < 0 && (errno == ENOSYS || errno == EPERM))
		pid = (pid_t)syscall(SYS_clone, args->flags | args->exit_signal, NULL, NULL, NULL, NULL);
	return pid;
}

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

static inline int k_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct k_open_how how = {flags | O_CLOEXEC, mode, resolve};
	int fd, tries = 0;

	/* With `..` in the way it fails whenever something is renamed or mounted anywhere meanwhile (openat2(2), EAGAIN). */
	do
		fd = (int)syscall(NR_openat2, dirfd, path, &how, sizeof how);
	while (fd < 0 && errno == EAGAIN && ++tries < 128);
	return fd;
}

static inline int k_open_tree(int dirfd, const char *path, unsigned flags)
{
	return (int)syscall(NR_open_tree, dirfd, path, flags | O_CLOEXEC);
}

static inline int k_move_mount(int from, int to)
{
	return (int)syscall(NR_move_mount, from, "", to, "", K_MOVE_FROM_EMPTY | K_MOVE_TO_EMPTY);
}

static inline int k_fsopen(const char *fstype)
{
	return (int)syscall(NR_fsopen, fstype, K_FSOPEN_CLOEXEC);
}

static inline int k_fsconfig(int fd, unsigned cmd, const char *key, const char *value)
{
	return (int)syscall(NR_fsconfig, fd, cmd, key, value, 0);
}

static inline int k_fsmount(int fd, unsigned attrs)
{
	return (int)syscall(NR_fsmount, fd, K_FSMOUNT_CLOEXEC, attrs);
}

/* `propagation`: MS_PRIVATE and its kin, 0 leaves it. */
static inline int k_mount_setattr(int fd, unsigned flags, uint64_t set, uint64_t propagation)
{
	struct k_mount_attr attr = {.attr_set = set, .propagation = propagation};
	return (int)syscall(NR_mount_setattr, fd, "", flags | 0x1000u /* AT_EMPTY_PATH */, &attr, sizeof attr);
}

static inline int k_pidfd_open(pid_t pid)
{
	return (int)syscall(NR_pidfd_open, pid, 0);
}

static inline int k_pidfd_getfd(int pidfd, int fd)
{
	return (int)syscall(NR_pidfd_getfd, pidfd, fd, 0);
}

static inline int k_close_from(unsigned first)
{
	return (int)syscall(NR_close_range, first, ~0u, 0);
}

#endif
