/* What a step's worker hears: from Node by the lane, and from the init. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "step-internal.h"

/* Comes when the mounts stand. */
static void receive_master(struct step *s)
{
	int master = fd_receive(s->pass);

	if (master < 0)
		return;
	fcntl(master, F_SETFL, O_NONBLOCK);
	if (s->stdio == STDIO_LOG_TTY) {
		s->master = master;
		return;
	}
	s->relay->master = master;
	s->relay->reads_input = s->wants_stdin;
	/* Before anything moves: the terminal echoes what was typed ahead. */
	relay_transparent(s->relay, true);
}

/* The payload's streams go to the monitor, and tsbox's own to that. */
static void join_streams(struct step *s, bool input_once, const struct console_options *console)
{
	s->monitor->host = s->world->host;
	struct session *payload = monitor_payload(s->monitor);

	if (!payload)
		return;
	payload->in = take_fd(&s->stream[0]);
	payload->out[0] = take_fd(&s->stream[1]);
	payload->out[1] = take_fd(&s->stream[2]);
	payload->master = take_fd(&s->master);
	payload->input_once = input_once;
	if (!console)
		return;
	s->monitor->console = console_open(console);
	monitor_outlive();
}

enum { CONSOLE = 1, CONSOLE_IN = 2, CONSOLE_OUT = 4, CONSOLE_ERR = 8 };

/* The worker becomes the container's monitor, as yet one that ends with tsbox. */
static void become_monitor(struct step *s, struct cursor *c)
{
	const char *folder = c_str(c);
	bool input_once = c_u8(c);
	struct joblog_options log = {.off = c_u8(c)};
	struct console_options console = {.tty = has_terminal(s->stdio)};

	log.size = c_u64(c);
	log.files = c_u32(c);
	log.attrs = c_str(c);
	uint8_t joined = c_u8(c);
	console.in = joined & CONSOLE_IN;
	console.out[0] = joined & CONSOLE_OUT;
	console.out[1] = joined & CONSOLE_ERR;
	console.keys = c_blob(c, &console.key_count);
	if (s->monitor || !s->monitored || c->bad)
		fail_with(&s->failure, EBADMSG, "monitor", "malformed");
	else
		s->monitor = monitor_open(folder, is_logged(s->stdio), &log, &s->to_init, s->pass, &s->failure);
	if (s->failure.err) {
		kill(s->init, SIGKILL);
		return;
	}
	s->folder = xstrndup(folder, strlen(folder));
	join_streams(s, input_once, joined & CONSOLE ? &console : NULL);
	w_begin(s->out, FR_OK);
	w_u32(s->out, (uint32_t)getpid());
	w_end(s->out);
	w_flush(s->out);
}

int step_detach(struct step *s)
{
	int kept[] = {s->lane->fd};

	if (s->monitor->console)
		console_free(s->monitor->console);
	s->monitor->console = NULL;
	if (monitor_detach(s->monitor, kept, ARRAY_LEN(kept), &s->failure) < 0) {
		kill(s->init, SIGKILL);
		return -1;
	}
	s->detached = true;
	return 0;
}

/* Node does not wait for the end of it; what it is told is the last that it hears. */
static void detach(struct step *s, uint8_t word)
{
	if (!s->monitor) {
		fail_with(&s->failure, EBADMSG, "detach", "malformed");
		kill(s->init, SIGKILL);
	} else if (step_detach(s) == 0) {
		w_empty(s->out, word);
		close_fd(&s->lane->fd);
	}
}

void step_leave(struct step *s)
{
	detach(s, FR_LEFT);
}

static void forward(struct writer *to, const struct frame *f)
{
	w_begin(to, f->type);
	w_bytes(to, f->data, f->len);
	w_end(to);
	w_flush(to);
}

static void acknowledge_input(struct step *s)
{
	free(s->input);
	s->input = NULL;
	w_empty(s->out, FR_STDIN_ACK);
	if (s->input_ends)
		step_close(s, 0);
}

void step_feed(struct step *s)
{
	ssize_t n = write(s->stream[0], s->input + s->input_at, s->input_len - s->input_at);

	if (n > 0)
		s->input_at += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* The payload closed its end: what comes now is dropped. */
		step_close(s, 0);
		s->input_at = s->input_len;
	}
	if (s->input_at == s->input_len)
		acknowledge_input(s);
}

static void take_input(struct step *s, const struct frame *f)
{
	if (s->stdio != STDIO_FRAMES || s->input)
		return;
	s->input = xalloc(f->len);
	memcpy(s->input, f->data, f->len);
	s->input_len = f->len;
	s->input_at = s->stream[0] < 0 ? f->len : 0;
	if (s->input_at == s->input_len)
		acknowledge_input(s);
}

void step_hear_lane(struct step *s, const struct frame *f)
{
	struct cursor c = cursor_of(f);

	switch (f->type) {
	case FR_EXEC:
		s->executed = true;
		__attribute__((fallthrough));
	case FR_GO:
	case FR_SIGNAL:
	case FR_END:
		/* The init may be gone already; its end says so. */
		if (send(s->to_init.fd, "", 0, MSG_NOSIGNAL) >= 0)
			forward(&s->to_init, f);
		break;
	case FR_STDIN:
		take_input(s, f);
		break;
	case FR_STDIN_EOF:
		s->input_ends = true;
		if (!s->input && s->stdio == STDIO_FRAMES)
			step_close(s, 0);
		break;
	case FR_RESIZE:
		if (s->relay && s->relay->master >= 0) {
			uint32_t columns = c_u32(&c);
			terminal_resize(s->relay->master, columns, c_u32(&c));
		} else if (s->monitor && monitor_payload(s->monitor)) {
			uint32_t columns = c_u32(&c);
			session_resize(monitor_payload(s->monitor), columns, c_u32(&c));
		}
		break;
	case FR_MONITOR:
		become_monitor(s, &c);
		break;
	case FR_TRASH: {
		const char *trash = c_str(&c);
		free(s->trash);
		s->trash = xstrndup(trash, strlen(trash));
		break;
	}
	case FR_DETACH:
		detach(s, FR_OK);
		break;
	case FR_KILL:
		s->killed = true;
		kill(s->init, SIGKILL);
		break;
	default:
		break;
	}
}

void step_hear_init(struct step *s, const struct frame *f)
{
	struct cursor c = cursor_of(f);

	if (f->type == FR_MASTER && c_u32(&c) == 0) {
		receive_master(s);
		return;
	}
	if (s->monitor && monitor_hear_init(s->monitor, f))
		return;
	c = cursor_of(f);
	switch (f->type) {
	case FR_READY:
		s->ready = true;
		forward(s->out, f);
		break;
	case FR_STARTED:
		s->started = true;
		__attribute__((fallthrough));
	case FR_FILE:
		forward(s->out, f);
		break;
	case FR_CREATED: {
		const char *path = c_str(&c);
		if (s->created_count < CREATED_MAX)
			s->created[s->created_count++] = xstrndup(path, strlen(path));
		break;
	}
	case FR_COPIED: {
		const char *work = c_str(&c);
		if (!s->copied_work || !s->copied_work[0]) {
			free(s->copied_work);
			s->copied_work = xstrndup(work, strlen(work));
		}
		break;
	}
	case FR_ERROR: {
		uint32_t err = c_u32(&c);
		const char *stage = c_str(&c);
		fail_with(&s->failure, (int)err, stage, c_str(&c));
		break;
	}
	case FR_EXIT:
		s->has_exit = true;
		s->exit_kind = c_u8(&c);
		s->exit_value = c_u32(&c);
		break;
	default:
		break;
	}
}
