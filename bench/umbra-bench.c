/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Micro-benchmarks of what a container host pays for: the same static binary runs natively and in a sandbox, and
 * bench/run compares. Prints one line per benchmark: name, median and minimum over the batches, in ns per operation.
 *
 * Each benchmark repeats a batch until BATCHES batches are done; the median of the batches is what counts.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 21

static const char *self_path;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void must(int cond, const char *what)
{
	if (!cond)
		err(1, "%s", what);
}

static void b_getppid(unsigned int n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void b_read_zero(unsigned int n)
{
	int fd = open("/dev/zero", O_RDONLY);
	char c;

	must(fd >= 0, "/dev/zero");
	while (n--)
		must(read(fd, &c, 1) == 1, "read");
	close(fd);
}

static void b_stat(unsigned int n)
{
	struct stat st;

	while (n--)
		must(stat("/tmp", &st) == 0, "stat");
}

static void b_open_close(unsigned int n)
{
	while (n--) {
		int fd = open("/dev/null", O_RDONLY);

		must(fd >= 0, "open");
		close(fd);
	}
}

static void b_open_close_file(unsigned int n)
{
	while (n--) {
		int fd = open("/etc/passwd", O_RDONLY);

		must(fd >= 0, "open");
		close(fd);
	}
}

/* Per page: map 4 MB, touch each page, unmap. */
static void b_anon_fault(unsigned int n)
{
	const size_t size = 4 << 20;

	for (unsigned int done = 0; done < n; done += size / 4096) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		must(p != MAP_FAILED, "mmap");
		for (size_t i = 0; i < size; i += 4096)
			p[i] = 1;
		munmap(p, size);
	}
}

static void on_signal(int sig)
{
	(void)sig;
}

static void b_signal(unsigned int n)
{
	pid_t pid = getpid();
	pid_t tid = (pid_t)syscall(SYS_gettid);

	signal(SIGUSR1, on_signal);
	while (n--)
		syscall(SYS_tgkill, pid, tid, SIGUSR1);
}

static void b_pipe(unsigned int n)
{
	int to[2], from[2];
	char c = 0;
	pid_t pid;

	must(pipe(to) == 0 && pipe(from) == 0, "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		close(to[1]);
		close(from[0]);
		while (read(to[0], &c, 1) == 1)
			if (write(from[1], &c, 1) != 1)
				break;
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	while (n--)
		must(write(to[1], &c, 1) == 1 && read(from[0], &c, 1) == 1, "pipe round trip");
	close(to[1]);
	close(from[0]);
	waitpid(pid, NULL, 0);
}

static void b_fork(unsigned int n)
{
	while (n--) {
		int status;
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (!pid)
			_exit(0);
		must(waitpid(pid, &status, 0) == pid && status == 0, "wait");
	}
}

static void b_fork_exec(unsigned int n)
{
	while (n--) {
		int status;
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (!pid) {
			execl(self_path, "umbra-bench", "--nothing", (char *)NULL);
			_exit(127);
		}
		must(waitpid(pid, &status, 0) == pid && status == 0, "exec child");
	}
}

static void b_vfork_sh(unsigned int n)
{
	while (n--) {
		int status;
		pid_t pid = vfork();

		must(pid >= 0, "vfork");
		if (!pid) {
			execl("/bin/sh", "sh", "-c", ":", (char *)NULL);
			_exit(127);
		}
		must(waitpid(pid, &status, 0) == pid && status == 0, "sh");
	}
}

static void *thread_main(void *arg)
{
	return arg;
}

static void b_thread(unsigned int n)
{
	while (n--) {
		pthread_t t;

		must(pthread_create(&t, NULL, thread_main, NULL) == 0, "pthread_create");
		pthread_join(t, NULL);
	}
}

/* Per page of 4 KB: read a cached file of 1 MB. */
static void b_read_file(unsigned int n)
{
	static char buf[65536];
	char name[] = "/tmp/umbra-bench-XXXXXX";
	int fd = mkstemp(name);

	must(fd >= 0, "mkstemp");
	unlink(name);
	for (unsigned int i = 0; i < 16; i++)
		must(write(fd, buf, sizeof(buf)) == sizeof(buf), "write");
	for (unsigned int done = 0; done < n; done += 16) {
		off_t at = (off_t)(done % 256) * 4096;

		must(pread(fd, buf, sizeof(buf), at) > 0, "pread");
	}
	close(fd);
}

static const struct bench {
	const char *name;
	void (*run)(unsigned int n);
	unsigned int n; /* operations in a batch */
} benches[] = {
	{"getppid", b_getppid, 20000},
	{"read_zero", b_read_zero, 20000},
	{"stat", b_stat, 5000},
	{"open_close", b_open_close, 3000},
	{"open_close_file", b_open_close_file, 3000},
	{"anon_fault", b_anon_fault, 4096},
	{"read_file_4k", b_read_file, 4096},
	{"signal", b_signal, 2000},
	{"pipe", b_pipe, 500},
	{"fork", b_fork, 40},
	{"fork_exec", b_fork_exec, 20},
	{"vfork_sh", b_vfork_sh, 10},
	{"thread", b_thread, 100},
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--nothing"))
		return 0;
	self_path = argv[0];
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		const struct bench *b = &benches[i];
		double t[BATCHES];
		int wanted = argc == 1;

		for (int a = 1; a < argc; a++)
			wanted |= !strcmp(argv[a], b->name);
		if (!wanted)
			continue;
		b->run(b->n / 4 + 1); /* warm up */
		for (int k = 0; k < BATCHES; k++) {
			uint64_t start = now_ns();

			b->run(b->n);
			t[k] = (double)(now_ns() - start) / b->n;
		}
		qsort(t, BATCHES, sizeof(t[0]), compare);
		printf("%-16s %10.1f %10.1f\n", b->name, t[BATCHES / 2], t[0]);
		fflush(stdout);
	}
	return 0;
}
