/*
 * The kernel's side of the emulation, spelled out: musl-gcc sees no <linux/…>
 * headers, and glibc's may be older than the kernel that runs.
 * See seccomp_unotify(2), seccomp(2), statx(2).
 */
#ifndef TSBOX_EMULATE_UAPI_H
#define TSBOX_EMULATE_UAPI_H

#include <stdint.h>
#include <sys/syscall.h>

#define SECCOMP_SET_MODE_FILTER 1
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1ul << 3)
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1ul << 5) /* 5.19 */

#define SECCOMP_RET_ERRNO 0x00050000u
#define SECCOMP_RET_USER_NOTIF 0x7fc00000u
#define SECCOMP_RET_ALLOW 0x7fff0000u

#define SECCOMP_USER_NOTIF_FLAG_CONTINUE 1u
#define SECCOMP_ADDFD_FLAG_SEND (1u << 1) /* 5.14 */
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1ul /* 6.6 */

struct seccomp_data {
	int nr;
	uint32_t arch;
	uint64_t instruction_pointer;
	uint64_t args[6];
};

struct seccomp_notif {
	uint64_t id;
	uint32_t pid;
	uint32_t flags;
	struct seccomp_data data;
};

struct seccomp_notif_resp {
	uint64_t id;
	int64_t val;
	int32_t error;
	uint32_t flags;
};

struct seccomp_notif_addfd {
	uint64_t id;
	uint32_t flags;
	uint32_t srcfd;
	uint32_t newfd;
	uint32_t newfd_flags;
};

/* _IOWR('!', n, …): direction 3, size, type, number (asm-generic/ioctl.h). */
#define EMU_IOC(dir, nr, size) (((unsigned long)(dir) << 30) | ((unsigned long)(size) << 16) | ('!' << 8) | (nr))
#define SECCOMP_IOCTL_NOTIF_RECV EMU_IOC(3, 0, sizeof(struct seccomp_notif))
#define SECCOMP_IOCTL_NOTIF_SEND EMU_IOC(3, 1, sizeof(struct seccomp_notif_resp))
#define SECCOMP_IOCTL_NOTIF_ID_VALID EMU_IOC(1, 2, sizeof(uint64_t))
#define SECCOMP_IOCTL_NOTIF_ADDFD EMU_IOC(1, 3, sizeof(struct seccomp_notif_addfd))
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS EMU_IOC(1, 4, sizeof(uint64_t))

struct sock_filter {
	uint16_t code;
	uint8_t jt;
	uint8_t jf;
	uint32_t k;
};

struct sock_fprog {
	unsigned short len;
	struct sock_filter *filter;
};

#define BPF_LD_ABS_W 0x20
#define BPF_JA 0x05
#define BPF_JEQ_K 0x15
#define BPF_JGE_K 0x35
#define BPF_JSET_K 0x45
#define BPF_RET_K 0x06

#define AUDIT_ARCH_I386 0x40000003u
#define AUDIT_ARCH_X86_64 0xc000003eu
#define AUDIT_ARCH_ARM 0x40000028u
#define AUDIT_ARCH_AARCH64 0xc00000b7u

#if defined(__x86_64__)
#define EMU_AUDIT_ARCH AUDIT_ARCH_X86_64
#define EMU_FOREIGN_ARCH AUDIT_ARCH_I386
#define EMU_FOREIGN_FCHOWNAT 298
#elif defined(__aarch64__)
#define EMU_AUDIT_ARCH AUDIT_ARCH_AARCH64
#define EMU_FOREIGN_ARCH AUDIT_ARCH_ARM
#define EMU_FOREIGN_FCHOWNAT 325
#else
#error "single-id emulation knows the system calls of x86_64 and aarch64 only"
#endif

/* Numbers shared by all architectures since 5.1. */
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif
#ifndef SYS_listxattrat
#define SYS_listxattrat 465
#endif

/* Open flags of the kernel; the libc's O_TMPFILE contains O_DIRECTORY too. */
#define EMU_O_TMPFILE_BIT 020000000

/* statx(2); glibc and musl disagree about who declares it. */
struct emu_statx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t reserved;
};
struct emu_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad;
	uint64_t ino, size, blocks, attributes_mask;
	struct emu_statx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare[14];
};
#define EMU_STATX_BTIME 0x800u
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

#define EMU_RLIMIT_LOCKS 10
#define EMU_CLONE_NEWNS 0x00020000u
#define EMU_PR_GET_KEEPCAPS 7
#define EMU_PR_SET_KEEPCAPS 8
#define EMU_PR_CAPBSET_DROP 24

#define EMU_CAP_CHOWN 0
#define EMU_CAP_SETGID 6
#define EMU_CAP_SETUID 7
#define EMU_CAP_SETPCAP 8
#define EMU_CAP_MKNOD 27

#endif
