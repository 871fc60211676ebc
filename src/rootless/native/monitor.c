/* A monitor at work: see monitor.h. */
#define _GNU_SOURCE
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The folder's path may be longer than a socket's address: the name goes through the descriptor. */
static int listen_in(int dir, struct failure *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fail(f, "control socket", "%s", "");
	snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, MONITOR_SOCKET);
	/* Of an earlier life of the container. */
	unlinkat(dir, MONITOR_SOCKET, 0);
	mode_t before = umask(0177);
	int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
	umask(before);
	if (bound < 0 || listen(fd, 64) < 0)
		return fail(f, "control socket", "%s", "bind");
	return take_fd(&fd);
}

struct monitor *monitor_open(const char *dir, bool payload, const struct joblog_options *log, struct writer *init, int pass,
	struct failure *f)
{
	AUTO_FD folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct monitor *m = xalloc(sizeof *m);

	*m = (struct monitor){.dir = -1, .listener = -1, .log.fd = -1, .init = init, .pass = pass};
	if (folder < 0)
		fail(f, "open", "%s", dir);
	else if ((m->listener = listen_in(folder, f)) >= 0 &&
		(!payload || log->off || joblog_open(&m->log, folder, log, f) == 0)) {
		m->dir = take_fd(&folder);
		if (payload) {
			unlinkat(m->dir, MONITOR_EXIT, 0);
			session_new(m, 0);
		}
		return m;
	}
	close_fd(&m->listener);
	free(m);
	return NULL;
}

struct session *monitor_payload(struct monitor *m)
{
	return session_of(m, 0);
}

static struct client *client_of(struct monitor *m, const struct session *s)
{
	for (size_t i = 0; i < m->client_count; i++)
		if (m->clients[i]->session == s)
			return m->clients[i];
	return NULL;
}

static void take_master(struct monitor *m, struct session *s)
{
	int master = fd_receive(m->pass);

	if (!s || master < 0) {
		close_fd(&master);
		return;
	}
	fcntl(master, F_SETFL, O_NONBLOCK);
	s->master = master;
}

static void spawn_failed(struct monitor *m, struct session *s, struct cursor *c)
{
	struct client *client = client_of(m, s);
	struct failure f;
	uint32_t err = c_u32(c);
	const char *stage = c_str(c);

	fail_with(&f, (int)err, stage, c_str(c));
	if (client)
		client_fail(client, &f);
	session_free(m, s);
}

/* What the init read for a client goes on to it. */
static bool pass_file(struct monitor *m, const struct frame *f)
{
	struct cursor c = cursor_of(f);
	uint32_t id = c_u32(&c);

	if (f->type != FR_FILE_OF && f->type != FR_FILES_END)
		return false;
	for (size_t i = 0; i < m->client_count; i++)
		if (m->clients[i]->id == id)
			client_send(m->clients[i], f->type == FR_FILE_OF ? FR_FILE : FR_OK, c.p, (size_t)(c.end - c.p));
	return true;
}

bool monitor_hear_init(struct monitor *m, const struct frame *f)
{
	struct cursor c = cursor_of(f);

	if (pass_file(m, f))
		return true;
	if (f->type != FR_MASTER && f->type != FR_SPAWNED && f->type != FR_SPAWN_ERROR && f->type != FR_SPAWN_EXIT)
		return false;
	struct session *s = session_of(m, c_u32(&c));
	if (f->type == FR_MASTER)
		take_master(m, s);
	else if (s && f->type == FR_SPAWNED) {
		struct client *client = client_of(m, s);
		uint8_t faked = c_u8(&c);
		s->started = true;
		if (client)
			client_send(client, FR_STARTED, &faked, 1);
	} else if (s && f->type == FR_SPAWN_ERROR)
		spawn_failed(m, s, &c);
	else if (s) {
		s->ended = true;
		s->exit_kind = c_u8(&c);
		s->exit_value = c_u32(&c);
		session_settle(m, s);
	}
	return true;
}

size_t monitor_poll_count(const struct monitor *m)
{
	return m ? 1 + m->client_count + 3 * m->session_count + (m->console ? 3 : 0) : 0;
}

void monitor_poll(struct monitor *m, struct pollfd *set)
{
	size_t n = 0;

	set[n++] = (struct pollfd){.fd = m->client_count < CLIENTS_MAX ? m->listener : -1, .events = POLLIN};
	for (size_t i = 0; i < m->client_count; i++) {
		struct client *c = m->clients[i];
		bool held = reader_ready(&c->in);
		set[n++] = (struct pollfd){
			.fd = c->fd, .events = (short)((held ? 0 : POLLIN) | (c->out_len > c->out_at ? POLLOUT : 0))};
	}
	for (struct session *s = m->sessions; s; s = s->next, n += 3)
		session_poll(m, s, set + n);
	if (m->console)
		console_poll(m->console, monitor_payload(m), set + n);
}

static void serve_client(struct client *c, short events)
{
	if (events & POLLOUT)
		client_flush(c);
	if (events & POLLIN) {
		int n = reader_fill(&c->in);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			c->gone = true;
	} else if (events & (POLLERR | POLLHUP))
		c->gone = true;
}

void monitor_move(struct monitor *m, const struct pollfd *set)
{
	size_t clients = m->client_count, n = 1 + clients;

	for (struct session *s = m->sessions, *next; s; s = next, n += 3) {
		next = s->next;
		session_move(m, s, set + n);
	}
	if (m->console && !console_move(m->console, monitor_payload(m), set + n)) {
		console_free(m->console);
		m->console = NULL;
		m->left = true;
	}
	for (size_t i = 0; i < clients; i++)
		serve_client(m->clients[i], set[1 + i].revents);
	for (size_t i = 0; i < clients; i++)
		client_hear(m, m->clients[i]);
	for (size_t i = m->client_count; i-- > 0;)
		if (m->clients[i]->gone)
			client_free(m, m->clients[i]);
	if (set[0].revents)
		client_accept(m);
}

void monitor_release(struct monitor *m)
{
	for (size_t i = 0; i < m->client_count; i++)
		reader_release(&m->clients[i]->in);
	joblog_release(&m->log);
}
