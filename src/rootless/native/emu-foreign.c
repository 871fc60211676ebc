/*
 * The 32-bit ABI beside the native one: i386 on x86_64, arm on aarch64. Ids, owners and new files need no more than the
 * number of the same native call: arguments are zero-extended, and what lies in memory looks alike. Only stat's older
 * structure is another.
 *
 * Of 16-bit ids (chown and its kin before Linux 2.4, which no libc uses any more) the changes succeed without effect.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "emulate-internal.h"

#if defined(__x86_64__)
enum {
	NR_openat = 295,
	NR_mkdirat = 296,
	NR_mknodat = 297,
	NR_fchownat = 298,
	NR_fstatat64 = 300,
	NR_symlinkat = 304,
	NR_unshare = 310,
	NR_prlimit64 = 340,
	NR_setns = 346,
	NR_execveat = 358,
	NR_statx = 383,
	NR_pivot_root = 217,
};
#else
enum {
	NR_openat = 322,
	NR_mkdirat = 323,
	NR_mknodat = 324,
	NR_fchownat = 325,
	NR_fstatat64 = 327,
	NR_symlinkat = 331,
	NR_unshare = 337,
	NR_prlimit64 = 369,
	NR_setns = 375,
	NR_execveat = 387,
	NR_statx = 397,
	NR_pivot_root = 218,
};
#endif

/* struct stat64: packed on i386, aligned on arm. */
#if defined(__x86_64__)
struct foreign_stat {
	uint64_t dev;
	uint32_t pad0, ino32, mode, nlink, uid, gid;
	uint64_t rdev;
	uint32_t pad3;
	int64_t size;
	uint32_t blksize;
	uint64_t blocks;
	uint32_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
	uint64_t ino;
} __attribute__((packed));
_Static_assert(sizeof(struct foreign_stat) == 96, "asm/stat.h");
#else
struct foreign_stat {
	uint64_t dev;
	uint32_t pad0, ino32, mode, nlink, uid, gid;
	uint64_t rdev;
	uint32_t pad3, pad4;
	int64_t size;
	uint32_t blksize, pad5;
	uint64_t blocks;
	uint32_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
	uint64_t ino;
};
_Static_assert(sizeof(struct foreign_stat) == 104, "asm/stat.h");
#endif

/* As the kernel's new_encode_dev: minor split around major. */
static uint64_t encode_dev(dev_t dev)
{
	uint32_t ma = major(dev), mi = minor(dev);
	return (mi & 0xff) | (uint64_t)ma << 8 | (uint64_t)(mi & ~0xffu) << 12;
}

int emu_foreign_stat(struct emu_call *call, const struct stat *st, uint64_t out)
{
	struct foreign_stat f;
	memset(&f, 0, sizeof f);
	f.dev = encode_dev(st->st_dev);
	f.ino32 = (uint32_t)st->st_ino;
	f.ino = st->st_ino;
	f.mode = st->st_mode;
	f.nlink = (uint32_t)st->st_nlink;
	f.uid = st->st_uid;
	f.gid = st->st_gid;
	f.rdev = encode_dev(st->st_rdev);
	f.size = st->st_size;
	f.blksize = (uint32_t)st->st_blksize;
	f.blocks = (uint64_t)st->st_blocks;
	f.atime = (uint32_t)st->st_atim.tv_sec;
	f.atime_ns = (uint32_t)st->st_atim.tv_nsec;
	f.mtime = (uint32_t)st->st_mtim.tv_sec;
	f.mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
	f.ctime = (uint32_t)st->st_ctim.tv_sec;
	f.ctime_ns = (uint32_t)st->st_ctim.tv_nsec;
	return emu_write(call, out, &f, sizeof f);
}

#define CREATES (O_CREAT | EMU_O_TMPFILE_BIT)

static const struct emu_foreign calls[] = {
	{5, 0, emu_do_open, 2, CREATES},
	{8, 0, emu_do_creat, 0, 0},
	{11, SYS_execve, emu_do_execve, 0, 0},
	{14, 0, emu_do_mknod, 0, 0},
	{39, 0, emu_do_mkdir, 0, 0},
	{61, SYS_chroot, emu_do_new_root, 0, 0},
	{83, 0, emu_do_symlink, 0, 0},
	{120, SYS_clone, emu_do_new_root, 1, EMU_CLONE_NEWNS},
	{184, SYS_capget, emu_do_capget, 0, 0},
	{185, SYS_capset, emu_do_capset, 0, 0},
	{195, 0, emu_do_stat, 0, 0},
	{196, 0, emu_do_lstat, 0, 0},
	{197, SYS_fstat, emu_do_fstat, 0, 0},
	{198, 0, emu_do_lchown, 0, 0},
	{199, SYS_getuid, emu_do_getid, 0, 0},
	{200, SYS_getgid, emu_do_getid, 0, 0},
	{201, SYS_geteuid, emu_do_getid, 0, 0},
	{202, SYS_getegid, emu_do_getid, 0, 0},
	{203, SYS_setreuid, emu_do_setreid, 0, 0},
	{204, SYS_setregid, emu_do_setreid, 0, 0},
	{205, SYS_getgroups, emu_do_getgroups, 0, 0},
	{206, SYS_setgroups, emu_do_setgroups, 0, 0},
	{207, SYS_fchown, emu_do_fchown, 0, 0},
	{208, SYS_setresuid, emu_do_setresid, 0, 0},
	{209, SYS_getresuid, emu_do_getresid, 0, 0},
	{210, SYS_setresgid, emu_do_setresid, 0, 0},
	{211, SYS_getresgid, emu_do_getresid, 0, 0},
	{212, 0, emu_do_chown, 0, 0},
	{213, SYS_setuid, emu_do_setid, 0, 0},
	{214, SYS_setgid, emu_do_setid, 0, 0},
	{215, SYS_setfsuid, emu_do_setfsid, 0, 0},
	{216, SYS_setfsgid, emu_do_setfsid, 0, 0},
	{232, SYS_listxattr, emu_do_listxattr, 0, 0},
	{233, SYS_llistxattr, emu_do_llistxattr, 0, 0},
	{234, SYS_flistxattr, emu_do_flistxattr, 0, 0},
	{NR_openat, SYS_openat, emu_do_openat, 3, CREATES},
	{NR_mkdirat, SYS_mkdirat, emu_do_mkdirat, 0, 0},
	{NR_mknodat, SYS_mknodat, emu_do_mknodat, 0, 0},
	{NR_fchownat, SYS_fchownat, emu_do_fchownat, 0, 0},
	{NR_fstatat64, SYS_newfstatat, emu_do_fstatat, 0, 0},
	{NR_symlinkat, SYS_symlinkat, emu_do_symlinkat, 0, 0},
	{NR_unshare, SYS_unshare, emu_do_new_root, 1, EMU_CLONE_NEWNS},
	{NR_setns, SYS_setns, emu_do_new_root, 0, 0},
	{NR_pivot_root, SYS_pivot_root, emu_do_new_root, 0, 0},
	{NR_execveat, SYS_execveat, emu_do_execveat, 0, 0},
	{75, SYS_setrlimit, emu_do_rlimit, 1, 0},
	{NR_prlimit64, SYS_prlimit64, emu_do_rlimit, 2, 0},
	{172, SYS_prctl, emu_do_prctl, 0, 0},
	{NR_statx, SYS_statx, emu_do_statx, 0, 0},
	{SYS_openat2, SYS_openat2, emu_do_openat2, 0, 0},
	{SYS_clone3, SYS_clone3, emu_do_clone3, 0, 0},
};

const struct emu_foreign *emu_foreign_calls(size_t *count)
{
	*count = sizeof calls / sizeof *calls;
	return calls;
}

const struct emu_foreign *emu_foreign_of(int nr)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (calls[i].foreign == nr)
			return &calls[i];
	return NULL;
}
