/* A program inside the id mapping, with the files and processes of the host: see agent.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "frame.h"
#include "idmap.h"

enum { LANE = 3, CANNOT_EXECUTE = 126, NOT_FOUND = 127 };

int unshare_main(char **argv)
{
	struct reader control;
	struct writer out;
	struct frame frame;
	struct failure f = {0};
	pid_t parent = getppid();

	die_with_parent(parent);
	signal(SIGPIPE, SIG_IGN);
	reader_init(&control, LANE);
	writer_init(&out, LANE);
	if (!reader_next(&control, &frame) || frame.type != FR_START)
		return 2;
	struct cursor c = cursor_of(&frame);
	if (enter_namespaces(&c, &f) < 0) {
		w_failure(&out, &f);
		return 1;
	}
	/* Changing ids disarms it (prctl(2)). */
	die_with_parent(parent);
	w_empty(&out, FR_READY);
	close(LANE);
	reset_signals();
	execvp(argv[0], argv);
	fprintf(stderr, "tsbox: exec: \"%s\": %s\n", argv[0], strerror(errno));
	return errno == ENOENT ? NOT_FOUND : CANNOT_EXECUTE;
}
