/*
 * place [RULE…] -- PROGRAM [ARG…]: runs a program where the kernel, or a sandbox, refuses some system calls.
 *
 *   unshare=EPERM               the call answers EPERM
 *   clone:0&0x10000000=EPERM    … where its argument 0 has one of these bits
 *   lowerdir+=EINVAL            fsconfig(2) of that key, as overlayfs before Linux 6.7
 *   tmpfs-xattr=EOPNOTSUPP      user xattrs on a tmpfs, as before Linux 6.6
 *   idmap-write=EPERM           writing to an id map, as AppArmor has it
 *   overlay=ENODEV              mounting an overlay, as a kernel without it
 *
 * The first two are a seccomp filter's answers. The others need a look at memory, or at what a descriptor is: the filter
 * hands those calls to this process by ptrace(2), because the one listener that a thread may have belongs to who is
 * tested. The filter denies set-user-ID programs their powers (no_new_privs), but for root of a namespace.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <elf.h>

enum { RULES_MAX = 32, TMPFS = 0x01021994 };

static const struct {
	const char *name;
	int number;
} calls[] = {
	{"clone", SYS_clone},
	{"clone3", 435},
	{"fsconfig", 431},
	{"fsmount", 432},
	{"fsopen", 430},
	{"mount", SYS_mount},
	{"mount_setattr", 442},
	{"move_mount", 429},
	{"open_tree", 428},
	{"pivot_root", SYS_pivot_root},
	{"seccomp", SYS_seccomp},
	{"setgroups", SYS_setgroups},
	{"sethostname", SYS_sethostname},
	{"setns", SYS_setns},
	{"umount2", SYS_umount2},
	{"unshare", SYS_unshare},
};

static const struct {
	const char *name;
	int value;
} errors[] = {{"EACCES", EACCES}, {"EINVAL", EINVAL}, {"ENODEV", ENODEV}, {"ENOSPC", ENOSPC}, {"ENOSYS", ENOSYS},
	{"EOPNOTSUPP", EOPNOTSUPP}, {"EPERM", EPERM}};

/* Errors of the calls that are looked at; 0 where they are let through. */
static int lowerdir_error, xattr_error, idmap_error, overlay_error;

static struct sock_filter program[8 * RULES_MAX + 8];
static unsigned short length;

static _Noreturn void die(const char *what, const char *detail)
{
	fprintf(stderr, "place: %s %s: %s\n", what, detail, strerror(errno));
	exit(2);
}

static void add(unsigned code, unsigned k, unsigned yes, unsigned no)
{
	program[length++] = (struct sock_filter){(unsigned short)code, (unsigned char)yes, (unsigned char)no, k};
}

static void load(size_t offset)
{
	add(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset, 0, 0);
}

/* Answers a call, or one whose argument has one of these bits. */
static void answer(int number, int argument, uint32_t mask, uint32_t action)
{
	load(offsetof(struct seccomp_data, nr));
	if (argument < 0)
		add(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1);
	else {
		add(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3);
		load(offsetof(struct seccomp_data, args) + 8 * (size_t)argument);
		add(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1);
	}
	add(BPF_RET | BPF_K, action, 0, 0);
}

static int error_named(const char *name)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (!strcmp(errors[i].name, name))
			return errors[i].value;
	errno = EINVAL;
	die("unknown error", name);
}

static int call_named(const char *name)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (!strcmp(calls[i].name, name))
			return calls[i].number;
	errno = EINVAL;
	die("unknown call", name);
}

static void take_rule(char *rule)
{
	char *equals = strrchr(rule, '='), *colon = strchr(rule, ':');

	if (!equals)
		die("malformed rule", rule);
	*equals = 0;
	int error = error_named(equals + 1);
	if (!strcmp(rule, "lowerdir+")) {
		lowerdir_error = error;
		answer(431, -1, 0, SECCOMP_RET_TRACE);
	} else if (!strcmp(rule, "tmpfs-xattr")) {
		xattr_error = error;
		answer(SYS_setxattr, -1, 0, SECCOMP_RET_TRACE);
		answer(SYS_fsetxattr, -1, 0, SECCOMP_RET_TRACE);
	} else if (!strcmp(rule, "overlay")) {
		overlay_error = error;
		answer(SYS_mount, -1, 0, SECCOMP_RET_TRACE);
		answer(430, -1, 0, SECCOMP_RET_TRACE);
	} else if (!strcmp(rule, "idmap-write")) {
		idmap_error = error;
		answer(SYS_write, -1, 0, SECCOMP_RET_TRACE);
	} else if (colon) {
		char *and = strchr(colon, '&');
		*colon = 0;
		if (!and)
			die("malformed rule", rule);
		answer(call_named(rule), atoi(colon + 1), (uint32_t)strtoul(and + 1, NULL, 0), SECCOMP_RET_ERRNO | (uint32_t)error);
	} else
		answer(call_named(rule), -1, 0, SECCOMP_RET_ERRNO | (uint32_t)error);
}

static void install(void)
{
	struct sock_fprog whole = {length, program};

	/* Root of a namespace needs no promise, and keeps what set-user-ID programs can do. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) == 0)
		return;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) < 0)
		die("install", "filter");
}

static void read_text(pid_t pid, uint64_t address, char *text, size_t size)
{
	struct iovec local = {text, size - 1}, remote = {(void *)(uintptr_t)address, size - 1};
	ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	/* The end of the page may be the end of what is mapped. */
	if (n < 0) {
		local.iov_len = remote.iov_len = 4096 - (size_t)(address & 4095) < size ? 4096 - (size_t)(address & 4095) : size - 1;
		n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	}
	text[n > 0 ? n : 0] = 0;
}

static int refuse_xattr(pid_t pid, uint64_t first, uint64_t name, bool by_fd)
{
	char attribute[64], given[4096] = "", path[4200];
	struct statfs fs;

	read_text(pid, name, attribute, sizeof attribute);
	if (strncmp(attribute, "user.", 5))
		return 0;
	if (by_fd)
		snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, (int)first);
	else {
		read_text(pid, first, given, sizeof given);
		bool own = !strncmp(given, "self/", 5);
		snprintf(path, sizeof path, own ? "/proc/%d/%s" : given[0] == '/' ? "/proc/%d/root%s" : "/proc/%d/cwd/%s", pid,
			own ? given + 5 : given);
	}
	return statfs(path, &fs) == 0 && fs.f_type == TMPFS ? xattr_error : 0;
}

static int refuse_idmap(pid_t pid, int fd)
{
	char path[64], target[256];

	snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
	ssize_t n = readlink(path, target, sizeof target - 1);
	target[n > 0 ? n : 0] = 0;
	size_t len = strlen(target);
	return len > 8 && !strcmp(target + len - 8, "/uid_map") ? idmap_error : 0;
}

/* `name` of a file system in the program's memory. */
static int refuse_overlay(pid_t pid, uint64_t name)
{
	char text[16] = "";

	if (name)
		read_text(pid, name, text, sizeof text);
	return strcmp(text, "overlay") ? 0 : overlay_error;
}

/* The error that a stopped call is to answer; 0 lets it through. */
static int verdict(pid_t pid, const struct __ptrace_syscall_info *info)
{
	char key[16];
	const uint64_t *args = (const uint64_t *)info->seccomp.args;

	switch (info->seccomp.nr) {
	case 431:
		if (args[1] != 1)
			return 0;
		read_text(pid, args[2], key, sizeof key);
		return strcmp(key, "lowerdir+") ? 0 : lowerdir_error;
	case 430:
		return refuse_overlay(pid, args[0]);
	case SYS_mount:
		return refuse_overlay(pid, args[2]);
	case SYS_setxattr:
	case SYS_fsetxattr:
		return refuse_xattr(pid, args[0], args[1], info->seccomp.nr == SYS_fsetxattr);
	default:
		return refuse_idmap(pid, (int)args[0]);
	}
}

/* A call whose number is -1 is skipped, and what is in the register of results is its answer (seccomp(2)). */
static void skip_call(pid_t pid, int error)
{
#ifdef __x86_64__
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L);
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), (long)-error);
#else
	int none = -1;
	struct user_regs_struct regs;
	struct iovec call = {&none, sizeof none}, all = {&regs, sizeof regs};
	ptrace(PTRACE_SETREGSET, pid, 0x404 /* NT_ARM_SYSTEM_CALL */, &call);
	ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &all);
	regs.regs[0] = (unsigned long long)(long long)-error;
	ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &all);
#endif
}

/* Follows everything that the program starts. @return its wait status */
static int trace(pid_t program_pid)
{
	int status, result = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid <= 0)
			continue;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == program_pid)
				result = status;
			continue;
		}
		int event = status >> 16, number = WSTOPSIG(status);
		if (event == PTRACE_EVENT_SECCOMP) {
			struct __ptrace_syscall_info info;
			int error = ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0 ? verdict(pid, &info) : 0;
			if (error)
				skip_call(pid, error);
		}
		/* The first stop of a new child, and the events, are not the program's business. */
		if (event || number == SIGSTOP || number == SIGTRAP)
			number = 0;
		ptrace(PTRACE_CONT, pid, 0, number);
	}
	return result;
}

int main(int argc, char **argv)
{
	int at = 1, status;

	for (; at < argc && strcmp(argv[at], "--"); at++)
		take_rule(argv[at]);
	if (++at >= argc)
		return 2;
	add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	bool traced = lowerdir_error || xattr_error || idmap_error || overlay_error;
	if (!traced) {
		install();
		execvp(argv[at], argv + at);
		die("execute", argv[at]);
	}
	pid_t pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		install();
		execvp(argv[at], argv + at);
		die("execute", argv[at]);
	}
	signal(SIGINT, SIG_IGN);
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, 0,
		PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
			PTRACE_O_EXITKILL);
	ptrace(PTRACE_CONT, pid, 0, 0);
	status = trace(pid);
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}
