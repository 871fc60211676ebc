/*
 * Makes every system call of the native ABI once, each in a process of its own, with arguments that no call can do
 * anything with, and prints `NUMBER ERRNO` a line: 0 for success, -1 where the call did not come back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void try_call(long number, int out)
{
	struct itimerval soon = {.it_value = {.tv_usec = 100000}};
	pid_t self = getpid();
	int err = -1;

	signal(SIGALRM, SIG_DFL);
	setitimer(ITIMER_REAL, &soon, NULL);
	long result = syscall(number, -1, -1, -1, -1, -1, -1);
	err = result == -1 ? errno : 0;
	/* fork and its kin came back twice. */
	if (getpid() == self && write(out, &err, sizeof err) != sizeof err)
		_exit(1);
	_exit(0);
}

int main(int argc, char **argv)
{
	long last = argc > 1 ? atol(argv[1]) : 0;

	for (long number = 0; number <= last; number++) {
		int pipes[2], err = -1;
		if (pipe(pipes) < 0)
			return 1;
		pid_t pid = fork();
		/* All disks of the machine are no business of a test's. */
		if (pid == 0 && number == SYS_sync)
			_exit(0);
		if (pid == 0) {
			close(pipes[0]);
			freopen("/dev/null", "r+", stdin);
			try_call(number, pipes[1]);
		}
		close(pipes[1]);
		if (pid < 0 || read(pipes[0], &err, sizeof err) < 0)
			return 1;
		close(pipes[0]);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		printf("%ld %d\n", number, err);
	}
	return 0;
}
