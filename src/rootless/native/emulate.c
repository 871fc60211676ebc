/*
 * The supervisor of single-id mode: life cycle and dispatch.
 * emulate.h has the diagram; each family of calls has its own emu-*.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "emulate-internal.h"

static emu_handler *const handlers[] = {
#ifdef SYS_stat
	[SYS_stat] = emu_do_stat,
	[SYS_lstat] = emu_do_lstat,
#endif
	[SYS_fstat] = emu_do_fstat,
	[SYS_newfstatat] = emu_do_fstatat,
	[SYS_statx] = emu_do_statx,
	[SYS_listxattr] = emu_do_listxattr,
	[SYS_llistxattr] = emu_do_llistxattr,
	[SYS_flistxattr] = emu_do_flistxattr,
#ifdef SYS_chown
	[SYS_chown] = emu_do_chown,
	[SYS_lchown] = emu_do_lchown,
#endif
	[SYS_fchown] = emu_do_fchown,
	[SYS_fchownat] = emu_do_fchownat,
#ifdef SYS_open
	[SYS_open] = emu_do_open,
	[SYS_creat] = emu_do_creat,
	[SYS_mkdir] = emu_do_mkdir,
	[SYS_mknod] = emu_do_mknod,
	[SYS_symlink] = emu_do_symlink,
#endif
	[SYS_openat] = emu_do_openat,
	[SYS_openat2] = emu_do_openat2,
	[SYS_mkdirat] = emu_do_mkdirat,
	[SYS_mknodat] = emu_do_mknodat,
	[SYS_symlinkat] = emu_do_symlinkat,
	[SYS_getuid] = emu_do_getid,
	[SYS_geteuid] = emu_do_getid,
	[SYS_getgid] = emu_do_getid,
	[SYS_getegid] = emu_do_getid,
	[SYS_getresuid] = emu_do_getresid,
	[SYS_getresgid] = emu_do_getresid,
	[SYS_getgroups] = emu_do_getgroups,
	[SYS_setuid] = emu_do_setid,
	[SYS_setgid] = emu_do_setid,
	[SYS_setreuid] = emu_do_setreid,
	[SYS_setregid] = emu_do_setreid,
	[SYS_setresuid] = emu_do_setresid,
	[SYS_setresgid] = emu_do_setresid,
	[SYS_setfsuid] = emu_do_setfsid,
	[SYS_setfsgid] = emu_do_setfsid,
	[SYS_setgroups] = emu_do_setgroups,
	[SYS_capset] = emu_do_capset,
	[SYS_capget] = emu_do_capget,
	[SYS_prctl] = emu_do_prctl,
	[SYS_execve] = emu_do_execve,
	[SYS_execveat] = emu_do_execveat,
	[SYS_chroot] = emu_do_new_root,
	[SYS_pivot_root] = emu_do_new_root,
	[SYS_setns] = emu_do_new_root,
	[SYS_unshare] = emu_do_new_root,
	[SYS_clone] = emu_do_new_root,
	[SYS_clone3] = emu_do_clone3,
	[SYS_prlimit64] = emu_do_rlimit,
	[SYS_getrlimit] = emu_do_rlimit,
	[SYS_setrlimit] = emu_do_rlimit,
	[SYS_getsockopt] = emu_do_peercred,
};

emu_handler *emu_handler_of(int nr)
{
	return nr >= 0 && (size_t)nr < sizeof handlers / sizeof *handlers ? handlers[nr] : NULL;
}

/* Does /proc count in our pid namespace? */
static bool counts_elsewhere(int proc)
{
	char text[16];
	ssize_t n = readlinkat(proc, "self", text, sizeof text - 1);
	if (n <= 0)
		return true;
	text[n] = 0;
	return strtol(text, NULL, 10) != getpid();
}

static bool is_before_5_19(void)
{
	struct utsname name;
	unsigned major = 0, minor = 0;
	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return true;
	return major < 5 || (major == 5 && minor < 19);
}

int emu_init(struct emu **out, const struct emu_config *config)
{
	struct emu *emu = calloc(1, sizeof *emu);
	if (!emu)
		return -ENOMEM;
	emu->flags = config->flags;
	emu->listener = -1;
	emu->made_in = -1;
	emu->upper = config->upper_fd;
	emu->owners = config->owners_fd;
	emu->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	emu->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int error = emu->root < 0 || emu->proc < 0 ? -errno : emu_cred_init(emu, config);
	if (error < 0) {
		free(emu);
		return error;
	}
	emu->foreign_proc = counts_elsewhere(emu->proc);
	emu->restarts = is_before_5_19();
	emu_table_load(emu, config->lower_owners, config->lower_count);
	*out = emu;
	return 0;
}

int emu_attach(struct emu *emu, int listener)
{
	if (fchdir(emu->proc) < 0)
		return -errno;
	emu->listener = listener;
	/* 6.6: hand the processor over to whom is woken, as a plain call would. Not there, not needed. */
	ioctl(listener, (int)SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	return 0;
}

void emu_use(struct emu *emu, int listener)
{
	emu->listener = listener;
}

/* What nobody heard of must not be there. */
static void take_back(struct emu *emu)
{
	if (unlinkat(emu->made_in, emu->made, 0) < 0)
		unlinkat(emu->made_in, emu->made, AT_REMOVEDIR);
}

static void reply(struct emu *emu, uint64_t id, int64_t result)
{
	struct seccomp_notif_resp response = {.id = id};
	if (result == EMU_SENT)
		return;
	bool lost = result == -ENOENT && emu->made_in >= 0; /* a descriptor that could not be handed over */
	if (result == EMU_CONTINUE)
		response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (result < 0)
		response.error = (int32_t)result;
	else
		response.val = result;
	/* ENOENT: the caller is gone. Was it killed, then its files are as a kill leaves them. */
	lost |= ioctl(emu->listener, (int)SECCOMP_IOCTL_NOTIF_SEND, &response) < 0 && errno == ENOENT;
	if (lost && emu->made_in >= 0)
		take_back(emu);
}

/*
 * One call, then back to init's poll: whoever was answered runs first anyway.
 * After POLLIN this never blocks: a caller that was killed meanwhile takes its
 * call away but not the count that RECV waits for (seccomp_notify_recv).
 */
int emu_handle(struct emu *emu)
{
	struct seccomp_notif request;
	memset(&request, 0, sizeof request); /* the kernel insists */
	if (ioctl(emu->listener, (int)SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) {
		int error = errno;
		/* ENOENT: the caller died first; EINTR: a signal of init's. */
		if (error == ENOENT || error == EINTR || error == EAGAIN)
			return 0;
		close(emu->listener); /* callers get ENOSYS instead of waiting for ever */
		emu->listener = -1;
		return -error;
	}
	struct emu_call call = {
		.emu = emu,
		.id = request.id,
		.pid = (pid_t)request.pid,
		.nr = request.data.nr,
		.args = request.data.args,
	};
	emu_handler *handler = emu_handler_of(call.nr);
	if (request.data.arch != EMU_AUDIT_ARCH) {
		const struct emu_foreign *foreign = emu_foreign_of(request.data.nr);
		call.foreign = true;
		call.nr = foreign ? foreign->nr : 0;
		handler = foreign ? foreign->handler : NULL;
	}
	/* pid 0: a process that is not in our pid namespace. */
	reply(emu, call.id, handler && call.pid > 0 ? handler(&call) : EMU_CONTINUE);
	if (emu->made_in >= 0)
		close(emu->made_in);
	emu->made_in = -1;
	return 0;
}

/* Of a container that is never idle, something is written all the same. */
#define FLUSH_AFTER_MS 1000
#define FLUSH_AT_LAST_MS 10000

int emu_flush_due(const struct emu *emu)
{
	if (!emu->changed_ms)
		return -1;
	int64_t now = emu_now_ms(), quiet = emu->touched_ms + FLUSH_AFTER_MS, last = emu->changed_ms + FLUSH_AT_LAST_MS;
	int64_t due = (quiet < last ? quiet : last) - now;
	return due > 0 ? (int)due : 0;
}

int emu_flush(struct emu *emu)
{
	emu->changed_ms = 0;
	return emu_table_save(emu);
}

int64_t emu_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int emu_finish(struct emu *emu)
{
	int error = emu_table_save(emu);
	emu_table_free(&emu->table);
	emu_cred_free(emu);
	if (emu->listener >= 0)
		close(emu->listener);
	close(emu->root);
	close(emu->proc);
	free(emu);
	return error;
}
