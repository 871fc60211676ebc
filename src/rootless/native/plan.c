/*
 * Executes a plan's operations in order, pivots into the new root, and sends the files that were asked for. It runs in
 * the step's init, in new mount, pid, ipc, uts and cgroup namespaces; see site.h for how paths are resolved.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "plan-ops.h"

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
	OP_AFFINITY = 18,
};

/* True for what may come before the root. */
static bool is_early(uint8_t op)
{
	return op == OP_ROOT || op == OP_TREE || op == OP_HOSTNAME || op == OP_LOOPBACK || op == OP_OOM_SCORE ||
		op == OP_AFFINITY;
}

static int execute_op(struct site *s, struct cursor *c)
{
	static plan_op *const ops[] = {
		[OP_ROOT] = op_root,
		[OP_TREE] = op_tree,
		[OP_BIND] = op_bind,
		[OP_TMPFS] = op_tmpfs,
		[OP_PROC] = op_proc,
		[OP_SYS] = op_sys,
		[OP_DEV] = op_dev,
		[OP_CGROUP] = op_cgroup,
		[OP_MASK] = op_mask,
		[OP_READONLY] = op_readonly,
		[OP_FILE] = op_file,
		[OP_SYMLINK] = op_symlink,
		[OP_MKDIR] = op_mkdir,
		[OP_WRITE] = op_write,
		[OP_HOSTNAME] = op_hostname,
		[OP_LOOPBACK] = op_loopback,
		[OP_OOM_SCORE] = op_oom_score,
		[OP_AFFINITY] = op_affinity,
	};
	uint8_t op = c_u8(c);

	if (s->root < 0 && !is_early(op))
		return fail_with(s->f, EBADMSG, "plan", "root comes first");
	if (s->root >= 0 && op == OP_ROOT)
		return fail_with(s->f, EBADMSG, "plan", "two roots");
	if (op >= ARRAY_LEN(ops) || !ops[op])
		return fail_with(s->f, ENOSYS, "plan", "unknown operation");
	return ops[op](s, c);
}

/* pivot_root(".", ".") stacks the old root on the new one, from where it is detached (pivot_root(2)). */
static int pivot(struct site *s)
{
	if (fchdir(s->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return fail(s->f, "pivot", "%s", s->root_path);
	return 0;
}

/* Another runtime makes its own root of ours, and needs the processes of this pid namespace in /proc. */
static int stay(struct site *s)
{
	AUTO_FD target = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD mount = mount_plain("proc", K_ATTR_NOSUID | K_ATTR_NODEV | K_ATTR_NOEXEC);

	if (target < 0 || mount < 0)
		return fail(s->f, "mount proc", "%s", "/proc");
	return mount_attach(s, take_fd(&mount), target, "/proc");
}

static void send_file(struct site *s, uint32_t index, const char *path, uint32_t max)
{
	struct stat st;

	while (*path == '/')
		path++;
	AUTO_FD root = s->foreign ? dup(s->root) : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
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
	if ((s->foreign ? stay(s) : pivot(s)) < 0)
		return -1;
	uint32_t files = c_u32(plan);
	for (uint32_t i = 0; i < files && !plan->bad; i++) {
		const char *path = c_str(plan);
		send_file(s, i, path, c_u32(plan));
	}
	return plan->bad ? fail_with(s->f, EBADMSG, "plan", "malformed") : 0;
}
