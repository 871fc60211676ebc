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

/* The worker becomes the container's monitor, as yet one that ends with tsbox. */
static void become_monitor(struct step *s, struct cursor *c)
{
	const char *folder = c_str(c);
	bool input_once = c_u8(c);

	if (s->monitor || !s->monitored || c->bad) {
		fail_with(&s->failure, EBADMSG, "monitor", "malformed");
		kill(s->init, SIGKILL);
		return;
	}
	s->monitor = monitor_open(folder, is_logged(s->stdio), &s->to_init, s->pass, &s->failure);
	if (!s->monitor) {
		kill(s->init, SIGKILL);
		return;
	}
	struct session *payload = monitor_payload(s->monitor);
	if (payload) {
		payload->in = take_fd(&s->stream[0]);
		payload->out[0] = take_fd(&s->stream[1]);
		payload->out[1] = take_fd(&s->stream[2]);
		payload->master = take_fd(&s->master);
		payload->input_once = input_once;
	}
	w_begin(s->out, FR_OK);
	w_u32(s->out, (uint32_t)getpid());
	w_end(s->out);
	w_flush(s->out);
}

static void detach(struct step *s, struct cursor *c)
{
	const char *folder = c_str(c), *trash = c_str(c);
	int kept[] = {s->lane->fd};

	if (!s->monitor || c->bad)
		fail_with(&s->failure, EBADMSG, "detach", "malformed");
	else if (monitor_detach(s->monitor, kept, ARRAY_LEN(kept), &s->failure) == 0) {
		s->folder = xstrndup(folder, strlen(folder));
		s->trash = xstrndup(trash, strlen(trash));
		w_empty(s->out, FR_OK);
		close_fd(&s->lane->fd);
		return;
	}
	kill(s->init, SIGKILL);
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
	case FR_SIGNAL:
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
		}
		break;
	case FR_MONITOR:
		become_monitor(s, &c);
		break;
	case FR_DETACH:
		detach(s, &c);
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
