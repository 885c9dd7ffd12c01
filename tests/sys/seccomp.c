/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: strict mode, filters and their answers, chains, TSYNC, what fork and exec keep.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sys.h"

#define NR (offsetof(struct seccomp_data, nr))
#define ARG0 (offsetof(struct seccomp_data, args[0]))
#define LOAD(off) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, off)
#define RETURN(v) BPF_STMT(BPF_RET | BPF_K, v)

/* Answers @action for the call @nr, lets all others through. */
static long install(long nr, unsigned int action, unsigned int flags)
{
	struct sock_filter f[] = {
		LOAD(NR),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr, 0, 1),
		RETURN(action),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 4, .filter = f};

	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static int child(void (*fn)(void))
{
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		fn();
		syscall(SYS_exit_group, 0);
	}
	return wait_for(pid);
}

static void strict_ok(void)
{
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	if (write(2, "", 0))
		__builtin_trap();
	syscall(SYS_exit, 7);
}

static void strict_bad(void)
{
	CHECK_OK(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
	syscall(SYS_getppid);
}

static void answer_errno(void)
{
	CHECK_OK(install(SYS_getppid, SECCOMP_RET_ERRNO | 123, 0));
	CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
	CHECK_ERR(syscall(SYS_getppid), 123);
	CHECK(getpid() > 0);
	/* 0 is "success without doing it"; beyond 4095 is 4095. */
	CHECK_OK(install(SYS_getuid, SECCOMP_RET_ERRNO, 0));
	CHECK_EQ(syscall(SYS_getuid), 0);
	CHECK_OK(install(SYS_getgid, SECCOMP_RET_ERRNO | 0xffff, 0));
	CHECK_EQ(syscall(SYS_getgid), -1);
	CHECK_EQ(errno, 4095);
	/* The strictest of a chain counts, the latest among equals. */
	CHECK_OK(install(SYS_getppid, SECCOMP_RET_ALLOW, 0));
	CHECK_ERR(syscall(SYS_getppid), 123);
	CHECK_OK(install(SYS_getppid, SECCOMP_RET_ERRNO | 5, 0));
	CHECK_ERR(syscall(SYS_getppid), 5);
	/* A child has them too. */
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		CHECK_ERR(syscall(SYS_getppid), 5);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
}

static volatile int trapped;
static volatile siginfo_t trap_info;

static void on_sys(int sig, siginfo_t *info, void *ctx)
{
	trapped++;
	trap_info = *info;
}

static void answer_trap(void)
{
	struct sigaction sa = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};

	CHECK_OK(sigaction(SIGSYS, &sa, NULL));
	CHECK_OK(install(SYS_getppid, SECCOMP_RET_TRAP | 77, 0));
	CHECK_EQ(syscall(SYS_getppid), SYS_getppid); /* RAX is as it was */
	CHECK_EQ(trapped, 1);
	CHECK_EQ(trap_info.si_signo, SIGSYS);
	CHECK_EQ(trap_info.si_code, 1);
	CHECK_EQ(trap_info.si_errno, 77);
	CHECK_EQ(trap_info.si_syscall, SYS_getppid);
	CHECK_EQ(trap_info.si_arch, 0xc000003e);
	CHECK(trap_info.si_call_addr);
}

static void answer_kill_process(void)
{
	CHECK_OK(install(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0));
	syscall(SYS_getppid);
}

static void answer_kill_thread(void)
{
	CHECK_OK(install(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0));
	syscall(SYS_getppid);
}

static void answer_trace(void)
{
	CHECK_OK(install(SYS_getppid, SECCOMP_RET_TRACE, 0));
	CHECK_ERR(syscall(SYS_getppid), ENOSYS); /* nobody traces */
	CHECK_OK(install(SYS_getuid, SECCOMP_RET_LOG, 0));
	CHECK(syscall(SYS_getuid) >= 0);
}

/* Arguments can be looked at. */
static void by_argument(void)
{
	struct sock_filter f[] = {
		LOAD(NR),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 0, 3),
		LOAD(ARG0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 100, 0, 1),
		RETURN(SECCOMP_RET_ERRNO | 99),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 6, .filter = f};

	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
	CHECK_ERR(close(100), 99);
	CHECK_ERR(close(99), EBADF);
}

static volatile int stage;

static void *other(void *arg)
{
	while (stage == 0)
		usleep(1000);
	CHECK_ERR(syscall(SYS_getppid), 11);
	stage = 2;
	return NULL;
}

static void tsync(void)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, other, NULL), 0);
	CHECK_OK(install(SYS_getppid, SECCOMP_RET_ERRNO | 11, SECCOMP_FILTER_FLAG_TSYNC));
	stage = 1;
	pthread_join(t, NULL);
	CHECK_EQ(stage, 2);
}

static void *with_own(void *arg)
{
	CHECK_OK(install(SYS_getuid, SECCOMP_RET_ERRNO | 12, 0));
	stage = gettid();
	while (stage)
		usleep(1000);
	return NULL;
}

static void tsync_refused(void)
{
	pthread_t t;

	stage = 0;
	CHECK_EQ(pthread_create(&t, NULL, with_own, NULL), 0);
	while (!stage)
		usleep(1000);
	CHECK_EQ(install(SYS_getppid, SECCOMP_RET_ERRNO | 11, SECCOMP_FILTER_FLAG_TSYNC), stage);
	CHECK(syscall(SYS_getppid) > 0);
	stage = 0;
	pthread_join(t, NULL);
}

static void errors(void)
{
	struct sock_filter bad[] = {LOAD(1), RETURN(0)}, ok[] = {RETURN(SECCOMP_RET_ALLOW)};
	struct sock_fprog prog = {.len = 2, .filter = bad};
	unsigned int action = 0x12340000;

	if (geteuid())
		CHECK_ERR(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog), EACCES);
	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_ERR(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog), EINVAL);
	prog.len = 0;
	CHECK_ERR(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog), EINVAL);
	prog = (struct sock_fprog){.len = 1, .filter = ok};
	CHECK_ERR(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0x4000, &prog), EINVAL);
	CHECK_ERR(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (void *)8), EFAULT);
	prog.filter = (void *)8;
	CHECK_ERR(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog), EFAULT);
	CHECK_ERR(syscall(SYS_seccomp, 99, 0, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), EOPNOTSUPP);
	action = SECCOMP_RET_ERRNO;
	CHECK_OK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
}

static char *self;

static void through_exec(void)
{
	CHECK_OK(install(SYS_getppid, SECCOMP_RET_ERRNO | 42, 0));
	execl(self, self, "after-exec", NULL);
	_exit(99);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		CHECK_ERR(syscall(SYS_getppid), 42);
		return 0;
	}
	self = argv[0];
	CHECK_EQ(child(errors), 0);
	CHECK_EQ(child(strict_ok), 7);
	CHECK_EQ(child(strict_bad), 128 + SIGKILL);
	CHECK_EQ(child(answer_errno), 0);
	CHECK_EQ(child(answer_trap), 0);
	CHECK_EQ(child(answer_kill_process), 128 + SIGSYS);
	CHECK_EQ(child(answer_kill_thread), 128 + SIGSYS);
	CHECK_EQ(child(answer_trace), 0);
	CHECK_EQ(child(by_argument), 0);
	CHECK_EQ(child(tsync), 0);
	CHECK_EQ(child(tsync_refused), 0);
	CHECK_EQ(child(through_exec), 0);
	return 0;
}
