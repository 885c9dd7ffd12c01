/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that take all they can get, run by tests/prog/bombs.sh in sandboxes with little memory: bomb WHAT [N].
 * "guard SECONDS COMMAND..." runs a command in a session of its own, kills everything after that time, and then looks
 * whether the system still works.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK (64ul << 10)

static char data[CHUNK];

static void all_descriptors(void)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static int heap(void)
{
	for (;;) {
		char *p = malloc(CHUNK);

		if (!p)
			return 1;
		memset(p, 1, CHUNK);
		__asm__ volatile("" : : "r"(p) : "memory"); /* somebody might read it */
	}
}

/* All of them are killed, whatever the order, and nobody else is. */
static int heaps(int n)
{
	int status, killed = 0;

	for (int i = 0; i < n; i++) {
		if (!fork())
			_exit(heap());
	}
	while (wait(&status) > 0)
		killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	return killed == n ? 0 : 1;
}

static int fill(int fd)
{
	ssize_t n;

	while ((n = write(fd, data, sizeof(data))) > 0)
		;
	printf("%s\n", strerror(errno));
	return 0;
}

static int fill_pairs(int (*make)(int *))
{
	all_descriptors();
	for (;;) {
		int fd[2];

		if (make(fd)) {
			printf("%s\n", strerror(errno));
			return 0;
		}
		while (write(fd[1], data, sizeof(data)) > 0)
			;
	}
}

static int make_pipe(int *fd)
{
	if (pipe2(fd, O_NONBLOCK))
		return -1;
	fcntl(fd[1], F_SETPIPE_SZ, 1 << 20);
	return 0;
}

static int make_sockets(int *fd)
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd);
}

/* One page-table page for each page that is looked at. */
static int tables(void)
{
	const char *p = mmap(NULL, 1ul << 40, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (size_t i = 0; p != MAP_FAILED && i < 1ul << 40; i += 2ul << 20)
		(void)*(const volatile char *)(p + i);
	return 1;
}

static int shared(void)
{
	char *p = mmap(NULL, 4ul << 30, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (size_t i = 0; p != MAP_FAILED && i < 4ul << 30; i += 4096)
		p[i] = 1;
	return 1;
}

static _Noreturn void forks(void)
{
	for (;;) {
		if (fork() < 0)
			usleep(1000);
	}
}

static int guard(int seconds, char **argv)
{
	int status;
	pid_t pid;

	if (!fork()) {
		setsid();
		execvp(argv[0], argv);
		_exit(127);
	}
	sleep((unsigned)seconds);
	kill(-1, SIGKILL);
	while (wait(NULL) > 0)
		;
	pid = fork();
	if (pid < 0) {
		perror("fork");
		return 1;
	}
	if (!pid) {
		execlp("echo", "echo", "alive", NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const int n = argc > 2 ? atoi(argv[2]) : 1;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (!strcmp(what, "heap"))
		return heap();
	if (!strcmp(what, "heaps"))
		return heaps(n);
	if (!strcmp(what, "memfd"))
		return fill(memfd_create("bomb", 0));
	if (!strcmp(what, "file"))
		return fill(open("/tmp/bomb", O_CREAT | O_WRONLY, 0600));
	if (!strcmp(what, "pipes"))
		return fill_pairs(make_pipe);
	if (!strcmp(what, "sockets"))
		return fill_pairs(make_sockets);
	if (!strcmp(what, "tables"))
		return tables();
	if (!strcmp(what, "shared"))
		return shared();
	if (!strcmp(what, "forks"))
		forks();
	if (!strcmp(what, "guard") && argc > 3)
		return guard(n, argv + 3);
	fprintf(stderr, "bomb: no such thing: %s\n", what);
	return 2;
}
