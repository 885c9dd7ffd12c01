/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets each allocation of the guest kernel fail in turn ("umbra do --debug=faults", guest/mm/faults.c): every operation
 * of the table runs with its first allocation failing, then its second, and so on until none is left to fail. It must
 * then fail with one of the errors for lack of memory (or succeed without), and leave nothing behind: after a walk as
 * many pages and objects are in use as before.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define MAX_N 5000
#define EXEC_GOOD 40
#define STACK (64 << 10)

static int control;
static const char *self_path;

/* Was the failure still to come? Then it may hit the writing itself. */
static bool write_nth(unsigned long n)
{
	char text[24];
	const int len = snprintf(text, sizeof(text), "%lu", n);
	ssize_t done = pwrite(control, text, (size_t)len, 0);
	const bool hit = done < 0 && errno == ENOMEM;

	if (hit)
		done = pwrite(control, text, (size_t)len, 0);
	if (done != len) {
		perror("fail-nth");
		exit(1);
	}
	return hit;
}

static void read_state(unsigned long *left, unsigned long *in_use)
{
	char text[64];
	const ssize_t len = pread(control, text, sizeof(text) - 1, 0);

	if (len <= 0) {
		perror("fail-nth");
		exit(1);
	}
	text[len] = '\0';
	if (sscanf(text, "%lu %lu", left, in_use) != 2)
		exit(1);
}

/* ---- operations: 0, or -1 with errno; everything they make is gone when they return ---- */

static int close_all(int n, const int *fd)
{
	for (int i = 0; i < n; i++)
		close(fd[i]);
	return 0;
}

static int closed(int fd)
{
	return fd < 0 ? -1 : close(fd);
}

/* Closes @fd[0..n) after a call that returned @result, and keeps its errno. */
static int closing(int n, const int *fd, long result)
{
	const int e = errno;

	close_all(n, fd);
	errno = e;
	return result < 0 ? -1 : 0;
}

static int op_open(void)
{
	const int fd = open("/tmp/f", O_CREAT | O_RDWR, 0600);

	if (fd < 0) {
		const int e = errno;

		unlink("/tmp/f");
		errno = e;
		return -1;
	}
	unlink("/tmp/f");
	return close(fd);
}

static int op_open_host(void)
{
	return closed(open("/usr/bin/env", O_RDONLY));
}

static int op_write(void)
{
	static char data[20000];
	const int fd = memfd_create("x", 0);

	if (fd < 0)
		return -1;
	return closing(1, &fd, write(fd, data, sizeof(data)));
}

static int op_pipe(void)
{
	static char data[70000];
	int fd[2];

	if (pipe2(fd, O_NONBLOCK))
		return -1;
	return closing(2, fd, write(fd[1], data, sizeof(data)));
}

static int pair_of(int type)
{
	static char data[9000];
	int fd[2];

	if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fd))
		return -1;
	return closing(2, fd, write(fd[1], data, sizeof(data)));
}

static int op_stream(void)
{
	return pair_of(SOCK_STREAM);
}

static int op_dgram(void)
{
	return pair_of(SOCK_DGRAM);
}

static int op_listen(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/tmp/socket"};
	const int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
	int ret = -1, e, got = -1;

	if (s >= 0 && c >= 0 && !bind(s, (void *)&a, sizeof(a)) && !listen(s, 5) &&
	    !connect(c, (void *)&a, sizeof(a))) {
		got = accept(s, NULL, NULL);
		ret = got < 0 ? -1 : 0;
	}
	e = errno;
	close_all(3, (int[]){s, c, got});
	unlink(a.sun_path);
	errno = e;
	return ret;
}

static int op_rights(void)
{
	char cb[CMSG_SPACE(sizeof(int))] = {0}, byte;
	struct iovec io = {&byte, 1};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = sizeof(cb)};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
	int fd[2], ret, e, got = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd))
		return -1;
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd[0], sizeof(int));
	ret = sendmsg(fd[1], &m, 0) < 0 ? -1 : 0;
	if (!ret) {
		ret = recvmsg(fd[0], &m, 0) < 0 ? -1 : 0;
		cm = ret ? NULL : CMSG_FIRSTHDR(&m);
		if (cm)
			memcpy(&got, CMSG_DATA(cm), sizeof(int));
	}
	e = errno;
	close_all(3, (int[]){fd[0], fd[1], got});
	errno = e;
	return ret;
}

static int op_epoll(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	const int ep = epoll_create1(0), fd = eventfd(0, 0);
	int ret, e;

	ret = ep < 0 || fd < 0 ? -1 : epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	if (!ret)
		ret = epoll_wait(ep, &ev, 1, 0);
	e = errno;
	close_all(2, (int[]){ep, fd});
	errno = e;
	return ret;
}

static int op_descriptors(void)
{
	sigset_t s;
	int fd[4], ret = 0, e;

	sigemptyset(&s);
	fd[0] = eventfd(0, 0);
	fd[1] = signalfd(-1, &s, 0);
	fd[2] = timerfd_create(CLOCK_MONOTONIC, 0);
	fd[3] = inotify_init1(0);
	e = errno;
	for (int i = 0; i < 4; i++)
		ret |= fd[i] < 0 ? -1 : 0;
	if (!ret) {
		ret = inotify_add_watch(fd[3], "/tmp", IN_ALL_EVENTS) < 0 ? -1 : 0;
		e = errno;
	}
	close_all(4, fd);
	errno = e;
	return ret;
}

static int reap(pid_t pid)
{
	int status;

	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	errno = ENOMEM;
	return -1;
}

static int op_fork(void)
{
	const pid_t pid = fork();

	if (!pid)
		_exit(0);
	return reap(pid);
}

static int op_vfork(void)
{
	const pid_t pid = vfork();

	if (!pid)
		_exit(0);
	return reap(pid);
}

/* The child inherits nothing of the counting, so it counts itself; what it dies of does not matter. */
static unsigned long exec_nth;

static int op_exec(void)
{
	const pid_t pid = fork();
	int status;

	if (!pid) {
		close(2); /* the dynamic linker has something to say */
		write_nth(exec_nth);
		execl(self_path, self_path, "--nothing", (char *)NULL);
		_exit(errno == ENOMEM || errno == EAGAIN ? 3 : 4);
	}
	if (pid < 0)
		return -1;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	/* Killed after the point of no return, or an error before it. */
	errno = (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGSEGV)) ||
				(WIFEXITED(status) && (WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 127))
			? ENOMEM
			: EPROTO;
	return -1;
}

static int nothing(void *arg)
{
	return 0;
}

static int op_thread(void)
{
	static char stack[STACK] __attribute__((aligned(16)));
	static volatile int tid;
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		    CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

	if (clone(nothing, stack + STACK, flags, NULL, &tid, NULL, &tid) < 0)
		return -1;
	while (tid)
		syscall(SYS_futex, &tid, FUTEX_WAIT, tid, NULL, NULL, 0);
	return 0;
}

static int op_mmap(void)
{
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int ret, e;

	if (p == MAP_FAILED)
		return -1;
	ret = mprotect(p + 8192, 8192, PROT_READ);
	if (!ret)
		ret = madvise(p + 65536, 8192, MADV_DONTNEED);
	if (!ret)
		ret = munmap(p + 131072, 4096);
	if (!ret)
		ret = mlock(p, 4096);
	e = errno;
	/* To take away the whole needs no memory. */
	if (munmap(p, 1 << 20))
		return -1;
	errno = e;
	return ret;
}

static int op_mremap(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *q;
	int e;

	if (p == MAP_FAILED)
		return -1;
	p[0] = 1;
	q = mremap(p, 8192, 4 << 20, MREMAP_MAYMOVE);
	e = errno;
	if (q == MAP_FAILED)
		munmap(p, 8192);
	else
		munmap(q, 4 << 20);
	errno = e;
	return q == MAP_FAILED ? -1 : 0;
}

/* Failing allocations of a fault are tried again; the content must be right. */
static int op_faults(void)
{
	char *p = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret = 0;

	if (p == MAP_FAILED)
		return -1;
	for (size_t i = 0; i < 64u << 20; i += 8 << 20)
		p[i] = (char)(i >> 20);
	for (size_t i = 0; i < 64u << 20; i += 8 << 20)
		ret |= p[i] != (char)(i >> 20);
	munmap(p, 64 << 20);
	errno = EPROTO;
	return ret ? -1 : 0;
}

static int op_dirs(void)
{
	int ret = -1, e;

	if (!mkdir("/tmp/d", 0700) && !mkdir("/tmp/d/a-name-that-is-too-long-for-the-dentry-itself-to-hold", 0700) &&
	    !symlink("/a-target", "/tmp/d/link") && !link("/tmp/d/link", "/tmp/d/other") &&
	    !rename("/tmp/d/other", "/tmp/d/yet-another") && !mkfifo("/tmp/d/fifo", 0600) &&
	    !setxattr("/tmp/d", "user.a", "value", 5, 0))
		ret = 0;
	e = errno;
	unlink("/tmp/d/fifo");
	unlink("/tmp/d/yet-another");
	unlink("/tmp/d/other");
	unlink("/tmp/d/link");
	rmdir("/tmp/d/a-name-that-is-too-long-for-the-dentry-itself-to-hold");
	rmdir("/tmp/d");
	errno = e;
	return ret;
}

/* The same in the overlay over the host's files. */
static int op_overlay(void)
{
	int ret = -1, e, fd = -1;

	if (!mkdir("/usr/faults", 0700) && (fd = open("/usr/faults/file", O_CREAT | O_WRONLY, 0600)) >= 0 &&
	    write(fd, "x", 1) == 1 && !rename("/usr/faults/file", "/usr/faults/renamed"))
		ret = 0;
	e = errno;
	if (fd >= 0)
		close(fd);
	/* It may be one of these that fails. */
	for (int i = 0; i < 2; i++) {
		unlink("/usr/faults/renamed");
		unlink("/usr/faults/file");
		rmdir("/usr/faults");
	}
	errno = e;
	return ret;
}

/* Each time another file of the host's gets a copy. */
static int op_copyup(void)
{
	static const char dir[] = "/usr/include/linux";
	static DIR *d;
	struct dirent *e;
	char path[512];

	if (!d) {
		write_nth(0);
		d = opendir(dir);
		if (!d)
			return 0;
	}
	do
		e = readdir(d);
	while (e && e->d_type != DT_REG);
	if (!e)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
	return chmod(path, 0600);
}

static int op_stat(void)
{
	char buf[256];
	struct stat s;

	if (stat("/tmp/./../tmp", &s) || readlink("/proc/self/exe", buf, sizeof(buf)) < 0 || !getcwd(buf, sizeof(buf)))
		return -1;
	return 0;
}

static int op_proc(void)
{
	static const char *const names[] = {"/proc/self/maps", "/proc/self/status", "/proc/meminfo", "/proc/mounts"};
	char buf[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const int fd = open(names[i], O_RDONLY);

		if (fd < 0)
			return -1;
		if (closing(1, &fd, read(fd, buf, sizeof(buf))))
			return -1;
	}
	return 0;
}

static int op_list(void)
{
	char buf[4096];
	const int fd = open("/dev", O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return -1;
	return closing(1, &fd, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
}

static int op_sysv(void)
{
	const int shm = shmget(IPC_PRIVATE, 8192, 0600 | IPC_CREAT), sem = semget(IPC_PRIVATE, 3, 0600 | IPC_CREAT),
		  msg = msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
	struct {
		long type;
		char text[100];
	} m = {.type = 1};
	struct sembuf up = {.sem_num = 1, .sem_op = 1, .sem_flg = SEM_UNDO};
	void *p = (void *)-1;
	int ret, e;

	ret = shm < 0 || sem < 0 || msg < 0 ? -1 : 0;
	if (!ret) {
		p = shmat(shm, NULL, 0);
		ret = p == (void *)-1 ? -1 : 0;
	}
	if (!ret)
		ret = semop(sem, &up, 1);
	if (!ret)
		ret = msgsnd(msg, &m, sizeof(m.text), IPC_NOWAIT);
	e = errno;
	if (p != (void *)-1)
		shmdt(p);
	shmctl(shm, IPC_RMID, NULL);
	semctl(sem, 0, IPC_RMID);
	msgctl(msg, IPC_RMID, NULL);
	errno = e;
	return ret;
}

static int op_mqueue(void)
{
	struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = 64};
	const mqd_t q = mq_open("/faults", O_CREAT | O_RDWR | O_NONBLOCK, 0600, &a);
	int ret = -1, e = errno;

	if (q >= 0) {
		ret = mq_send(q, "x", 1, 0);
		e = errno;
		mq_close(q);
	}
	mq_unlink("/faults");
	errno = e;
	return ret;
}

static int op_timer(void)
{
	struct sigevent se = {.sigev_notify = SIGEV_NONE};
	timer_t t;

	if (timer_create(CLOCK_MONOTONIC, &se, &t))
		return -1;
	return timer_delete(t);
}

static int op_signal(void)
{
	union sigval v = {0};
	struct timespec none = {0};
	sigset_t s, old;
	int ret, e;

	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &s, &old);
	ret = sigqueue(getpid(), SIGRTMIN, v);
	e = errno;
	while (sigtimedwait(&s, NULL, &none) > 0)
		;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = e;
	return ret;
}

static int op_lock(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = 10, .l_len = 10};
	const int fd = memfd_create("x", 0);
	int ret;

	if (fd < 0)
		return -1;
	ret = fcntl(fd, F_SETLK, &l);
	l.l_start = 12;
	l.l_len = 2;
	l.l_type = F_UNLCK;
	if (!ret)
		ret = fcntl(fd, F_SETLK, &l);
	return closing(1, &fd, ret);
}

static int op_mount(void)
{
	int ret, e;

	if (mkdir("/tmp/m", 0700))
		return -1;
	ret = mount("none", "/tmp/m", "tmpfs", 0, "size=1m");
	e = errno;
	if (!ret)
		ret = umount("/tmp/m");
	rmdir("/tmp/m");
	errno = e;
	return ret;
}

static int op_pty(void)
{
	const int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	char name[64];
	int slave, e, zero = 0;

	if (fd < 0)
		return -1;
	slave = ioctl(fd, 0x40045431 /* TIOCSPTLCK */, &zero) || ptsname_r(fd, name, sizeof(name))
			? -1
			: open(name, O_RDWR | O_NOCTTY);
	e = errno;
	close(fd);
	if (slave >= 0)
		close(slave);
	errno = e;
	return slave < 0 ? -1 : 0;
}

static int op_vectors(void)
{
	static struct iovec v[100];
	const int fd = open("/dev/null", O_WRONLY);

	if (fd < 0)
		return -1;
	return closing(1, &fd, writev(fd, v, 100));
}

static int op_ids(void)
{
	static gid_t groups[100];

	return setgroups(100, groups) || setgroups(0, NULL) || setuid(getuid()) ? -1 : 0;
}

static const struct op {
	const char *name;
	int (*run)(void);
	bool keeps; /* leaves something behind on purpose */
} ops[] = {
	{"open", op_open},	 {"open_host", op_open_host},
	{"write", op_write},	 {"pipe", op_pipe},
	{"stream", op_stream},	 {"dgram", op_dgram},
	{"listen", op_listen},	 {"rights", op_rights},
	{"epoll", op_epoll},	 {"descriptors", op_descriptors},
	{"fork", op_fork},	 {"vfork", op_vfork},
	{"exec", op_exec},	 {"thread", op_thread},
	{"mmap", op_mmap},	 {"mremap", op_mremap},
	{"faults", op_faults},	 {"dirs", op_dirs},
	{"stat", op_stat},	 {"proc", op_proc},
	{"list", op_list},	 {"sysv", op_sysv},
	{"mqueue", op_mqueue},	 {"timer", op_timer},
	{"signal", op_signal},	 {"lock", op_lock},
	{"mount", op_mount},	 {"pty", op_pty},
	{"vectors", op_vectors}, {"ids", op_ids},
	{"overlay", op_overlay}, {"copyup", op_copyup, .keeps = true},
};

/* EAGAIN: of fork and queued signals; ENOBUFS: of sockets; ENOLCK: of locks; EIO: a file's page. */
static bool error_of_memory(int e)
{
	return e == ENOMEM || e == EAGAIN || e == ENOBUFS || e == ENOLCK || e == ENOSPC || e == EIO;
}

/* Lets each allocation fail in turn. How many there are, or -1: the operation failed in another way. */
static long walk(const struct op *op, bool verbose)
{
	unsigned long left, in_use, good = 0;

	for (unsigned long n = 1; n < MAX_N; n++) {
		const bool in_child = op->run == op_exec;
		int ret, e;
		bool unused;

		exec_nth = n;
		write_nth(in_child ? 0 : n);
		ret = op->run();
		e = errno;
		unused = write_nth(0);
		if (verbose)
			printf("%s %lu: %d %s\n", op->name, n, ret, ret ? strerror(e) : "");
		if (ret && !error_of_memory(e)) {
			printf("%s: allocation %lu: %s\n", op->name, n, strerror(e));
			return -1;
		}
		read_state(&left, &in_use);
		/* Nobody counts what a child had left: failures that it survives are few in a row. */
		good = ret ? 0 : good + 1;
		if (in_child ? good == EXEC_GOOD : unused || left > 0) {
			if (!ret)
				return (long)(n - good);
			printf("%s: fails without a reason: %s\n", op->name, strerror(e));
			return -1;
		}
	}
	printf("%s: no end of allocations\n", op->name);
	return -1;
}

/* What was in use before must be all that is in use after; what is freed late may take some rounds. */
static int check(const struct op *op, bool verbose)
{
	unsigned long left, before, after = 0;
	long n = 0;

	for (int warm = 0; warm < 2; warm++) {
		n = walk(op, verbose);
		if (n < 0)
			return 1;
	}
	if (op->keeps)
		return 0;
	for (int tries = 0; tries < 10; tries++) {
		read_state(&left, &before);
		for (int i = 0; i < 3; i++) {
			if (walk(op, false) < 0)
				return 1;
		}
		usleep(20000);
		read_state(&left, &after);
		if (after <= before) {
			printf("%s: %ld allocations\n", op->name, n);
			return 0;
		}
	}
	printf("%s: leaks: %lu in use, then %lu\n", op->name, before, after);
	return 1;
}

int main(int argc, char **argv)
{
	const bool verbose = argc > 2;
	int failed = 0;

	if (argc > 1 && !strcmp(argv[1], "--nothing"))
		return 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	self_path = argv[0];
	control = open("/proc/fail-nth", O_RDWR | O_CLOEXEC);
	if (control < 0) {
		perror("/proc/fail-nth");
		return 77;
	}
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (argc < 2 || !strcmp(argv[1], ops[i].name))
			failed += check(&ops[i], verbose);
	}
	return failed != 0;
}
