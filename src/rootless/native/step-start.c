/* The start of a step: its streams, its namespaces, its init. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel.h"
#include "shared-pids.h"
#include "step-internal.h"

/* The payload's ends go to `args`, which keeps them above 2. */
static int make_streams(struct step *s, struct init_args *a)
{
	for (int i = 0; i < 3; i++) {
		int ends[2];
		s->stream[i] = -1;
		a->std[i] = -1;
		if (has_terminal(s->stdio))
			continue;
		if (i == 0 && !s->wants_stdin)
			a->std[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		else if (s->stdio == STDIO_INHERIT)
			a->std[i] = i;
		else if (pipe2(ends, O_CLOEXEC) == 0) {
			a->std[i] = ends[i == 0 ? 0 : 1];
			s->stream[i] = ends[i == 0 ? 1 : 0];
			fcntl(s->stream[i], F_SETFL, O_NONBLOCK);
		}
		if (a->std[i] < 0)
			return fail(&s->failure, "standard streams", "%s", "");
	}
	return 0;
}

void step_end_orphans(struct step *s)
{
	AUTO_FD proc = s->shares_pids ? shared_pids_open() : -1;

	if (proc >= 0)
		shared_pids_end(proc, &(struct shared_pids_ending){0});
}

int step_start(struct step *s, struct init_args *a)
{
	int ctl[2], pass[2] = {-1, -1};

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ctl) < 0 ||
		((has_terminal(s->stdio) || s->monitored) && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pass) < 0))
		return fail(&s->failure, "socket", "%s", "");
	if (make_streams(s, a) < 0)
		return -1;
	a->ctl = ctl[1];
	a->pass = pass[1];
	s->pass = pass[0];
	a->place = &s->place;
	s->init = place_clone(s, a);
	if (s->init < 0)
		return -1;
	if (s->init == 0) {
		close(s->lane->fd);
		/* The worker's own, of which the init has a copy. */
		free(s->lane->buf);
		free(s->out->buf);
		close(ctl[0]);
		close_fd(&pass[0]);
		for (int i = 0; i < 3; i++)
			step_close(s, i);
		init_main(a);
	}
	close(ctl[1]);
	close_fd(&pass[1]);
	for (int i = 0; i < 3; i++)
		if (a->std[i] > 2)
			close(a->std[i]);
	reader_init(&s->from_init, ctl[0]);
	writer_init(&s->to_init, ctl[0]);
	if (s->stdio == STDIO_TTY) {
		s->relay = xalloc(sizeof *s->relay);
		s->relay->master = -1;
	}
	if (place_let_go(s) < 0)
		kill(s->init, SIGKILL);
	return 0;
}
