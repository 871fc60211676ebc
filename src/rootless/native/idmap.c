/*
 * Ids of the agent's user namespace.
 *
 *   agent ── fork ── mapper (stays outside)
 *     unshare(USER|NS)
 *     "go" ─────────▶ newuidmap ∥ newgidmap, or writes the maps itself with real root's power
 *     setres*id(0) ◀─ {stage, errno, detail}
 *
 * The mapper is forked before the unshare, because only a process outside has the right to map more than one id
 * (user_namespaces(7)). With one id the agent maps itself; setgroups must be denied before gid_map is written, or
 * dropping a group could grant access (same page, "setgroups").
 */
#define _GNU_SOURCE
#include "idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct extents {
	uint32_t count;
	struct {
		uint32_t inside, outside, len;
	} item[340]; /* the kernel's limit */
};

struct request {
	enum map_method method;
	const char *program[2];
	struct extents ids[2];
	/* A process whose user namespace is entered. */
	pid_t whose;
};

static int parse(struct cursor *c, struct request *r)
{
	r->method = c_u8(c);
	r->program[0] = c_str(c);
	r->program[1] = c_str(c);
	for (int k = 0; k < 2; k++) {
		r->ids[k].count = c_u32(c);
		if (r->ids[k].count > ARRAY_LEN(r->ids[k].item))
			return -1;
		for (uint32_t i = 0; i < r->ids[k].count; i++) {
			r->ids[k].item[i].inside = c_u32(c);
			r->ids[k].item[i].outside = c_u32(c);
			r->ids[k].item[i].len = c_u32(c);
		}
	}
	r->whose = (pid_t)c_u32(c);
	return c->bad ? -1 : 0;
}

static _Noreturn void exec_newidmap(const char *program, pid_t target, const struct extents *e)
{
	char numbers[3 * 340 + 1][12], *argv[3 * 340 + 3];
	int n = 0;

	snprintf(numbers[0], sizeof numbers[0], "%d", target);
	argv[n++] = (char *)program;
	argv[n++] = numbers[0];
	for (uint32_t i = 0; i < e->count; i++) {
		uint32_t v[3] = {e->item[i].inside, e->item[i].outside, e->item[i].len};
		for (int k = 0; k < 3; k++, n++) {
			snprintf(numbers[n - 1], sizeof numbers[0], "%u", v[k]);
			argv[n] = numbers[n - 1];
		}
	}
	argv[n] = NULL;
	execv(program, argv);
	_exit(errno == ENOENT ? 127 : 126);
}

/* The program's last words are the only place where it says which range it refused. */
static int await_newidmap(pid_t pid, int words, const char *program, struct failure *f)
{
	char text[400] = "";
	size_t len = 0;
	int status = 0;
	ssize_t n;

	while (len < sizeof text - 1 && (n = read(words, text + len, sizeof text - 1 - len)) > 0)
		len += (size_t)n;
	text[strcspn(text, "\n")] = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return 0;
	/* As when the mapper itself is killed: no refusal. */
	if (WIFSIGNALED(status))
		return fail_with(f, EPIPE, "newidmap", program);
	if (WEXITSTATUS(status) == 127)
		return fail_with(f, ENOENT, "newidmap", program);
	return fail_with(f, EPERM, "newidmap", text[0] ? text : program);
}

static int run_newidmap(const struct request *r, pid_t target, struct failure *f)
{
	pid_t pid[2];
	int words[2][2], result = 0;

	for (int k = 0; k < 2; k++) {
		if (pipe2(words[k], O_CLOEXEC) < 0)
			return fail(f, "pipe", "%s", "");
		pid[k] = fork();
		if (pid[k] < 0)
			return fail(f, "fork", "%s", "");
		if (pid[k] == 0) {
			dup2(words[k][1], 1);
			dup2(words[k][1], 2);
			exec_newidmap(r->program[k], target, &r->ids[k]);
		}
		close(words[k][1]);
	}
	for (int k = 0; k < 2; k++)
		if (await_newidmap(pid[k], words[k][0], r->program[k], f) < 0)
			result = -1;
	return result;
}

static int write_maps(const struct request *r, pid_t target, struct failure *f)
{
	static const char *const name[2] = {"uid_map", "gid_map"};

	for (int k = 0; k < 2; k++) {
		char path[64], *text = xalloc(340 * 36);
		size_t len = 0;
		for (uint32_t i = 0; i < r->ids[k].count; i++)
			len += (size_t)sprintf(text + len, "%u %u %u\n", r->ids[k].item[i].inside, r->ids[k].item[i].outside,
				r->ids[k].item[i].len);
		snprintf(path, sizeof path, "/proc/%d/%s", target, name[k]);
		if (write_file_at(AT_FDCWD, path, text) < 0)
			return fail(f, "write id map", "%s", path);
		free(text);
	}
	return 0;
}

static _Noreturn void mapper(const struct request *r, int go, int answer, pid_t target)
{
	struct failure f = {0};
	char byte;

	signal(SIGCHLD, SIG_DFL);
	if (read_exact(go, &byte, 1) == 1) {
		if (r->method == MAP_DIRECT)
			write_maps(r, target, &f);
		else
			run_newidmap(r, target, &f);
		write_all(answer, &f, sizeof f);
	}
	_exit(0);
}

static int map_from_outside(const struct request *r, struct failure *f)
{
	pid_t self = getpid(), pid;
	int go[2], answer[2];

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0)
		return fail(f, "pipe", "%s", "");
	pid = fork();
	if (pid < 0)
		return fail(f, "fork", "%s", "");
	if (pid == 0) {
		close(go[1]);
		mapper(r, go[0], answer[1], self);
	}
	close(go[0]);
	close(answer[1]);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return fail(f, "user namespace", "%s", "");
	if (write_all(go[1], "", 1) < 0 || read_exact(answer[0], f, sizeof *f) != 1)
		return fail_with(f, EPIPE, "newidmap", "");
	close(go[1]);
	close(answer[0]);
	waitpid(pid, NULL, 0);
	return f->err ? -1 : 0;
}

static int map_one(struct failure *f)
{
	char uid[32], gid[32];

	snprintf(uid, sizeof uid, "0 %u 1\n", geteuid());
	snprintf(gid, sizeof gid, "0 %u 1\n", getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return fail(f, "user namespace", "%s", "");
	if (write_file_at(AT_FDCWD, "/proc/self/uid_map", uid) < 0)
		return fail(f, "write id map", "uid_map %s", uid);
	if (write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny") < 0)
		return fail(f, "write id map", "setgroups");
	if (write_file_at(AT_FDCWD, "/proc/self/gid_map", gid) < 0)
		return fail(f, "write id map", "gid_map %s", gid);
	return 0;
}

static int keep_ids(struct failure *f)
{
	return unshare(CLONE_NEWNS) < 0 ? fail(f, "mount namespace", "%s", "") : 0;
}

/* One that a container of this user has already: what two containers share belongs to one of them. */
static int join_user(const struct request *r, struct failure *f)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/user", r->whose);
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0)
		return fail(f, "join namespace", "%s", path);
	return 0;
}

static int map(const struct request *r, struct failure *f)
{
	switch (r->method) {
	case MAP_JOIN:
	case MAP_JOIN_SINGLE:
		return join_user(r, f);
	case MAP_HOST:
		return keep_ids(f);
	case MAP_SINGLE:
		return map_one(f);
	default:
		return map_from_outside(r, f);
	}
}

int enter_namespaces(struct cursor *start, struct failure *f)
{
	struct request r;

	if (parse(start, &r) < 0)
		return fail_with(f, EBADMSG, "start", "");
	if (map(&r, f) < 0)
		return -1;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fail(f, "become root", "%s", "");
	if (!map_is_single(r.method) && setgroups(0, NULL) < 0)
		return fail(f, "setgroups", "%s", "");
	/* Ubuntu's AppArmor lets the namespace be made and takes its powers: this is where that shows. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return fail(f, "mount propagation", "/");
	return 0;
}
