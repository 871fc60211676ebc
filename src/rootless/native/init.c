/*
 * pid 1 of a step: makes the mounts, forks the payload, then reaps what becomes its child, passes signals on to the
 * payload, answers the emulation's notifications, and ends everything when the payload ends.
 *
 * Invariants: it dies with the worker (the death signal reaches pid 1 because it comes from an outer pid namespace,
 * pid_namespaces(7)), and its own end kills whatever is left in the namespace. It is single-threaded and keeps all
 * capabilities, which is also what keeps the payload from tracing it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emulate.h"
#include "kernel.h"
#include "site.h"
#include "step.h"

struct init {
	const struct init_args *args;
	struct site site;
	struct failure failure;
	struct reader in;
	struct writer out;
	struct terminal terminal;
	pid_t payload;
	/* Children's ends; the payload's status pipe until its exec; the emulation's listener. */
	int children, status, listener;
	struct emu *emu;
	/* What the payload wrote before it died, if it failed: seen when its status pipe is closed. */
	struct failure *last_word;
	bool started, ended, faked;
	int exit_status;
};

static _Noreturn void abandon(struct init *in)
{
	w_failure(&in->out, &in->failure);
	_exit(0);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Descriptors of the host's files that the mounts needed: the payload could not reach them, but none shall be left. */
static void close_leftovers(const struct init_args *a, const struct site *s)
{
	int fixed[] = {2, a->ctl, a->pass, a->std[0], a->std[1], a->std[2], s->upper, s->owners};
	size_t count = ARRAY_LEN(fixed) + s->lower_count;
	int *kept = xalloc(count * sizeof *kept);

	memcpy(kept, fixed, sizeof fixed);
	if (s->lower_count)
		memcpy(kept + ARRAY_LEN(fixed), s->lower_owners, s->lower_count * sizeof *kept);
	qsort(kept, count, sizeof *kept, by_number);
	for (size_t i = 0; i < count; i++) {
		int next = i + 1 < count ? kept[i + 1] : -1;
		if (kept[i] >= 2 && (next < 0 || next > kept[i] + 1))
			syscall(NR_close_range, kept[i] + 1, next < 0 ? ~0u : (unsigned)next - 1, 0);
	}
	free(kept);
}

static void make_container(struct init *in)
{
	const struct init_args *a = in->args;
	struct cursor plan = a->plan;

	in->site = (struct site){.f = &in->failure,
		.world = a->world,
		.ctl = &in->out,
		.own_net = a->own_net,
		.tty = a->stdio == STDIO_TTY,
		.root_path = a->root_path,
		.root = -1,
		.scratch = -1,
		.upper = -1,
		.owners = -1};
	if (plan_execute(&in->site, &plan) < 0)
		abandon(in);
	close_leftovers(a, &in->site);
	in->terminal = (struct terminal){-1, -1};
	if (a->stdio != STDIO_TTY)
		return;
	if (terminal_open(&in->terminal, &in->failure) < 0)
		abandon(in);
	if (fd_send(a->pass, in->terminal.master) < 0) {
		fail(&in->failure, "pass terminal", "%s", "");
		abandon(in);
	}
	close(a->pass);
}

static void start_emulation(struct init *in, struct payload *p)
{
	struct emu_config config = {.uid = p->uid,
		.gid = p->gid,
		.groups = p->groups,
		.ngroups = p->group_count,
		.upper_fd = in->site.upper,
		.owners_fd = in->site.owners,
		.lower_owners = in->site.lower_owners,
		.lower_count = in->site.lower_count};

	config.flags = p->emulate_flags |= p->no_new_privs ? EMU_NO_SETID_EXEC : 0;
	int result = emu_init(&in->emu, &config);
	if (result < 0) {
		fail_with(&in->failure, -result, "emulate ids", "");
		abandon(in);
	}
}

static void start_payload(struct init *in, const struct frame *frame)
{
	const struct init_args *a = in->args;
	struct payload p = {.tty = a->stdio == STDIO_TTY, .world = a->world};
	int status[2];

	if (!payload_parse(frame, &p)) {
		fail_with(&in->failure, EBADMSG, "exec", "malformed");
		abandon(in);
	}
	p.emulate = p.emulate && a->world->single;
	for (int i = 0; i < 3; i++)
		p.std[i] = p.tty ? in->terminal.slave : a->std[i];
	if (p.tty)
		terminal_resize(in->terminal.master, p.columns, p.rows);
	if (p.emulate)
		start_emulation(in, &p);
	in->last_word = p.last_word =
		mmap(NULL, sizeof *p.last_word, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (in->last_word == MAP_FAILED || pipe2(status, O_CLOEXEC) < 0 || (in->payload = fork()) < 0) {
		fail(&in->failure, "fork", "%s", "");
		abandon(in);
	}
	p.status = status[1];
	if (in->payload == 0)
		payload_main(&p);
	close(status[1]);
	in->status = status[0];
	/* From here on only the payload holds them: their ends are seen outside. */
	for (int i = 0; i < 3; i++)
		if (a->std[i] > 2)
			close(a->std[i]);
	/* The slave stays open: a program that closes its streams before it ends would end by SIGHUP, its terminal gone. */
	if (p.tty)
		close(in->terminal.master);
}

static void attach_listener(struct init *in, int number)
{
	AUTO_FD pidfd = k_pidfd_open(in->payload);
	int listener = pidfd < 0 ? -1 : k_pidfd_getfd(pidfd, number);

	/* It may have met a failure already and be gone: its word on that is in the pipe. */
	if (listener < 0 && (errno == ESRCH || errno == EBADF))
		return;
	int result = listener < 0 ? -errno : emu_attach(in->emu, listener);
	if (result < 0) {
		fail_with(&in->failure, -result, "emulate ids", "listener");
		abandon(in);
	}
	in->listener = listener;
}

/* The payload's word before its exec: a listener, a failure, or (end of file) that it executes. */
static void hear_status(struct init *in)
{
	struct payload_status status;

	if (read_exact(in->status, &status, sizeof status) == 1) {
		if (status.listener >= 0) {
			attach_listener(in, status.listener);
			return;
		}
		if (status.listener == -2) {
			in->faked = true;
			return;
		}
		in->failure = status.failure;
		abandon(in);
	}
	if (in->last_word->err) {
		in->failure = *in->last_word;
		abandon(in);
	}
	close(in->status);
	in->status = -1;
	in->started = true;
	w_begin(&in->out, FR_STARTED);
	w_u8(&in->out, in->faked);
	w_end(&in->out);
	w_flush(&in->out);
}

static void reap(struct init *in)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)!read(in->children, &info, sizeof info);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == in->payload) {
			in->ended = true;
			in->exit_status = status;
		}
}

static void hear_worker(struct init *in)
{
	struct frame frame;

	if (reader_fill(&in->in) <= 0)
		_exit(0);
	while (reader_ready(&in->in) && reader_next(&in->in, &frame)) {
		struct cursor c = cursor_of(&frame);
		if (frame.type == FR_SIGNAL && in->started && !in->ended)
			kill(in->payload, (int)c_u32(&c));
	}
}

static void serve(struct init *in)
{
	/* An end is only looked at once the exec is known to have worked or not. */
	while (!in->ended || in->status >= 0) {
		struct pollfd set[] = {{.fd = in->args->ctl, .events = POLLIN},
			{.fd = in->status, .events = POLLIN},
			{.fd = in->listener, .events = POLLIN},
			{.fd = in->children, .events = POLLIN}};
		if (poll(set, ARRAY_LEN(set), -1) < 0)
			continue;
		if (set[1].revents)
			hear_status(in);
		if (set[2].revents & POLLIN) {
			if (emu_handle(in->emu) < 0)
				in->listener = -1;
		} else if (set[2].revents)
			in->listener = -1;
		if (set[3].revents)
			reap(in);
		if (set[0].revents)
			hear_worker(in);
	}
}

/* Processes that wait for the emulation's answer die all the same: SIGKILL ends the waiting. */
static void end_rest(struct init *in)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno != ECHILD)
		;
	int result = in->emu ? emu_finish(in->emu) : 0;
	if (result < 0) {
		fail_with(&in->failure, -result, "record owners", "");
		abandon(in);
	}
	w_begin(&in->out, FR_EXIT);
	w_u8(&in->out, WIFSIGNALED(in->exit_status) ? EXIT_SIGNAL : EXIT_CODE);
	w_u32(&in->out, (uint32_t)(WIFSIGNALED(in->exit_status) ? WTERMSIG(in->exit_status) : WEXITSTATUS(in->exit_status)));
	w_end(&in->out);
	w_flush(&in->out);
}

_Noreturn void init_main(const struct init_args *args)
{
	struct init in = {.args = args, .status = -1, .listener = -1};
	struct frame frame;
	sigset_t child;

	die_with_parent(0);
	writer_init(&in.out, args->ctl);
	reader_init(&in.in, args->ctl);
	make_container(&in);
	w_empty(&in.out, FR_READY);
	if (!reader_next(&in.in, &frame) || frame.type != FR_EXEC)
		_exit(0);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	in.children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (in.children < 0) {
		fail(&in.failure, "signalfd", "%s", "");
		abandon(&in);
	}
	start_payload(&in, &frame);
	serve(&in);
	end_rest(&in);
	_exit(0);
}
