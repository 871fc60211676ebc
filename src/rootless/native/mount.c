/*
 * Detached mounts and where they go: fsopen(2), open_tree(2), move_mount(2).
 *
 * What user namespaces forbid, and what is done instead: a new procfs or sysfs needs one that is nowhere masked
 * (mount_too_revealing() in the kernel), else the host's is bound; flags of mounts that came from outside are locked,
 * so binds take them along and only add (mount_namespaces(7)).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "old-mounts.h"
#include "site.h"

/* `source` is what mount tables show. */
int mount_create(int fs, const char *source, unsigned attrs)
{
	k_fsconfig(fs, K_FSCONFIG_STRING, "source", source);
	if (k_fsconfig(fs, K_FSCONFIG_CREATE, NULL, NULL) < 0)
		return -1;
	return k_fsmount(fs, attrs);
}

int mount_plain(const char *fstype, unsigned attrs)
{
	AUTO_FD fs = k_fsopen(fstype);

	if (fs < 0)
		return errno == ENOSYS ? old_new(fstype, "", attrs) : -1;
	return mount_create(fs, fstype, attrs);
}

static int set_number(int fs, const char *key, bool octal, unsigned long long value)
{
	char text[32];

	snprintf(text, sizeof text, octal ? "%llo" : "%llu", value);
	return k_fsconfig(fs, K_FSCONFIG_STRING, key, text);
}

/* Options of mount(2) for a tmpfs. */
static int old_tmpfs(struct site *s, const struct tmpfs_options *o)
{
	char options[128];
	int n = snprintf(options, sizeof options, "mode=%o", o->mode);

	if (o->size)
		n += snprintf(options + n, sizeof options - (size_t)n, ",size=%llu", (unsigned long long)o->size);
	if (!s->world->single)
		snprintf(options + n, sizeof options - (size_t)n, ",uid=%u,gid=%u", o->uid, o->gid);
	int mount = old_new("tmpfs", options, o->attrs);
	return mount < 0 ? fail(s->f, "mount tmpfs", "%s", "") : mount;
}

int mount_tmpfs(struct site *s, const struct tmpfs_options *o)
{
	AUTO_FD fs = k_fsopen("tmpfs");

	if (fs < 0 && errno == ENOSYS)
		return old_tmpfs(s, o);

	if (fs < 0 || set_number(fs, "mode", true, o->mode) < 0 || (o->size && set_number(fs, "size", false, o->size) < 0))
		return fail(s->f, "mount tmpfs", "%s", "");
	/* One mapped id can't own it as anybody else. */
	if (!s->world->single && (set_number(fs, "uid", false, o->uid) < 0 || set_number(fs, "gid", false, o->gid) < 0))
		return fail(s->f, "mount tmpfs", "owner %u:%u", o->uid, o->gid);
	int mount = mount_create(fs, "tmpfs", o->attrs);
	return mount < 0 ? fail(s->f, "mount tmpfs", "%s", "") : mount;
}

int mount_clone_following(int dirfd, const char *path, bool recursive)
{
	unsigned flags = K_OPEN_TREE_CLONE | (path[0] ? 0 : AT_EMPTY_PATH);
	int fd = k_open_tree(dirfd, path, flags | (recursive ? K_AT_RECURSIVE : 0));
	bool old = fd < 0 && errno == ENOSYS;

	if (old)
		fd = old_clone(dirfd, path, recursive);
	/* Mounts from outside hide what is below them, and must go on doing so: only all of them may be taken. */
	if (fd < 0 && errno == EINVAL && !recursive)
		fd = old ? old_clone(dirfd, path, true) : k_open_tree(dirfd, path, flags | K_AT_RECURSIVE);
	return fd;
}

static int set_attributes(int mount, bool recursive, uint64_t attrs, unsigned long propagation)
{
	int result = k_mount_setattr(mount, recursive ? K_AT_RECURSIVE : 0, attrs, propagation);

	return result < 0 && errno == ENOSYS ? old_setattr(mount, recursive, attrs, propagation) : result;
}

int mount_move(int mount, int target)
{
	int result = k_move_mount(mount, target);

	return result < 0 && errno == ENOSYS ? old_move(mount, target) : result;
}

int mount_clone(int dirfd, const char *path, bool recursive)
{
	int fd = mount_clone_following(dirfd, path, recursive);

	/* What the host mounts later on is no business of the container's. */
	if (fd >= 0 && set_attributes(fd, true, 0, MS_PRIVATE) < 0) {
		close_fd(&fd);
		return -1;
	}
	return fd;
}

int mount_attach(struct site *s, int mount, int target, const char *what)
{
	int result = mount_move(mount, target);

	if (result < 0)
		fail(s->f, "mount", "%s", what);
	close(mount);
	return result;
}

int mount_at(struct site *s, int mount, const char *path, enum target_kind kind)
{
	AUTO_FD target = target_mount_point(s, path, kind);

	if (target < 0 || !may_cover(target, path)) {
		close(mount);
		return target < 0 ? -1 : fail_with(s->f, EPERM, "mount point", path);
	}
	return mount_attach(s, mount, target, path);
}

int mount_restrict(struct site *s, int mount, uint32_t attrs, const char *what)
{
	if (set_attributes(mount, true, attrs, 0) < 0)
		return fail(s->f, "mount options", "%s", what);
	return 0;
}

int mount_readonly(struct site *s, int mount, bool recursive, const char *what)
{
	if (set_attributes(mount, recursive, K_ATTR_RDONLY, 0) < 0)
		return fail(s->f, "make read-only", "%s", what);
	return 0;
}

/* -1 and errno */
static int scratch_mount(struct site *s, int target)
{
	unsigned attrs = K_ATTR_NOSUID | K_ATTR_NODEV;
	char path[32];
	AUTO_FD fs = k_fsopen("tmpfs");

	if (fs >= 0) {
		AUTO_FD mount = mount_create(fs, "tmpfs", attrs);
		if (mount >= 0 && k_move_mount(mount, target) == 0)
			return take_fd(&mount);
	}
	/* Where there is no scratch yet for a place of its own. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", target);
	if (errno != ENOSYS || mount("tmpfs", path, "tmpfs", attrs, "mode=0755") < 0)
		return -1;
	return open(s->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Mounted on the root's place before the root is: still ours afterwards, but out of the container's sight. */
int scratch_open(struct site *s)
{
	AUTO_FD target = open(s->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD mount = target < 0 ? -1 : scratch_mount(s, target);

	if (mount < 0)
		return fail(s->f, "mount", "%s", s->root_path);
	old_use(mount);
	s->place = take_fd(&target);
	if (mkdirat(mount, "empty", 0755) < 0 || mkdirat(mount, "nothing", 0755) < 0)
		return fail(s->f, "mkdir", "%s", "empty");
	s->scratch = take_fd(&mount);
	return 0;
}

int mount_nothing(struct site *s, bool directory)
{
	AUTO_FD fd = directory ? mount_clone(s->scratch, "empty", false) : mount_clone(AT_FDCWD, "/dev/null", false);

	if (fd < 0)
		return fail(s->f, "mask", "%s", directory ? "directory" : "/dev/null");
	if (directory && mount_readonly(s, fd, false, "mask") < 0)
		return -1;
	return take_fd(&fd);
}
