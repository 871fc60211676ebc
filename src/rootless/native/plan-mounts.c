/* The operations of a plan that mount something. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "plan-ops.h"

int op_root(struct site *s, struct cursor *c)
{
	int mount = mount_overlay(s, c, true);

	if (mount < 0)
		return -1;
	s->root = dup(mount);
	/* The scratch is there already: the root goes on top of it. */
	AUTO_FD target = open(s->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return mount_attach(s, mount, target, s->root_path);
}

int op_tree(struct site *s, struct cursor *c)
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
	if (!path[0] && tree >= s->tree_count)
		return errno = EBADMSG, -1;
	AUTO_FD base = path[0] ? open(path, O_PATH | O_CLOEXEC) : dup(s->trees[tree]);
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

int op_bind(struct site *s, struct cursor *c)
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

int op_tmpfs(struct site *s, struct cursor *c)
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

int op_proc(struct site *s, struct cursor *c)
{
	const char *target = c_str(c);
	AUTO_FD mount = mount_plain("proc", K_ATTR_NOSUID | K_ATTR_NODEV | K_ATTR_NOEXEC);

	if (mount < 0)
		mount = mount_clone(AT_FDCWD, "/proc", true);
	return mount < 0 ? fail(s->f, "mount proc", "%s", target) : mount_at_no_link(s, take_fd(&mount), target);
}

int op_sys(struct site *s, struct cursor *c)
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
	return mount_at_no_link(s, take_fd(&mount), target);
}

int op_cgroup(struct site *s, struct cursor *c)
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

int op_dev(struct site *s, struct cursor *c)
{
	const char *path = c_str(c);

	return make_dev(s, path, c_u64(c));
}

static int for_paths(struct site *s, struct cursor *c, int (*one)(struct site *, const char *))
{
	int result = 0;

	for (uint32_t n = c_u32(c); n && !c->bad && result == 0; n--)
		result = one(s, c_str(c));
	return result;
}

int op_mask(struct site *s, struct cursor *c)
{
	return for_paths(s, c, mask_one);
}

int op_readonly(struct site *s, struct cursor *c)
{
	return for_paths(s, c, readonly_one);
}
