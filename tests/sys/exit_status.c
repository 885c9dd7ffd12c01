/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit, _exit and wait: statuses of children that end in every way.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "sys.h"

/* How many files are in @dir; they are removed, and it. */
static int clean(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	CHECK(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.') {
			n++;
			CHECK_OK(unlinkat(dirfd(d), e->d_name, 0));
		}
	}
	closedir(d);
	CHECK_OK(rmdir(dir));
	return n;
}

/* A status says that a core was dumped if, and only if, it was. */
static void cores(void)
{
	const struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};
	char dir[] = "/tmp/cores-XXXXXX", pattern[128] = "";
	const int fd = CHECK_OK(open("/proc/sys/kernel/core_pattern", O_RDONLY));
	int status, files;
	pid_t pid;

	CHECK_OK(read(fd, pattern, sizeof(pattern) - 1));
	close(fd);
	CHECK(mkdtemp(dir));
	pid = CHECK_OK(fork());
	if (pid == 0) {
		CHECK_OK(chdir(dir));
		setrlimit(RLIMIT_CORE, &r);
		abort();
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	files = clean(dir);
	if (pattern[0] != '|' && pattern[0] != '/') /* else it goes elsewhere */
		CHECK_EQ(!!WCOREDUMP(status), files);
}

int main(void)
{
	int status;
	pid_t pid;

	cores();
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
