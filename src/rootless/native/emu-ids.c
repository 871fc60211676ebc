/*
 * The set*id and get*id families on emulated credentials, by the rules of
 * credentials(7), setuid(2), setresuid(2), setfsuid(2) and capabilities(7)
 * ("Effect of user ID changes on capabilities").
 *
 * What the model holds of capabilities is what decides these rules: all of
 * them for root, none for others, KEEPCAPS and capset in between. The real
 * ones stay the payload's; capset also reaches the kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "emulate-internal.h"

#define NGROUPS_LIMIT 65536u

static const struct emu_cred *current(const struct emu_call *call)
{
	return emu_cred_of(call->emu, call->pid);
}

/* ---- reading --------------------------------------------------------------- */

int64_t emu_do_getid(struct emu_call *call)
{
	const struct emu_cred *cred = current(call);
	switch (call->nr) {
	case SYS_getuid:
		return cred->ruid;
	case SYS_geteuid:
		return cred->euid;
	case SYS_getgid:
		return cred->rgid;
	default:
		return cred->egid;
	}
}

int64_t emu_do_getresid(struct emu_call *call)
{
	const struct emu_cred *cred = current(call);
	const uint32_t uids[3] = {cred->ruid, cred->euid, cred->suid};
	const uint32_t gids[3] = {cred->rgid, cred->egid, cred->sgid};
	const uint32_t *ids = call->nr == SYS_getresuid ? uids : gids;
	for (int i = 0; i < 3; i++) {
		int error = emu_write(call, call->args[i], &ids[i], sizeof ids[i]);
		if (error < 0)
			return error;
	}
	return 0;
}

int64_t emu_do_getgroups(struct emu_call *call)
{
	const struct emu_cred *cred = current(call);
	int size = (int)call->args[0];
	if (size < 0 || (size > 0 && (size_t)size < cred->ngroups))
		return -EINVAL;
	if (size > 0 && cred->ngroups) {
		int error = emu_write(call, call->args[1], cred->groups, cred->ngroups * sizeof(gid_t));
		if (error < 0)
			return error;
	}
	return (int64_t)cred->ngroups;
}

/* ---- user and group ids ------------------------------------------------------ */

/* One side of a credential, so that uids and gids share the rules. */
struct side {
	uint32_t *real, *effective, *saved, *fs;
	bool capable, user;
};

static struct side side_of(struct emu_cred *cred, bool user)
{
	if (user)
		return (struct side){
			&cred->ruid, &cred->euid, &cred->suid, &cred->fsuid, emu_cred_capable(cred, EMU_CAP_SETUID), true};
	return (struct side){
		&cred->rgid, &cred->egid, &cred->sgid, &cred->fsgid, emu_cred_capable(cred, EMU_CAP_SETGID), false};
}

/* capabilities(7): leaving root drops them, unless KEEPCAPS; euid decides what is effective. */
static void adjust_capabilities(const struct emu_cred *old, struct emu_cred *cred)
{
	bool was = !old->ruid || !old->euid || !old->suid;
	bool is = !cred->ruid || !cred->euid || !cred->suid;
	if (was && !is && !old->keepcaps)
		cred->permitted = cred->effective = 0;
	if (!old->euid && cred->euid)
		cred->effective = 0;
	if (old->euid && !cred->euid)
		cred->effective = cred->permitted;
}

static int64_t commit(struct emu_call *call, struct emu_cred *next)
{
	adjust_capabilities(current(call), next);
	return emu_cred_assign(call, next);
}

static int64_t refuse(struct emu_cred *next, int error)
{
	free(next);
	return -error;
}

static struct emu_cred *begin(struct emu_call *call)
{
	const struct emu_cred *cred = current(call);
	return emu_cred_copy(cred, cred->ngroups);
}

int64_t emu_do_setid(struct emu_call *call)
{
	uint32_t id = (uint32_t)call->args[0];
	struct emu_cred *next = begin(call);
	if (!next)
		return -ENOMEM;
	struct side s = side_of(next, call->nr == SYS_setuid);
	if (id == EMU_KEEP)
		return refuse(next, EINVAL);
	if (s.capable)
		*s.real = *s.saved = id;
	else if (id != *s.real && id != *s.saved)
		return refuse(next, EPERM);
	*s.effective = *s.fs = id;
	return commit(call, next);
}

int64_t emu_do_setreid(struct emu_call *call)
{
	uint32_t real = (uint32_t)call->args[0], effective = (uint32_t)call->args[1];
	struct emu_cred *next = begin(call);
	if (!next)
		return -ENOMEM;
	struct side s = side_of(next, call->nr == SYS_setreuid);
	const uint32_t old = *s.real;
	if (real != EMU_KEEP && !s.capable && real != *s.real && real != *s.effective)
		return refuse(next, EPERM);
	if (effective != EMU_KEEP && !s.capable && effective != *s.real && effective != *s.effective &&
		effective != *s.saved)
		return refuse(next, EPERM);
	if (real != EMU_KEEP)
		*s.real = real;
	if (effective != EMU_KEEP)
		*s.effective = effective;
	/* The saved id follows when the real id is set, or the effective becomes another. */
	if (real != EMU_KEEP || (effective != EMU_KEEP && effective != old))
		*s.saved = *s.effective;
	*s.fs = *s.effective;
	return commit(call, next);
}

int64_t emu_do_setresid(struct emu_call *call)
{
	struct emu_cred *next = begin(call);
	if (!next)
		return -ENOMEM;
	struct side s = side_of(next, call->nr == SYS_setresuid);
	const uint32_t had[3] = {*s.real, *s.effective, *s.saved};
	uint32_t *const target[3] = {s.real, s.effective, s.saved};
	for (int i = 0; i < 3; i++) {
		uint32_t id = (uint32_t)call->args[i];
		if (id == EMU_KEEP)
			continue;
		if (!s.capable && id != had[0] && id != had[1] && id != had[2])
			return refuse(next, EPERM);
		*target[i] = id;
	}
	*s.fs = *s.effective;
	return commit(call, next);
}

/* setfsuid(2) answers the previous id whether it changed anything or not. */
int64_t emu_do_setfsid(struct emu_call *call)
{
	uint32_t id = (uint32_t)call->args[0];
	struct emu_cred *next = begin(call);
	if (!next)
		return -ENOMEM;
	struct side s = side_of(next, call->nr == SYS_setfsuid);
	const uint32_t old = *s.fs;
	bool allowed = id == *s.real || id == *s.effective || id == *s.saved || id == *s.fs || s.capable;
	if (id == EMU_KEEP || id == old || !allowed) {
		free(next);
		return old;
	}
	*s.fs = id;
	int error = emu_cred_assign(call, next);
	return error < 0 ? error : (int64_t)old;
}

int64_t emu_do_setgroups(struct emu_call *call)
{
	const struct emu_cred *cred = current(call);
	int64_t size = (int)call->args[0];
	if (!emu_cred_capable(cred, EMU_CAP_SETGID))
		return -EPERM;
	if (size < 0 || size > NGROUPS_LIMIT)
		return -EINVAL;
	struct emu_cred *next = emu_cred_copy(cred, (size_t)size);
	if (!next)
		return -ENOMEM;
	if (size && emu_read(call, call->args[1], next->groups, (size_t)size * sizeof(gid_t)) < 0)
		return refuse(next, EFAULT);
	emu_cred_sort_groups(next);
	return emu_cred_assign(call, next);
}

/* ---- capabilities ------------------------------------------------------------- */

static int64_t set_keepcaps(struct emu_call *call)
{
	if (call->args[1] > 1)
		return -EINVAL;
	struct emu_cred *next = begin(call);
	if (!next)
		return -ENOMEM;
	next->keepcaps = call->args[1] == 1;
	return emu_cred_assign(call, next);
}

/* The kernel drops it from the real set, whose exec the model's must be like. */
static int64_t drop_bounding(struct emu_call *call)
{
	if (!emu_cred_capable(current(call), EMU_CAP_SETPCAP))
		return -EPERM;
	if (call->args[1] > 63)
		return EMU_CONTINUE;
	struct emu_cred *next = begin(call);
	if (!next)
		return -ENOMEM;
	next->bounding &= ~(1ull << call->args[1]);
	int error = emu_cred_assign(call, next);
	return error < 0 ? error : EMU_CONTINUE;
}

int64_t emu_do_prctl(struct emu_call *call)
{
	switch ((int)call->args[0]) {
	case EMU_PR_GET_KEEPCAPS:
		return current(call)->keepcaps;
	case EMU_PR_SET_KEEPCAPS:
		return set_keepcaps(call);
	case EMU_PR_CAPBSET_DROP:
		return drop_bounding(call);
	default:
		return EMU_CONTINUE;
	}
}

struct cap_header {
	uint32_t version;
	int32_t pid;
};
struct cap_data {
	uint32_t effective, permitted, inheritable;
};

/* Words of capability data by header version (capget(2)); 0 for an unknown one. */
static int cap_words(uint32_t version)
{
	switch (version) {
	case 0x19980330:
		return 1;
	case 0x20071026:
	case 0x20080522:
		return 2;
	default:
		return 0;
	}
}

int64_t emu_do_capset(struct emu_call *call)
{
	struct cap_header header;
	struct cap_data data[2] = {{0, 0, 0}, {0, 0, 0}};
	const struct emu_cred *cred = current(call);
	if (emu_read(call, call->args[0], &header, sizeof header) < 0)
		return EMU_CONTINUE;
	int words = cap_words(header.version);
	if (!words || emu_read(call, call->args[1], data, (size_t)words * sizeof *data) < 0)
		return EMU_CONTINUE;
	uint64_t permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	uint64_t effective = data[0].effective | (uint64_t)data[1].effective << 32;
	if (permitted & ~cred->permitted || effective & ~permitted)
		return -EPERM;
	struct emu_cred *next = begin(call);
	if (!next)
		return -ENOMEM;
	next->permitted = permitted;
	next->effective = effective;
	int error = emu_cred_assign(call, next);
	/* The kernel drops the real ones too, and refuses what the payload never had. */
	return error < 0 ? error : EMU_CONTINUE;
}

/* Only someone who lost capabilities in the model needs another answer than the kernel's. */
int64_t emu_do_capget(struct emu_call *call)
{
	struct cap_header header;
	struct cap_data data[2] = {{0, 0, 0}, {0, 0, 0}};
	const struct emu_cred *cred = current(call);
	if (!call->args[1] || !(cred->bounding & ~(cred->permitted & cred->effective)))
		return EMU_CONTINUE;
	if (emu_read(call, call->args[0], &header, sizeof header) < 0)
		return EMU_CONTINUE;
	int words = cap_words(header.version);
	if (!words || (header.pid && header.pid != call->pid))
		return EMU_CONTINUE;
	struct cap_header asked = {0x20080522, call->pid};
	if (syscall(SYS_capget, &asked, data) < 0)
		return EMU_CONTINUE;
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(cred->permitted >> (32 * i));
		data[i].effective &= (uint32_t)(cred->effective >> (32 * i));
	}
	return emu_write(call, call->args[1], data, (size_t)words * sizeof *data);
}
