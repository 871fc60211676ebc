/*
 * From the fork of the payload to its exec. The order matters: groups and ids before the capabilities that changing
 * them needs are gone, the bounding set before the ids, no_new_privs before seccomp, and the working directory after
 * all of it, with every foreign descriptor closed, so that it can't be a way out (CVE-2024-21626).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "emulate.h"
#include "kernel.h"
#include "shared-pids.h"
#include "step.h"

enum { LIST_MAX = 1 << 20 };

static const char **strings(struct cursor *c)
{
	uint32_t n = c_u32(c);

	if (n > LIST_MAX)
		c->bad = true;
	if (c->bad)
		return NULL;
	const char **list = xalloc((n + 1) * sizeof *list);
	for (uint32_t i = 0; i < n; i++)
		list[i] = c_str(c);
	return list;
}

/*
 * Without a user namespace a device that is made can be used, where docker has the device cgroup to say no: MKNOD is
 * for those only who may mount disks anyway.
 */
static uint64_t bounded(const struct world *world, uint64_t caps)
{
	enum { SYS_ADMIN = 21, MKNOD = 27 };
	bool held = world && world->host && !(caps >> SYS_ADMIN & 1);

	return held ? caps & ~(1ull << MKNOD) : caps;
}

bool payload_parse(const struct frame *f, struct payload *p)
{
	struct cursor c = cursor_of(f);

	p->argv = strings(&c);
	p->envp = strings(&c);
	p->cwd = c_str(&c);
	p->uid = c_u32(&c);
	p->gid = c_u32(&c);
	p->group_count = c_u32(&c);
	if (p->group_count > 65536)
		return false;
	p->groups = xalloc((p->group_count + 1) * sizeof *p->groups);
	for (uint32_t i = 0; i < p->group_count; i++)
		p->groups[i] = c_u32(&c);
	p->caps = bounded(p->world, c_u64(&c));
	p->no_new_privs = c_u8(&c);
	p->own_keyring = c_u8(&c);
	p->umask = c_u32(&c);
	p->limit_count = c_u32(&c);
	if (p->limit_count > ARRAY_LEN(p->limits))
		return false;
	for (uint32_t i = 0; i < p->limit_count; i++) {
		p->limits[i].resource = c_u32(&c);
		p->limits[i].soft = c_u64(&c);
		p->limits[i].hard = c_u64(&c);
	}
	uint8_t emulation = c_u8(&c);
	p->emulate = emulation != 0;
	p->emulate_flags = emulation == 2 ? EMU_NO_STAT : emulation == 3 ? EMU_FAKE : 0;
	p->seccomp = c_blob(&c, &p->seccomp_len);
	p->columns = c_u32(&c);
	p->rows = c_u32(&c);
	return !c.bad && p->argv && p->argv[0] && p->envp;
}

void payload_free(struct payload *p)
{
	free(p->argv);
	free(p->envp);
	free(p->groups);
}

static _Noreturn void give_up(const struct payload *p, int err, const char *stage, const char *detail)
{
	struct payload_status status = {.listener = -1};

	fail_with(&status.failure, err, stage, detail);
	*p->last_word = status.failure;
	write_all(p->status, &status, sizeof status);
	/* A filter may refuse even this. */
	syscall(SYS_exit_group, 127);
	__builtin_trap();
}

/* The program may want to open /dev/stdout, which is a pipe that we own, or the terminal, as its user. */
static void hand_over(const struct payload *p, int fd)
{
	struct statfs fs;
	bool pipe = fstatfs(fd, &fs) == 0 && fs.f_type == 0x50495045; /* PIPEFS_MAGIC: no named fifo of the user's */

	if (p->uid && (pipe || p->tty))
		(void)!fchown(fd, p->uid, (gid_t)-1);
}

static void take_stdio(const struct payload *p)
{
	if (setsid() < 0)
		give_up(p, errno, "setsid", "");
	if (p->tty && ioctl(p->std[0], TIOCSCTTY, 0) < 0)
		give_up(p, errno, "controlling terminal", "");
	/* Each is either above 2 or in its place already. */
	for (int i = 0; i < 3; i++) {
		hand_over(p, p->std[i]);
		if (dup2(p->std[i], i) < 0)
			give_up(p, errno, "standard streams", "");
	}
}

static void set_limits(const struct payload *p)
{
	setrlimit(RLIMIT_NOFILE, &p->world->nofile);
	for (uint32_t i = 0; i < p->limit_count; i++) {
		struct rlimit limit = {p->limits[i].soft, p->limits[i].hard};
		if (setrlimit((int)p->limits[i].resource, &limit) < 0)
			give_up(p, errno, "resource limit", "");
	}
}

static void drop_bounding(const struct payload *p)
{
	for (unsigned long cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (!(p->caps >> cap & 1) && prctl(PR_CAPBSET_DROP, cap) < 0)
			give_up(p, errno, "capabilities", "bounding set");
}

/* What the kernel does not know can't be had, nor what root of the machine itself was not given. */
static uint64_t known_caps(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static void set_caps(const struct payload *p, uint64_t caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = (uint32_t)caps, .permitted = (uint32_t)caps},
		{.effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32)}};

	if (syscall(SYS_capset, &header, data) < 0)
		give_up(p, errno, "capabilities", "");
}

static void install_seccomp(const struct payload *p)
{
	struct sock_fprog program = {
		.len = (unsigned short)(p->seccomp_len / sizeof(struct sock_filter)), .filter = (void *)(uintptr_t)p->seccomp};

	if (program.len && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		give_up(p, errno, "seccomp", "");
}

/* The session's keyring goes through exec and namespaces: its keys are the caller's, not the program's. */
static void leave_keyring(const struct payload *p)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM)
		give_up(p, errno, "session keyring", "");
}

/*
 * Raw calls: the C library's would want to tell threads that we don't have. Who may still gain privileges by an exec
 * needs CAP_SYS_ADMIN to install a filter (seccomp(2)): it goes in while all are there, and has to let capset through;
 * with no_new_privs it goes in last.
 */
static void become(const struct payload *p)
{
	uint64_t known = known_caps();

	if (!p->world->single && syscall(SYS_setgroups, p->group_count, p->groups) < 0)
		give_up(p, errno, "set groups", "");
	prctl(PR_SET_KEEPCAPS, 1);
	if (syscall(SYS_setresgid, p->gid, p->gid, p->gid) < 0)
		give_up(p, errno, "set group id", "");
	if (syscall(SYS_setresuid, p->uid, p->uid, p->uid) < 0)
		give_up(p, errno, "set user id", "");
	prctl(PR_SET_KEEPCAPS, 0);
	if (!p->no_new_privs) {
		set_caps(p, known);
		install_seccomp(p);
	}
	set_caps(p, p->uid == 0 ? p->caps & known : 0);
	if (p->no_new_privs)
		install_seccomp(p);
}

static void emulate(const struct payload *p)
{
	struct payload_status status = {0};
	bool faked = false;

	status.listener = emu_install_filter(p->emulate_flags, p->credential, &faked);
	if (p->emulate_flags & EMU_FAKE && status.listener >= 0)
		return;
	if (status.listener < 0 && !faked)
		give_up(p, -status.listener, "emulate ids", "");
	if (faked)
		status.listener = -2;
	write_all(p->status, &status, sizeof status);
}

/* Magic links lead where we may go, which is further than the program may. */
static int change_dir(const char *path)
{
	AUTO_FD fd = k_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, K_RESOLVE_NO_MAGICLINKS);

	if (fd >= 0 && fchdir(fd) == 0)
		return 0;
	/* A profile of one's own may know only the older call; what comes then is looked at. */
	return errno == ENOSYS || errno == EPERM ? chdir(path) : -1;
}

static void enter_cwd(const struct payload *p)
{
	char now[4096];

	if (change_dir(p->cwd) < 0)
		give_up(p, errno, "chdir", p->cwd);
	/* A directory outside of the root has no path; the kernel says "(unreachable)", a C library that it is not there. */
	if (syscall(SYS_getcwd, now, sizeof now) < 0)
		give_up(p, errno, "chdir", p->cwd);
	if (now[0] != '/')
		give_up(p, ENOENT, "chdir", p->cwd);
}

static const char *variable(const struct payload *p, const char *name)
{
	size_t n = strlen(name);

	for (const char **e = p->envp; *e; e++)
		if (!strncmp(*e, name, n) && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

/* As Docker does it: the first regular file in PATH that may be executed; a directory or plain file is none. */
static const char *look_up(const struct payload *p, char path[4096])
{
	const char *name = p->argv[0], *dirs = variable(p, "PATH");
	struct stat st;

	if (strchr(name, '/'))
		return name;
	while (dirs && name[0]) {
		size_t n = strcspn(dirs, ":");
		if (n + strlen(name) + 2 < 4096) {
			memcpy(path, dirs, n);
			strcpy(path + n, n ? "/" : "./");
			strcat(path + n, name);
			if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
				return path;
		}
		dirs = dirs[n] ? dirs + n + 1 : NULL;
	}
	return errno = ENOENT, NULL;
}

_Noreturn void payload_main(const struct payload *p)
{
	char path[4096];

	reset_signals();
	take_stdio(p);
	/* The status pipe is the only other one, and exec closes it. */
	if (p->status != 3 && dup3(p->status, 3, O_CLOEXEC) < 0)
		give_up(p, errno, "standard streams", "");
	struct payload own = *p;
	own.status = 3;
	k_close_from(4);
	umask((mode_t)p->umask);
	if (p->fenced)
		shared_pids_fence();
	set_limits(&own);
	drop_bounding(&own);
	if (p->own_keyring)
		leave_keyring(&own);
	if (p->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		give_up(&own, errno, "no new privileges", "");
	/*
	 * Emulated ids are no business of the kernel's; exec gives the capabilities that the bounding set leaves. Of two
	 * filters the stricter answer counts: what is refused is refused, whatever the emulation would have made of it.
	 */
	if (p->emulate) {
		emulate(&own);
		install_seccomp(&own);
	} else
		become(&own);
	/* Changes of ids would have taken it back. */
	if (p->dies_with_init)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter_cwd(&own);
	const char *program = look_up(&own, path);
	if (program)
		execve(program, (char *const *)own.argv, (char *const *)own.envp);
	give_up(&own, errno, "exec", own.argv[0]);
}
