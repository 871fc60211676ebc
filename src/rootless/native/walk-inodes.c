/* Files with more than one link, by inode: an open-addressed table. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "walk.h"

static size_t slot_of(const struct walk *w, dev_t dev, ino_t ino)
{
	size_t i = ((size_t)ino * 2654435761u ^ (size_t)dev) & (w->inode_slots - 1);

	while (w->inodes[i].path && (w->inodes[i].ino != ino || w->inodes[i].dev != dev))
		i = (i + 1) & (w->inode_slots - 1);
	return i;
}

/* What this inode was seen as before; a new record without path the first time. */
struct inode *walk_seen_as(struct walk *w, const struct stat *st)
{
	if (w->inode_count * 2 >= w->inode_slots) {
		struct inode *old = w->inodes;
		size_t slots = w->inode_slots;
		w->inode_slots = slots ? slots * 2 : 256;
		w->inodes = xalloc(w->inode_slots * sizeof *old);
		for (size_t i = 0; i < slots; i++)
			if (old[i].path)
				w->inodes[slot_of(w, old[i].dev, old[i].ino)] = old[i];
		free(old);
	}
	return &w->inodes[slot_of(w, st->st_dev, st->st_ino)];
}

void walk_remember(struct walk *w, struct inode *slot, const struct stat *st, struct owner o)
{
	*slot = (struct inode){st->st_dev, st->st_ino, xstrndup(w->path, w->path_len), o};
	w->inode_count++;
}

void walk_forget(struct walk *w)
{
	for (size_t i = 0; i < w->inode_slots; i++)
		free(w->inodes[i].path);
	free(w->inodes);
}
