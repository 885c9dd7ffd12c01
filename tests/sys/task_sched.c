/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduling policies and parameters, personality, and restartable sequences as the C library has set them up. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <time.h>

#include "sys.h"

/* A real-time task that never sleeps leaves something to the others. */
static void rt_hog(void)
{
	const struct sched_param p = {.sched_priority = 10};
	volatile int *ready = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cpu_set_t one, all;
	pid_t hog;

	CHECK_OK(sched_getaffinity(0, sizeof(all), &all));
	for (int i = 0; i < CPU_SETSIZE; i++) {
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		if (CPU_ISSET(i, &all))
			break;
	}
	CHECK_OK(sched_setaffinity(0, sizeof(one), &one));
	hog = (pid_t)CHECK_OK(fork());
	if (!hog) {
		alarm(20);
		if (sched_setscheduler(0, SCHED_FIFO, &p)) {
			*ready = 2;
			_exit(0);
		}
		for (;;)
			*ready = 1;
	}
	while (!*ready)
		usleep(1000);
	for (int i = 0; i < 3; i++)
		usleep(1000);
	kill(hog, SIGKILL);
	CHECK_EQ(wait_for(hog), *ready == 2 ? 0 : 128 + SIGKILL);
	CHECK_OK(sched_setaffinity(0, sizeof(all), &all));
	CHECK_OK(munmap((void *)(unsigned long)ready, 4096));
}

static void params(void)
{
	struct sched_param p = {.sched_priority = 99};
	struct timespec ts;

	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	CHECK_OK(sched_getparam(0, &p));
	CHECK_EQ(p.sched_priority, 0);
	CHECK_OK(sched_setparam(0, &p));
	p.sched_priority = 1;
	CHECK_ERR(sched_setparam(0, &p), EINVAL); /* not with this policy */
	CHECK_ERR(sched_setparam(-1, &p), EINVAL);
	CHECK_ERR(sched_getparam(0, NULL), EINVAL);
	CHECK_OK(sched_rr_get_interval(0, &ts));
	CHECK(ts.tv_sec >= 0 && ts.tv_nsec >= 0);
	CHECK_ERR(sched_rr_get_interval(-1, &ts), EINVAL);
	CHECK_EQ(sched_get_priority_min(SCHED_OTHER), 0);
	CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
	CHECK_EQ(sched_get_priority_max(6 /* SCHED_DEADLINE */), 0);
	CHECK_EQ(sched_get_priority_min(6), 0);
	CHECK_ERR(sched_get_priority_max(77), EINVAL);
	CHECK_OK(sched_yield());
	CHECK_ERR(sched_setscheduler(0, 77, &p), EINVAL);
}

static void affinity(void)
{
	cpu_set_t set, one;
	unsigned int cpu, node;

	CHECK_OK(sched_getaffinity(0, sizeof(set), &set));
	CHECK(CPU_COUNT(&set) > 0);
	for (int c = 0; c < CPU_SETSIZE; c++) {
		if (!CPU_ISSET(c, &set))
			continue;
		CPU_ZERO(&one);
		CPU_SET(c, &one);
		CHECK_OK(sched_setaffinity(0, sizeof(one), &one));
		CHECK_EQ(sched_getcpu(), c);
		CHECK_EQ(syscall(SYS_getcpu, &cpu, &node, NULL), 0);
		CHECK_EQ(cpu, (unsigned int)c);
	}
	CPU_ZERO(&one);
	CHECK_ERR(sched_setaffinity(0, sizeof(one), &one), EINVAL);
	CHECK_OK(sched_setaffinity(0, sizeof(set), &set));
	CHECK_ERR(syscall(SYS_sched_getaffinity, 0, 1, &set), EINVAL);
}

/* glibc has registered this thread's area: its CPU number is right, and there can be no second one. */
static void rseq(void)
{
	struct rseq *r = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	static struct rseq other __attribute__((aligned(32)));
	cpu_set_t set, one;

	if (!__rseq_size)
		return;
	CHECK_OK(sched_getaffinity(0, sizeof(set), &set));
	for (int c = 0; c < CPU_SETSIZE; c++) {
		if (!CPU_ISSET(c, &set))
			continue;
		CPU_ZERO(&one);
		CPU_SET(c, &one);
		CHECK_OK(sched_setaffinity(0, sizeof(one), &one));
		CHECK_EQ(*(volatile uint32_t *)&r->cpu_id, (uint32_t)c);
	}
	CHECK_OK(sched_setaffinity(0, sizeof(set), &set));
	CHECK_ERR(syscall(SYS_rseq, r, 32, 0, RSEQ_SIG), EBUSY);
	CHECK_ERR(syscall(SYS_rseq, &other, 32, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(syscall(SYS_rseq, r, 32, 1, RSEQ_SIG + 1), EPERM);
	CHECK_EQ(syscall(SYS_rseq, r, 32, 1, RSEQ_SIG), 0);
	CHECK_ERR(syscall(SYS_rseq, r, 32, 1, RSEQ_SIG), EINVAL);
	CHECK_EQ(syscall(SYS_rseq, r, 32, 0, RSEQ_SIG), 0);
}

static void priorities(void)
{
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
	CHECK_OK(setpriority(PRIO_PROCESS, 0, 5));
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
	CHECK_ERR(setpriority(77, 0, 0), EINVAL);
}

/* One who sleeps on the CPU of one who is in a long system call wakes up before that is over. */
static void long_call(void)
{
	void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile int *state = shared;
	int in = (int)CHECK_OK(memfd_create("long", 0)), out = (int)CHECK_OK(open("/dev/null", O_WRONLY));
	bool meanwhile = false;
	cpu_set_t one, all;
	pid_t pid;

	CHECK(shared != MAP_FAILED);
	CHECK_OK(ftruncate(in, 1l << 31));
	CHECK_OK(sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	CHECK_OK(sched_setaffinity(0, sizeof(one), &one));
	for (int try = 0; try < 10 && !meanwhile; try++) {
		CHECK_OK(lseek(in, 0, SEEK_SET));
		*state = 0;
		pid = (pid_t)CHECK_OK(fork());
		if (!pid) {
			*state = 1;
			if (sendfile(out, in, NULL, 0x7ffff000l) < 0)
				_exit(1);
			*state = 2;
			_exit(0);
		}
		while (*state == 0)
			sched_yield();
		usleep(8000);
		meanwhile = *state == 1;
		CHECK_EQ(wait_for(pid), 0);
	}
	CHECK(meanwhile);
	CHECK_OK(sched_setaffinity(0, sizeof(all), &all));
	close(in);
	close(out);
	munmap(shared, 4096);
}

int main(void)
{
	int before = personality(0xffffffff);

	CHECK(before >= 0);
	CHECK_EQ(personality((unsigned long)before | ADDR_NO_RANDOMIZE), before);
	CHECK_EQ(personality(0xffffffff), before | ADDR_NO_RANDOMIZE);
	struct timeval wait = {0, 1000};
	struct timespec wait_ns = {0, 1000};
	CHECK_OK(personality((unsigned long)before | STICKY_TIMEOUTS));
	CHECK_EQ(select(0, NULL, NULL, NULL, &wait), 0);
	CHECK(wait.tv_usec == 1000);
	CHECK_EQ(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &wait_ns, NULL), 0);
	CHECK(wait_ns.tv_nsec == 1000);
	CHECK_OK(personality((unsigned long)before));
	CHECK_EQ(select(0, NULL, NULL, NULL, &wait), 0);
	CHECK(wait.tv_usec == 0);
	rt_hog();
	long_call();
	params();
	affinity();
	rseq();
	priorities();
	return 0;
}
