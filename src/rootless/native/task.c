/* Processes of a container, from their fork to their end: see init.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"
#include "kernel.h"

int task_hand_out(struct init *in, int master, uint32_t id)
{
	if (fd_send(in->args->pass, master) < 0)
		return -1;
	w_begin(&in->out, FR_MASTER);
	w_u32(&in->out, id);
	w_end(&in->out);
	w_flush(&in->out);
	return 0;
}

int task_fork(struct task *t, struct payload *p)
{
	int status[2];

	t->last_word = p->last_word =
		mmap(NULL, sizeof *p->last_word, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->last_word == MAP_FAILED || pipe2(status, O_CLOEXEC) < 0)
		return -1;
	t->pid = fork();
	p->status = status[1];
	if (t->pid == 0)
		payload_main(p);
	int err = errno;
	close(status[1]);
	t->status = status[0];
	if (t->pid < 0)
		close_fd(&t->status);
	errno = err;
	return t->pid < 0 ? -1 : 0;
}

static void refuse(struct init *in, uint32_t id, const struct failure *f)
{
	w_begin(&in->out, FR_SPAWN_ERROR);
	w_u32(&in->out, id);
	w_u32(&in->out, (uint32_t)f->err);
	w_str(&in->out, f->stage, strlen(f->stage));
	w_str(&in->out, f->detail, strlen(f->detail));
	w_end(&in->out);
	w_flush(&in->out);
}

void task_tell_exit(struct init *in, uint8_t type, const struct task *t)
{
	w_begin(&in->out, type);
	if (type == FR_SPAWN_EXIT)
		w_u32(&in->out, t->id);
	w_u8(&in->out, WIFSIGNALED(t->exit_status) ? EXIT_SIGNAL : EXIT_CODE);
	w_u32(&in->out, (uint32_t)(WIFSIGNALED(t->exit_status) ? WTERMSIG(t->exit_status) : WEXITSTATUS(t->exit_status)));
	w_end(&in->out);
	w_flush(&in->out);
}

/* Its streams come by `pass`; its terminal is made here, where its name exists. */
static int take_streams(struct init *in, uint32_t id, struct payload *p, struct failure *f)
{
	struct terminal t;

	if (p->tty) {
		if (terminal_open(&t, f) < 0)
			return -1;
		terminal_resize(t.master, p->columns, p->rows);
		int sent = task_hand_out(in, t.master, id);
		close(t.master);
		p->std[0] = t.slave;
		return sent < 0 ? fail(f, "pass terminal", "%s", "") : 0;
	}
	for (int i = 0; i < 3; i++)
		if ((p->std[i] = fd_receive(in->args->pass)) < 0)
			return fail_with(f, EPIPE, "standard streams", "");
	return 0;
}

static int admit(struct init *in, struct payload *p, struct failure *f)
{
	p->emulate = p->emulate && (in->emu || p->emulate_flags & EMU_FAKE);
	if (!p->emulate || p->emulate_flags & EMU_FAKE)
		return 0;
	p->emulate_flags |= p->no_new_privs ? EMU_NO_SETID_EXEC : 0;
	const struct emu_config config = {
		.uid = p->uid, .gid = p->gid, .groups = p->groups, .ngroups = p->group_count, .capabilities = p->caps};
	long credential = emu_admit(in->emu, &config);
	p->credential = credential < 0 ? 0 : (unsigned)credential;
	return credential < 0 ? fail_with(f, (int)-credential, "emulate ids", "") : 0;
}

/* One more process beside the payload: a child of ours with the payload's namespaces, root and emulation. */
void task_spawn(struct init *in, const struct frame *frame)
{
	struct cursor c = cursor_of(frame);
	uint32_t id = c_u32(&c);
	struct payload p = {.tty = c_u8(&c),
		.fenced = place_is_fenced(in->args),
		.dies_with_init = in->proc >= 0,
		.world = in->args->world,
		.std = {-1, -1, -1}};
	struct frame rest = {.type = FR_EXEC, .data = c.p, .len = (uint32_t)(c.end - c.p)};
	struct failure f = {0};
	struct task *t = xalloc(sizeof *t);
	bool parsed = payload_parse(&rest, &p);

	t->id = id;
	if (take_streams(in, id, &p, &f) == 0) {
		if (!parsed || in->task_count + 1 >= TASKS_MAX)
			fail_with(&f, parsed ? EAGAIN : EBADMSG, "start process", "");
		else if (p.tty)
			p.std[1] = p.std[2] = p.std[0];
	}
	if (!f.err && admit(in, &p, &f) == 0 && task_fork(t, &p) < 0)
		fail(&f, "fork", "%s", "");
	for (int i = 0; i < (p.tty ? 1 : 3); i++)
		close_fd(&p.std[i]);
	payload_free(&p);
	if (f.err) {
		refuse(in, id, &f);
		free(t);
		return;
	}
	t->next = in->others;
	in->others = t;
	in->task_count++;
}

/* @return -1 where emulation can't go on, with in->failure set */
static int attach_listener(struct init *in, const struct task *t, int number)
{
	AUTO_FD pidfd = k_pidfd_open(t->pid);
	int listener = pidfd < 0 ? -1 : k_pidfd_getfd(pidfd, number);

	/* It may have met a failure already and be gone: its word on that is in the pipe. */
	if (listener < 0 && (errno == ESRCH || errno == EBADF))
		return 0;
	if (listener >= 0 && in->listener_count == TASKS_MAX) {
		close_fd(&listener);
		errno = EMFILE;
	}
	int result = listener < 0 ? -errno : emu_attach(in->emu, listener);
	if (result < 0)
		return fail_with(&in->failure, -result, "emulate ids", "listener");
	in->listeners[in->listener_count++] = listener;
	return 0;
}

/* Where a process says what went wrong; once it runs it has nothing to say there. */
static void drop_last_word(struct task *t)
{
	if (t->last_word)
		munmap(t->last_word, sizeof *t->last_word);
	t->last_word = NULL;
}

static void forget(struct init *in, struct task *gone)
{
	for (struct task **t = &in->others; *t; t = &(*t)->next)
		if (*t == gone) {
			*t = gone->next;
			in->task_count--;
			drop_last_word(gone);
			free(gone);
			return;
		}
}

/* Tells how a further process ended once that is all there is to say of it. */
static void settle(struct init *in, struct task *t)
{
	if (t == &in->payload || !t->ended || t->status >= 0)
		return;
	task_tell_exit(in, FR_SPAWN_EXIT, t);
	forget(in, t);
}

static void has_failed(struct init *in, struct task *t, const struct failure *f)
{
	if (t == &in->payload) {
		in->failure = *f;
		init_abandon(in);
	}
	refuse(in, t->id, f);
	close_fd(&t->status);
	/* Its process ends, if it has not yet, and is reaped as one that nobody asked for. */
	kill(t->pid, SIGKILL);
	forget(in, t);
}

static void has_started(struct init *in, struct task *t)
{
	close_fd(&t->status);
	drop_last_word(t);
	w_begin(&in->out, t == &in->payload ? FR_STARTED : FR_SPAWNED);
	if (t != &in->payload)
		w_u32(&in->out, t->id);
	w_u8(&in->out, t->faked);
	w_end(&in->out);
	w_flush(&in->out);
}

/* A process's word before its exec: a listener, a failure, or (end of file) that it executes. */
void task_hear(struct init *in, struct task *t)
{
	struct payload_status status;

	bool closed = read_exact(t->status, &status, sizeof status) != 1;

	if (closed && t->last_word->err) {
		struct failure f = *t->last_word;
		has_failed(in, t, &f);
	} else if (closed) {
		has_started(in, t);
		settle(in, t);
	} else if (status.listener == -2)
		t->faked = true;
	else if (status.listener < 0)
		has_failed(in, t, &status.failure);
	else if (attach_listener(in, t, status.listener) < 0)
		has_failed(in, t, &in->failure);
}

static struct task *task_of(struct init *in, pid_t pid)
{
	if (pid == in->payload.pid)
		return &in->payload;
	struct task *t = in->others;
	while (t && t->pid != pid)
		t = t->next;
	return t;
}

void task_note_end(struct init *in, pid_t pid, int status)
{
	struct task *t = task_of(in, pid);

	if (!t)
		return;
	t->ended = true;
	t->exit_status = status;
	settle(in, t);
}

enum { FILE_LIMIT = 1 << 20 };

static void send_file(struct init *in, uint32_t id, uint32_t index, const char *path)
{
	/* A path of the container, whose root is ours: whatever a link says, it stays in there. */
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	uint8_t *data = xrealloc(NULL, FILE_LIMIT);
	size_t len = 0;
	ssize_t n;
	while (len < FILE_LIMIT && (n = read(fd, data + len, FILE_LIMIT - len)) > 0)
		len += (size_t)n;
	w_begin(&in->out, FR_FILE_OF);
	w_u32(&in->out, id);
	w_u32(&in->out, index);
	w_bytes(&in->out, data, len);
	w_end(&in->out);
	w_flush(&in->out);
	free(data);
}

void task_send_files(struct init *in, const struct frame *frame)
{
	struct cursor c = cursor_of(frame);
	uint32_t id = c_u32(&c), count = c_u32(&c);

	for (uint32_t i = 0; i < count && !c.bad; i++)
		send_file(in, id, i, c_str(&c));
	w_begin(&in->out, FR_FILES_END);
	w_u32(&in->out, id);
	w_end(&in->out);
	w_flush(&in->out);
}
