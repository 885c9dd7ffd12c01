/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID: what a process can learn about itself and its children: stat, status, maps, fd, fdinfo, links, task, mem,
 * limits, environ, cmdline, and what becomes of it when they die.
 */
#include <pthread.h>
#include <stdint.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "fsdir.h"

static const char *link_text(const char *name)
{
	static char buf[PATH_MAX];
	ssize_t n = CHECK_OK(readlink(name, buf, sizeof(buf) - 1));

	buf[n] = 0;
	return buf;
}

/* The value behind "Name:\t" in a file of such lines. */
static const char *field(const char *file, const char *name)
{
	static char value[256];
	static char text[65540];
	char want[64], *p;

	snprintf(text, sizeof(text), "\n%s", file_text(file));
	snprintf(want, sizeof(want), "\n%s:", name);
	p = strstr(text, want);
	CHECK(p);
	p = strchr(p, ':') + 1;
	p += strspn(p, " \t");
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\n"), p);
	return value;
}

static void test_self(void)
{
	char want[64];

	snprintf(want, sizeof(want), "%d", getpid());
	CHECK(!strcmp(link_text("/proc/self"), want));
	snprintf(want, sizeof(want), "%d/task/%d", getpid(), gettid());
	CHECK(!strcmp(link_text("/proc/thread-self"), want));
	CHECK(!strcmp(field("/proc/self/status", "Pid"), link_text("/proc/self")));
	CHECK_EQ(atoi(field("/proc/self/status", "PPid")), getppid());
	CHECK_EQ(atoi(field("/proc/self/status", "Threads")), 1);
	CHECK_EQ(atoi(field("/proc/self/status", "TracerPid")), 0);
	snprintf(want, sizeof(want), "%d\t%d\t%d\t%d", getuid(), geteuid(), geteuid(), geteuid());
	CHECK(!strcmp(field("/proc/self/status", "Uid"), want));
	CHECK(atol(field("/proc/self/status", "VmRSS")) > 0);
	CHECK(atol(field("/proc/self/status", "VmSize")) >= atol(field("/proc/self/status", "VmRSS")));
	CHECK_ERR(access("/proc/999999", F_OK), ENOENT);
	CHECK_ERR(access("/proc/0", F_OK), ENOENT);
	CHECK_ERR(access("/proc/self/none", F_OK), ENOENT);
	CHECK_ERR(open("/proc/self/new", O_CREAT | O_WRONLY, 0600), ENOENT);
	CHECK_ERR(mkdir("/proc/self/new", 0700), ENOENT);
}

static void test_stat(void)
{
	const char *s = file_text("/proc/self/stat"), *p = strrchr(s, ')');
	int ppid, pgrp, session, tty, tpgid;
	unsigned long start, vsize;
	char state;
	long rss;

	CHECK_EQ(atoi(s), getpid());
	CHECK(p);
	CHECK_EQ(sscanf(p, ") %c %d %d %d %d %d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lu %lu %ld",
			&state, &ppid, &pgrp, &session, &tty, &tpgid, &start, &vsize, &rss),
		 9);
	CHECK_EQ(state, 'R');
	CHECK_EQ(ppid, getppid());
	CHECK_EQ(pgrp, getpgrp());
	CHECK_EQ(session, getsid(0));
	CHECK(vsize > 100000 && rss > 10);
	int fields = 0;
	for (p = s; *p; p++)
		fields += *p == ' ';
	CHECK(fields >= 51);
	CHECK(strstr(file_text("/proc/self/statm"), " "));
}

static void test_comm(void)
{
	int fd;

	CHECK_TEXT("/proc/self/comm", "proc_self\n");
	CHECK_OK(prctl(PR_SET_NAME, "renamed"));
	CHECK_TEXT("/proc/self/comm", "renamed\n");
	fd = (int)CHECK_OK(open("/proc/self/comm", O_WRONLY));
	CHECK_EQ(write(fd, "a-name-that-is-too-long\n", 24), 24);
	close(fd);
	CHECK_TEXT("/proc/self/comm", "a-name-that-is-\n");
	CHECK(strstr(file_text("/proc/self/stat"), "(a-name-that-is-)"));
	CHECK_OK(prctl(PR_SET_NAME, "proc_self"));
}

static void test_links(void)
{
	char cwd[PATH_MAX], exe[PATH_MAX];
	struct stat a, b;

	CHECK(getcwd(cwd, sizeof(cwd)));
	CHECK(!strcmp(link_text("/proc/self/cwd"), cwd));
	CHECK(!strcmp(link_text("/proc/self/root"), "/"));
	strcpy(exe, link_text("/proc/self/exe"));
	CHECK(!strcmp(strrchr(exe, '/') + 1, "proc_self"));
	CHECK_OK(stat("/proc/self/exe", &a));
	CHECK_OK(stat(exe, &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	CHECK_OK(stat("/proc/self/root/proc", &a));
	CHECK_OK(stat("/proc", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_OK(lstat("/proc/self/cwd", &a));
	CHECK(S_ISLNK(a.st_mode));
	CHECK(strstr(link_text("/proc/self/ns/pid"), "pid:["));
}

static void test_fds(void)
{
	char path[64];
	struct dirent *e;
	int fd, p[2], seen = 0;
	struct stat st;
	DIR *d;

	make_file("f", "0123456789");
	fd = (int)CHECK_OK(open("f", O_RDONLY | O_CLOEXEC));
	CHECK_EQ(lseek(fd, 7, SEEK_SET), 7);
	CHECK_OK(pipe(p));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(strstr(link_text(path), "/f"));
	CHECK_OK(lstat(path, &st));
	CHECK_EQ(st.st_mode, S_IFLNK | 0500);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[1]);
	CHECK(!strncmp(link_text(path), "pipe:[", 6));
	CHECK_OK(lstat(path, &st));
	CHECK_EQ(st.st_mode, S_IFLNK | 0300);
	CHECK_OK(stat(path, &st));
	CHECK(S_ISFIFO(st.st_mode));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	CHECK_EQ(atoi(field(path, "pos")), 7);
	CHECK_EQ(strtol(field(path, "flags"), NULL, 8) & (O_CLOEXEC | O_ACCMODE), O_CLOEXEC | O_RDONLY);
	d = opendir("/proc/self/fd");
	CHECK(d);
	while ((e = readdir(d)))
		seen += atoi(e->d_name) == fd || atoi(e->d_name) == p[0] || atoi(e->d_name) == p[1];
	closedir(d);
	CHECK_EQ(seen, 3);
	/* Opening a name here is opening the file anew: another position. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = (int)CHECK_OK(open(path, O_RDONLY));
	CHECK_EQ(lseek(again, 0, SEEK_CUR), 0);
	close(again);
	close(fd);
	CHECK_ERR(lstat(path, &st), ENOENT);
	CHECK_ERR(lstat("/proc/self/fd/01", &st), ENOENT);
	CHECK_ERR(lstat("/proc/self/fd/-1", &st), ENOENT);
	CHECK_ERR(lstat("/proc/self/fd/99999999999", &st), ENOENT);
}

static void test_maps(void)
{
	unsigned long start, end, here = (unsigned long)&test_maps, stack = (unsigned long)&start;
	int text = 0, stk = 0, anon = 0;
	char perms[8], line[PATH_MAX];
	char *p = mmap(NULL, 12345, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *f = fopen("/proc/self/maps", "r");

	CHECK(p != MAP_FAILED && f);
	*p = 1;
	while (fgets(line, sizeof(line), f)) {
		CHECK_EQ(sscanf(line, "%lx-%lx %7s", &start, &end, perms), 3);
		CHECK(start < end);
		text += here >= start && here < end && !strcmp(perms, "r-xp") && strstr(line, "/proc_self");
		stk += stack >= start && stack < end && strstr(line, "[stack]");
		anon += (unsigned long)p >= start && (unsigned long)p < end && !strcmp(perms, "rw-p");
	}
	fclose(f);
	CHECK(text == 1 && stk == 1 && anon == 1);
	CHECK(strstr(file_text("/proc/self/smaps"), "Rss:"));
	CHECK(atol(field("/proc/self/smaps_rollup", "Rss")) > 0);
}

static void test_mem(void)
{
	volatile int value = 1234;
	int fd = (int)CHECK_OK(open("/proc/self/mem", O_RDWR)), copy = 0;

	CHECK_EQ(pread(fd, &copy, sizeof(copy), (off_t)(uintptr_t)&value), sizeof(copy));
	CHECK_EQ(copy, 1234);
	copy = 4321;
	CHECK_EQ(pwrite(fd, &copy, sizeof(copy), (off_t)(uintptr_t)&value), sizeof(copy));
	CHECK_EQ(value, 4321);
	CHECK_ERR(pread(fd, &copy, sizeof(copy), 16), EIO);
	close(fd);
}

static void test_texts(char **argv)
{
	char buf[8192];
	int fd = (int)CHECK_OK(open("/proc/self/cmdline", O_RDONLY));
	ssize_t n = read(fd, buf, sizeof(buf));
	struct rlimit l;

	close(fd);
	CHECK_EQ(n, (ssize_t)strlen(argv[0]) + 1);
	CHECK(!strcmp(buf, argv[0]));
	fd = (int)CHECK_OK(open("/proc/self/environ", O_RDONLY));
	n = read(fd, buf, sizeof(buf));
	close(fd);
	CHECK(n > 0);
	fd = (int)CHECK_OK(open("/proc/self/auxv", O_RDONLY));
	n = read(fd, buf, sizeof(buf));
	close(fd);
	CHECK(n >= 160 && n % 16 == 0);
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &l));
	const char *line = strstr(file_text("/proc/self/limits"), "Max open files");
	CHECK(line);
	CHECK_EQ(atol(line + strlen("Max open files")), (long)l.rlim_cur);
	CHECK(strstr(file_text("/proc/self/cgroup"), "::/"));
	CHECK(strstr(file_text("/proc/self/mountinfo"), " / "));
	CHECK(strstr(file_text("/proc/self/mounts"), " /proc proc "));
	CHECK(strstr(file_text("/proc/self/uid_map"), "0"));
	file_text("/proc/self/oom_score");
	file_text("/proc/self/wchan");
	file_text("/proc/self/schedstat");
	file_text("/proc/self/personality");
	file_text("/proc/self/loginuid");
	fd = (int)CHECK_OK(open("/proc/self/oom_score_adj", O_WRONLY));
	CHECK_EQ(write(fd, "500\n", 4), 4);
	CHECK_ERR(write(fd, "5000", 4), EINVAL);
	CHECK_ERR(write(fd, "abc", 3), EINVAL);
	close(fd);
	CHECK_TEXT("/proc/self/oom_score_adj", "500\n");
}

static void *sleeper(void *arg)
{
	prctl(PR_SET_NAME, "sleeper");
	*(pid_t *)arg = gettid();
	pause();
	return NULL;
}

static void test_threads(void)
{
	char path[64];
	volatile pid_t tid = 0;
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, sleeper, (void *)(uintptr_t)&tid), 0);
	while (!tid)
		usleep(1000);
	usleep(20000);
	CHECK_EQ(atoi(field("/proc/self/status", "Threads")), 2);
	CHECK_EQ(count_entries("/proc/self/task"), 2);
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	CHECK_TEXT(path, "sleeper\n");
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	CHECK_EQ(field(path, "State")[0], 'S');
	CHECK_EQ(atoi(field(path, "Tgid")), getpid());
	snprintf(path, sizeof(path), "/proc/%d/comm", tid); /* not listed, but there */
	CHECK_TEXT(path, "sleeper\n");
	snprintf(path, sizeof(path), "/proc/self/task/%d", getppid());
	CHECK_ERR(access(path, F_OK), ENOENT);
	pthread_cancel(t);
	pthread_join(t, NULL);
	for (int i = 0; i < 100 && count_entries("/proc/self/task") != 1; i++)
		usleep(1000);
	CHECK_EQ(count_entries("/proc/self/task"), 1);
}

static void test_child(void)
{
	char dir[64], path[80], buf[64];
	pid_t pid = (pid_t)CHECK_OK(fork());
	int fd, held;

	if (!pid) {
		for (;;)
			pause();
	}
	snprintf(dir, sizeof(dir), "/proc/%d", pid);
	snprintf(path, sizeof(path), "%s/status", dir);
	for (int i = 0; i < 200 && field(path, "State")[0] != 'S'; i++)
		usleep(1000);
	CHECK_EQ(field(path, "State")[0], 'S');
	CHECK_EQ(atoi(field(path, "PPid")), getpid());
	held = (int)CHECK_OK(open(dir, O_RDONLY));
	fd = (int)CHECK_OK(open(path, O_RDONLY));
	CHECK_OK(kill(pid, SIGSTOP));
	CHECK_OK(waitpid(pid, NULL, WUNTRACED));
	CHECK_EQ(field(path, "State")[0], 'T');
	CHECK_OK(kill(pid, SIGKILL));
	siginfo_t si;
	CHECK_OK(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
	CHECK_EQ(field(path, "State")[0], 'Z');
	CHECK_OK(access(dir, F_OK));
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
	CHECK_ERR(access(dir, F_OK), ENOENT);
	CHECK_ERR(read(fd, buf, sizeof(buf)), ESRCH);
	CHECK(openat(held, "stat", O_RDONLY) == -1 && (errno == ENOENT || errno == ESRCH));
	close(fd);
	close(held);
}

static void test_foreign(void)
{
	char path[64];
	pid_t pid;

	if (getuid() != 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d", getpid());
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		CHECK_OK(chdir(path));
		CHECK_OK(setresgid(1000, 1000, 1000));
		CHECK_OK(setresuid(1000, 1000, 1000));
		CHECK_OK(open("stat", O_RDONLY));
		CHECK_OK(open("status", O_RDONLY));
		CHECK_OK(open("cmdline", O_RDONLY));
		CHECK_ERR(open("environ", O_RDONLY), EACCES);
		CHECK_ERR(open("mem", O_RDONLY), EACCES);
		CHECK_ERR(open("fd", O_RDONLY), EACCES);
		CHECK_ERR(readlink("exe", path, sizeof(path)), EACCES);
		CHECK_ERR(readlink("cwd", path, sizeof(path)), EACCES);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/umbra-proc-XXXXXX";

	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	test_self();
	test_stat();
	test_comm();
	test_links();
	test_fds();
	test_maps();
	test_mem();
	test_texts(argv);
	test_threads();
	test_child();
	test_foreign();
	CHECK_OK(chdir("/"));
	nftw(dir, fsdir_remove, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
