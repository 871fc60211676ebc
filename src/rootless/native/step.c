/* The worker's side of a step: see step.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "monitor.h"
#include "step.h"

enum { CREATED_MAX = 256, PIECE = 65536 };
/* Namespaces of the host's that the step is in. */
enum { SHARED_IPC = 1, SHARED_UTS = 2 };

struct step {
	const struct world *world;
	struct reader *lane;
	struct writer *out;
	enum stdio_mode stdio;
	bool wants_stdin, own_net, monitored;
	uint8_t shared;
	/* Host directory of the root's changes, "" without one. */
	const char *upper;

	pid_t init;
	struct reader from_init;
	struct writer to_init;
	/* Our ends of the payload's streams, -1 when closed: [0] is written. */
	int stream[3];
	/* A terminal's master that no monitor has taken yet; the way by which descriptors come and go. */
	int master, pass;
	struct monitor *monitor;
	/* After FR_DETACH: the container's folder, and where it goes for removal at the end ("" where it stays). */
	char *folder, *trash;
	uint8_t *input;
	size_t input_len, input_at;
	bool input_ends;
	struct relay *relay;

	/* How it went. */
	bool ready, has_exit, killed;
	uint8_t exit_kind;
	uint32_t exit_value;
	struct failure failure;
	/* Mount points that were made in the upper. */
	char *created[CREATED_MAX];
	size_t created_count;
};

static void close_stream(struct step *s, int i)
{
	close_fd(&s->stream[i]);
}

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

static pid_t clone_init(struct step *s)
{
	struct k_clone_args args = {.exit_signal = SIGCHLD,
		.flags = K_CLONE_NEWNS | K_CLONE_NEWPID | K_CLONE_NEWCGROUP};

	if (s->own_net)
		args.flags |= K_CLONE_NEWNET;
	if (!(s->shared & SHARED_IPC))
		args.flags |= K_CLONE_NEWIPC;
	if (!(s->shared & SHARED_UTS))
		args.flags |= K_CLONE_NEWUTS;
	pid_t pid = (pid_t)syscall(NR_clone3, &args, sizeof args);
	/* Sandboxes that filter calls can't look into clone3's structure and deny it. */
	if (pid < 0 && (errno == ENOSYS || errno == EPERM))
		pid = (pid_t)syscall(SYS_clone, args.flags | SIGCHLD, NULL, NULL, NULL, NULL);
	return pid;
}

static int start_init(struct step *s, struct init_args *a)
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
	s->init = clone_init(s);
	if (s->init < 0)
		return fail(&s->failure, "namespaces", "%s", "");
	if (s->init == 0) {
		close(s->lane->fd);
		close(ctl[0]);
		close_fd(&pass[0]);
		for (int i = 0; i < 3; i++)
			close_stream(s, i);
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
	return 0;
}

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
		close_stream(s, 0);
}

static void feed(struct step *s)
{
	ssize_t n = write(s->stream[0], s->input + s->input_at, s->input_len - s->input_at);

	if (n > 0)
		s->input_at += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* The payload closed its end: what comes now is dropped. */
		close_stream(s, 0);
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

static void hear_lane(struct step *s, const struct frame *f)
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
			close_stream(s, 0);
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

static void hear_init(struct step *s, const struct frame *f)
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

static void pump(struct step *s, int i)
{
	ssize_t n = w_data_from(s->out, i == 1 ? FR_STDOUT : FR_STDERR, s->stream[i], PIECE);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_stream(s, i);
	w_flush(s->out);
}

enum { P_LANE, P_INIT, P_STREAM, P_RELAY = P_STREAM + 3, P_MONITOR = P_RELAY + 3, P_COUNT = P_MONITOR + MONITOR_POLLS };

static void wait_for_news(struct step *s, struct pollfd set[P_COUNT])
{
	size_t count = P_MONITOR;

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
		count += monitor_poll(s->monitor, set + P_MONITOR);
	while (poll(set, count, -1) < 0 && errno == EINTR)
		;
}

static void move_bytes(struct step *s, const struct pollfd set[P_COUNT])
{
	if (set[P_STREAM].fd >= 0 && set[P_STREAM].revents && s->input)
		feed(s);
	for (int i = 1; i < 3; i++)
		if (set[P_STREAM + i].fd >= 0 && set[P_STREAM + i].revents)
			pump(s, i);
	if (s->relay)
		relay_move(s->relay, set + P_RELAY);
	if (s->monitor)
		monitor_move(s->monitor, set + P_MONITOR);
}

/* Until the init is gone. */
static void supervise(struct step *s)
{
	struct pollfd set[P_COUNT];
	struct frame f;

	for (;;) {
		while (s->lane->fd >= 0 && reader_ready(s->lane) && reader_next(s->lane, &f))
			hear_lane(s, &f);
		while (reader_ready(&s->from_init) && reader_next(&s->from_init, &f))
			hear_init(s, &f);
		wait_for_news(s, set);
		move_bytes(s, set);
		/* Node is gone: so is the step, whose init dies with us. */
		if (set[P_LANE].revents && reader_fill(s->lane) <= 0)
			_exit(1);
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
				close_stream(s, i);
		}
	close_stream(s, 0);
	if (s->relay) {
		relay_drain(s->relay);
		relay_transparent(s->relay, false);
	}
}

/* Takes away a mount point that nobody used for anything else, and gives its parent the times back. */
static void remove_created(int upper, const char *path)
{
	char *parent = xstrndup(path, strlen(path)), *slash = strrchr(parent, '/');
	const char *name = path + (slash ? slash - parent + 1 : 0);
	struct stat st, before;

	*(slash ? slash : parent) = 0;
	AUTO_FD dir = k_openat2(upper, parent[0] ? parent : ".", O_PATH | O_DIRECTORY, 0,
		K_RESOLVE_BENEATH | K_RESOLVE_NO_SYMLINKS);
	free(parent);
	if (dir < 0 || fstat(dir, &before) < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	bool unused = S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size == 0);
	if (!unused || unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
		return;
	struct timespec t[2] = {before.st_atim, before.st_mtim};
	utimensat(dir, ".", t, 0);
}

static void clean_up(struct step *s)
{
	AUTO_FD upper = s->upper[0] ? open(s->upper, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	while (s->created_count > 0) {
		char *path = s->created[--s->created_count];
		if (upper >= 0)
			remove_created(upper, path);
		free(path);
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
	if (s->folder && s->trash[0])
		monitor_discard(s->folder, s->trash);
	monitor_close(s->monitor, s->exit_kind, s->exit_value);
	if (s->folder)
		_exit(0);
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

	s.upper = c_str(&c);
	s.own_net = args.own_net = c_u8(&c);
	s.shared = c_u8(&c);
	s.stdio = args.stdio = c_u8(&c);
	s.wants_stdin = c_u8(&c);
	s.monitored = c_u8(&c);
	args.plan = c;
	if (c.bad || s.stdio > STDIO_LOG_TTY)
		fail_with(&s.failure, EBADMSG, "plan", "malformed");
	else if (start_init(&s, &args) == 0) {
		supervise(&s);
		/* The last process of the namespace has ended when this returns. */
		while (waitpid(s.init, &status, 0) < 0 && errno == EINTR)
			;
		if (s.monitor)
			monitor_drain(s.monitor);
		drain(&s);
		clean_up(&s);
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
	free(s.relay);
	free(s.input);
	free(copy);
}
