/* What the files of the emulation share. Nobody else includes this. */
#ifndef TSBOX_EMULATE_INTERNAL_H
#define TSBOX_EMULATE_INTERNAL_H

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

#include "emulate-uapi.h"
#include "emulate.h"
#include "owners.h"

/* A handler's answer beside results (≥ 0) and -errno: let the kernel do it. */
#define EMU_CONTINUE INT64_MIN
/* … or: already answered (a descriptor was injected). */
#define EMU_SENT (INT64_MIN + 1)

#define EMU_KEEP UINT32_MAX /* (uid_t)-1, (gid_t)-1: no change */

/* Immutable once interned; a process names one by its RLIMIT_LOCKS. */
struct emu_cred {
	uid_t ruid, euid, suid, fsuid;
	gid_t rgid, egid, sgid, fsgid;
	bool keepcaps;
	uint64_t permitted, effective, bounding;
	size_t ngroups;
	gid_t groups[];
};

/* Identity of an inode as the container sees it. */
struct emu_inode {
	uint64_t dev, ino;
	int64_t born_s;
	uint32_t born_ns;
	uint32_t links;
	mode_t mode;
};

/* Owner of an inode that can't have user.* attributes. */
struct emu_row {
	struct emu_inode inode;
	struct owner owner;
	char *path; /* where it was last seen, from the root, no leading slash; or NULL */
	bool lower; /* from a lower layer: its number can't be reused during the step */
	bool used;
};

struct emu_table {
	struct emu_row *rows;
	size_t count, capacity;
	size_t sweep_at; /* rows at which those of files that are gone are looked for */
	char **lower_paths; /* every path that a lower owners file names, sorted */
	size_t lower_count;
};

#define EMU_KNOWN_PIDS 64

struct emu_known_pid {
	pid_t pid, proc_pid;
};

struct emu {
	unsigned flags;
	int listener;
	int proc; /* the container's /proc; the working directory while serving */
	int root; /* the container's root */
	int upper; /* borrowed */
	int owners; /* borrowed */
	bool foreign_proc; /* /proc counts in another pid namespace */
	struct emu_known_pid known_pids[EMU_KNOWN_PIDS];
	bool roots_vary; /* a process of the step may have another root than ours */
	bool no_addfd_send;
	/*
     * Before 5.19 a signal takes the caller out of its call, which is made
     * anew afterwards: what nobody heard of must not be there (EEXIST).
     */
	bool restarts;
	int made_in; /* directory of what this call made, -1 if nothing */
	char made[NAME_MAX + 1];
	struct emu_cred **creds;
	size_t ncreds;
	/* Since when the table is ahead of its file (0: it is not), and when it last changed. */
	int64_t changed_ms, touched_ms;
	struct emu_table table;
};

/* One notification. */
struct emu_call {
	struct emu *emu;
	uint64_t id;
	pid_t pid; /* thread, in our pid namespace */
	pid_t proc_pid; /* the same, as /proc names it; 0 until emu_proc_pid() */
	int nr; /* as the native ABI has it */
	bool foreign;
	const uint64_t *args;
};

/* ---- emu-pid.c -------------------------------------------------------------- */

/* The caller's number in our /proc, or -1: it is gone. */
pid_t emu_proc_pid(struct emu_call *call);

/* ---- emu-caller.c: the caller's memory and status ------------------------- */

bool emu_alive(const struct emu_call *call);
int emu_read(const struct emu_call *call, uint64_t address, void *out, size_t size);
int emu_read_string(const struct emu_call *call, uint64_t address, char *out, size_t size);
int emu_write(const struct emu_call *call, uint64_t address, const void *data, size_t size);
/* The number after "KEY:" in the caller's /proc/PID/status, or -errno. */
long emu_status_field(struct emu_call *call, const char *key, int base);

/* ---- emu-target.c: the caller's paths and descriptors ---------------------- */

/* A path of the caller as we may use it, between place_begin and place_end. */
struct emu_place {
	char path[PATH_MAX];
	bool entered; /* root and working directory are the caller's */
};
/*
 * Make place->path name what dirfd and path name for the caller; follow says
 * whether a symlink at its end will be followed. An empty path is dirfd
 * itself. Returns 0 or -errno; after 0, place_end is due.
 */
int emu_place_begin(struct emu_call *call, struct emu_place *place, int dirfd, const char *path, bool follow);
void emu_place_end(struct emu_call *call, struct emu_place *place);
/*
 * The same for what is to be made or changed: where a path begins for the
 * caller, and what is left of it to resolve from there. Follows no magic link
 * but the caller's own at the beginning. After 0, spot_end is due.
 */
struct emu_spot {
	int at; /* -1: at the root, and rest is absolute */
	const char *rest; /* "": the beginning itself */
	char named[PATH_MAX + 32];
	bool entered; /* the root is the caller's */
};
int emu_spot_begin(struct emu_call *call, struct emu_spot *spot, int dirfd, const char *path, bool follow);
/* Opens rest, or the beginning of it, as openat2(2) would without O_CREAT; -1 and errno. */
int emu_spot_open(struct emu_spot *spot, const char *rest, int flags);
void emu_spot_end(struct emu_call *call, struct emu_spot *spot);
/* O_PATH descriptor of the caller's file, or -errno. */
int emu_open_target(struct emu_call *call, int dirfd, const char *path, bool follow);

/* ---- emu-cred.c: the model of credentials(7) ------------------------------ */

const struct emu_cred *emu_cred_of(struct emu *emu, pid_t pid);
/* A private copy with room for ngroups; free() it, or hand it to emu_cred_assign. */
struct emu_cred *emu_cred_copy(const struct emu_cred *from, size_t ngroups);
/* Give the caller this credential; frees next. Returns 0 or -errno. */
int emu_cred_assign(struct emu_call *call, struct emu_cred *next);
/* The kernel keeps them sorted, and getgroups shows it. */
void emu_cred_sort_groups(struct emu_cred *cred);
int emu_cred_init(struct emu *emu, const struct emu_config *config);
void emu_cred_free(struct emu *emu);
bool emu_cred_capable(const struct emu_cred *cred, unsigned capability);
bool emu_cred_in_group(const struct emu_cred *cred, gid_t gid);

/* ---- emu-owner.c: who owns an inode --------------------------------------- */

int emu_inode_of(int dirfd, const char *path, int flags, struct emu_inode *out);
/* Recorded owner of an O_PATH or ordinary descriptor; false: none, it is 0:0. */
bool emu_owner_get(struct emu *emu, int fd, struct owner *out);
/* Record, or forget when it is 0:0 (devices keep theirs). Returns 0 or -errno. */
int emu_owner_set(struct emu *emu, int fd, struct owner owner);
/* Owner by path, following the last symlink or not; same answers. */
bool emu_owner_at(struct emu *emu, const char *path, bool follow, struct owner *out);

/* ---- emu-table.c: the owners of symlinks, fifos, sockets ------------------ */

/* Monotonic, never 0. */
int64_t emu_now_ms(void);
struct emu_row *emu_table_find(struct emu_table *table, const struct emu_inode *inode);
int emu_table_put(struct emu_table *table, const struct emu_inode *inode, struct owner owner, const char *path);
/* Before a put: keeps a step that makes and removes files on a tmpfs for ever from filling our memory. -ENOMEM: full. */
int emu_table_room(struct emu *emu);
void emu_table_load(struct emu *emu, const int *files, size_t count);
void emu_table_free(struct emu_table *table);
/* ---- emu-save.c ------------------------------------------------------------ */
int emu_table_save(struct emu *emu);

/* ---- handlers: emu-ids.c, emu-chown.c, emu-create.c, emu-stat.c, emu-exec.c */

typedef int64_t emu_handler(struct emu_call *call);
emu_handler emu_do_getid, emu_do_getresid, emu_do_getgroups, emu_do_setid, emu_do_setreid, emu_do_setresid,
	emu_do_setfsid, emu_do_setgroups, emu_do_capset, emu_do_capget, emu_do_prctl;
emu_handler emu_do_chown, emu_do_lchown, emu_do_fchown, emu_do_fchownat;
emu_handler emu_do_open, emu_do_openat, emu_do_openat2, emu_do_creat, emu_do_mkdir, emu_do_mkdirat, emu_do_mknod,
	emu_do_mknodat, emu_do_symlink, emu_do_symlinkat;
emu_handler emu_do_stat, emu_do_lstat, emu_do_fstat, emu_do_fstatat, emu_do_statx;
emu_handler emu_do_listxattr, emu_do_llistxattr, emu_do_flistxattr;
emu_handler emu_do_execve, emu_do_execveat, emu_do_new_root, emu_do_clone3, emu_do_rlimit, emu_do_peercred;

/* ---- emu-foreign.c: the 32-bit ABI ------------------------------------------ */

struct emu_foreign {
	int foreign, nr; /* nr 0: the handler does not ask which call it is */
	emu_handler *handler;
	/* Only if argument `argument` (from 1) has one of these bits, or, without bits, is RLIMIT_LOCKS; 0: always. */
	unsigned argument;
	uint32_t bits;
};
const struct emu_foreign *emu_foreign_calls(size_t *count);
const struct emu_foreign *emu_foreign_of(int nr);
/* Writes a stat64. Returns 0 or -errno. */
int emu_foreign_stat(struct emu_call *call, const struct stat *st, uint64_t out);

/* The handler of a system call, or NULL: the table that the filter follows. */
emu_handler *emu_handler_of(int nr);

#endif
