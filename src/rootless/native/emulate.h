/*
 * Single-id mode: a step sees real root where the kernel offers one id.
 *
 *   init (pid 1, unfiltered, full capabilities of the user namespace)
 *     │  emu_init()                         before the fork
 *     ├─ fork ─ payload: … setsid, caps, no_new_privs,
 *     │                  fd = emu_install_filter(), write fd's NUMBER to a pipe,
 *     │                  other seccomp profile, exec
 *     │  read number, listener = pidfd_getfd(), emu_attach()
 *     │  poll { listener, signalfd, … }:  POLLIN  → emu_handle()
 *     │                                   POLLHUP → no filtered task is left
 *     └─ all children reaped: emu_finish()  writes the layer's owners file
 *
 * Invariants
 * - The listener must not travel by SCM_RIGHTS, and init must not wait for the
 *   payload between attach and poll: from the filter on, the payload's calls
 *   (its execve first of all) block until emu_handle() answers them. Because
 *   execve is one of them, the payload needs no acknowledgement before it.
 * - init keeps CAP_SYS_PTRACE, CAP_SYS_CHROOT, CAP_CHOWN, CAP_FOWNER and
 *   CAP_DAC_OVERRIDE in the user namespace, shares its pid namespace with the
 *   payload, has the payload's root as its root, and is single-threaded:
 *   emu_handle() changes umask and root for an instant.
 * - In this mode the payload makes no set*id call of its own before exec; the
 *   ids it is to start with are those in struct emu_config.
 * - Credentials live in the soft limit RLIMIT_LOCKS of each process (a number
 *   that means nothing to Linux since 2.4.25): the kernel itself copies it on
 *   fork and keeps it over exec, so that no process tree has to be followed.
 */
#ifndef TSBOX_EMULATE_H
#define TSBOX_EMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The stat family is not answered: files look like root's, recording goes on. */
#define EMU_NO_STAT (1u << 0)
/* Set-user-ID and set-group-ID bits have no effect on exec (docker's no-new-privileges). */
#define EMU_NO_SETID_EXEC (1u << 1)
/* Nothing is answered or recorded: changes of ids and owners only succeed. Needs no struct emu. */
#define EMU_FAKE (1u << 2)

struct emu;

struct emu_config {
	unsigned flags;
	/* What the payload starts as, emulated (USER, or root with no groups). */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t ngroups;
	/* The bounding set, bit by number: what root has. */
	uint64_t capabilities;
	/* O_PATH directory of the overlay's upper layer, or -1: no layer results. */
	int upper_fd;
	/* Writable file for the owners of the layer's symlinks, fifos and sockets
     * (emu_finish and emu_flush write it anew), or -1. */
	int owners_fd;
	/* Readable owners files of the lower layers, topmost first. */
	const int *lower_owners;
	size_t lower_count;
};

/*
 * Read the lower owners, open /proc; call it in init after the pivot, before
 * the fork of the payload. The descriptors stay the caller's, and upper_fd and
 * owners_fd must stay open until emu_finish(). The container may come to hold
 * them (CAP_SYS_PTRACE): `..` must lead nowhere from upper_fd.
 * Returns 0 or -errno; *out is set on success.
 */
int emu_init(struct emu **out, const struct emu_config *config);

/*
 * Put the filter on the calling thread, which needs no_new_privs or
 * CAP_SYS_ADMIN. Async-signal-safe.
 * `credential` is 0 for the first process, else what emu_admit() gave.
 * Returns the listener's descriptor (close-on-exec), or -errno: EBUSY when this
 * thread already has a listener (single mode inside single mode), EINVAL or
 * ENOSYS where the kernel knows none. *faked then says that a filter without
 * notifications is in place, which answers chown, set*id and setgroups with
 * success and does nothing; the caller should warn, goes on without listener
 * and never calls emu_attach. Else nothing is installed. With EMU_FAKE that is
 * what was asked for: the answer is 0, and there is no listener either.
 */
int emu_install_filter(unsigned flags, unsigned credential, bool *faked);

/* Serve this listener from now on; emu owns it. Returns 0 or -errno. */
int emu_attach(struct emu *emu, int listener);

/*
 * Let another process in, which is no child of the payload's; of the configuration, ids, groups and capabilities
 * count. Returns the number of its credential, for emu_install_filter(), or -errno. Its listener is attached like the
 * first one.
 */
long emu_admit(struct emu *emu, const struct emu_config *config);

/* Of several listeners, the one that emu_handle() answers next; -1 for none. Those not in use are the caller's. */
void emu_use(struct emu *emu, int listener);

/*
 * Answer one pending call; due after each POLLIN, and only then. Returns 0, or
 * -errno when the listener itself is unusable: it is closed then, don't poll it.
 */
int emu_handle(struct emu *emu);

/*
 * Milliseconds until emu_flush() is due, unless there is a call to answer before; -1: nothing is to be written. Of a
 * container whose init is killed outright, the owners of links are those of the last flush.
 */
int emu_flush_due(const struct emu *emu);
/* Write owners_fd now. Returns 0 or -errno; it will not be due again for what could not be written. */
int emu_flush(struct emu *emu);

/*
 * Write owners_fd, free everything. Call it when no process of the step is
 * left, before the overlay is unmounted. Returns 0 or -errno of the writing.
 */
int emu_finish(struct emu *emu);

/*
 * What is recorded, and where: owners.h. Two rules beside it:
 * - a device has XATTR_OWNER even when it is 0:0; stat looks for XATTR_DEVICE
 *   behind an owner only;
 * - an owners file speaks about inodes of that very layer. Where a lower one
 *   names the same path, emu_finish writes 0:0 too.
 */

#endif
