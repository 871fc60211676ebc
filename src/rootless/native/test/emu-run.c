/*
 * Run a command in a root directory under the emulation: what the agent and
 * init do, in the fewest lines, for the emulation's own tests.
 *
 *   emu-run [-u UID] [-g GID] [-G GID]… [-s] [-n] [-p] [-k] [-b PATH]… [-L OWNERS]… [-U DIR] ROOT COMMAND…
 *
 * -U DIR: overlay DIR/upper on ROOT, owners to DIR/owners. -L: a lower owners
 * file, topmost first. -s: stat unanswered. -n: no set-id exec. -p: bind the
 * host's /proc in place of an own one (as where /proc is masked). -k: no pidfds
 * of threads, as before Linux 6.9. -b PATH: bind
 * the host's PATH there, where ROOT has a directory for it.
 * The exit code is the command's, 128+n for a signal, 125 for our own failures.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../emulate-uapi.h"
#include "../emulate.h"

#define LIST_MAX 64

struct options {
	struct emu_config config;
	gid_t groups[LIST_MAX];
	int lower[LIST_MAX];
	const char *dir, *root, *binds[LIST_MAX];
	size_t bind_count;
	bool host_proc, old_pidfds;
	char **command;
};

__attribute__((format(printf, 1, 2))) static void die(const char *format, ...)
{
	int error = errno;
	va_list args;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	_exit(125);
}

static void parse(struct options *o, int argc, char **argv)
{
	char path[4096];
	o->config.upper_fd = o->config.owners_fd = -1;
	o->config.capabilities = ~0ull;
	for (int opt; (opt = getopt(argc, argv, "+u:g:G:snpkb:L:U:")) != -1;) {
		switch (opt) {
		case 'u':
			o->config.uid = (uid_t)atoi(optarg);
			break;
		case 'g':
			o->config.gid = (gid_t)atoi(optarg);
			break;
		case 'G':
			o->groups[o->config.ngroups++] = (gid_t)atoi(optarg);
			break;
		case 's':
			o->config.flags |= EMU_NO_STAT;
			break;
		case 'n':
			o->config.flags |= EMU_NO_SETID_EXEC;
			break;
		case 'p':
			o->host_proc = true;
			break;
		case 'k':
			o->old_pidfds = true;
			break;
		case 'b':
			o->binds[o->bind_count++] = optarg;
			break;
		case 'L':
			if ((o->lower[o->config.lower_count++] = open(optarg, O_RDONLY | O_CLOEXEC)) < 0)
				die("open %s", optarg);
			break;
		case 'U':
			o->dir = optarg;
			snprintf(path, sizeof path, "%s/owners", optarg);
			o->config.owners_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
			snprintf(path, sizeof path, "%s/upper", optarg);
			o->config.upper_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (o->config.owners_fd < 0 || o->config.upper_fd < 0)
				die("open %s", path);
			break;
		default:
			exit(125);
		}
	}
	if (argc - optind < 2)
		exit(125);
	o->config.groups = o->groups;
	o->config.lower_owners = o->lower;
	o->root = argv[optind];
	o->command = argv + optind + 1;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("write %s", path);
	close(fd);
}

static void enter_namespaces(void)
{
	char map[32];
	unsigned uid = getuid(), gid = getgid();
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) < 0)
		die("unshare");
	write_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", uid);
	write_text("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "0 %u 1", gid);
	write_text("/proc/self/gid_map", map);
}

static void bind(const char *from, const char *root, const char *to)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", root, to);
	if (mount(from, path, NULL, MS_BIND | MS_REC, NULL) < 0)
		die("bind %s on %s", from, path);
}

static void make_root(const struct options *o)
{
	static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
	char merged[4096], text[3 * 4096], path[4096 + 32];
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		die("slave /");
	snprintf(merged, sizeof merged, "%s", o->root);
	if (o->dir) {
		snprintf(merged, sizeof merged, "%s/merged", o->dir);
		snprintf(text, sizeof text, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work,userxattr", o->root, o->dir, o->dir);
		if (mount("overlay", merged, "overlay", 0, text) < 0)
			die("overlay %s", text);
	} else
		bind(merged, merged, "");
	for (size_t i = 0; i < o->bind_count; i++)
		bind(o->binds[i], merged, o->binds[i]);
	/* Before the pivot: a new procfs is allowed only where an old one is seen in full. */
	snprintf(path, sizeof path, "%s/proc", merged);
	if (o->host_proc)
		bind("/proc", merged, "proc");
	else if (mount("proc", path, "proc", 0, NULL) < 0)
		die("mount proc");
	snprintf(path, sizeof path, "%s/dev", merged);
	if (mount("tmpfs", path, "tmpfs", 0, "mode=755") < 0)
		die("tmpfs %s", path);
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		snprintf(path, sizeof path, "dev/%s", nodes[i]);
		snprintf(text, sizeof text, "%s/%s", merged, path);
		close(open(text, O_CREAT | O_WRONLY, 0666));
		snprintf(text, sizeof text, "/%s", path);
		bind(text, merged, path);
	}
	if (chdir(merged) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		die("pivot");
	if (symlink("/proc/self/fd", "/dev/fd") < 0 || symlink("/proc/self/fd/1", "/dev/stdout") < 0 ||
		mkdir("/dev/shm", 01777) < 0)
		die("fill /dev");
}

static void payload(const struct options *o, int report)
{
	bool faked;
	setsid();
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Or it could do with us, its init, what it likes. */
	if (prctl(PR_CAPBSET_DROP, 19 /* CAP_SYS_PTRACE */, 0, 0, 0) < 0)
		die("drop CAP_SYS_PTRACE");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("no_new_privs");
	int fd = emu_install_filter(o->config.flags, 0, &faked);
	if (fd < 0 && !faked) {
		errno = -fd;
		die("install filter");
	}
	if (write(report, &fd, sizeof fd) != sizeof fd)
		_exit(125);
	execvp(o->command[0], o->command);
	die("exec %s", o->command[0]);
}

/* Serve until nobody is left; returns the payload's wait status. */
static int serve(struct emu *emu, int listener, pid_t child, int signals)
{
	struct pollfd fds[2] = {{listener, POLLIN, 0}, {signals, POLLIN, 0}};
	int result = -1;
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents & POLLIN && emu_handle(emu) < 0)
			die("handle");
		if (fds[0].revents & (POLLHUP | POLLERR) && !(fds[0].revents & POLLIN))
			fds[0].fd = -1;
		if (!(fds[1].revents & POLLIN))
			continue;
		struct signalfd_siginfo info;
		if (read(signals, &info, sizeof info) < 0)
			continue;
		int status;
		for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) != 0;) {
			if (pid == child) {
				result = status;
				kill(-1, SIGKILL);
			} else if (pid < 0)
				return result;
		}
	}
}

static void refuse_thread_pidfds(void)
{
	struct sock_filter code[] = {
		{BPF_LD_ABS_W, 0, 0, offsetof(struct seccomp_data, nr)},
		{BPF_JEQ_K, 0, 3, SYS_pidfd_open},
		{BPF_LD_ABS_W, 0, 0, offsetof(struct seccomp_data, args) + 8},
		{BPF_JEQ_K, 0, 1, O_EXCL},
		{BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | EINVAL},
		{BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW},
	};
	const struct sock_fprog program = {sizeof code / sizeof *code, code};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		die("refuse pidfds of threads");
}

static int init_main(const struct options *o)
{
	struct emu *emu;
	int pipes[2], number;
	make_root(o);
	if (o->old_pidfds)
		refuse_thread_pidfds();
	int error = emu_init(&emu, &o->config);
	errno = -error;
	if (error < 0)
		die("emu_init");
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0 || pipe2(pipes, O_CLOEXEC) < 0)
		die("pipe");
	pid_t child = fork();
	if (child < 0)
		die("fork");
	if (child == 0)
		payload(o, pipes[1]);
	close(pipes[1]);
	if (read(pipes[0], &number, sizeof number) != sizeof number)
		return 125;
	int listener = -1;
	if (number >= 0) {
		int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
		listener = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
		if (listener < 0)
			die("fetch the listener");
		close(pidfd);
		if (emu_attach(emu, listener) < 0)
			die("attach");
	} else
		fprintf(stderr, "emu-run: faked\n");
	int status = serve(emu, listener, child, signals);
	error = emu_finish(emu);
	errno = -error;
	if (error < 0)
		die("emu_finish");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	static struct options o;
	parse(&o, argc, argv);
	enter_namespaces();
	pid_t init = fork();
	if (init < 0)
		die("fork");
	if (init == 0)
		_exit(init_main(&o));
	int status;
	while (waitpid(init, &status, 0) < 0)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
