/* Conversations on the control socket: see monitor.h. Nothing here waits for a client. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor.h"

enum { HEADER = 5 };

/*
 * True for a process that is not of the container. To see its user namespace takes rights over it (ptrace(2), "access
 * mode checking"), and those we have only over processes of our own namespace and of those below it.
 */
static bool is_outside(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	char path[64];
	struct stat st;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != geteuid())
		return false;
	/* No number in our pid namespace, which has all of the container's. */
	if (peer.pid == 0)
		return true;
	snprintf(path, sizeof path, "/proc/%d/ns/user", peer.pid);
	return stat(path, &st) < 0 && (errno == EACCES || errno == EPERM);
}

struct client *client_accept(struct monitor *m)
{
	AUTO_FD fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 || m->client_count == CLIENTS_MAX || !is_outside(fd))
		return NULL;
	struct client *c = xalloc(sizeof *c);
	c->fd = take_fd(&fd);
	c->id = ++m->next_id;
	reader_init(&c->in, c->fd);
	m->clients[m->client_count++] = c;
	return c;
}

static void leave(struct client *c)
{
	struct session *s = c->session;

	c->session = NULL;
	if (!s)
		return;
	if (s->input_from == c)
		s->input_from = NULL;
	if (c->gives_input && (s->id || s->input_once))
		session_input_end(s);
}

void client_free(struct monitor *m, struct client *c)
{
	leave(c);
	for (size_t i = 0; i < m->client_count; i++)
		if (m->clients[i] == c)
			m->clients[i] = m->clients[--m->client_count];
	close(c->fd);
	free(c->in.buf);
	free(c->out);
	free(c);
}

void client_flush(struct client *c)
{
	while (!c->gone && c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			c->out_at += (size_t)n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			c->gone = true;
	}
	c->out_at = c->out_len = 0;
}

void client_send(struct client *c, uint8_t type, const void *data, size_t len)
{
	size_t want = c->out_len + HEADER + len;

	if (c->gone)
		return;
	if (want > c->out_cap) {
		c->out_cap = want + 4096;
		c->out = xrealloc(c->out, c->out_cap);
	}
	uint8_t *p = c->out + c->out_len;
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(len >> 8 * i);
	p[4] = type;
	if (len)
		memcpy(p + HEADER, data, len);
	c->out_len = want;
	client_flush(c);
}

void client_fail(struct client *c, const struct failure *f)
{
	/* A frame built by the common writer, without its flush. */
	struct writer w;

	writer_init(&w, -1);
	w_u32(&w, (uint32_t)f->err);
	w_str(&w, f->stage, strlen(f->stage));
	w_str(&w, f->detail, strlen(f->detail));
	client_send(c, FR_ERROR, w.buf, w.len);
	free(w.buf);
}

void client_exit(struct client *c, uint8_t kind, uint32_t value)
{
	uint8_t exit[5] = {kind, (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

	client_send(c, FR_EXIT, exit, sizeof exit);
}

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

static void ask_files(struct monitor *m, const struct client *c, const struct cursor *request)
{
	w_begin(m->init, FR_FILES);
	w_u32(m->init, c->id);
	w_bytes(m->init, request->p, (size_t)(request->end - request->p));
	w_end(m->init);
	w_try_flush(m->init);
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
	else if (f->type == FR_FILES)
		ask_files(m, c, &request);
	else if (f->type == FR_ATTACH && first)
		attach(m, c, &request);
	else if (f->type == FR_SPAWN && first)
		spawn(m, c, &request);
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
