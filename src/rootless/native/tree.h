/* Requests about trees of files: read, written and removed with the rights of the namespace's root. */
#ifndef TSBOX_TREE_H
#define TSBOX_TREE_H

#include "frame.h"
#include "worker.h"

/* Each answers FR_OK or FR_ERROR, after whatever else it has to send. */
void request_walk(struct cursor *c, struct writer *out, const struct world *world);
/* Reads FR_ENTRY and FR_DATA frames up to FR_END from `in`. */
void request_apply(struct cursor *c, struct reader *in, struct writer *out, const struct world *world);
void request_remove(struct cursor *c, struct writer *out);
void request_read(struct cursor *c, struct writer *out);

/* Removes what `name` names, a link itself; absence is success. On failure `f` names the path. */
int remove_tree(int dirfd, const char *name, struct failure *f);

#endif
