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
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "idle.h"
#include "init.h"
#include "kernel.h"
#include "shared-pids.h"

_Noreturn void init_abandon(struct init *in)
{
	w_failure(&in->out, &in->failure);
	_exit(0);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Descriptors of the host's files that the mounts needed: the payload could not reach them, but none shall be left. */
static void close_leftovers(const struct init *in)
{
	const struct init_args *a = in->args;
	const struct site *s = &in->site;
	int fixed[] = {2, a->ctl, a->pass, a->std[0], a->std[1], a->std[2], s->upper, s->owners, in->proc};
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
		.own_net = a->own_net || a->place->joined & NS_NET,
		.tty = has_terminal(a->stdio),
		.root_path = a->root_path,
		.foreign = a->place->foreign,
		.root = -1,
		.scratch = -1,
		.upper = -1,
		.owners = -1};
	if (place_settle(in) < 0)
		init_abandon(in);
	in->site.shm = in->shm;
	if (plan_execute(&in->site, &plan) < 0)
		init_abandon(in);
	close_leftovers(in);
	in->terminal = (struct terminal){-1, -1};
	if (!has_terminal(a->stdio))
		return;
	if (terminal_open(&in->terminal, &in->failure) < 0)
		init_abandon(in);
	terminal_console(&in->terminal);
	if (task_hand_out(in, in->terminal.master, 0) < 0) {
		fail(&in->failure, "pass terminal", "%s", "");
		init_abandon(in);
	}
}

static void start_emulation(struct init *in, struct payload *p)
{
	struct emu_config config = {.uid = p->uid,
		.gid = p->gid,
		.groups = p->groups,
		.ngroups = p->group_count,
		.capabilities = p->caps,
		.upper_fd = in->site.upper,
		.owners_fd = in->site.owners,
		.lower_owners = in->site.lower_owners,
		.lower_count = in->site.lower_count};

	config.flags = p->emulate_flags |= p->no_new_privs ? EMU_NO_SETID_EXEC : 0;
	int result = emu_init(&in->emu, &config);
	if (result < 0) {
		fail_with(&in->failure, -result, "emulate ids", "");
		init_abandon(in);
	}
	/* They were read. */
	for (size_t i = 0; i < in->site.lower_count; i++)
		close(in->site.lower_owners[i]);
	in->site.lower_count = 0;
}

static void start_payload(struct init *in, const struct frame *frame)
{
	const struct init_args *a = in->args;
	struct payload p = {.tty = has_terminal(a->stdio), .fenced = place_is_fenced(a), .dies_with_init = in->proc >= 0, .world = a->world};

	if (!payload_parse(frame, &p)) {
		fail_with(&in->failure, EBADMSG, "exec", "malformed");
		init_abandon(in);
	}
	p.emulate = p.emulate && a->world->single;
	for (int i = 0; i < 3; i++)
		p.std[i] = p.tty ? in->terminal.slave : a->std[i];
	if (p.tty)
		terminal_resize(in->terminal.master, p.columns, p.rows);
	if (p.emulate && !(p.emulate_flags & EMU_FAKE))
		start_emulation(in, &p);
	if (task_fork(&in->payload, &p) < 0) {
		fail(&in->failure, "fork", "%s", "");
		init_abandon(in);
	}
	payload_free(&p);
	/* From here on only the payload holds them: their ends are seen outside. */
	for (int i = 0; i < 3; i++)
		if (a->std[i] > 2)
			close(a->std[i]);
	/* The slave stays open: a program that closes its streams before it ends would end by SIGHUP, its terminal gone. */
	if (p.tty)
		close(in->terminal.master);
}

static void reap(struct init *in)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)!read(in->children, &info, sizeof info);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		task_note_end(in, pid, status);
}

static void hear_worker(struct init *in)
{
	struct frame frame;

	if (reader_fill(&in->in) <= 0)
		_exit(0);
	while (reader_ready(&in->in) && reader_next(&in->in, &frame)) {
		struct cursor c = cursor_of(&frame);
		if (frame.type == FR_SIGNAL && in->payload.status < 0 && !in->payload.ended)
			kill(in->payload.pid, (int)c_u32(&c));
		else if (frame.type == FR_PAUSE)
			place_pause(in, c_u8(&c));
		else if (frame.type == FR_SPAWN)
			task_spawn(in, &frame);
		else if (frame.type == FR_FILES)
			task_send_files(in, &frame);
		else if (frame.type == FR_COPY)
			copy_start(in, &frame);
	}
}

static void hear_listener(struct init *in, size_t which, short events)
{
	emu_use(in->emu, in->listeners[which]);
	bool usable = events & POLLIN && emu_handle(in->emu) == 0;
	/* One that answered badly was closed there. */
	if (!usable && !(events & POLLIN))
		close(in->listeners[which]);
	emu_use(in->emu, -1);
	if (!usable)
		in->listeners[which] = in->listeners[--in->listener_count];
}

enum { P_CTL, P_CHILDREN, P_TASKS };

static void give_back(void *init)
{
	struct init *in = init;

	if (in->emu && emu_flush_due(in->emu) >= 0)
		emu_flush(in->emu);
	reader_release(&in->in);
	writer_release(&in->out);
}

static void serve_once(struct init *in)
{
	struct pollfd set[P_TASKS + 1 + in->task_count + in->listener_count];
	struct task *tasks[1 + in->task_count];
	size_t count = 1;

	set[P_CTL] = (struct pollfd){.fd = in->args->ctl, .events = POLLIN};
	set[P_CHILDREN] = (struct pollfd){.fd = in->children, .events = POLLIN};
	tasks[0] = &in->payload;

	for (struct task *t = in->others; t; t = t->next)
		tasks[count++] = t;
	struct pollfd *status = set + P_TASKS, *listener = status + count;
	for (size_t i = 0; i < count; i++)
		status[i] = (struct pollfd){.fd = tasks[i]->status, .events = POLLIN};
	for (size_t i = 0; i < in->listener_count; i++)
		listener[i] = (struct pollfd){.fd = in->listeners[i], .events = POLLIN};
	size_t listeners = in->listener_count;
	/* A full disk is told of at the end. */
	if (in->emu && emu_flush_due(in->emu) == 0)
		emu_flush(in->emu);
	if (idle_poll(set, P_TASKS + count + listeners, give_back, in) < 0)
		return;
	/* From the last one on: who is taken out gives its place to one that was looked at already. */
	for (size_t i = listeners; i-- > 0;)
		if (listener[i].revents)
			hear_listener(in, i, listener[i].revents);
	for (size_t i = 0; i < count; i++)
		if (status[i].fd >= 0 && status[i].revents) {
			task_hear(in, tasks[i]);
		}
	if (set[P_CHILDREN].revents)
		reap(in);
	if (set[P_CTL].revents)
		hear_worker(in);
}

static void note_end(void *with, pid_t pid, int status)
{
	task_note_end(with, pid, status);
}

/* All of a pid namespace, or what became our child. */
static void end_processes(struct init *in)
{
	int status;
	pid_t pid;

	if (in->proc >= 0) {
		shared_pids_end(in->proc, &(struct shared_pids_ending){.ended = note_end, .with = in});
		return;
	}
	kill(-1, SIGKILL);
	while ((pid = waitpid(-1, &status, 0)) > 0 || errno != ECHILD)
		if (pid > 0)
			task_note_end(in, pid, status);
}

/* Processes that wait for the emulation's answer die all the same: SIGKILL ends the waiting. */
static void end_rest(struct init *in)
{
	end_processes(in);
	for (size_t i = 0; i < in->listener_count; i++)
		close(in->listeners[i]);
	int result = in->emu ? emu_finish(in->emu) : 0;
	if (result < 0) {
		fail_with(&in->failure, -result, "record owners", "");
		init_abandon(in);
	}
	task_tell_exit(in, FR_EXIT, &in->payload);
}

/*
 * We hold nothing of the terminal, or the pipe, that tsbox was started from: a container that stays shall not keep it
 * open, and a payload that may trace us could take what it was not given.
 */
static void leave_streams(struct init *in)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		if (null < 0 || dup2(null, i) < 0) {
			fail(&in->failure, "standard streams", "%s", "/dev/null");
			init_abandon(in);
		}
	if (null > 2)
		close(null);
}

/* Without a pid namespace: what loses its parent is to become our child all the same. */
static void adopt_orphans(struct init *in)
{
	in->proc = shared_pids_open();
	if (in->proc < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
		fail(&in->failure, "namespaces", "%s", "/proc");
		init_abandon(in);
	}
}

/* That the mounts stand; bits: a pid namespace could not be had; its processes are among those of others. */
static void tell_ready(struct init *in)
{
	w_begin(&in->out, FR_READY);
	w_u8(&in->out,
		(uint8_t)((place_is_fenced(in->args) ? READY_SHARES_PIDS : 0) | (in->site.keeps_hostname ? READY_KEEPS_HOSTNAME : 0) |
			(in->proc >= 0 ? READY_AMONG_OTHERS : 0)));
	w_end(&in->out);
	w_flush(&in->out);
}

_Noreturn void init_main(const struct init_args *args)
{
	struct init in = {.args = args, .proc = -1, .shm = -1, .payload.status = -1};
	struct frame frame;
	sigset_t child;

	die_with_parent(args->parent);
	writer_init(&in.out, args->ctl);
	reader_init(&in.in, args->ctl);
	/* What the payload inherits it gets from here. */
	if (args->stdio != STDIO_INHERIT)
		leave_streams(&in);
	if (args->parent)
		adopt_orphans(&in);
	make_container(&in);
	tell_ready(&in);
	while (reader_next(&in.in, &frame) && frame.type == FR_COPY)
		copy_start(&in, &frame);
	if (frame.type != FR_EXEC)
		_exit(0);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	in.children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (in.children < 0) {
		fail(&in.failure, "signalfd", "%s", "");
		init_abandon(&in);
	}
	start_payload(&in, &frame);
	leave_streams(&in);
	/* An end is only looked at once the exec is known to have worked or not. */
	while (!in.payload.ended || in.payload.status >= 0)
		serve_once(&in);
	end_rest(&in);
	_exit(0);
}
