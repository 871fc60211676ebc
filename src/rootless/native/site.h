/*
 * A container's mounts, while they are made: in the new mount namespace, before the pivot. Paths of the container are
 * resolved as if its root were `/` (openat2's RESOLVE_IN_ROOT) and mounts go through the descriptor found, so that no
 * link in an image leads out.
 */
#ifndef TSBOX_SITE_H
#define TSBOX_SITE_H

#include "frame.h"
#include "worker.h"

enum { TREES_MAX = 64 };

struct site {
	struct failure *f;
	const struct world *world;
	/* Messages to the worker: mount points that were made. */
	struct writer *ctl;
	bool own_net, tty;
	/* A name of its own was refused. */
	bool keeps_hostname;
	/* The root is mounted and not entered: see struct placement. */
	bool foreign;
	/* Mount of a /dev/shm that is another container's, -1 for one of its own. */
	int shm;
	/* Host directory on which the root is mounted, and what is below that. */
	const char *root_path;
	int place;
	int root;
	/* A tmpfs for what has no place of its own: files in memory, trees, an empty directory. */
	int scratch;
	unsigned scratch_names;
	int trees[TREES_MAX];
	unsigned tree_count;
	/* For the recording of owners: see emulate.h. -1 where there is none. */
	int upper, owners;
	int *lower_owners;
	size_t lower_count;
};

/* target.c: O_PATH descriptors of container paths; -1 and errno (find) or a failure (the others). */
int target_find(const struct site *s, const char *path);
enum target_kind { TARGET_DIR, TARGET_FILE };
/* Makes what is missing and tells the worker, who takes it away after the step. */
int target_mount_point(struct site *s, const char *path, enum target_kind kind);
/* A directory that stays. *made says if it is new. */
int target_make_dir(struct site *s, const char *path, bool *made);

/* mount.c: detached mounts and where they go */
struct tmpfs_options {
	uint64_t size;
	uint32_t mode, uid, gid;
	unsigned attrs;
};
int mount_tmpfs(struct site *s, const struct tmpfs_options *o);
/* Of a configured file system; `source` is what mount tables show. -1 and errno. */
int mount_create(int fs, const char *source, unsigned attrs);
/* A file system without options; -1 and errno. */
int mount_plain(const char *fstype, unsigned attrs);
/* Copy of the mount at a path: -1 and errno. `path` "" means dirfd itself. */
int mount_clone(int dirfd, const char *path, bool recursive);
/* The same, with what the host mounts there later on. */
int mount_clone_following(int dirfd, const char *path, bool recursive);
/* -1 and errno */
int mount_move(int mount, int target);
/* Consumes `mount`. */
int mount_attach(struct site *s, int mount, int target, const char *what);
int mount_at(struct site *s, int mount, const char *path, enum target_kind kind);
/* The same on a directory that no link leads to. */
int mount_at_no_link(struct site *s, int mount, const char *path);
int mount_readonly(struct site *s, int mount, bool recursive, const char *what);
/* Adds K_ATTR_* to a mount and those below it. */
int mount_restrict(struct site *s, int mount, uint32_t attrs, const char *what);
/* Empty read-only directory, or /dev/null. */
int mount_nothing(struct site *s, bool directory);
int scratch_open(struct site *s);

/* overlay.c: the mount that `spec` tells of; the root's also opens what the emulation will need. */
int mount_overlay(struct site *s, struct cursor *spec, bool is_root);
/* Layers topmost first, by overlayfs alone: a failure where that refuses. */
int mount_stacked(struct site *s, const char **layers, uint32_t count, const char *upper, const char *work);

/* procfs.c */
bool is_procfs(int fd);
/* False for what would hide the kernel's /proc, or parts of it. */
bool may_cover(int target, const char *path);

/* dev.c */
int make_dev(struct site *s, const char *path, uint64_t shm_size);

/* plan.c, plan-mounts.c, plan-files.c: executes the ops, pivots, and sends the files asked for. */
int plan_execute(struct site *s, struct cursor *plan);

#endif
