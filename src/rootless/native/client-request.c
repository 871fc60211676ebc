/* What a client asks for on the control socket: see monitor.h. Nothing here waits for a client. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "monitor.h"

static void refuse(struct client *c, int err, const char *stage, const char *detail)
{
	struct failure f;

	fail_with(&f, err, stage, detail);
	client_fail(c, &f);
}

static void attach(struct monitor *m, struct client *c, struct cursor *request)
{
	struct session *s = session_of(m, 0);

	if (!s) {
		refuse(c, ENOTTY, "attach", "");
		return;
	}
	c->engaged = true;
	c->session = s;
	c->gives_input = c_u8(request);
	client_send(c, FR_OK, NULL, 0);
}

/* What the new process gets as 0, 1, 2; our ends go to the session. */
static int make_streams(struct session *s, bool wants_input, bool detached, int theirs[3])
{
	for (int i = 0; i < 3; i++) {
		int ends[2];
		if (detached || (i == 0 && !wants_input))
			theirs[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		else if (pipe2(ends, O_CLOEXEC) == 0) {
			int ours = ends[i == 0 ? 1 : 0];
			theirs[i] = ends[i == 0 ? 0 : 1];
			fcntl(ours, F_SETFL, O_NONBLOCK);
			*(i == 0 ? &s->in : &s->out[i - 1]) = ours;
		}
		if (theirs[i] < 0)
			return -1;
	}
	return 0;
}

static int hand_over(struct monitor *m, const int theirs[3])
{
	for (int i = 0; i < 3; i++)
		if (fd_send(m->pass, theirs[i]) < 0)
			return -1;
	return 0;
}

static void spawn(struct monitor *m, struct client *c, struct cursor *request)
{
	bool tty = c_u8(request), wants_input = c_u8(request), detached = c_u8(request);
	int theirs[3] = {-1, -1, -1};

	if (m->session_count == SESSIONS_MAX || request->bad) {
		refuse(c, EAGAIN, "start process", "too many at once");
		return;
	}
	struct session *s = session_new(m, ++m->next_id);
	bool made = tty || (make_streams(s, wants_input, detached, theirs) == 0 && hand_over(m, theirs) == 0);
	int err = errno;
	for (int i = 0; i < 3; i++)
		close_fd(&theirs[i]);
	if (!made) {
		session_free(m, s);
		refuse(c, err, "standard streams", "");
		return;
	}
	c->engaged = true;
	c->session = s;
	c->gives_input = wants_input && !detached;
	w_begin(m->init, FR_SPAWN);
	w_u32(m->init, s->id);
	w_u8(m->init, tty);
	w_bytes(m->init, request->p, (size_t)(request->end - request->p));
	w_end(m->init);
	w_try_flush(m->init);
}

static void signal_payload(struct monitor *m, struct client *c, struct cursor *request)
{
	w_begin(m->init, FR_SIGNAL);
	w_u32(m->init, c_u32(request));
	w_end(m->init);
	w_try_flush(m->init);
	client_send(c, FR_OK, NULL, 0);
}

static void pause_all(struct monitor *m, struct client *c, struct cursor *request)
{
	w_begin(m->init, FR_PAUSE);
	w_u8(m->init, c_u8(request));
	w_end(m->init);
	w_try_flush(m->init);
	client_send(c, FR_OK, NULL, 0);
}

static void ask_files(struct monitor *m, const struct client *c, const struct cursor *request)
{
	w_begin(m->init, FR_FILES);
	w_u32(m->init, c->id);
	w_bytes(m->init, request->p, (size_t)(request->end - request->p));
	w_end(m->init);
	w_try_flush(m->init);
}

/* The init answers on the connection itself: nothing else comes over it. */
static void copy(struct monitor *m, struct client *c, const struct cursor *request)
{
	if (fd_send(m->pass, c->fd) < 0) {
		refuse(c, errno, "copy", "");
		return;
	}
	w_begin(m->init, FR_COPY);
	w_bytes(m->init, request->p, (size_t)(request->end - request->p));
	w_end(m->init);
	w_try_flush(m->init);
	c->gone = true;
}

static void take_input(struct client *c, const struct frame *f)
{
	if (c->session && c->gives_input)
		session_input(c->session, c, f->data, f->len);
	else
		client_send(c, FR_STDIN_ACK, NULL, 0);
}

static void end_input(struct client *c)
{
	struct session *s = c->session;

	if (s && c->gives_input && (s->id || s->input_once))
		session_input_end(s);
}

static void obey(struct monitor *m, struct client *c, const struct frame *f)
{
	struct cursor request = cursor_of(f);
	bool first = !c->engaged;

	if (f->type == FR_WAIT)
		c->waits = true;
	else if (f->type == FR_SIGNAL)
		signal_payload(m, c, &request);
	else if (f->type == FR_PAUSE)
		pause_all(m, c, &request);
	else if (f->type == FR_FILES)
		ask_files(m, c, &request);
	else if (f->type == FR_ATTACH && first)
		attach(m, c, &request);
	else if (f->type == FR_SPAWN && first)
		spawn(m, c, &request);
	else if (f->type == FR_COPY && first && !c->waits)
		copy(m, c, &request);
	else if (f->type == FR_STDIN)
		take_input(c, f);
	else if (f->type == FR_STDIN_EOF)
		end_input(c);
	else if (f->type == FR_RESIZE) {
		uint32_t columns = c_u32(&request);
		struct session *s = c->engaged ? c->session : session_of(m, 0);
		if (s)
			session_resize(s, columns, c_u32(&request));
	} else
		refuse(c, EBADMSG, "request", "not understood");
}

/* Input waits in the reader while somebody else's is under way. */
static bool is_held(const struct client *c)
{
	return reader_ready(&c->in) && c->in.buf[c->in.start + 4] == FR_STDIN && c->session && c->session->input;
}

void client_hear(struct monitor *m, struct client *c)
{
	struct frame f;

	while (!c->gone && !is_held(c) && reader_ready(&c->in) && reader_next(&c->in, &f))
		obey(m, c, &f);
}
