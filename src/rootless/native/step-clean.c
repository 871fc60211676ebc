/* Mount points that a step's init made in the upper, and that nobody wants to find in the layer. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copied.h"
#include "kernel.h"
#include "step-internal.h"

/* Takes away a mount point that nobody used for anything else, and gives its parent the times back. */
static void remove_created(int upper, const char *path)
{
	char *parent = xstrndup(path, strlen(path)), *slash = strrchr(parent, '/');
	const char *name = path + (slash ? slash - parent + 1 : 0);
	struct stat st, before;

	*(slash ? slash : parent) = 0;
	AUTO_FD dir = k_openat2(upper, parent[0] ? parent : ".", O_PATH | O_DIRECTORY, 0,
		K_RESOLVE_BENEATH | K_RESOLVE_NO_SYMLINKS);
	free(parent);
	if (dir < 0 || fstat(dir, &before) < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	bool unused = S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size == 0);
	if (!unused || unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
		return;
	struct timespec t[2] = {before.st_atim, before.st_mtim};
	utimensat(dir, ".", t, 0);
}

/* Where mount points were made. */
static int open_changes(const struct step *s)
{
	char root[4200];

	if (!s->copied_work || !s->copied_work[0])
		return s->upper[0] ? open(s->upper, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	snprintf(root, sizeof root, "%s/root", s->copied_work);
	return open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void finish_copies(struct step *s)
{
	AUTO_FD place = open(s->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct failure ignored = {0};

	if (place >= 0)
		copied_discard(place, &ignored);
	if (s->copied_work[0])
		copied_finish(s->upper, s->copied_work, &s->failure);
}

void step_clean_up(struct step *s)
{
	AUTO_FD upper = open_changes(s);

	while (s->created_count > 0) {
		char *path = s->created[--s->created_count];
		if (upper >= 0)
			remove_created(upper, path);
		free(path);
	}
	if (s->copied_work)
		finish_copies(s);
}
