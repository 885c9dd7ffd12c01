/* SPDX-License-Identifier: Apache-2.0 */
/* fcntl: status flags, owners, leases; ioctl: FIOCLEX, FIONCLEX, FIONBIO, FIONREAD. */
#include <signal.h>
#include <sys/ioctl.h>

#include "fsdir.h"

static void test_flags(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600)), other = (int)CHECK_OK(dup(fd));

	CHECK_OK(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND));
	CHECK_EQ(fcntl(other, F_GETFL) & (O_NONBLOCK | O_APPEND | O_ACCMODE), O_NONBLOCK | O_APPEND | O_RDWR);
	CHECK_OK(fcntl(fd, F_SETFL, O_RDONLY | O_CREAT | O_TRUNC)); /* these do not change */
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_APPEND | O_ACCMODE), O_RDWR);
	CHECK_ERR(fcntl(fd, 9999), EINVAL);
	CHECK_ERR(fcntl(-1, F_GETFL), EBADF);
	close(fd);
	close(other);
}

static void test_owner(void)
{
	int p[2];
	struct f_owner_ex ex = {F_OWNER_PID, getpid()};

	CHECK_OK(pipe(p));
	CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
	CHECK_OK(fcntl(p[0], F_SETOWN, getpid()));
	CHECK_EQ(fcntl(p[0], F_GETOWN), getpid());
	CHECK_ERR(fcntl(p[0], F_SETOWN, 999999), ESRCH);
	CHECK_OK(fcntl(p[0], F_SETOWN_EX, &ex));
	memset(&ex, 0, sizeof(ex));
	CHECK_OK(fcntl(p[0], F_GETOWN_EX, &ex));
	CHECK(ex.type == F_OWNER_PID && ex.pid == getpid());
	ex.type = 7;
	CHECK_ERR(fcntl(p[0], F_SETOWN_EX, &ex), EINVAL);
	CHECK_EQ(fcntl(p[0], F_GETSIG), 0);
	CHECK_OK(fcntl(p[0], F_SETSIG, SIGUSR1));
	CHECK_EQ(fcntl(p[0], F_GETSIG), SIGUSR1);
	CHECK_ERR(fcntl(p[0], F_SETSIG, 100), EINVAL);
	close(p[0]);
	close(p[1]);
}

static void test_lease(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDONLY | O_CREAT, 0600));

	CHECK_EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
	CHECK_ERR(fcntl(fd, F_SETLEASE, F_UNLCK), EAGAIN);
	CHECK_ERR(fcntl(fd, F_SETLEASE, 77), EINVAL);
	close(fd);
}

static void test_ioctl(void)
{
	int fd, n, on = 1;

	make_file("f", "0123456789");
	fd = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_OK(ioctl(fd, FIOCLEX));
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_OK(ioctl(fd, FIONCLEX));
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_OK(ioctl(fd, FIONBIO, &on));
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK_ERR(ioctl(fd, FIONBIO, (int *)8), EFAULT);
	CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
	CHECK_OK(ioctl(fd, FIONREAD, &n));
	CHECK_EQ(n, 7);
	CHECK_ERR(ioctl(fd, 0x12345678, 0), ENOTTY);
	CHECK_ERR(ioctl(fd, TCGETS, 0), ENOTTY);
	CHECK_ERR(ioctl(-1, FIONREAD, &n), EBADF);
	close(fd);
	CHECK_ERR(ioctl(fd, FIOCLEX), EBADF);
	fd = (int)CHECK_OK(open(".", O_PATH));
	CHECK_ERR(ioctl(fd, FIOCLEX), EBADF);
	close(fd);
}

int main(void)
{
	EVERYWHERE(test_flags);
	EVERYWHERE(test_owner);
	EVERYWHERE(test_lease);
	EVERYWHERE(test_ioctl);
	return 0;
}
