/* The life of a monitor: see monitor.h. */
#define _GNU_SOURCE
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel.h"
#include "tree.h"

static const char SOCKET[] = "control", EXIT_FILE[] = "exit.json", EXIT_PART[] = "exit.part";

/* The folder's path may be longer than a socket's address: the name goes through the descriptor. */
static int listen_in(int dir, struct failure *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fail(f, "control socket", "%s", "");
	snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, SOCKET);
	/* Of an earlier life of the container. */
	unlinkat(dir, SOCKET, 0);
	mode_t before = umask(0177);
	int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
	umask(before);
	if (bound < 0 || listen(fd, 64) < 0)
		return fail(f, "control socket", "%s", "bind");
	return take_fd(&fd);
}

struct monitor *monitor_open(const char *dir, bool logs, struct writer *init, int pass, struct failure *f)
{
	AUTO_FD folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct monitor *m = xalloc(sizeof *m);

	*m = (struct monitor){.dir = -1, .listener = -1, .log.fd = -1, .init = init, .pass = pass, .logs = logs};
	if (folder < 0)
		fail(f, "open", "%s", dir);
	else if ((m->listener = listen_in(folder, f)) >= 0 && (!logs || joblog_open(&m->log, folder, f) == 0)) {
		unlinkat(folder, EXIT_FILE, 0);
		m->dir = take_fd(&folder);
		if (logs)
			session_new(m, 0);
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

size_t monitor_poll(struct monitor *m, struct pollfd *set)
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
	return n;
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

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* What the helper was started with is nobody's business any more: a lock of a script must not live as long as us. */
static void close_others(const struct monitor *m, const int *kept, size_t count)
{
	int *all = xalloc((count + 6 + m->client_count + 4 * m->session_count) * sizeof *all);
	size_t n = 0;

	all[n++] = 2;
	all[n++] = m->dir;
	all[n++] = m->listener;
	all[n++] = m->log.fd;
	all[n++] = m->pass;
	all[n++] = m->init->fd;
	memcpy(all + n, kept, count * sizeof *kept);
	n += count;
	for (size_t i = 0; i < m->client_count; i++)
		all[n++] = m->clients[i]->fd;
	for (const struct session *s = m->sessions; s; s = s->next) {
		int own[] = {s->in, s->out[0], s->out[1], s->master};
		memcpy(all + n, own, sizeof own);
		n += ARRAY_LEN(own);
	}
	qsort(all, n, sizeof *all, by_number);
	for (size_t i = 0; i < n; i++) {
		int next = i + 1 < n ? all[i + 1] : -1;
		if (all[i] >= 2 && (next < 0 || next > all[i] + 1))
			syscall(NR_close_range, all[i] + 1, next < 0 ? ~0u : (unsigned)next - 1, 0);
	}
	free(all);
}

int monitor_detach(struct monitor *m, const int *kept, size_t count, struct failure *f)
{
	AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (setsid() < 0)
		return fail(f, "detach", "%s", "setsid");
	for (int i = 0; i < 3; i++)
		if (null < 0 || dup2(null, i) < 0)
			return fail(f, "detach", "%s", "/dev/null");
	if (chdir("/") < 0)
		return fail(f, "detach", "/");
	close_others(m, kept, count);
	/* close_range took it. */
	null = -1;
	prctl(PR_SET_PDEATHSIG, 0);
	return 0;
}

void monitor_drain(struct monitor *m)
{
	struct session *s = session_of(m, 0);

	if (s)
		session_drain(m, s);
	if (m->logs)
		joblog_flush(&m->log);
}

static void json_text(char *out, size_t room, const char *text)
{
	size_t n = 0;

	for (; *text && n + 2 < room; text++)
		if ((unsigned char)*text >= 0x20 && *text != '"' && *text != '\\')
			out[n++] = *text;
	out[n] = 0;
}

void monitor_record(struct monitor *m, uint8_t kind, uint32_t value, const struct failure *f)
{
	char now[40], stage[96], detail[600], text[900];
	AUTO_FD fd = openat(m->dir, EXIT_PART, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	time_text(now);
	json_text(stage, sizeof stage, f->stage);
	json_text(detail, sizeof detail, f->detail);
	int n = snprintf(text, sizeof text, "{\"exitCode\":%u,\"finished\":\"%s\",\"error\":\"%s%s%s\"}\n",
		f->err ? 125 : kind == EXIT_SIGNAL ? 128 + value : value, now, f->err ? stage : "", f->err ? ": " : "",
		f->err ? detail : "");
	/* Where the disk is full, a monitor that is gone without a word says that the container is dead. */
	if (fd >= 0 && write_all(fd, text, (size_t)n) == 0)
		(void)!renameat(m->dir, EXIT_PART, m->dir, EXIT_FILE);
}

void monitor_discard(const char *path, const char *trash)
{
	char *parent = xstrndup(trash, strlen(trash)), *slash = strrchr(parent, '/');
	struct failure ignored;

	if (slash && slash > parent)
		*slash = 0;
	mkdir(parent, 0700);
	if (rename(path, trash) == 0)
		/* What can't be removed lies in the store's folder for that, and the next collection tries again. */
		remove_tree(AT_FDCWD, trash, &ignored);
	rmdir(parent);
	free(parent);
}

/* The last words, for as long as somebody listens. */
static void finish_client(struct client *c)
{
	while (!c->gone && c->out_len > c->out_at) {
		struct pollfd ready = {.fd = c->fd, .events = POLLOUT};
		if (poll(&ready, 1, 10000) <= 0)
			return;
		client_flush(c);
	}
}

void monitor_close(struct monitor *m, uint8_t kind, uint32_t value)
{
	struct session *payload = session_of(m, 0);

	for (size_t i = 0; i < m->client_count; i++) {
		struct client *c = m->clients[i];
		const struct session *s = c->session;
		if (s && s != payload)
			/* It ended with the container. */
			client_exit(c, s->ended ? s->exit_kind : EXIT_SIGNAL, s->ended ? s->exit_value : 9);
		else if (s || c->waits)
			client_exit(c, kind, value);
	}
	unlinkat(m->dir, SOCKET, 0);
	for (size_t i = 0; i < m->client_count; i++)
		finish_client(m->clients[i]);
	while (m->client_count)
		client_free(m, m->clients[0]);
	while (m->sessions)
		session_free(m, m->sessions);
	close_fd(&m->listener);
	close_fd(&m->log.fd);
	close_fd(&m->dir);
	free(m->log.line);
	free(m);
}
