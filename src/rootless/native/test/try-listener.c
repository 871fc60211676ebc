/*
 * Runs a command under a seccomp listener that asks for nothing: where one is, no other can be (seccomp(2), EBUSY), as
 * for a container in single-id mode inside another.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../emulate-uapi.h"

int main(int argc, char **argv)
{
	struct sock_filter code[] = {{BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW}};
	const struct sock_fprog program = {1, code};

	if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return 125;
	/* Nobody is ever asked; but it must stay open. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) < 0) {
		perror("listener");
		return 125;
	}
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
