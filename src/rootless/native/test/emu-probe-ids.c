/* Credentials: credentials(7), and what fork, exec and threads do to them. */
#define _GNU_SOURCE
#include "emu-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* glibc's wrappers go through all threads; these are the calls themselves. */
#define raw(name, ...) syscall(SYS_##name, __VA_ARGS__)

static bool uids(uid_t real, uid_t effective, uid_t saved)
{
	uid_t r, e, s;
	CHECK(getresuid(&r, &e, &s) == 0);
	CHECK(getuid() == r && geteuid() == e);
	return r == real && e == effective && s == saved;
}

static bool gids(gid_t real, gid_t effective, gid_t saved)
{
	gid_t r, e, s;
	CHECK(getresgid(&r, &e, &s) == 0);
	CHECK(getgid() == r && getegid() == e);
	return r == real && e == effective && s == saved;
}

static void starts_as_root(void)
{
	CHECK(uids(0, 0, 0) && gids(0, 0, 0));
	CHECK(getgroups(0, NULL) == 0);
}

static void setuid_of_root_is_final(void)
{
	CHECK(raw(setuid, 7) == 0 && uids(7, 7, 7));
	REFUSED(raw(setuid, 0), EPERM);
	REFUSED(raw(setresuid, -1, 0, -1), EPERM);
	CHECK(raw(setuid, 7) == 0);
	CHECK(gids(0, 0, 0)); /* groups have no part in it */
	REFUSED(raw(setgid, 5), EPERM);
}

static void seteuid_comes_back(void)
{
	CHECK(raw(setresuid, -1, 7, -1) == 0 && uids(0, 7, 0));
	REFUSED(raw(setresuid, -1, 8, -1), EPERM);
	CHECK(raw(setresuid, -1, 0, -1) == 0 && uids(0, 0, 0));
	CHECK(raw(setresuid, 1, 2, 3) == 0 && uids(1, 2, 3));
	CHECK(raw(setresuid, 3, 1, 2) == 0 && uids(3, 1, 2));
	CHECK(raw(setuid, 3) == 0 && uids(3, 3, 2)); /* without power only the effective id */
	CHECK(raw(setuid, 2) == 0 && uids(3, 2, 2));
}

static void setreuid_sets_saved(void)
{
	CHECK(raw(setreuid, -1, 5) == 0 && uids(0, 5, 5));
	CHECK(raw(setreuid, 5, 0) == 0 && uids(5, 0, 0));
	CHECK(raw(setreuid, 6, -1) == 0 && uids(6, 0, 0));
	CHECK(raw(setreuid, 6, 6) == 0 && uids(6, 6, 6));
	REFUSED(raw(setreuid, 0, -1), EPERM);
}

static void setgid_follows_the_same_rules(void)
{
	CHECK(raw(setresgid, 1, 2, 3) == 0 && gids(1, 2, 3));
	CHECK(raw(setregid, 2, -1) == 0 && gids(2, 2, 2));
	CHECK(raw(setgid, 9) == 0 && gids(9, 9, 9));
	CHECK(raw(setuid, 5) == 0);
	REFUSED(raw(setregid, 8, 8), EPERM);
	CHECK(raw(setgid, 9) == 0);
}

static void setfsuid_answers_the_old_id(void)
{
	CHECK(setfsuid(5) == 0 && setfsuid((uid_t)-1) == 5);
	int fd = open("f", O_CREAT | O_WRONLY, 0644);
	CHECK(fd >= 0 && owned("f", 5, 0));
	CHECK(setfsgid(6) == 0 && mkdir("d", 0755) == 0 && owned("d", 5, 6));
	CHECK(raw(setresuid, -1, 7, -1) == 0 && setfsuid((uid_t)-1) == 7); /* follows the effective id */
	CHECK(setfsuid(99) == 7 && setfsuid((uid_t)-1) == 7);
}

static void groups_are_kept_sorted(void)
{
	const gid_t given[] = {30, 10, 20};
	gid_t got[4];
	CHECK(setgroups(3, given) == 0);
	CHECK(getgroups(0, NULL) == 3 && getgroups(4, got) == 3);
	CHECK(got[0] == 10 && got[1] == 20 && got[2] == 30);
	REFUSED(getgroups(2, got), EINVAL);
	CHECK(raw(setuid, 4) == 0 && getgroups(4, got) == 3);
	REFUSED(raw(setgroups, 0, NULL), EPERM);
}

struct caps {
	uint32_t version;
	int pid;
};

static int set_effective(uint32_t effective, uint32_t permitted)
{
	struct caps header = {0x20080522, 0};
	const uint32_t data[6] = {effective, permitted, 0, 0, 0, 0};
	return (int)raw(capset, &header, data);
}

static void keepcaps_keeps_the_power(void)
{
	CHECK(prctl(PR_GET_KEEPCAPS) == 0 && prctl(PR_SET_KEEPCAPS, 1) == 0 && prctl(PR_GET_KEEPCAPS) == 1);
	CHECK(raw(setresuid, 8, 8, 8) == 0);
	REFUSED(raw(setgid, 5), EPERM); /* kept, but not in force */
	CHECK(set_effective(1u << 6, 1u << 6) == 0);
	CHECK(raw(setgid, 5) == 0 && gids(5, 5, 5));
	REFUSED(raw(setuid, 0), EPERM);
	REFUSED(set_effective(1u << 7, 1u << 7), EPERM);
}

static void capget_shows_the_loss(void)
{
	struct caps header = {0x20080522, 0};
	uint32_t data[6];
	CHECK(raw(capget, &header, data) == 0 && data[0] & 1);
	CHECK(raw(setuid, 8) == 0 && raw(capget, &header, data) == 0 && data[0] == 0 && data[1] == 0);
}

static void is_eleven(void)
{
	CHECK(uids(11, 11, 11));
}

static void fork_inherits(void)
{
	CHECK(probe_as(11, 12, is_eleven) == 0);
	CHECK(raw(setuid, 11) == 0);
	pid_t pid = vfork();
	if (pid == 0)
		_exit(getuid() == 11 ? 0 : 1);
	CHECK(probe_wait(pid) == 0);
	CHECK((pid = fork()) >= 0);
	if (pid == 0) {
		raw(setuid, 11);
		_exit(uids(11, 11, 11) ? 0 : 1);
	}
	CHECK(probe_wait(pid) == 0);
}

/* A child that has asked nothing yet when its parent is gone. */
static void orphans_inherit(void)
{
	int pipes[2];
	uid_t uid = 0;
	CHECK(pipe(pipes) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		raw(setuid, 13);
		if (fork() == 0) {
			while (getppid() != 1)
				usleep(1000);
			uid = getuid();
			(void)!write(pipes[1], &uid, sizeof uid);
		}
		_exit(0);
	}
	CHECK(probe_wait(pid) == 0);
	CHECK(read(pipes[0], &uid, sizeof uid) == sizeof uid && uid == 13);
}

static void *read_uid(void *out)
{
	*(uid_t *)out = getuid();
	return NULL;
}

static void *become_fifteen(void *out)
{
	*(int *)out = setuid(15);
	return NULL;
}

static void threads_share(void)
{
	pthread_t thread;
	uid_t seen = 0;
	int result = -1;
	CHECK(pthread_create(&thread, NULL, become_fifteen, &result) == 0 && pthread_join(thread, NULL) == 0);
	CHECK(result == 0 && getuid() == 15);
	CHECK(pthread_create(&thread, NULL, read_uid, &seen) == 0 && pthread_join(thread, NULL) == 0);
	CHECK(seen == 15);
}

/* ---- exec -------------------------------------------------------------------- */

static void copy_self(const char *to)
{
	char buffer[65536];
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	CHECK(in >= 0 && out >= 0);
	for (ssize_t n; (n = read(in, buffer, sizeof buffer)) > 0;)
		CHECK(write(out, buffer, (size_t)n) == n);
	close(in);
	close(out);
}

/* What "program --ids" prints. */
static const char *ids_of(const char *program)
{
	static char text[64];
	int pipes[2];
	CHECK(pipe(pipes) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pipes[1], 1);
		execl(program, program, "--ids", (char *)NULL);
		_exit(126);
	}
	close(pipes[1]);
	ssize_t n = read(pipes[0], text, sizeof text - 1);
	close(pipes[0]);
	CHECK(probe_wait(pid) == 0 && n > 0);
	text[n - 1] = 0;
	return text;
}

static void exec_keeps_ids(void)
{
	copy_self("p");
	CHECK(raw(setresgid, 3, 4, 5) == 0 && raw(setresuid, 0, 6, 7) == 0);
	CHECK(!strcmp(ids_of("./p"), "0 6 3 4"));
}

static void set_user_id_programs(void)
{
	copy_self("p");
	CHECK(chmod("p", 04755) == 0);
	CHECK(raw(setresgid, 20, 20, 20) == 0 && raw(setresuid, 21, 21, 21) == 0);
	CHECK(!strcmp(ids_of("./p"), "21 0 20 20"));
}

static void set_group_id_programs(void)
{
	copy_self("p");
	CHECK(chown("p", 30, 31) == 0 && chmod("p", 06755) == 0);
	CHECK(!strcmp(ids_of("./p"), "0 30 0 31"));
	CHECK(chmod("p", 02745) == 0); /* without group x it is another bit */
	CHECK(!strcmp(ids_of("./p"), "0 0 0 0"));
}

static void failing_exec_changes_nothing(void)
{
	int fd = open("script", O_CREAT | O_WRONLY, 0755);
	CHECK(fd >= 0 && write(fd, "no magic\n", 9) == 9 && close(fd) == 0);
	CHECK(chmod("script", 04755) == 0 && raw(setresuid, 21, 21, 21) == 0);
	REFUSED(execl("./script", "script", (char *)NULL), ENOEXEC);
	REFUSED(execl("./nothing", "nothing", (char *)NULL), ENOENT);
	CHECK(uids(21, 21, 21));
}

/* ---- what else tells ids ------------------------------------------------------- */

static void the_limit_stays_unlimited(void)
{
	struct rlimit limit = {0, 0};
	CHECK(raw(setuid, 9) == 0);
	CHECK(getrlimit(10, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY && limit.rlim_max == RLIM_INFINITY);
	limit = (struct rlimit){0, 0};
	CHECK(setrlimit(10, &limit) == 0 && getuid() == 9);
}

static void peers_are_told_apart(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s"};
	struct ucred peer;
	socklen_t size = sizeof peer;
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(server >= 0 && bind(server, (void *)&address, sizeof address) == 0);
	CHECK(chmod("s", 0777) == 0 && listen(server, 1) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		int client = socket(AF_UNIX, SOCK_STREAM, 0);
		raw(setresgid, 41, 41, 41);
		raw(setuid, 40);
		if (connect(client, (void *)&address, sizeof address) == 0)
			pause();
		_exit(1);
	}
	int peer_fd = accept(server, NULL, NULL);
	CHECK(peer_fd >= 0 && getsockopt(peer_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
	CHECK(kill(pid, SIGKILL) == 0 && probe_wait(pid) == 128 + SIGKILL);
	CHECK(peer.uid == 40 && peer.gid == 41 && peer.pid == pid && size == sizeof peer);
}

static bool foreign_proc(void)
{
	char text[16] = "";
	return readlink("/proc/self", text, sizeof text - 1) > 0 && atoi(text) != getpid();
}

static void process_directories_have_owners(void)
{
	struct stat st;
	char path[32];
	CHECK(raw(setresgid, 41, 41, 41) == 0 && raw(setuid, 40) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof path, "/proc/%d", (int)pid);
	CHECK(stat(path, &st) == 0);
	bool right = st.st_uid == 40 && st.st_gid == 41;
	CHECK(right || foreign_proc()); /* a /proc that counts elsewhere is left alone */
	CHECK(kill(pid, SIGKILL) == 0 && probe_wait(pid) == 128 + SIGKILL);
}

const struct probe_case probe_ids[] = {
	{"starts as root", starts_as_root},
	{"setuid of root is final", setuid_of_root_is_final},
	{"seteuid comes back", seteuid_comes_back},
	{"setreuid sets the saved id", setreuid_sets_saved},
	{"setgid follows the same rules", setgid_follows_the_same_rules},
	{"setfsuid answers the old id", setfsuid_answers_the_old_id},
	{"groups are kept sorted", groups_are_kept_sorted},
	{"keepcaps keeps the power", keepcaps_keeps_the_power},
	{"capget shows the loss", capget_shows_the_loss},
	{"fork inherits", fork_inherits},
	{"orphans inherit", orphans_inherit},
	{"threads share", threads_share},
	{"exec keeps ids", exec_keeps_ids},
	{"set-user-ID programs", set_user_id_programs},
	{"set-group-ID programs", set_group_id_programs},
	{"a failing exec changes nothing", failing_exec_changes_nothing},
	{"RLIMIT_LOCKS stays unlimited", the_limit_stays_unlimited},
	{"peers are told apart", peers_are_told_apart},
	{"process directories have owners", process_directories_have_owners},
	{NULL, NULL},
};
