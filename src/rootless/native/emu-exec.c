/*
 * execve: set-user-ID programs, and the saved ids; changes of root; peers.
 *
 * The credentials change when the call is notified, before the kernel knows
 * whether it will succeed: a file that is not there, or is no ELF program,
 * changes nothing, so that a shell's search along PATH is safe.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emulate-internal.h"

/* A script's set-id bits count for nothing (execve(2)). */
static bool is_elf(int fd)
{
	char link[32], magic[4] = "";
	snprintf(link, sizeof link, "self/fd/%d", fd);
	int file = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool elf = file >= 0 && read(file, magic, sizeof magic) == sizeof magic && !memcmp(magic, "\177ELF", 4);
	if (file >= 0)
		close(file);
	return elf;
}

static void apply_setid(struct emu *emu, int fd, mode_t mode, struct emu_cred *next)
{
	struct owner owner;
	bool group = mode & S_ISGID && mode & S_IXGRP; /* without x it means mandatory locking */
	if (emu->flags & EMU_NO_SETID_EXEC || !(mode & S_ISUID || group) || !is_elf(fd))
		return;
	emu_owner_get(emu, fd, &owner);
	if (mode & S_ISUID)
		next->euid = owner.uid;
	if (group)
		next->egid = owner.gid;
}

/* credentials(7), capabilities(7) "Capabilities and execution of programs by root". */
static int64_t exec_fd(struct emu_call *call, int fd)
{
	struct stat st;
	const struct emu_cred *cred = emu_cred_of(call->emu, call->pid);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return EMU_CONTINUE;
	struct emu_cred *next = emu_cred_copy(cred, cred->ngroups);
	if (!next)
		return -ENOMEM;
	apply_setid(call->emu, fd, st.st_mode, next);
	next->suid = next->fsuid = next->euid;
	next->sgid = next->fsgid = next->egid;
	next->keepcaps = false;
	next->permitted = next->euid && next->ruid ? 0 : next->bounding;
	next->effective = next->euid ? 0 : next->bounding;
	int error = emu_cred_assign(call, next);
	return error < 0 ? error : EMU_CONTINUE;
}

static int64_t exec_path(struct emu_call *call, int dirfd, uint64_t address, int flags)
{
	char path[PATH_MAX];
	if (emu_read_string(call, address, path, sizeof path) < 0 || (!*path && !(flags & AT_EMPTY_PATH)))
		return EMU_CONTINUE;
	int fd = emu_open_target(call, dirfd, path, !(flags & AT_SYMLINK_NOFOLLOW));
	if (fd < 0)
		return EMU_CONTINUE;
	int64_t result = exec_fd(call, fd);
	close(fd);
	return result;
}

int64_t emu_do_execve(struct emu_call *call)
{
	return exec_path(call, AT_FDCWD, call->args[0], 0);
}

int64_t emu_do_execveat(struct emu_call *call)
{
	return exec_path(call, (int)call->args[0], call->args[1], (int)call->args[4]);
}

/* chroot, pivot_root, setns, a new mount namespace: from now on look whose root it is. */
int64_t emu_do_new_root(struct emu_call *call)
{
	call->emu->roots_vary = true;
	return EMU_CONTINUE;
}

int64_t emu_do_clone3(struct emu_call *call)
{
	uint64_t flags;
	if (!call->emu->roots_vary && emu_read(call, call->args[0], &flags, sizeof flags) == 0)
		call->emu->roots_vary = flags & EMU_CLONE_NEWNS;
	return EMU_CONTINUE;
}

/*
 * SO_PEERCRED names the one real id; peers that tell users apart (PostgreSQL,
 * D-Bus) are to see the emulated one, as it is now and not at connect time.
 */
int64_t emu_do_peercred(struct emu_call *call)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	uint32_t room = 0;
	if ((int)call->args[1] != SOL_SOCKET || emu_read(call, call->args[4], &room, sizeof room) < 0)
		return EMU_CONTINUE;
	/* A pidfd wants the leader of the thread group. */
	pid_t leader = call->emu->foreign_proc ? call->pid : (pid_t)emu_status_field(call, "Tgid", 10);
	int pidfd = (int)syscall(SYS_pidfd_open, leader, 0);
	int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, (int)call->args[0], 0);
	int got = fd < 0 ? -1 : getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	if (pidfd >= 0)
		close(pidfd);
	if (fd >= 0)
		close(fd);
	if (got < 0 || peer.pid <= 0)
		return EMU_CONTINUE;
	const struct emu_cred *cred = emu_cred_of(call->emu, peer.pid);
	peer.uid = cred->euid;
	peer.gid = cred->egid;
	if (size > room)
		size = room;
	int error = emu_write(call, call->args[3], &peer, size);
	return error < 0 ? error : emu_write(call, call->args[4], &size, sizeof size);
}
