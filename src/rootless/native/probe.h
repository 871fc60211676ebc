/* The doctor's questions to the kernel. */
#ifndef TSBOX_PROBE_H
#define TSBOX_PROBE_H

#include "frame.h"
#include "worker.h"

/* FR_PROBED frames (name, errno), then FR_OK. */
void request_probe(struct cursor *c, struct writer *out, const struct world *world);

#endif
