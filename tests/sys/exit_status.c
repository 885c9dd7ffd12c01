/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit, _exit and wait: statuses of children that end in every way.
 */
#include <signal.h>

#include "sys.h"

int main(void)
{
	int status;
	pid_t pid;

	for (int code = 0; code < 256; code += 51) {
		pid = CHECK_OK(fork());
		if (pid == 0)
			_exit(code);
		CHECK_EQ(wait_for(pid), code);
	}
	/* Only the low byte counts. */
	pid = CHECK_OK(fork());
	if (pid == 0)
		_exit(0x1ff);
	CHECK_EQ(wait_for(pid), 0xff);

	pid = CHECK_OK(fork());
	if (pid == 0) {
		raise(SIGKILL);
		_exit(1);
	}
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
	CHECK_ERR(waitpid(-1, &status, 0), ECHILD);
	CHECK_ERR(waitpid(1, &status, 0x10000), EINVAL);
	return 0;
}
