/*
 * Emulated credentials: immutable sets, each process naming one by number.
 *
 * The number is the soft limit RLIMIT_LOCKS of the process, which Linux has
 * ignored since 2.4.25 but copies on fork, shares between threads and keeps
 * over exec. That is what credentials do, so fork needs no notification, a
 * daemon that was reparented keeps its ids, and a reused pid can't inherit a
 * dead process's. prlimit(2) needs no capability: all real ids are the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "emulate-internal.h"

/* Distinct credentials that a step may use; a bound on hostile steps only. */
#define CREDS_MAX 65536

struct limit {
	uint64_t soft, hard;
};

static size_t cred_size(size_t ngroups)
{
	return sizeof(struct emu_cred) + ngroups * sizeof(gid_t);
}

static bool same(const struct emu_cred *a, const struct emu_cred *b)
{
	return a->ngroups == b->ngroups && !memcmp(a, b, cred_size(a->ngroups));
}

/* Index of an equal credential, or of this one, kept from now on; -errno. */
static long intern(struct emu *emu, struct emu_cred *cred)
{
	for (size_t i = 0; i < emu->ncreds; i++) {
		if (same(emu->creds[i], cred)) {
			free(cred);
			return (long)i;
		}
	}
	size_t n = emu->ncreds;
	if (n == CREDS_MAX) {
		free(cred);
		return -ENOMEM;
	}
	if (!(n & (n - 1))) { /* grow at powers of two */
		struct emu_cred **grown = realloc(emu->creds, (n ? 2 * n : 1) * sizeof *grown);
		if (!grown) {
			free(cred);
			return -ENOMEM;
		}
		emu->creds = grown;
	}
	emu->creds[emu->ncreds++] = cred;
	return (long)n;
}

struct emu_cred *emu_cred_copy(const struct emu_cred *from, size_t ngroups)
{
	/* calloc: padding takes part in the comparison of same(). */
	struct emu_cred *cred = calloc(1, cred_size(ngroups));
	if (!cred)
		return NULL;
	size_t kept = from->ngroups < ngroups ? from->ngroups : ngroups;
	memcpy(cred, from, cred_size(kept));
	cred->ngroups = ngroups;
	return cred;
}

static int compare_gids(const void *a, const void *b)
{
	gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;
	return (x > y) - (x < y);
}

void emu_cred_sort_groups(struct emu_cred *cred)
{
	if (cred->ngroups)
		qsort(cred->groups, cred->ngroups, sizeof(gid_t), compare_gids);
}

long emu_admit(struct emu *emu, const struct emu_config *config)
{
	const size_t ngroups = config->ngroups;
	struct emu_cred *cred = calloc(1, cred_size(ngroups));
	if (!cred)
		return -ENOMEM;
	cred->ruid = cred->euid = cred->suid = cred->fsuid = config->uid;
	cred->rgid = cred->egid = cred->sgid = cred->fsgid = config->gid;
	cred->bounding = config->capabilities;
	cred->permitted = cred->effective = config->uid == 0 ? cred->bounding : 0;
	cred->ngroups = ngroups;
	if (ngroups)
		memcpy(cred->groups, config->groups, ngroups * sizeof(gid_t));
	emu_cred_sort_groups(cred);
	return intern(emu, cred);
}

int emu_cred_init(struct emu *emu, const struct emu_config *config)
{
	long id = emu_admit(emu, config);
	return id < 0 ? (int)id : 0;
}

void emu_cred_free(struct emu *emu)
{
	for (size_t i = 0; i < emu->ncreds; i++)
		free(emu->creds[i]);
	free(emu->creds);
}

const struct emu_cred *emu_cred_of(struct emu *emu, pid_t pid)
{
	struct limit limit;
	/* The first credential is that of the payload's start: no number yet. */
	if (syscall(SYS_prlimit64, pid, EMU_RLIMIT_LOCKS, NULL, &limit) < 0 || limit.soft >= emu->ncreds)
		return emu->creds[0];
	return emu->creds[limit.soft];
}

int emu_cred_assign(struct emu_call *call, struct emu_cred *next)
{
	struct limit limit;
	long id = intern(call->emu, next);
	if (id < 0)
		return (int)id;
	if (!emu_alive(call) || syscall(SYS_prlimit64, call->pid, EMU_RLIMIT_LOCKS, NULL, &limit) < 0)
		return -ESRCH;
	if (limit.soft == (uint64_t)id)
		return 0;
	limit.soft = (uint64_t)id;
	return syscall(SYS_prlimit64, call->pid, EMU_RLIMIT_LOCKS, &limit, NULL) < 0 ? -errno : 0;
}

bool emu_cred_capable(const struct emu_cred *cred, unsigned capability)
{
	return cred->effective >> capability & 1;
}

bool emu_cred_in_group(const struct emu_cred *cred, gid_t gid)
{
	if (cred->fsgid == gid)
		return true;
	for (size_t i = 0; i < cred->ngroups; i++)
		if (cred->groups[i] == gid)
			return true;
	return false;
}

/* The step sees this limit as the kernel has it without us: unlimited. */
int64_t emu_do_rlimit(struct emu_call *call)
{
	const struct limit unlimited = {UINT64_MAX, UINT64_MAX};
	uint64_t out = 0;
	if (call->nr == SYS_prlimit64)
		out = call->args[3];
	else if (call->nr == SYS_getrlimit)
		out = call->args[1];
	return out ? emu_write(call, out, &unlimited, sizeof unlimited) : 0;
}
