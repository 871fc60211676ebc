/*
 * Executes a plan's operations in order, pivots into the new root, and sends the files that were asked for. It runs in
 * the step's init, in new mount, pid, ipc, uts and cgroup namespaces; see site.h for how paths are resolved.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "owners.h"
#include "site.h"

enum op {
	OP_ROOT = 1,
	OP_TREE = 2,
	OP_BIND = 3,
	OP_TMPFS = 4,
	OP_PROC = 5,
	OP_SYS = 6,
	OP_DEV = 7,
	OP_CGROUP = 8,
	OP_MASK = 9,
	OP_READONLY = 10,
	OP_FILE = 11,
	OP_SYMLINK = 12,
	OP_MKDIR = 13,
	OP_WRITE = 14,
	OP_HOSTNAME = 15,
	OP_LOOPBACK = 16,
	OP_OOM_SCORE = 17,
};

static int op_root(struct site *s, struct cursor *c)
{
	int mount = mount_overlay(s, c, true);

	if (mount < 0)
		return -1;
	s->root = dup(mount);
	/* The scratch is there already: the root goes on top of it. */
	AUTO_FD target = open(s->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return mount_attach(s, mount, target, s->root_path);
}

static int op_tree(struct site *s, struct cursor *c)
{
	char name[32];

	if (s->tree_count == TREES_MAX)
		return fail_with(s->f, E2BIG, "mount tree", "");
	AUTO_FD mount = mount_overlay(s, c, false);
	if (mount < 0)
		return -1;
	snprintf(name, sizeof name, "t%u", s->scratch_names++);
	if (mkdirat(s->scratch, name, 0755) < 0)
		return fail(s->f, "mkdir", "%s", name);
	AUTO_FD target = openat(s->scratch, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	s->trees[s->tree_count++] = dup(mount);
	return mount_attach(s, take_fd(&mount), target, name);
}

static int bind_source(struct site *s, uint32_t tree, const char *path, const char *sub)
{
	while (*sub == '/')
		sub++;
	AUTO_FD base = path[0] ? open(path, O_PATH | O_CLOEXEC) : tree < s->tree_count ? dup(s->trees[tree]) : -1;
	if (base < 0 || !*sub)
		return take_fd(&base);
	return k_openat2(base, sub, O_PATH, 0, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
}

/* A descriptor of O_PATH can't be given a mode; its name in /proc can. */
static int own_source(struct site *s, int fd, uint32_t mode, uint32_t uid, uint32_t gid)
{
	char name[32];

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	if (!s->world->single && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return -1;
	return chmod(name, mode & 07777);
}

static int op_bind(struct site *s, struct cursor *c)
{
	const char *path = c_str(c), *sub, *target;
	uint32_t tree = c_u32(c);
	struct stat st;

	sub = c_str(c);
	target = c_str(c);
	bool readonly = c_u8(c), recursive = c_u8(c), optional = c_u8(c), follows = c_u8(c);
	uint32_t attrs = c_u32(c) & (K_ATTR_NOSUID | K_ATTR_NODEV | K_ATTR_NOEXEC);
	bool own = c_u8(c);
	uint32_t mode = c_u32(c), uid = c_u32(c), gid = c_u32(c);
	AUTO_FD source = bind_source(s, tree, path, sub);
	if (source < 0 || fstat(source, &st) < 0)
		return optional && errno == ENOENT ? 0 : fail(s->f, "bind source", "%s%s%s", path, sub[0] ? "/" : "", sub);
	if (own && own_source(s, source, mode, uid, gid) < 0)
		return fail(s->f, "change owner", "%s", path);
	AUTO_FD mount = follows ? mount_clone_following(source, "", recursive) : mount_clone(source, "", recursive);
	if (mount < 0)
		return fail(s->f, "bind", "%s", path);
	if (attrs && mount_restrict(s, mount, attrs, target) < 0)
		return -1;
	if (readonly && mount_readonly(s, mount, recursive, target) < 0)
		return -1;
	return mount_at(s, take_fd(&mount), target, S_ISDIR(st.st_mode) ? TARGET_DIR : TARGET_FILE);
}

static int op_tmpfs(struct site *s, struct cursor *c)
{
	const char *target = c_str(c);
	struct tmpfs_options o = {.size = c_u64(c)};

	o.mode = c_u32(c);
	o.uid = c_u32(c);
	o.gid = c_u32(c);
	o.attrs = K_ATTR_NOSUID | K_ATTR_NODEV | (c_u8(c) ? K_ATTR_NOEXEC : 0);
	int mount = mount_tmpfs(s, &o);
	return mount < 0 ? -1 : mount_at(s, mount, target, TARGET_DIR);
}

static int op_proc(struct site *s, struct cursor *c)
{
	const char *target = c_str(c);
	AUTO_FD mount = mount_plain("proc", K_ATTR_NOSUID | K_ATTR_NODEV | K_ATTR_NOEXEC);

	if (mount < 0)
		mount = mount_clone(AT_FDCWD, "/proc", true);
	return mount < 0 ? fail(s->f, "mount proc", "%s", target) : mount_at(s, take_fd(&mount), target, TARGET_DIR);
}

static int op_sys(struct site *s, struct cursor *c)
{
	const char *target = c_str(c);
	bool writable = c_u8(c);
	AUTO_FD mount = s->own_net ? mount_plain("sysfs", K_ATTR_NOSUID | K_ATTR_NODEV | K_ATTR_NOEXEC) : -1;

	/* A sysfs of its own shows an own network namespace; without one the kernel refuses it. */
	if (mount < 0)
		mount = mount_clone(AT_FDCWD, "/sys", true);
	if (mount < 0)
		return fail(s->f, "mount sysfs", "%s", target);
	if (!writable && mount_readonly(s, mount, true, target) < 0)
		return -1;
	return mount_at(s, take_fd(&mount), target, TARGET_DIR);
}

static int op_cgroup(struct site *s, struct cursor *c)
{
	const char *target = c_str(c);
	AUTO_FD place = target_find(s, target);
	AUTO_FD mount =
		place < 0 ? -1 : mount_plain("cgroup2", K_ATTR_NOSUID | K_ATTR_NODEV | K_ATTR_NOEXEC | K_ATTR_RDONLY);

	/* Good to have, no more. */
	return mount < 0 ? 0 : mount_attach(s, take_fd(&mount), place, target);
}

static int mask_one(struct site *s, const char *path)
{
	struct stat st;
	AUTO_FD target = target_find(s, path);

	if (target < 0 || fstat(target, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : fail(s->f, "mask", "%s", path);
	int nothing = mount_nothing(s, S_ISDIR(st.st_mode));
	return nothing < 0 ? -1 : mount_attach(s, nothing, target, path);
}

static int readonly_one(struct site *s, const char *path)
{
	if (!strcmp(path, "/"))
		return mount_readonly(s, s->root, false, path);
	AUTO_FD target = target_find(s, path);
	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : fail(s->f, "make read-only", "%s", path);
	AUTO_FD mount = mount_clone(target, "", true);
	if (mount < 0)
		return fail(s->f, "make read-only", "%s", path);
	return mount_readonly(s, mount, true, path) < 0 ? -1 : mount_attach(s, take_fd(&mount), target, path);
}

static int for_paths(struct site *s, struct cursor *c, int (*one)(struct site *, const char *))
{
	int result = 0;

	for (uint32_t n = c_u32(c); n && !c->bad && result == 0; n--)
		result = one(s, c_str(c));
	return result;
}

static int set_owner(struct site *s, int fd, uint32_t uid, uint32_t gid)
{
	if (!s->world->single)
		return fchown(fd, uid, gid);
	/* Not every file system has room for it; the file is the user's own in any case. */
	return owner_set(fd, (struct owner){uid, gid}) < 0 && errno != ENOTSUP ? -1 : 0;
}

static int op_file(struct site *s, struct cursor *c)
{
	const char *target = c_str(c);
	uint32_t len;
	const uint8_t *content = c_blob(c, &len);
	uint32_t mode = c_u32(c), uid = c_u32(c), gid = c_u32(c);
	bool readonly = c_u8(c);
	char name[32];

	snprintf(name, sizeof name, "f%u", s->scratch_names++);
	AUTO_FD fd = openat(s->scratch, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, content, len) < 0 || set_owner(s, fd, uid, gid) < 0 || fchmod(fd, mode & 07777) < 0)
		return fail(s->f, "write", "%s", target);
	AUTO_FD mount = mount_clone(s->scratch, name, false);
	if (mount < 0)
		return fail(s->f, "bind", "%s", target);
	if (readonly && mount_readonly(s, mount, false, target) < 0)
		return -1;
	return mount_at(s, take_fd(&mount), target, TARGET_FILE);
}

static int op_symlink(struct site *s, struct cursor *c)
{
	const char *path = c_str(c), *text = c_str(c), *slash = strrchr(path, '/');
	char *above = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	bool made;
	AUTO_FD parent = target_make_dir(s, above, &made);

	if (parent < 0)
		return -1;
	if (symlinkat(text, parent, slash ? slash + 1 : path) < 0 && errno != EEXIST)
		return fail(s->f, "symlink", "%s", path);
	return 0;
}

static int op_mkdir(struct site *s, struct cursor *c)
{
	const char *path = c_str(c);
	uint32_t mode = c_u32(c), uid = c_u32(c), gid = c_u32(c);
	bool made;
	AUTO_FD found = target_make_dir(s, path, &made);

	if (found < 0 || !made)
		return found < 0 ? -1 : 0;
	AUTO_FD fd = openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || set_owner(s, fd, uid, gid) < 0 || fchmod(fd, mode & 07777) < 0)
		return fail(s->f, "mkdir", "%s", path);
	return 0;
}

static int op_write(struct site *s, struct cursor *c)
{
	const char *path = c_str(c), *text = c_str(c);
	bool optional = c_u8(c);

	while (*path == '/')
		path++;
	AUTO_FD fd = k_openat2(s->root, path, O_WRONLY | O_NOCTTY, 0, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
	if ((fd < 0 || write_all(fd, text, strlen(text)) < 0) && !optional)
		return fail(s->f, "write", "/%s", path);
	return 0;
}

static int op_hostname(struct site *s, struct cursor *c)
{
	const char *name = c_str(c);

	return sethostname(name, strlen(name)) < 0 ? fail(s->f, "set hostname", "%s", name) : 0;
}

/* Of this process, and of the payload that it will fork; through the host's /proc, the container's may be anything. */
static int op_oom_score(struct site *s, struct cursor *c)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d", (int32_t)c_u32(c));
	AUTO_FD fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	return fd < 0 || write_all(fd, text, (size_t)n) < 0 ? fail(s->f, "set oom score", "%s", text) : 0;
}

static int op_loopback(struct site *s)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return fail(s->f, "bring up loopback", "%s", "lo");
	return 0;
}

static int execute_op(struct site *s, struct cursor *c)
{
	uint8_t op = c_u8(c);

	if (s->root < 0 && op != OP_ROOT && op != OP_TREE && op != OP_HOSTNAME && op != OP_LOOPBACK && op != OP_OOM_SCORE)
		return fail_with(s->f, EBADMSG, "plan", "root comes first");
	switch (op) {
	case OP_ROOT:
		return op_root(s, c);
	case OP_TREE:
		return op_tree(s, c);
	case OP_BIND:
		return op_bind(s, c);
	case OP_TMPFS:
		return op_tmpfs(s, c);
	case OP_PROC:
		return op_proc(s, c);
	case OP_SYS:
		return op_sys(s, c);
	case OP_DEV: {
		const char *path = c_str(c);
		return make_dev(s, path, c_u64(c));
	}
	case OP_CGROUP:
		return op_cgroup(s, c);
	case OP_MASK:
		return for_paths(s, c, mask_one);
	case OP_READONLY:
		return for_paths(s, c, readonly_one);
	case OP_FILE:
		return op_file(s, c);
	case OP_SYMLINK:
		return op_symlink(s, c);
	case OP_MKDIR:
		return op_mkdir(s, c);
	case OP_WRITE:
		return op_write(s, c);
	case OP_HOSTNAME:
		return op_hostname(s, c);
	case OP_LOOPBACK:
		return op_loopback(s);
	case OP_OOM_SCORE:
		return op_oom_score(s, c);
	default:
		return fail_with(s->f, ENOSYS, "plan", "unknown operation");
	}
}

/* pivot_root(".", ".") stacks the old root on the new one, from where it is detached (pivot_root(2)). */
static int pivot(struct site *s)
{
	if (fchdir(s->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return fail(s->f, "pivot", "%s", s->root_path);
	return 0;
}

static void send_file(struct site *s, uint32_t index, const char *path, uint32_t max)
{
	struct stat st;

	while (*path == '/')
		path++;
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD fd = k_openat2(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	uint32_t size = st.st_size > max ? max : (uint32_t)st.st_size;
	uint8_t *content = xalloc(size);
	if (read_exact(fd, content, size) < (size ? 1 : 0))
		return;
	w_begin(s->ctl, FR_FILE);
	w_u32(s->ctl, index);
	w_bytes(s->ctl, content, size);
	w_end(s->ctl);
	w_flush(s->ctl);
}

int plan_execute(struct site *s, struct cursor *plan)
{
	if (scratch_open(s) < 0)
		return -1;
	for (uint32_t n = c_u32(plan); n; n--)
		if (execute_op(s, plan) < 0)
			return -1;
	if (plan->bad || s->root < 0)
		return fail_with(s->f, EBADMSG, "plan", "malformed");
	if (pivot(s) < 0)
		return -1;
	uint32_t files = c_u32(plan);
	for (uint32_t i = 0; i < files && !plan->bad; i++) {
		const char *path = c_str(plan);
		send_file(s, i, path, c_u32(plan));
	}
	return plan->bad ? fail_with(s->f, EBADMSG, "plan", "malformed") : 0;
}
