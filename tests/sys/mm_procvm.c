/* SPDX-License-Identifier: Apache-2.0 */
/* process_vm_readv and process_vm_writev. */
#include <sys/uio.h>

#include "mm.h"

int main(void)
{
	char *p = map(16 * PAGE, RW, ANON), *ro = map(PAGE, RW, ANON), *zero = map(16 * PAGE, RW, ANON), buf[3 * PAGE];
	struct iovec l, r, l2[2], r2[3];
	int go[2], ready[2];
	pid_t pid;

	CHECK_OK(pipe(go));
	CHECK_OK(pipe(ready));
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		char c;

		memset(p, 'c', 4 * PAGE);
		CHECK_OK(mprotect(ro, PAGE, PROT_READ));
		CHECK_OK(munmap(p + 8 * PAGE, PAGE));
		CHECK_OK(write(ready[1], "x", 1));
		CHECK_OK(read(go[0], &c, 1));
		_exit(p[PAGE] != 'W' || p[5 * PAGE + 9] != 'W' || p[0] != 'c');
	}
	CHECK_OK(read(ready[0], buf, 1));
	l = (struct iovec){buf, sizeof(buf)};
	r = (struct iovec){p, sizeof(buf)};
	CHECK_EQ(process_vm_readv(pid, &l, 1, &r, 1, 0), (ssize_t)sizeof(buf));
	CHECK(buf[0] == 'c' && buf[sizeof(buf) - 1] == 'c');
	CHECK_EQ(p[0], 0); /* ours is another */
	/* several pieces on both sides, an empty one among them */
	l2[0] = (struct iovec){buf, 100};
	l2[1] = (struct iovec){buf + 500, 300};
	r2[0] = (struct iovec){p + PAGE - 50, 60};
	r2[1] = (struct iovec){p, 0};
	r2[2] = (struct iovec){p + 4 * PAGE - 10, 1000};
	memset(buf, 'z', sizeof(buf));
	CHECK_EQ(process_vm_readv(pid, l2, 2, r2, 3, 0), 400);
	CHECK(buf[99] == 0 && buf[0] == 'c' && buf[69] == 'c' && buf[70] == 0 && buf[100] == 'z' && buf[799] == 0);
	buf[0] = 'W';
	l.iov_len = 1;
	r = (struct iovec){p + PAGE, 1};
	CHECK_EQ(process_vm_writev(pid, &l, 1, &r, 1, 0), 1);
	r.iov_base = p + 5 * PAGE + 9; /* not touched by the child yet */
	CHECK_EQ(process_vm_writev(pid, &l, 1, &r, 1, 0), 1);
	r.iov_base = ro;
	CHECK_ERR(process_vm_writev(pid, &l, 1, &r, 1, 0), EFAULT);
	/* up to the hole */
	l = (struct iovec){buf, sizeof(buf)};
	r = (struct iovec){p + 7 * PAGE, 2 * PAGE};
	CHECK_EQ(process_vm_readv(pid, &l, 1, &r, 1, 0), (ssize_t)PAGE);
	r = (struct iovec){p + 8 * PAGE, 1};
	CHECK_ERR(process_vm_readv(pid, &l, 1, &r, 1, 0), EFAULT);
	CHECK_ERR(process_vm_readv(pid, &l, 1, &r, 1, 5), EINVAL);
	CHECK_ERR(process_vm_readv(999999, &l, 1, &r, 1, 0), ESRCH);
	CHECK_EQ(process_vm_readv(pid, &l, 0, &r, 1, 0), 0);
	/* memory that is zero since nobody has written it, again and again */
	for (int i = 0; i < 50; i++) {
		r = (struct iovec){zero, sizeof(buf)};
		memset(buf, 'z', sizeof(buf));
		CHECK_EQ(process_vm_readv(pid, &l, 1, &r, 1, 0), (ssize_t)sizeof(buf));
		CHECK(!buf[0] && !buf[PAGE] && !buf[sizeof(buf) - 1]);
	}
	CHECK_OK(write(go[1], "x", 1));
	CHECK_EQ(wait_for(pid), 0);
	for (size_t i = 0; i < 16 * PAGE; i += 512)
		CHECK_EQ(zero[i], 0);
	return 0;
}
