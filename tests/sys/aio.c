/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_setup, io_submit, io_getevents, io_pgetevents, io_cancel, io_destroy: reads and writes at positions, vectors,
 * syncs, an eventfd that counts, full contexts, threads that wait, what fork does not inherit, bad arguments.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "sys.h"

static aio_context_t ctx;
static int file;

static long io_setup(unsigned nr, aio_context_t *c)
{
	return syscall(SYS_io_setup, nr, c);
}

static long io_submit(aio_context_t c, long nr, struct iocb **list)
{
	return syscall(SYS_io_submit, c, nr, list);
}

static long io_getevents(aio_context_t c, long min, long max, struct io_event *ev, const struct timespec *t)
{
	return syscall(SYS_io_getevents, c, min, max, ev, t);
}

static struct iocb make(int opcode, int fd, void *buf, size_t n, off_t at)
{
	return (struct iocb){.aio_data = 77,
			     .aio_lio_opcode = (uint16_t)opcode,
			     .aio_fildes = (uint32_t)fd,
			     .aio_buf = (uintptr_t)buf,
			     .aio_nbytes = n,
			     .aio_offset = at};
}

/* What submitting @b alone and waiting for it gives. */
static long long one(struct iocb *b)
{
	struct io_event ev;

	CHECK_EQ(io_submit(ctx, 1, &b), 1);
	CHECK_EQ(io_getevents(ctx, 1, 1, &ev, NULL), 1);
	CHECK_EQ(ev.data, 77);
	CHECK_EQ(ev.obj, (uintptr_t)b);
	return ev.res;
}

static void requests(void)
{
	char buf[100] = "the text", more[8];
	struct iovec v[2] = {{buf, 4}, {more, 4}};
	struct iocb b = make(IOCB_CMD_PWRITE, file, buf, 8, 5);

	CHECK_EQ(one(&b), 8);
	memset(buf, 0, sizeof(buf));
	b = make(IOCB_CMD_PREAD, file, buf, sizeof(buf), 5);
	CHECK_EQ(one(&b), 8);
	CHECK(!memcmp(buf, "the text", 8));
	b = make(IOCB_CMD_PREADV, file, v, 2, 5);
	CHECK_EQ(one(&b), 8);
	CHECK(!memcmp(buf, "the ", 4) && !memcmp(more, "text", 4));
	b = make(IOCB_CMD_PWRITEV, file, v, 2, 100);
	CHECK_EQ(one(&b), 8);
	CHECK_EQ(lseek(file, 0, SEEK_END), 108);
	CHECK_EQ(lseek(file, 3, SEEK_SET), 3); /* positions are the requests' own */
	b = make(IOCB_CMD_PREAD, file, buf, 10, 1000);
	CHECK_EQ(one(&b), 0);
	b = make(IOCB_CMD_FDSYNC, file, NULL, 0, 0);
	CHECK_EQ(one(&b), 0);
	b = make(IOCB_CMD_FSYNC, file, NULL, 0, 0);
	CHECK_EQ(one(&b), 0);
	b = make(IOCB_CMD_PREAD, file, bad_ptr, 10, 5);
	CHECK_EQ(one(&b), -EFAULT);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 3);
}

static void refused(void)
{
	struct iocb b, *list[2] = {&b, bad_ptr};
	const int rd = (int)CHECK_OK(open("/dev/null", O_RDONLY));
	struct io_event ev;
	char buf[10];

	CHECK_EQ(io_submit(ctx, 0, list), 0);
	CHECK_ERR(io_submit(ctx, -1, list), EINVAL);
	CHECK_ERR(io_submit(ctx, 1, bad_ptr), EFAULT);
	CHECK_ERR(io_submit(ctx + 4096 * 1024, 1, list), EINVAL);
	b = make(IOCB_CMD_PREAD, -1, buf, 10, 0);
	CHECK_ERR(io_submit(ctx, 1, list), EBADF);
	b = make(IOCB_CMD_PWRITE, rd, buf, 10, 0);
	CHECK_ERR(io_submit(ctx, 1, list), EBADF);
	b = make(99, file, buf, 10, 0);
	CHECK_ERR(io_submit(ctx, 1, list), EINVAL);
	b = make(IOCB_CMD_PREAD, file, buf, 10, 0);
	b.aio_reserved2 = 1;
	CHECK_ERR(io_submit(ctx, 1, list), EINVAL);
	b = make(IOCB_CMD_PREAD, file, buf, 10, 0);
	b.aio_flags = IOCB_FLAG_RESFD;
	b.aio_resfd = (uint32_t)rd;
	CHECK_ERR(io_submit(ctx, 1, list), EINVAL);
	b = make(IOCB_CMD_PREAD, file, (void *)(1ull << 63), 10, 0);
	CHECK_ERR(io_submit(ctx, 1, list), EFAULT);
	b = make(IOCB_CMD_PREADV, file, bad_ptr, 2, 0);
	CHECK_ERR(io_submit(ctx, 1, list), EFAULT);
	b = make(IOCB_CMD_PREADV, file, buf, 2000, 0);
	CHECK_ERR(io_submit(ctx, 1, list), EINVAL);
	b = make(IOCB_CMD_PREAD, file, buf, 10, 0);
	b.aio_rw_flags = 0x40000000;
	CHECK_ERR(io_submit(ctx, 1, list), EOPNOTSUPP);
	/* Before the first byte, beyond the last. */
	for (int opcode = IOCB_CMD_PREAD; opcode <= IOCB_CMD_PWRITE; opcode++) {
		b = make(opcode, file, buf, 10, -1);
		CHECK_ERR(io_submit(ctx, 1, list), EINVAL);
		b = make(opcode, file, buf, 10, -5000);
		CHECK_ERR(io_submit(ctx, 1, list), EINVAL);
		b = make(opcode, file, buf, 10, INT64_MAX - 5);
		CHECK_ERR(io_submit(ctx, 1, list), EINVAL);
	}
	/* Flags that nobody knows count for nothing. */
	b = make(IOCB_CMD_PREAD, file, buf, 10, 0);
	b.aio_flags = 4;
	CHECK(one(&b) >= 0);
	/* What comes before the bad one is done. */
	b = make(IOCB_CMD_PREAD, file, buf, 10, 0);
	CHECK_EQ(io_submit(ctx, 2, list), 1);
	CHECK_EQ(io_getevents(ctx, 0, 4, &ev, NULL), 1);
	CHECK_ERR(syscall(SYS_io_cancel, ctx, &b, &ev), EINVAL);
	CHECK_ERR(syscall(SYS_io_cancel, ctx, bad_ptr, &ev), EFAULT);
	CHECK_ERR(io_getevents(ctx, 2, 1, &ev, NULL), EINVAL);
	CHECK_ERR(io_getevents(ctx, -1, 1, &ev, NULL), EINVAL);
	CHECK_ERR(io_getevents(0, 0, 1, &ev, NULL), EINVAL);
	close(rd);
}

static void contexts(void)
{
	aio_context_t c = 0, old = 1;

	CHECK_ERR(io_setup(0, &c), EINVAL);
	CHECK_ERR(io_setup(1, &old), EINVAL);
	CHECK_ERR(io_setup(1, bad_ptr), EFAULT);
	CHECK_OK(io_setup(1, &c));
	CHECK(c && c != ctx);
	const pid_t pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		/* A context belongs to the address space it was made in. */
		CHECK_ERR(syscall(SYS_io_destroy, c), EINVAL);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	CHECK_OK(syscall(SYS_io_destroy, c));
	CHECK_ERR(syscall(SYS_io_destroy, c), EINVAL);
}

static void counting(void)
{
	const int efd = (int)CHECK_OK(eventfd(0, EFD_NONBLOCK));
	struct iocb b[3], *list[3] = {&b[0], &b[1], &b[2]};
	struct io_event ev[3];
	char buf[3][8];
	uint64_t n;

	for (int i = 0; i < 3; i++) {
		b[i] = make(IOCB_CMD_PREAD, file, buf[i], 8, 5);
		b[i].aio_data = (uint64_t)i;
		b[i].aio_flags = IOCB_FLAG_RESFD;
		b[i].aio_resfd = (uint32_t)efd;
	}
	CHECK_EQ(io_submit(ctx, 3, list), 3);
	CHECK_EQ(io_getevents(ctx, 3, 3, ev, NULL), 3);
	CHECK_EQ(ev[0].data + ev[1].data + ev[2].data, 3);
	CHECK_EQ(read(efd, &n, 8), 8);
	CHECK_EQ(n, 3);
	close(efd);
}

/* More than fits: the rest has to wait until events were taken. */
static void filling(void)
{
	struct iocb b = make(IOCB_CMD_PREAD, file, NULL, 0, 0), *list[1] = {&b};
	struct io_event ev[64];
	aio_context_t c = 0;
	long n = 0, r;

	CHECK_OK(io_setup(2, &c));
	while ((r = io_submit(c, 1, list)) == 1 && n < 100000)
		n++;
	CHECK(r == -1 && errno == EAGAIN && n >= 2);
	CHECK(io_getevents(c, 1, 64, ev, NULL) >= 1);
	CHECK_EQ(io_submit(c, 1, list), 1);
	CHECK_OK(syscall(SYS_io_destroy, c));
}

static void *late(void *arg)
{
	static char buf[8];
	struct iocb b = make(IOCB_CMD_PREAD, file, buf, 8, 5), *list[1] = {&b};

	usleep(20000);
	CHECK_EQ(io_submit(ctx, 1, list), 1);
	return NULL;
}

static void on_alarm(int sig)
{
}

static void waiting(void)
{
	const struct timespec soon = {0, 2000000};
	struct sigaction sa = {.sa_handler = on_alarm};
	struct io_event ev;
	sigset_t none, blocked;
	pthread_t t;

	CHECK_EQ(io_getevents(ctx, 1, 1, &ev, &soon), 0);
	CHECK_EQ(pthread_create(&t, NULL, late, NULL), 0);
	CHECK_EQ(io_getevents(ctx, 1, 1, &ev, NULL), 1);
	CHECK_EQ(ev.res, 8);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	CHECK_OK(sigprocmask(SIG_BLOCK, &blocked, NULL));
	raise(SIGUSR1);
	struct {
		const sigset_t *set;
		size_t size;
	} sig = {&none, 8};
	CHECK_ERR(syscall(SYS_io_pgetevents, ctx, 1, 1, &ev, NULL, &sig), EINTR);
	CHECK_EQ(syscall(SYS_io_pgetevents, ctx, 1, 1, &ev, &soon, &sig), 0);
	CHECK_ERR(syscall(SYS_io_pgetevents, ctx, 1, 1, &ev, &soon, bad_ptr), EFAULT);
}

int main(void)
{
	char name[] = "/tmp/aio-XXXXXX";

	file = (int)CHECK_OK(mkstemp(name));
	unlink(name);
	if (io_setup(16, &ctx) && errno == ENOSYS)
		return 1;
	requests();
	refused();
	contexts();
	counting();
	filling();
	waiting();
	CHECK_OK(syscall(SYS_io_destroy, ctx));
	return 0;
}
