/*
 * The filter of single-id mode, built on the stack of the payload: it notifies
 * about calls that have a handler (emulate.c), allows the rest.
 *
 * Invariants
 * - Calls that are allowed whatever their arguments cost nothing: the kernel
 *   precomputes them (seccomp's bitmap, 5.11). The list may be linear.
 * - What would go round the notifications is refused as unknown: io_uring
 *   (its requests pass no filter), the xattr calls with a struct in memory, x32.
 * - The 32-bit ABI (i386 on x86_64, arm on aarch64) has numbers of its own for
 *   the same handlers: emu-foreign.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include "emulate-internal.h"

#define PROGRAM_MAX 512

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short length;
};

static void emit(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (p->length < PROGRAM_MAX)
		p->code[p->length++] = (struct sock_filter){code, jt, jf, k};
}

static void load_arg(struct program *p, unsigned index)
{
	/* Low half of a little-endian argument. */
	emit(p, BPF_LD_ABS_W, (uint32_t)(offsetof(struct seccomp_data, args) + 8 * index), 0, 0);
}

static void answer(struct program *p, int nr, uint32_t action)
{
	emit(p, BPF_JEQ_K, (uint32_t)nr, 0, 1);
	emit(p, BPF_RET_K, action, 0, 0);
}

/* Notify about nr only if argument index meets the test (BPF_JEQ_K or BPF_JSET_K). */
static void notify_if(struct program *p, int nr, unsigned index, uint16_t test, uint32_t value)
{
	emit(p, BPF_JEQ_K, (uint32_t)nr, 0, 4);
	load_arg(p, index);
	emit(p, test, value, 0, 1);
	emit(p, BPF_RET_K, SECCOMP_RET_USER_NOTIF, 0, 0);
	emit(p, BPF_RET_K, SECCOMP_RET_ALLOW, 0, 0);
}

static void load_nr(struct program *p)
{
	emit(p, BPF_LD_ABS_W, offsetof(struct seccomp_data, nr), 0, 0);
}

/* i386 and 32-bit arm number these alike: changes of ids that are 16 bits wide. */
static const uint16_t foreign_short[] = {16, 23, 46, 70, 71, 81, 95, 138, 139, 164, 170, 182};

/* The same with 32 bits; fchownat has another number on each. */
static const uint16_t foreign_faked[] = {
	198, 203, 204, 206, 207, 208, 210, 212, 213, 214, 215, 216, EMU_FOREIGN_FCHOWNAT};

static const uint16_t native_faked[] = {
#ifdef SYS_chown
	SYS_chown,
	SYS_lchown,
#endif
	SYS_fchown,
	SYS_fchownat,
	SYS_setuid,
	SYS_setgid,
	SYS_setreuid,
	SYS_setregid,
	SYS_setresuid,
	SYS_setresgid,
	SYS_setfsuid,
	SYS_setfsgid,
	SYS_setgroups,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_stat(emu_handler *handler)
{
	return handler == emu_do_stat || handler == emu_do_lstat || handler == emu_do_fstat || handler == emu_do_fstatat ||
		handler == emu_do_statx;
}

static void emit_foreign(struct program *p, unsigned flags)
{
	size_t count;
	const struct emu_foreign *calls = emu_foreign_calls(&count);
	for (size_t i = 0; i < COUNT(foreign_short); i++)
		answer(p, foreign_short[i], SECCOMP_RET_ERRNO | 0);
	for (size_t i = 0; i < COUNT(foreign_faked) && flags & EMU_FAKE; i++)
		answer(p, foreign_faked[i], SECCOMP_RET_ERRNO | 0);
	for (size_t i = 0; i < count && !(flags & EMU_FAKE); i++) {
		const struct emu_foreign *c = &calls[i];
		if (is_stat(c->handler) && flags & EMU_NO_STAT)
			continue;
		if (!c->argument)
			answer(p, c->foreign, SECCOMP_RET_USER_NOTIF);
		else
			notify_if(p, c->foreign, c->argument - 1, c->bits ? BPF_JSET_K : BPF_JEQ_K,
				c->bits ? c->bits : EMU_RLIMIT_LOCKS);
	}
	answer(p, SYS_io_uring_setup, SECCOMP_RET_ERRNO | ENOSYS);
	if (!(flags & EMU_FAKE)) {
		answer(p, SYS_setxattrat, SECCOMP_RET_ERRNO | ENOSYS);
		answer(p, SYS_listxattrat, SECCOMP_RET_ERRNO | ENOSYS);
	}
	emit(p, BPF_RET_K, SECCOMP_RET_ALLOW, 0, 0);
}

/* Choose by ABI; on return the accumulator holds the number of a native call. */
static void emit_abi(struct program *p, unsigned flags)
{
	emit(p, BPF_LD_ABS_W, offsetof(struct seccomp_data, arch), 0, 0);
	emit(p, BPF_JEQ_K, EMU_AUDIT_ARCH, 0, 1);
	/* A jump that may be longer than a conditional one can be. */
	const unsigned short jump = p->length;
	emit(p, BPF_JA, 0, 0, 0);
	emit(p, BPF_JEQ_K, EMU_FOREIGN_ARCH, 1, 0);
	emit(p, BPF_RET_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
	load_nr(p);
	emit_foreign(p, flags);
	p->code[jump].k = (uint32_t)(p->length - jump - 1);
	load_nr(p);
	/* x32 shares the architecture of x86_64 and sets bit 30. */
	emit(p, BPF_JGE_K, 0x40000000u, 0, 1);
	emit(p, BPF_RET_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
}

static void emit_conditional(struct program *p)
{
	const uint32_t creates = O_CREAT | EMU_O_TMPFILE_BIT;
#ifdef SYS_open
	notify_if(p, SYS_open, 1, BPF_JSET_K, creates);
#endif
	notify_if(p, SYS_openat, 2, BPF_JSET_K, creates);
	notify_if(p, SYS_clone, 0, BPF_JSET_K, EMU_CLONE_NEWNS);
	notify_if(p, SYS_unshare, 0, BPF_JSET_K, EMU_CLONE_NEWNS);
	notify_if(p, SYS_prlimit64, 1, BPF_JEQ_K, EMU_RLIMIT_LOCKS);
	notify_if(p, SYS_getrlimit, 0, BPF_JEQ_K, EMU_RLIMIT_LOCKS);
	notify_if(p, SYS_setrlimit, 0, BPF_JEQ_K, EMU_RLIMIT_LOCKS);
	notify_if(p, SYS_getsockopt, 2, BPF_JEQ_K, 17 /* SO_PEERCRED; the handler looks at the level */);
	emit(p, BPF_JEQ_K, SYS_prctl, 0, 6);
	load_arg(p, 0);
	emit(p, BPF_JEQ_K, EMU_PR_GET_KEEPCAPS, 2, 0);
	emit(p, BPF_JEQ_K, EMU_PR_CAPBSET_DROP, 1, 0);
	emit(p, BPF_JEQ_K, EMU_PR_SET_KEEPCAPS, 0, 1);
	emit(p, BPF_RET_K, SECCOMP_RET_USER_NOTIF, 0, 0);
	emit(p, BPF_RET_K, SECCOMP_RET_ALLOW, 0, 0);
}

static bool is_conditional(int nr)
{
	switch (nr) {
#ifdef SYS_open
	case SYS_open:
#endif
	case SYS_openat:
	case SYS_clone:
	case SYS_unshare:
	case SYS_prlimit64:
	case SYS_getrlimit:
	case SYS_setrlimit:
	case SYS_getsockopt:
	case SYS_prctl:
		return true;
	default:
		return false;
	}
}

/* Highest number asked of emu_handler_of; the newest call with a handler is openat2 (437). */
#define NR_MAX 450

static void emit_unconditional(struct program *p, bool stats)
{
	for (int nr = 0; nr < NR_MAX; nr++) {
		emu_handler *handler = emu_handler_of(nr);
		if (handler && !is_conditional(nr) && is_stat(handler) == stats)
			answer(p, nr, SECCOMP_RET_USER_NOTIF);
	}
}

static void build(struct program *p, unsigned flags)
{
	p->length = 0;
	emit_abi(p, flags);
	if (!(flags & EMU_NO_STAT))
		emit_unconditional(p, true); /* first: the most frequent */
	emit_conditional(p);
	emit_unconditional(p, false);
	answer(p, SYS_io_uring_setup, SECCOMP_RET_ERRNO | ENOSYS);
	answer(p, SYS_setxattrat, SECCOMP_RET_ERRNO | ENOSYS);
	answer(p, SYS_listxattrat, SECCOMP_RET_ERRNO | ENOSYS);
	emit(p, BPF_RET_K, SECCOMP_RET_ALLOW, 0, 0);
}

static void build_faked(struct program *p)
{
	p->length = 0;
	emit_abi(p, EMU_FAKE);
	for (size_t i = 0; i < COUNT(native_faked); i++)
		answer(p, native_faked[i], SECCOMP_RET_ERRNO | 0);
	emit(p, BPF_RET_K, SECCOMP_RET_ALLOW, 0, 0);
}

static int load_program(struct program *p, unsigned long flags)
{
	if (p->length == PROGRAM_MAX)
		return -E2BIG;
	const struct sock_fprog prog = {p->length, p->code};
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	return fd < 0 ? -errno : (int)fd;
}

int emu_install_filter(unsigned flags, unsigned credential, bool *faked)
{
	struct program p;
	*faked = false;
	/* Whatever the host had this limit at. */
	struct rlimit locks;
	if (getrlimit(EMU_RLIMIT_LOCKS, &locks) == 0) {
		locks.rlim_cur = credential;
		setrlimit(EMU_RLIMIT_LOCKS, &locks);
	}
	if (flags & EMU_FAKE) {
		build_faked(&p);
		return load_program(&p, 0);
	}
	build(&p, flags);
	int fd = load_program(&p, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	if (fd == -EINVAL) /* before 5.19 */
		fd = load_program(&p, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	if (fd >= 0)
		return fd;
	build_faked(&p);
	*faked = load_program(&p, 0) >= 0;
	return fd;
}
