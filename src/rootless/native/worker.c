/* A worker serves the requests of one lane, one after another: see worker.h. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <unistd.h>

#include "probe.h"
#include "step.h"
#include "tree.h"

_Noreturn void worker_main(int lane, const struct world *world)
{
	struct reader in;
	struct writer out;
	struct frame frame;

	reader_init(&in, lane);
	writer_init(&out, lane);
	while (reader_next(&in, &frame)) {
		struct cursor c = cursor_of(&frame);
		switch (frame.type) {
		case FR_WALK:
			request_walk(&c, &out, world);
			break;
		case FR_APPLY:
			request_apply(&c, &in, &out, world);
			break;
		case FR_REMOVE:
			request_remove(&c, &out);
			break;
		case FR_READ:
			request_read(&c, &out);
			break;
		case FR_RUN:
			request_run(&frame, &in, &out, world);
			break;
		case FR_PROBE:
			request_probe(&c, &out, world);
			break;
		default:
			/* What Node sent to a step that had ended meanwhile. */
			break;
		}
	}
	_exit(0);
}
