/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Landlock rules of the VMM, for real: what may be done in a writable tree, a read-only one, a single file, and
 * elsewhere; by path and through a descriptor held from before, as the file server does it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "vmm/jail.h"

#define SKIPPED 77
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

static char root[] = "/tmp/umbra-landlock-XXXXXX";

static int make(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return open(path, O_PATH | O_CLOEXEC);
}

/* 0, or the negative errno of an open. */
static int try(int dir, const char *path, int flags)
{
	const int fd = openat(dir, path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int result(int r)
{
	return r < 0 ? -errno : 0;
}

static void check_rules(int version)
{
	int rw, ro, file, secret, proc, held;
	char number[16];

	CHECK_EQ(chdir(root), 0);
	CHECK_EQ(mkdir("rw", 0755), 0);
	CHECK_EQ(mkdir("rw/sub", 0755), 0);
	CHECK_EQ(mkdir("ro", 0755), 0);
	make("rw/f", "f");
	make("ro/f", "f");
	file = make("file", "file");
	secret = make("secret", "secret");
	rw = open("rw", O_PATH | O_CLOEXEC);
	ro = open("ro", O_PATH | O_CLOEXEC);
	proc = open("/proc/self/fd", O_PATH | O_CLOEXEC);
	held = open("rw/f", O_PATH | O_CLOEXEC);
	const struct jail_tree trees[] = {{.fd = proc},
					  {.fd = rw, .exported = true},
					  {.fd = ro, .exported = true, .read_only = true},
					  {.fd = file, .exported = true, .read_only = true}};

	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_EQ(jail_landlock(trees, 4), 0);

	/* What the file server does. */
	CHECK_EQ(try(rw, "f", O_RDWR), 0);
	CHECK_EQ(try(rw, "new", O_RDWR | O_CREAT | O_EXCL), 0);
	CHECK_EQ(try(rw, ".", O_RDONLY | O_DIRECTORY), 0);
	CHECK_EQ(result(mkdirat(rw, "dir", 0755)), 0);
	CHECK_EQ(result(mknodat(rw, "fifo", S_IFIFO | 0644, 0)), 0);
	CHECK_EQ(result(mknodat(rw, "sock", S_IFSOCK | 0644, 0)), 0);
	CHECK_EQ(result(symlinkat("x", rw, "link")), 0);
	CHECK_EQ(result(renameat(rw, "new", rw, "sub/new")), 0);
	CHECK_EQ(result(linkat(rw, "sub/new", rw, "new2", 0)), 0);
	CHECK_EQ(result(unlinkat(rw, "sub/new", 0)), 0);
	CHECK_EQ(result(unlinkat(rw, "dir", AT_REMOVEDIR)), 0);
	CHECK_EQ(try(ro, "f", O_RDONLY), 0);
	snprintf(number, sizeof(number), "%d", held);
	CHECK_EQ(try(proc, number, O_RDWR | O_TRUNC), 0);
	snprintf(number, sizeof(number), "%d", file);
	CHECK_EQ(try(proc, number, O_RDONLY), 0);

	/* What nobody may. */
	CHECK_EQ(try(proc, number, O_RDWR), -EACCES);
	CHECK_EQ(try(ro, "f", O_RDWR), -EACCES);
	CHECK_EQ(try(ro, "new", O_RDWR | O_CREAT), -EACCES);
	CHECK_EQ(result(mkdirat(ro, "dir", 0755)), -EACCES);
	CHECK_EQ(result(unlinkat(ro, "f", 0)), -EACCES);
	CHECK(result(renameat(ro, "f", rw, "g")) < 0);
	CHECK(result(linkat(ro, "f", rw, "g", 0)) < 0);
	CHECK(result(renameat(rw, "f", ro, "g")) < 0);
	CHECK(result(mknodat(rw, "dev", S_IFCHR | 0644, 0x103)) < 0);
	CHECK_EQ(try(AT_FDCWD, "/etc/passwd", O_RDONLY), -EACCES);
	CHECK_EQ(try(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY), -EACCES);
	CHECK_EQ(try(AT_FDCWD, "/proc/self/mem", O_RDWR), -EACCES);
	CHECK_EQ(try(AT_FDCWD, "/proc/self/status", O_RDONLY), -EACCES);
	snprintf(number, sizeof(number), "%d", secret);
	CHECK_EQ(try(proc, number, O_RDONLY), -EACCES);
	CHECK_EQ(try(rw, "../secret", O_RDONLY), -EACCES);
	if (version >= 4) {
		const struct sockaddr_in any = {.sin_family = AF_INET};
		const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		CHECK(s < 0 || bind(s, (const struct sockaddr *)&any, sizeof(any)) < 0);
	}
	if (version >= 6)
		CHECK_EQ(result(kill(getppid(), 0)), -EPERM);
}

int main(void)
{
	const int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	char cmd[64];
	int status;
	pid_t pid;

	if (version < 2) {
		printf("no Landlock\n");
		return SKIPPED;
	}
	CHECK(mkdtemp(root));
	pid = fork();
	if (pid == 0) {
		check_rules(version);
		_exit(0); /* the leak check could not look at us in there */
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	CHECK_EQ(system(cmd), 0);
	return status ? 1 : 0;
}
