/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace: what strace and gdb do. Stops at system calls, registers, memory, breakpoints, single steps, signals, events
 * of fork, exec and exit, attaching, seizing.
 */
#include <elf.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "sys.h"

static volatile long data = 0x1111;

static __attribute__((noinline)) int target(int x)
{
	__asm__ volatile("");
	return x + 1;
}

static int wait_status(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, __WALL), pid);
	return status;
}

static void stopped_by(pid_t pid, int sig)
{
	int status = wait_status(pid);

	CHECK(WIFSTOPPED(status));
	CHECK_EQ(WSTOPSIG(status), sig);
}

static pid_t traced(void (*fn)(void))
{
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		CHECK_OK(ptrace(PTRACE_TRACEME, 0, 0, 0));
		raise(SIGSTOP);
		fn();
		_exit(9);
	}
	stopped_by(pid, SIGSTOP);
	return pid;
}

static void go(int request, pid_t pid, int sig)
{
	CHECK_OK(ptrace(request, pid, 0, (void *)(long)sig));
}

static void exits_with(pid_t pid, int code)
{
	int status = wait_status(pid);

	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), code);
}

/* ---- system calls ---- */

static void two_calls(void)
{
	if (syscall(SYS_getppid) != 4242)
		_exit(1);
	if (syscall(SYS_getuid) != -1 || errno != ENOSYS)
		_exit(2);
	_exit(0);
}

static void test_syscalls(void)
{
	struct user_regs_struct r;
	pid_t pid = traced(two_calls);

	CHECK_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	for (;;) {
		go(PTRACE_SYSCALL, pid, 0);
		stopped_by(pid, SIGTRAP | 0x80);
		CHECK_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
		CHECK_EQ((long)r.rax, -ENOSYS);
		if (r.orig_rax == SYS_getppid)
			break;
		go(PTRACE_SYSCALL, pid, 0);
		stopped_by(pid, SIGTRAP | 0x80);
	}
	go(PTRACE_SYSCALL, pid, 0);
	stopped_by(pid, SIGTRAP | 0x80);
	CHECK_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
	CHECK_EQ(r.rax, getpid());
	CHECK_EQ(r.orig_rax, SYS_getppid);
	r.rax = 4242;
	CHECK_OK(ptrace(PTRACE_SETREGS, pid, 0, &r));
	go(PTRACE_SYSCALL, pid, 0);
	stopped_by(pid, SIGTRAP | 0x80);
	CHECK_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
	CHECK_EQ(r.orig_rax, SYS_getuid);
	r.orig_rax = (unsigned long long)-1; /* not at all */
	CHECK_OK(ptrace(PTRACE_SETREGS, pid, 0, &r));
	go(PTRACE_SYSCALL, pid, 0);
	stopped_by(pid, SIGTRAP | 0x80);
	go(PTRACE_CONT, pid, 0);
	exits_with(pid, 0);
}

/* What the tracer puts into RAX is the result of no call (-1) only. */
static void two_numbers(void)
{
	if (syscall(-1) != 4242)
		_exit(1);
	if (syscall(-64) != -1 || errno != ENOSYS)
		_exit(2);
	_exit(0);
}

static void test_negative_numbers(void)
{
	struct user_regs_struct r;
	pid_t pid = traced(two_numbers);

	for (int call = -1; call >= -64; call -= 63) {
		do {
			go(PTRACE_SYSCALL, pid, 0);
			stopped_by(pid, SIGTRAP);
			CHECK_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
		} while ((int)r.orig_rax != call);
		r.rax = 4242;
		CHECK_OK(ptrace(PTRACE_SETREGS, pid, 0, &r));
		go(PTRACE_SYSCALL, pid, 0);
		stopped_by(pid, SIGTRAP);
	}
	go(PTRACE_CONT, pid, 0);
	exits_with(pid, 0);
}

#ifndef PTRACE_GET_SYSCALL_INFO
#define PTRACE_GET_SYSCALL_INFO 0x420e
#endif

static void one_call(void)
{
	syscall(SYS_kill, 0, 0, 33l, 44l, 55l, 66l);
	_exit(0);
}

static void test_syscall_info(void)
{
	struct {
		uint8_t op, pad[3];
		uint32_t arch;
		uint64_t ip, sp, w[7];
	} i;
	pid_t pid = traced(one_call);
	long n;

	CHECK_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	n = ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(i), &i);
	if (n >= 0) {
		CHECK_EQ(i.op, 0);
		go(PTRACE_SYSCALL, pid, 0);
		stopped_by(pid, SIGTRAP | 0x80);
		CHECK_OK(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(i), &i));
		CHECK_EQ(i.op, 1);
		CHECK_EQ(i.arch, 0xc000003e);
		while (i.w[0] != SYS_kill) {
			go(PTRACE_SYSCALL, pid, 0);
			stopped_by(pid, SIGTRAP | 0x80);
			CHECK_EQ(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(i), &i), 33);
			CHECK_EQ(i.op, 2);
			go(PTRACE_SYSCALL, pid, 0);
			stopped_by(pid, SIGTRAP | 0x80);
			CHECK_EQ(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(i), &i), 80);
			CHECK_EQ(i.op, 1);
		}
		CHECK_EQ(i.w[3], 33);
		CHECK_EQ(i.w[4], 44);
		CHECK_EQ(i.w[5], 55);
		CHECK_EQ(i.w[6], 66);
	}
	go(PTRACE_CONT, pid, 0);
	exits_with(pid, 0);
}

/* ---- memory, breakpoints, steps ---- */

static void calls_target(void)
{
	int r = target(5);

	_exit(data == 0x2222 && r == 6 ? 0 : 1);
}

static void test_breakpoint(void)
{
	pid_t pid = traced(calls_target);
	struct user_regs_struct r;
	siginfo_t info;
	long word;
	char copy[8];
	struct iovec local = {copy, 8}, remote = {(void *)(uintptr_t)&data, 8};

	errno = 0;
	CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &data, 0), 0x1111);
	CHECK_OK(ptrace(PTRACE_POKEDATA, pid, &data, 0x2222));
	CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &data, 0), 0x2222);
	CHECK_EQ(data, 0x1111); /* ours is another */
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) == 8)
		CHECK_EQ(*(long *)(void *)copy, 0x2222);
	CHECK_ERR(ptrace(PTRACE_PEEKDATA, pid, 8, 0), EIO);
	CHECK_ERR(ptrace(PTRACE_POKEDATA, pid, 8, 0), EIO);

	word = ptrace(PTRACE_PEEKTEXT, pid, target, 0);
	CHECK_OK(ptrace(PTRACE_POKETEXT, pid, target, (word & ~0xffl) | 0xcc));
	go(PTRACE_CONT, pid, 0);
	stopped_by(pid, SIGTRAP);
	CHECK_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
	CHECK_EQ(info.si_signo, SIGTRAP);
	CHECK_EQ(info.si_code, SI_KERNEL);
	CHECK_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
	CHECK_EQ(r.rip, (uintptr_t)target + 1);
	CHECK_EQ(r.rdi, 5);
	CHECK_OK(ptrace(PTRACE_POKETEXT, pid, target, word));
	r.rip--;
	CHECK_OK(ptrace(PTRACE_SETREGS, pid, 0, &r));
	for (int i = 0; i < 3; i++) {
		unsigned long long before = r.rip;

		go(PTRACE_SINGLESTEP, pid, 0);
		stopped_by(pid, SIGTRAP);
		CHECK_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
		CHECK(r.rip != before);
		CHECK(!(r.eflags & 0x100));
	}
	CHECK_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
	CHECK_EQ(info.si_code, 2); /* TRAP_TRACE */
	go(PTRACE_CONT, pid, 0);
	exits_with(pid, 0);
}

/* ---- registers ---- */

static void fp_user(void)
{
	double x;

	__asm__ volatile("movq %1, %%xmm3\n\tint3\n\tmovq %%xmm3, %0" : "=r"(x) : "r"(1.5) : "xmm3");
	_exit(x == 2.5 ? 0 : 1);
}

static void test_registers(void)
{
	pid_t pid = traced(fp_user);
	struct user_fpregs_struct fp;
	struct user_regs_struct r;
	char xstate[16384];
	struct iovec iov = {&r, sizeof(r)};
	double x;

	go(PTRACE_CONT, pid, 0);
	stopped_by(pid, SIGTRAP);
	CHECK_OK(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov));
	CHECK_EQ(iov.iov_len, sizeof(r));
	CHECK_EQ(r.cs, 0x33);
	CHECK_EQ(r.rip, ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0));
	CHECK(r.fs_base);
	CHECK_OK(ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
	memcpy(&x, (char *)fp.xmm_space + 3 * 16, 8);
	CHECK(x == 1.5);
	iov = (struct iovec){xstate, sizeof(xstate)};
	CHECK_OK(ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov));
	CHECK(iov.iov_len >= 576);
	memcpy(&x, xstate + 160 + 3 * 16, 8);
	CHECK(x == 1.5);
	x = 2.5;
	memcpy(xstate + 160 + 3 * 16, &x, 8);
	CHECK_OK(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov));
	CHECK_OK(ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
	memcpy(&x, (char *)fp.xmm_space + 3 * 16, 8);
	CHECK(x == 2.5);
	CHECK_OK(ptrace(PTRACE_SETFPREGS, pid, 0, &fp));
	CHECK_ERR(ptrace(PTRACE_PEEKUSER, pid, 3, 0), EIO);
	CHECK_ERR(ptrace(PTRACE_PEEKUSER, pid, 100000, 0), EIO);
	CHECK_ERR(ptrace(PTRACE_GETREGSET, pid, 0x7777, &iov), EINVAL);
	CHECK_OK(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.r15), 77));
	CHECK_EQ(ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.r15), 0), 77);
	go(PTRACE_CONT, pid, 0);
	exits_with(pid, 0);
}

/* ---- signals ---- */

static volatile sig_atomic_t usr1, usr2;

static void count(int sig)
{
	if (sig == SIGUSR1)
		usr1++;
	else
		usr2++;
}

static void takes_signals(void)
{
	signal(SIGUSR1, count);
	signal(SIGUSR2, count);
	raise(SIGUSR1); /* suppressed */
	raise(SIGUSR1); /* becomes SIGUSR2 */
	raise(SIGUSR1);
	_exit(usr1 * 10 + usr2);
}

static void test_signals(void)
{
	pid_t pid = traced(takes_signals);
	siginfo_t info;
	unsigned long mask;

	go(PTRACE_CONT, pid, 0);
	stopped_by(pid, SIGUSR1);
	CHECK_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_code, SI_TKILL);
	CHECK_OK(ptrace(PTRACE_GETSIGMASK, pid, 8, &mask));
	CHECK_ERR(ptrace(PTRACE_GETSIGMASK, pid, 4, &mask), EINVAL);
	go(PTRACE_CONT, pid, 0);
	stopped_by(pid, SIGUSR1);
	go(PTRACE_CONT, pid, SIGUSR2);
	stopped_by(pid, SIGUSR1);
	CHECK_ERR(ptrace(PTRACE_CONT, pid, 0, 99), EIO);
	go(PTRACE_CONT, pid, SIGUSR1);
	exits_with(pid, 11);
	CHECK_ERR(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
}

static void sleeps(void)
{
	signal(SIGUSR1, count);
	if (pause() != -1 || errno != EINTR)
		_exit(1);
	_exit(usr1);
}

/*
 * A signal for the process comes while its only thread stands at a system call: that call must not go to sleep over it.
 */
static void test_signal_during_stop(void)
{
	struct user_regs_struct r;
	pid_t pid = traced(sleeps);

	do {
		go(PTRACE_SYSCALL, pid, 0);
		stopped_by(pid, SIGTRAP);
		CHECK_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
	} while (r.orig_rax != SYS_pause);
	CHECK_OK(kill(pid, SIGUSR1));
	go(PTRACE_SYSCALL, pid, 0);
	stopped_by(pid, SIGTRAP);
	CHECK_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
	CHECK_EQ((long)r.rax, -514); /* ERESTARTNOHAND */
	go(PTRACE_CONT, pid, 0);
	stopped_by(pid, SIGUSR1);
	go(PTRACE_CONT, pid, SIGUSR1);
	exits_with(pid, 1);
}

static void dies(void)
{
	raise(SIGTERM);
}

static void test_death(void)
{
	pid_t pid = traced(dies);
	int status;

	go(PTRACE_CONT, pid, 0);
	stopped_by(pid, SIGTERM);
	go(PTRACE_CONT, pid, SIGTERM);
	status = wait_status(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	/* SIGKILL is not asked about. */
	pid = traced(dies);
	CHECK_OK(kill(pid, SIGKILL));
	status = wait_status(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- events ---- */

static char *self;

static void forks_and_execs(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(3);
	if (wait_for(pid) != 3)
		_exit(1);
	execl(self, self, "leave", NULL);
	_exit(2);
}

static void event(pid_t pid, int which)
{
	int status = wait_status(pid);

	CHECK(WIFSTOPPED(status));
	CHECK_EQ(status >> 8, SIGTRAP | which << 8);
}

static void test_events(void)
{
	pid_t pid = traced(forks_and_execs);
	unsigned long child, message;
	int status;

	CHECK_OK(ptrace(PTRACE_SETOPTIONS, pid, 0,
			PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
				PTRACE_O_TRACEEXIT));
	go(PTRACE_CONT, pid, 0);
	event(pid, PTRACE_EVENT_FORK);
	CHECK_OK(ptrace(PTRACE_GETEVENTMSG, pid, 0, &child));
	stopped_by((pid_t)child, SIGSTOP);
	go(PTRACE_CONT, (pid_t)child, 0);
	event((pid_t)child, PTRACE_EVENT_EXIT);
	CHECK_OK(ptrace(PTRACE_GETEVENTMSG, child, 0, &message));
	CHECK_EQ(message, 3 << 8);
	go(PTRACE_CONT, (pid_t)child, 0);
	exits_with((pid_t)child, 3);
	go(PTRACE_CONT, pid, 0);
	status = wait_status(pid);
	if (WSTOPSIG(status) == SIGCHLD && status >> 16 == 0) {
		go(PTRACE_CONT, pid, SIGCHLD);
		status = wait_status(pid);
	}
	CHECK_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_EXEC << 8);
	CHECK_OK(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message));
	CHECK_EQ(message, pid);
	go(PTRACE_CONT, pid, 0);
	event(pid, PTRACE_EVENT_EXIT);
	go(PTRACE_CONT, pid, 0);
	exits_with(pid, 44);
}

/* ---- attaching ---- */

static volatile int *shared;

static pid_t runner(void)
{
	pid_t pid = CHECK_OK(fork());

	shared[0] = 0;
	if (!pid) {
		for (;;) {
			shared[0]++;
			usleep(500);
		}
	}
	while (!shared[0])
		usleep(500);
	return pid;
}

static void test_attach(void)
{
	pid_t pid = runner();
	int before, status;

	CHECK_ERR(ptrace(PTRACE_GETREGS, pid, 0, &status), ESRCH); /* not ours */
	CHECK_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
	CHECK_ERR(ptrace(PTRACE_ATTACH, pid, 0, 0), EPERM);
	stopped_by(pid, SIGSTOP);
	before = shared[0];
	usleep(10000);
	CHECK_EQ(shared[0], before);
	go(PTRACE_CONT, pid, 0);
	while (shared[0] == before)
		usleep(500);
	CHECK_ERR(ptrace(PTRACE_PEEKDATA, pid, &data, 0), ESRCH); /* runs */
	CHECK_OK(kill(pid, SIGSTOP));
	stopped_by(pid, SIGSTOP);
	go(PTRACE_DETACH, pid, 0);
	before = shared[0];
	while (shared[0] == before)
		usleep(500);
	CHECK_ERR(ptrace(PTRACE_ATTACH, 999999, 0, 0), ESRCH);
	CHECK_ERR(ptrace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);

	CHECK_OK(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD));
	before = shared[0];
	while (shared[0] == before) /* goes on */
		usleep(500);
	CHECK_OK(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	status = wait_status(pid);
	CHECK_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_STOP << 8);
	go(PTRACE_CONT, pid, 0);
	/* A group stop, listened to, and its end. */
	CHECK_OK(kill(pid, SIGSTOP));
	stopped_by(pid, SIGSTOP); /* the signal */
	go(PTRACE_CONT, pid, SIGSTOP);
	status = wait_status(pid);
	CHECK_EQ(status >> 8, SIGSTOP | PTRACE_EVENT_STOP << 8);
	CHECK_OK(ptrace(PTRACE_LISTEN, pid, 0, 0));
	before = shared[0];
	usleep(10000);
	CHECK_EQ(shared[0], before);
	CHECK_OK(kill(pid, SIGCONT));
	status = wait_status(pid);
	CHECK_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_STOP << 8);
	go(PTRACE_CONT, pid, 0);
	stopped_by(pid, SIGCONT);
	go(PTRACE_CONT, pid, 0);
	/* Its end comes before anybody listens. */
	CHECK_OK(kill(pid, SIGSTOP));
	stopped_by(pid, SIGSTOP);
	go(PTRACE_CONT, pid, SIGSTOP);
	status = wait_status(pid);
	CHECK_EQ(status >> 8, SIGSTOP | PTRACE_EVENT_STOP << 8);
	CHECK_OK(kill(pid, SIGCONT));
	CHECK_OK(ptrace(PTRACE_LISTEN, pid, 0, 0));
	status = wait_status(pid);
	CHECK_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_STOP << 8);
	go(PTRACE_CONT, pid, 0);
	stopped_by(pid, SIGCONT);
	go(PTRACE_CONT, pid, 0);
	/* SIGCONT for one that runs is a stop as well. */
	CHECK_OK(kill(pid, SIGCONT));
	status = wait_status(pid);
	CHECK_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_STOP << 8);
	go(PTRACE_CONT, pid, 0);
	stopped_by(pid, SIGCONT);
	go(PTRACE_CONT, pid, 0);
	CHECK_ERR(ptrace(PTRACE_SEIZE, pid, 1, 0), EIO);
	CHECK_OK(kill(pid, SIGKILL));
	status = wait_status(pid);
	CHECK(WIFSIGNALED(status));
}

/* The tracer goes: the tracee goes on, or dies if it was asked to. */
static void test_tracer_exit(void)
{
	for (int kills = 0; kills < 2; kills++) {
		pid_t pid = runner(), tracer = CHECK_OK(fork());
		int before, status;

		if (!tracer) {
			CHECK_OK(ptrace(PTRACE_SEIZE, pid, 0, kills ? PTRACE_O_EXITKILL : 0));
			CHECK_OK(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
			CHECK_EQ(waitpid(pid, &status, __WALL), pid);
			_exit(0);
		}
		CHECK_EQ(wait_for(tracer), 0);
		if (kills) {
			CHECK_EQ(wait_for(pid), 128 + SIGKILL);
			continue;
		}
		before = shared[0];
		while (shared[0] == before)
			usleep(500);
		kill(pid, SIGKILL);
		wait_for(pid);
	}
}

static void test_permission(void)
{
	pid_t pid, user;

	if (geteuid())
		return;
	pid = runner();
	user = CHECK_OK(fork());
	if (!user) {
		CHECK_OK(syscall(SYS_setresuid, 1000, 1000, 1000));
		CHECK_ERR(ptrace(PTRACE_ATTACH, pid, 0, 0), EPERM);
		_exit(0);
	}
	CHECK_EQ(wait_for(user), 0);
	kill(pid, SIGKILL);
	wait_for(pid);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 44;
	alarm(28);
	self = argv[0];
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test_syscalls();
	test_negative_numbers();
	test_syscall_info();
	test_breakpoint();
	test_registers();
	test_signals();
	test_signal_during_stop();
	test_death();
	test_events();
	test_attach();
	test_tracer_exit();
	test_permission();
	return 0;
}
