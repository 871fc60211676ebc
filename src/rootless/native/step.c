/* The worker's side of a step while it runs: see step.h. */
#define _GNU_SOURCE
#include "step-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "idle.h"

enum { PIECE = 65536 };

static void pump(struct step *s, int i)
{
	ssize_t n = w_data_from(s->out, i == 1 ? FR_STDOUT : FR_STDERR, s->stream[i], PIECE);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		step_close(s, i);
	w_flush(s->out);
}

enum { P_LANE, P_INIT, P_STREAM, P_RELAY = P_STREAM + 3, P_MONITOR = P_RELAY + 3 };

/* What a monitor can do without while nothing happens. */
static void give_back(void *step)
{
	struct step *s = step;

	reader_release(&s->from_init);
	writer_release(&s->to_init);
	reader_release(s->lane);
	writer_release(s->out);
	monitor_release(s->monitor);
}

static void wait_for_news(struct step *s, struct pollfd *set, size_t count)
{
	for (int i = 0; i < P_MONITOR; i++)
		set[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	set[P_LANE].fd = s->lane->fd;
	set[P_INIT].fd = s->from_init.fd;
	for (int i = 0; i < 3; i++)
		set[P_STREAM + i].fd = s->stream[i];
	if (s->stdio == STDIO_FRAMES) {
		set[P_STREAM].fd = s->input ? s->stream[0] : -1;
		set[P_STREAM].events = POLLOUT;
	}
	if (s->relay)
		relay_poll(s->relay, set + P_RELAY);
	if (s->monitor)
		monitor_poll(s->monitor, set + P_MONITOR);
	while ((s->folder ? idle_poll(set, count, give_back, s) : poll(set, count, -1)) < 0 && errno == EINTR)
		;
}

static void move_bytes(struct step *s, const struct pollfd *set)
{
	if (set[P_STREAM].fd >= 0 && set[P_STREAM].revents && s->input)
		step_feed(s);
	for (int i = 1; i < 3; i++)
		if (set[P_STREAM + i].fd >= 0 && set[P_STREAM + i].revents)
			pump(s, i);
	if (s->relay)
		relay_move(s->relay, set + P_RELAY);
	if (s->monitor)
		monitor_move(s->monitor, set + P_MONITOR);
}

/* Node is gone: so is the step, whose init dies with us; but a container that was joined to its streams goes on. */
static void lose_lane(struct step *s)
{
	if (!s->monitor || !s->monitor->console || !s->executed || step_detach(s) < 0)
		_exit(1);
	close_fd(&s->lane->fd);
}

/* Until the init is gone. */
static void supervise(struct step *s)
{
	struct frame f;

	for (;;) {
		while (s->lane->fd >= 0 && reader_ready(s->lane) && reader_next(s->lane, &f))
			step_hear_lane(s, &f);
		while (reader_ready(&s->from_init) && reader_next(&s->from_init, &f))
			step_hear_init(s, &f);
		size_t count = P_MONITOR + monitor_poll_count(s->monitor);
		struct pollfd set[count];
		wait_for_news(s, set, count);
		move_bytes(s, set);
		/* Node hears that the payload started before it hears that its user left. */
		if (s->monitor && s->monitor->left && s->started && !s->detached)
			step_leave(s);
		if (set[P_LANE].revents && s->lane->fd >= 0 && reader_fill(s->lane) <= 0)
			lose_lane(s);
		if (set[P_INIT].revents && reader_fill(&s->from_init) <= 0)
			return;
	}
}

/* All writers are dead, or live outside: take what is there, wait for nothing. */
static void drain(struct step *s)
{
	for (int i = 1; i < 3; i++)
		while (s->stream[i] >= 0) {
			ssize_t n = w_data_from(s->out, i == 1 ? FR_STDOUT : FR_STDERR, s->stream[i], PIECE);
			if (n <= 0 && errno != EINTR)
				step_close(s, i);
		}
	step_close(s, 0);
	if (s->relay) {
		relay_drain(s->relay);
		relay_transparent(s->relay, false);
	}
}

static void conclude(struct step *s, int wait_status)
{
	if (s->killed && !s->has_exit)
		fail_with(&s->failure, ECANCELED, "step", "killed");
	else if (!s->failure.err && !s->ready)
		fail_with(&s->failure, ECHILD, "step", "init ended");
	if (s->failure.err || s->has_exit)
		return;
	s->exit_kind = EXIT_SIGNAL;
	s->exit_value = WIFSIGNALED(wait_status) ? (uint32_t)WTERMSIG(wait_status) : SIGKILL;
}

/* The end of the container: for whoever asks later, and for whoever waits now. */
static void end_monitor(struct step *s)
{
	if (is_logged(s->stdio))
		monitor_record(s->monitor, s->exit_kind, s->exit_value, &s->failure);
	if (s->trash && s->trash[0])
		monitor_discard(s->folder, s->trash);
	struct console *console = s->monitor->console;
	monitor_close(s->monitor, s->exit_kind, s->exit_value);
	/* Last, as it may take as long as somebody does not read on. */
	if (console)
		console_finish(console, s->lane->fd);
	if (s->detached)
		_exit(0);
	free(s->folder);
	free(s->trash);
}

static void report(struct step *s)
{
	if (s->failure.err) {
		w_failure(s->out, &s->failure);
		return;
	}
	w_begin(s->out, FR_EXIT);
	w_u8(s->out, s->exit_kind);
	w_u32(s->out, s->exit_value);
	w_end(s->out);
	w_flush(s->out);
}

void request_run(const struct frame *frame, struct reader *lane, struct writer *out, const struct world *world)
{
	/* The lane's buffer will be reused while the init still reads the plan. */
	uint8_t *copy = xalloc(frame->len);
	memcpy(copy, frame->data, frame->len);
	struct frame own = {.type = frame->type, .data = copy, .len = frame->len};
	struct cursor c = cursor_of(&own);
	struct step s = {.world = world, .lane = lane, .out = out, .stream = {-1, -1, -1}, .master = -1, .pass = -1};
	struct init_args args = {.world = world, .root_path = c_str(&c)};
	int status = 0;

	const char *upper = c_str(&c);
	s.root_path = xstrndup(args.root_path, strlen(args.root_path));
	s.upper = xstrndup(upper, strlen(upper));
	s.own_net = args.own_net = c_u8(&c);
	s.stdio = args.stdio = c_u8(&c);
	s.wants_stdin = c_u8(&c);
	s.monitored = c_u8(&c);
	bool placed = place_parse(&c, &s.place);
	args.plan = c;
	args.frame = copy;
	if (!placed || c.bad || s.stdio > STDIO_LOG_TTY)
		fail_with(&s.failure, EBADMSG, "plan", "malformed");
	else if (step_start(&s, &args) == 0) {
		/* The init has its own. */
		free(copy);
		copy = NULL;
		supervise(&s);
		/* The last process of the namespace has ended when this returns. */
		while (waitpid(s.init, &status, 0) < 0 && errno == EINTR)
			;
		step_end_orphans(&s);
		if (s.monitor)
			monitor_drain(s.monitor);
		drain(&s);
		step_clean_up(&s);
		place_leave(&s.place);
		conclude(&s, status);
		if (s.monitor)
			end_monitor(&s);
		close(s.from_init.fd);
		close_fd(&s.pass);
		close_fd(&s.master);
		free(s.from_init.buf);
		free(s.to_init.buf);
	}
	report(&s);
	free(s.copied_work);
	free(s.relay);
	free(s.input);
	place_leave(&s.place);
	free(s.upper);
	free(s.root_path);
	free(copy);
}
