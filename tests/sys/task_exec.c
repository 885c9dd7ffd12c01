/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve and execveat. The program runs itself again with a word that says what to check in the new life.
 */
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys.h"

static char self[400], dir[64];

/* The exit status of a child that executes @path with @argv and @envp. */
static int run(const char *path, const char *const *argv, const char *const *envp)
{
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid) {
		syscall(SYS_execve, path, argv, envp);
		_exit(200 + (errno & 63));
	}
	return wait_for(pid);
}

static const char *no_env[] = {NULL};

static const char *file_path(const char *name)
{
	static char path[4][128];
	static int n;

	n = (n + 1) % 4;
	snprintf(path[n], sizeof(path[n]), "%s/%s", dir, name);
	return path[n];
}

static const char *write_file(const char *name, const char *text, mode_t mode)
{
	const char *path = file_path(name);
	int fd;

	unlink(path);
	fd = (int)CHECK_OK(open(path, O_CREAT | O_WRONLY | O_TRUNC, mode));
	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	CHECK_OK(chmod(path, mode));
	return path;
}

/* ---- what the new program looks at ---- */

static int in_args(int argc, char **argv)
{
	/* argv: self, "args", "", "two words", a long one */
	CHECK_EQ(argc, 5);
	CHECK_EQ(strcmp(argv[2], ""), 0);
	CHECK_EQ(strcmp(argv[3], "two words"), 0);
	CHECK_EQ(strlen(argv[4]), 100000);
	for (int i = 0; i < 100000; i++)
		CHECK_EQ(argv[4][i], 'a' + i % 26);
	CHECK_EQ(strcmp(getenv("VAR"), "value"), 0);
	CHECK(!argv[argc]);
	return 0;
}

static int in_auxv(void)
{
	const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
	char comm[17] = {0};
	int zero = 0;

	CHECK_EQ(getauxval(AT_PAGESZ), 4096);
	CHECK_EQ(getauxval(AT_CLKTCK), 100);
	CHECK_EQ(getauxval(AT_UID), getuid());
	CHECK_EQ(getauxval(AT_EGID), getegid());
	CHECK_EQ(getauxval(AT_SECURE), 0);
	CHECK_EQ(strcmp((const char *)getauxval(AT_PLATFORM), "x86_64"), 0);
	CHECK(getauxval(AT_PHDR) && getauxval(AT_PHNUM) && getauxval(AT_ENTRY) && getauxval(AT_BASE));
	CHECK_EQ(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
	CHECK(getauxval(51 /* AT_MINSIGSTKSZ */) >= 1024);
	CHECK_EQ(strcmp((const char *)getauxval(AT_EXECFN), self), 0);
	for (int i = 0; i < 16; i++)
		zero += random[i] == 0;
	CHECK(zero < 8);
	CHECK(memcmp((const void *)getauxval(AT_SYSINFO_EHDR), ELFMAG, 4) == 0);
	CHECK_OK(prctl(PR_GET_NAME, comm));
	CHECK_EQ(strncmp(comm, "task_exec", 9), 0);
	return 0;
}

static int in_state(char **argv)
{
	struct sigaction sa;
	sigset_t mask;
	stack_t ss;

	/* Handlers go, ignored signals and the mask stay, the alternate stack goes. */
	sigaction(SIGUSR1, NULL, &sa);
	CHECK(sa.sa_handler == SIG_DFL);
	sigaction(SIGUSR2, NULL, &sa);
	CHECK(sa.sa_handler == SIG_IGN);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	CHECK(sigismember(&mask, SIGHUP) && !sigismember(&mask, SIGTERM));
	sigaltstack(NULL, &ss);
	CHECK(ss.ss_flags & SS_DISABLE);
	/* Descriptors: 70 stays, 71 was close-on-exec. */
	CHECK_OK(fcntl(70, F_GETFD));
	CHECK_ERR(fcntl(71, F_GETFD), EBADF);
	CHECK_EQ(getpid(), atoi(argv[2]));
	CHECK_EQ(umask(0), 027);
	CHECK_EQ(syscall(SYS_gettid), getpid());
	return 0;
}

/* ---- tests ---- */

static void test_args(void)
{
	static char longest[100001];
	const char *argv[] = {self, "args", "", "two words", longest, NULL}, *envp[] = {"VAR=value", "OTHER=", NULL};

	for (int i = 0; i < 100000; i++)
		longest[i] = (char)('a' + i % 26);
	CHECK_EQ(run(self, argv, envp), 0);
}

static void test_auxv(void)
{
	const char *argv[] = {self, "auxv", NULL};

	CHECK_EQ(run(self, argv, no_env), 0);
}

static void handler(int sig)
{
}

static void exec_state(void)
{
	char pid[16];
	const char *argv[] = {self, "state", pid, NULL};
	static char alt[32768];
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)};
	sigset_t mask;

	signal(SIGUSR1, handler);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaltstack(&ss, NULL);
	CHECK_EQ(dup2(1, 70), 70);
	CHECK_EQ(dup3(1, 71, O_CLOEXEC), 71);
	umask(027);
	snprintf(pid, sizeof(pid), "%d", getpid());
	syscall(SYS_execve, self, argv, no_env);
	_exit(99);
}

static void test_state(void)
{
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid)
		exec_state();
	CHECK_EQ(wait_for(pid), 0);
}

static void *thread_exec(void *arg)
{
	exec_state();
	return NULL;
}

static void *thread_pause(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

/* A thread that is not the leader: the others die, it gets the process's number. */
static void test_thread(void)
{
	for (int round = 0; round < 20; round++) {
		pid_t pid = (pid_t)CHECK_OK(fork());

		if (!pid) {
			pthread_t t;

			for (int i = 0; i < 3; i++)
				pthread_create(&t, NULL, thread_pause, NULL);
			pthread_create(&t, NULL, thread_exec, NULL);
			thread_pause(NULL);
		}
		CHECK_EQ(wait_for(pid), 0);
	}
}

static void test_scripts(void)
{
	const char *argv[] = {"zero", "x", NULL};
	char script[512];

	snprintf(script, sizeof(script), "#! %s  script arg \nrest\n", self);
	CHECK_EQ(run(write_file("s1", script, 0755), argv, no_env), 0);
	/* A script as interpreter. */
	snprintf(script, sizeof(script), "#!%s", file_path("s1"));
	CHECK_EQ(run(write_file("s2", script, 0755), argv, no_env), 1);
	/* Too deep. */
	for (int i = 3; i < 9; i++) {
		char name[8];

		snprintf(name, sizeof(name), "s%d", i - 1);
		snprintf(script, sizeof(script), "#!%s\n", file_path(name));
		snprintf(name, sizeof(name), "s%d", i);
		write_file(name, script, 0755);
	}
	CHECK_EQ(run(file_path("s8"), argv, no_env), 200 + ELOOP);
	CHECK_EQ(run(write_file("n1", "#!\n", 0755), argv, no_env), 200 + ENOEXEC);
	CHECK_EQ(run(write_file("n2", "#!/nonexistent/interpreter\n", 0755), argv, no_env), 200 + ENOENT);
}

static int in_script(int argc, char **argv)
{
	/* self, "script arg", name of the script, "x"; one more between when s2 asked. */
	if (argc == 4) {
		CHECK_EQ(strcmp(argv[2], file_path("s1")), 0);
		CHECK_EQ(strcmp(argv[3], "x"), 0);
		return 0;
	}
	CHECK_EQ(argc, 5);
	CHECK_EQ(strcmp(argv[2], file_path("s1")), 0);
	CHECK_EQ(strcmp(argv[3], file_path("s2")), 0);
	CHECK_EQ(strcmp(argv[4], "x"), 0);
	return 1;
}

static void test_errors(void)
{
	const char *argv[] = {"x", NULL};
	char *huge;
	const char **many;
	int fd;

	CHECK_EQ(run("/nonexistent", argv, no_env), 200 + ENOENT);
	CHECK_EQ(run(dir, argv, no_env), 200 + EACCES);
	CHECK_EQ(run(write_file("e1", "#!/bin/sh\n", 0644), argv, no_env), 200 + EACCES);
	CHECK_EQ(run(write_file("e2", "", 0755), argv, no_env), 200 + ENOEXEC);
	CHECK_EQ(run(write_file("e3", "some text\n", 0755), argv, no_env), 200 + ENOEXEC);
	CHECK_EQ(run(write_file("e4", "\177ELF", 0755), argv, no_env), 200 + ENOEXEC);
	CHECK_EQ(run(file_path("e3/x"), argv, no_env), 200 + ENOTDIR);
	fd = (int)CHECK_OK(open(file_path("e2"), O_WRONLY));
	CHECK_EQ(run(file_path("e2"), argv, no_env), 200 + ETXTBSY);
	close(fd);
	CHECK_ERR(syscall(SYS_execve, (void *)8, argv, no_env), EFAULT);
	CHECK_ERR(syscall(SYS_execve, self, (void *)8, no_env), EFAULT);
	CHECK_ERR(syscall(SYS_execve, "", argv, no_env), ENOENT);

	/* One string too long, all together too long. */
	huge = malloc(200000);
	memset(huge, 'x', 199999);
	huge[199999] = 0;
	CHECK_EQ(run(self, (const char *[]){self, huge, NULL}, no_env), 200 + E2BIG);
	huge[100000] = 0;
	many = calloc(102, sizeof(*many));
	for (int i = 0; i < 101; i++)
		many[i] = huge;
	CHECK_EQ(run(self, many, no_env), 200 + (E2BIG & 63));
	free(many);
	free(huge);
}

/* While a program runs, its file cannot be written. */
static void test_busy(void)
{
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid) {
		execl(self, self, "sleep", (char *)NULL);
		_exit(1);
	}
	CHECK_ERR(open(self, O_WRONLY), ETXTBSY);
	kill(pid, SIGKILL);
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
}

static void test_execveat(void)
{
	const char *argv[] = {self, "auxv-fd", NULL};
	int fd = (int)CHECK_OK(open(self, O_RDONLY | O_CLOEXEC)),
	    dirfd = (int)CHECK_OK(open("/", O_RDONLY | O_DIRECTORY));
	pid_t pid;

	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		syscall(SYS_execveat, fd, "", argv, no_env, AT_EMPTY_PATH);
		_exit(100);
	}
	CHECK_EQ(wait_for(pid), 0);
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		syscall(SYS_execveat, dirfd, self + 1, argv, no_env, 0);
		_exit(100);
	}
	CHECK_EQ(wait_for(pid), 0);
	CHECK_ERR(syscall(SYS_execveat, fd, "", argv, no_env, 0), ENOENT);
	CHECK_ERR(syscall(SYS_execveat, -1, "x", argv, no_env, 0), EBADF);
	CHECK_ERR(syscall(SYS_execveat, AT_FDCWD, self, argv, no_env, 0x80000000), EINVAL);
	CHECK_OK(symlink(self, file_path("link")));
	CHECK_ERR(syscall(SYS_execveat, AT_FDCWD, file_path("link"), argv, no_env, AT_SYMLINK_NOFOLLOW), ELOOP);
	close(fd);
	close(dirfd);
	/* A script's interpreter has to open it by a descriptor that must still be there. */
	char script[512];
	const char *script_argv[] = {"zero", "x", NULL};

	snprintf(script, sizeof(script), "#! %s  script arg \n", self);
	fd = (int)CHECK_OK(open(write_file("s20", script, 0755), O_RDONLY | O_CLOEXEC));
	CHECK_ERR(syscall(SYS_execveat, fd, "", script_argv, no_env, AT_EMPTY_PATH), ENOENT);
	CHECK_OK(fcntl(fd, F_SETFD, 0));
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		syscall(SYS_execveat, fd, "", script_argv, no_env, AT_EMPTY_PATH);
		_exit(100);
	}
	CHECK(wait_for(pid) != 100);
	close(fd);
}

/* No arguments at all: the program sees one empty one. */
static void test_empty_argv(void)
{
	const char *argv[] = {NULL};

	CHECK_EQ(run(self, argv, (const char *[]){"EMPTY=1", NULL}), 44);
}

/* Where things are in a new program's memory, as text for the pipe behind standard output. */
static int in_addresses(char **argv)
{
	printf("%p %p %p %p %lx\n", (void *)(uintptr_t)in_addresses, (void *)argv, sbrk(0),
	       mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), getauxval(AT_SYSINFO_EHDR));
	return 0;
}

static void addresses_of(unsigned long persona, char *text, size_t size)
{
	const char *argv[] = {self, "addresses", NULL};
	int fds[2];
	ssize_t n;
	pid_t pid;

	CHECK_OK(pipe(fds));
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		personality(persona);
		syscall(SYS_execve, self, argv, no_env);
		_exit(99);
	}
	close(fds[1]);
	n = CHECK_OK(read(fds[0], text, size - 1));
	text[n] = 0;
	close(fds[0]);
	CHECK_EQ(wait_for(pid), 0);
}

/* Debuggers want the same addresses in each run. */
static void test_no_randomization(void)
{
	char a[200], b[200];

	addresses_of(ADDR_NO_RANDOMIZE, a, sizeof(a));
	for (int i = 0; i < 5; i++) {
		addresses_of(ADDR_NO_RANDOMIZE, b, sizeof(b));
		if (strcmp(a, b)) {
			fprintf(stderr, "%s and %s with ADDR_NO_RANDOMIZE\n", a, b);
			exit(1);
		}
	}
	addresses_of(0, b, sizeof(b));
	CHECK(strcmp(a, b));
}

/*
 * Room above what mmap() chooses: programs that double their mappings in place, or place things a little higher, find
 * it there.
 */
static void test_room_above(void)
{
	char text[200];
	unsigned long mapped;

	for (int i = 0; i < 60; i++) {
		addresses_of(0, text, sizeof(text));
		CHECK_EQ(sscanf(text, "%*p %*p %*p %lx", &mapped), 1);
		CHECK(0x7ffffffff000 - mapped >= 16ul << 30);
	}
}

static int new_life(int argc, char **argv)
{
	if (strcmp(argv[1], "addresses") == 0)
		return in_addresses(argv);
	if (strcmp(argv[1], "args") == 0)
		return in_args(argc, argv);
	if (strcmp(argv[1], "auxv") == 0)
		return in_auxv();
	if (strcmp(argv[1], "auxv-fd") == 0)
		return strncmp((const char *)getauxval(AT_EXECFN), "/dev/fd/", 8) != 0;
	if (strcmp(argv[1], "state") == 0)
		return in_state(argv);
	if (strcmp(argv[1], "script arg") == 0) {
		strcpy(dir, argv[2]);
		*strrchr(dir, '/') = 0;
		return in_script(argc, argv);
	}
	if (strcmp(argv[1], "sleep") == 0)
		return (int)sleep(100);
	return 98;
}

int main(int argc, char **argv)
{
	if (getenv("EMPTY"))
		return argc == 1 && !argv[0][0] ? 44 : 45;
	CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0 || realpath(argv[0], self));
	if (argc > 1)
		return new_life(argc, argv);
	strcpy(dir, "/tmp/task_exec.XXXXXX");
	CHECK(mkdtemp(dir));
	test_args();
	test_auxv();
	test_state();
	test_thread();
	test_scripts();
	test_errors();
	test_busy();
	test_execveat();
	test_empty_argv();
	test_no_randomization();
	test_room_above();
	return 0;
}
