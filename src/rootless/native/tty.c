/*
 * The terminal of a step: opened inside the container, so that its name exists there, its master handed out to the
 * worker, which joins it to the descriptors 0 and 1 of tsbox. Those are shared with the shell that started us: they
 * stay blocking and are only touched when poll(2) says that they are ready.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "kernel.h"
#include "step.h"

/* PIPE_BUF: what a ready pipe takes at once. */
enum { PIECE = 4096 };

int terminal_open(struct terminal *t, struct failure *f)
{
	int unlock = 0;

	t->master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t->master < 0)
		t->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t->master < 0 || ioctl(t->master, TIOCSPTLCK, &unlock) < 0)
		return fail(f, "open terminal", "%s", "/dev/pts/ptmx");
	t->slave = ioctl(t->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t->slave < 0)
		return fail(f, "open terminal", "%s", "slave");
	return 0;
}

void terminal_console(const struct terminal *t)
{
	AUTO_FD console = open("/dev/console", O_PATH | O_CLOEXEC | O_NOFOLLOW);

	if (console >= 0) {
		AUTO_FD mount = k_open_tree(t->slave, "", K_OPEN_TREE_CLONE | 0x1000 /* AT_EMPTY_PATH */);
		if (mount >= 0)
			k_move_mount(mount, console);
	}
}

void terminal_resize(int master, uint32_t columns, uint32_t rows)
{
	struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};

	if (columns && rows)
		ioctl(master, TIOCSWINSZ, &size);
}

int fd_send(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof fd)] = {0}, byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int fd_receive(int socket)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof fd);
	return fd;
}

void relay_transparent(struct relay *r, bool on)
{
	struct termios t;

	if (on == r->transparent || tcgetattr(1, &t) < 0)
		return;
	/* Changing it from the background would stop us (termios(3)). */
	signal(SIGTTOU, SIG_IGN);
	if (on)
		r->saved_flags = t.c_oflag;
	t.c_oflag = on ? t.c_oflag & ~(tcflag_t)OPOST : r->saved_flags;
	r->transparent = tcsetattr(1, TCSADRAIN, &t) == 0 && on;
	signal(SIGTTOU, SIG_DFL);
}

int output_main(const char *what)
{
	struct termios t;

	signal(SIGTTOU, SIG_IGN);
	if (tcgetattr(1, &t) < 0)
		return 1;
	t.c_oflag = strcmp(what, "raw") ? t.c_oflag | OPOST : t.c_oflag & ~(tcflag_t)OPOST;
	return tcsetattr(1, TCSADRAIN, &t) < 0;
}

void relay_poll(const struct relay *r, struct pollfd set[3])
{
	bool in_waits = r->in.end > r->in.start, out_waits = r->out.end > r->out.start;

	set[0] = (struct pollfd){.fd = r->reads_input && !in_waits ? 0 : -1, .events = POLLIN};
	set[1] = (struct pollfd){.fd = out_waits ? 1 : -1, .events = POLLOUT};
	set[2] = (struct pollfd){.fd = r->master >= 0 && (in_waits || !out_waits) ? r->master : -1,
		.events = (short)((in_waits ? POLLOUT : 0) | (out_waits ? 0 : POLLIN))};
}

static void write_out(struct relay *r)
{
	size_t len = r->out.end - r->out.start;
	ssize_t n = write(1, r->out.data + r->out.start, len < PIECE ? len : PIECE);

	if (n > 0)
		r->out.start += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		/* Nobody looks any more; the payload shall not hang on that. */
		r->out.start = r->out.end;
}

static void read_in(struct relay *r)
{
	ssize_t n = read(0, r->in.data, sizeof r->in.data);

	r->in.start = 0;
	r->in.end = n > 0 ? (size_t)n : 0;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		r->reads_input = false;
}

static void read_master(struct relay *r)
{
	ssize_t n = read(r->master, r->out.data, sizeof r->out.data);

	r->out.start = 0;
	r->out.end = n > 0 ? (size_t)n : 0;
	/* EIO: every slave is closed. */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(r->master);
		r->master = -1;
	}
}

void relay_move(struct relay *r, const struct pollfd set[3])
{
	if (set[0].fd >= 0 && set[0].revents)
		read_in(r);
	if (set[1].fd >= 0 && set[1].revents)
		write_out(r);
	if (set[2].fd >= 0 && set[2].revents & POLLOUT) {
		ssize_t n = write(r->master, r->in.data + r->in.start, r->in.end - r->in.start);
		r->in.start += n > 0 ? (size_t)n : 0;
	}
	if (set[2].fd >= 0 && set[2].revents & (POLLIN | POLLHUP | POLLERR) && r->out.start == r->out.end)
		read_master(r);
}

void relay_drain(struct relay *r)
{
	while (r->master >= 0 || r->out.end > r->out.start) {
		if (r->out.end > r->out.start) {
			struct pollfd ready = {.fd = 1, .events = POLLOUT};
			if (poll(&ready, 1, -1) > 0)
				write_out(r);
			continue;
		}
		read_master(r);
		if (r->master >= 0 && r->out.end == r->out.start) {
			/* Somebody outside holds a slave: nothing of the step is left to wait for. */
			close(r->master);
			r->master = -1;
		}
	}
}
