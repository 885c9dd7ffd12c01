/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prctl: names, dumpable, subreaper, no_new_privs, timer slack, parent-death signal and others; uname, sethostname,
 * sysinfo, getrandom, and calls that are denied.
 */
#include <linux/reboot.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "sys.h"

static void names(void)
{
	char name[17] = "";

	CHECK_OK(prctl(PR_SET_NAME, "a name that is too long"));
	CHECK_OK(prctl(PR_GET_NAME, name));
	CHECK(!strcmp(name, "a name that is "));
	CHECK_OK(prctl(PR_SET_NAME, "short"));
	CHECK_OK(prctl(PR_GET_NAME, name));
	CHECK(!strcmp(name, "short"));
	CHECK_ERR(prctl(PR_SET_NAME, 8), EFAULT);
	CHECK_ERR(prctl(PR_GET_NAME, 8), EFAULT);
}

static void attributes(void)
{
	unsigned int *tid_address = NULL;
	int v = -1;

	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK_OK(prctl(PR_SET_DUMPABLE, 0));
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	CHECK_ERR(prctl(PR_SET_DUMPABLE, 2), EINVAL);
	CHECK_OK(prctl(PR_SET_DUMPABLE, 1));
	CHECK_OK(prctl(PR_GET_PDEATHSIG, &v));
	CHECK_EQ(v, 0);
	CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGTERM));
	CHECK_OK(prctl(PR_GET_PDEATHSIG, &v));
	CHECK_EQ(v, SIGTERM);
	CHECK_ERR(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
	CHECK_OK(prctl(PR_SET_PDEATHSIG, 0));
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 50000);
	CHECK_OK(prctl(PR_SET_TIMERSLACK, 1000));
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 1000);
	CHECK_OK(prctl(PR_SET_TIMERSLACK, 0));
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 50000);
	/* A child's default is what its parent had. */
	CHECK_OK(prctl(PR_SET_TIMERSLACK, 1000));
	const pid_t pid = CHECK_OK(fork());
	if (!pid) {
		CHECK_OK(prctl(PR_SET_TIMERSLACK, 5));
		CHECK_OK(prctl(PR_SET_TIMERSLACK, 0));
		_exit(prctl(PR_GET_TIMERSLACK) != 1000);
	}
	CHECK_EQ(wait_for(pid), 0);
	CHECK_ERR(prctl(PR_GET_SPECULATION_CTRL, 0, 1, 0, 0), EINVAL);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
	CHECK_OK(prctl(PR_SET_KEEPCAPS, 1));
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 1);
	CHECK_EQ(prctl(PR_GET_TIMING), 0);
	CHECK_OK(prctl(PR_SET_TIMING, 0));
	CHECK_OK(prctl(PR_GET_TSC, &v));
	CHECK_EQ(v, 1);
	if (!prctl(PR_GET_TID_ADDRESS, &tid_address))
		CHECK(tid_address);
	CHECK_ERR(prctl(12345), EINVAL);
	CHECK_ERR(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 1, 0), EINVAL);
}

/* Orphans go to the nearest ancestor that asked for them. */
static void subreaper(void)
{
	pid_t middle;
	int fd[2], v = -1;
	pid_t orphan;

	CHECK_OK(pipe(fd));
	CHECK_OK(prctl(PR_GET_CHILD_SUBREAPER, &v));
	CHECK_EQ(v, 0);
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	CHECK_OK(prctl(PR_GET_CHILD_SUBREAPER, &v));
	CHECK_EQ(v, 1);
	middle = CHECK_OK(fork());
	if (!middle) {
		orphan = CHECK_OK(fork());
		if (!orphan) {
			while (getppid() == middle)
				usleep(1000);
			usleep(20000);
			_exit(55);
		}
		CHECK_EQ(write(fd[1], &orphan, sizeof(orphan)), sizeof(orphan));
		_exit(0);
	}
	CHECK_EQ(wait_for(middle), 0);
	CHECK_EQ(read(fd[0], &orphan, sizeof(orphan)), sizeof(orphan));
	CHECK_EQ(wait_for(orphan), 55);
}

static void uname_calls(void)
{
	struct utsname u, v;
	struct sysinfo s;

	CHECK_OK(uname(&u));
	CHECK(!strcmp(u.sysname, "Linux"));
	CHECK(!strcmp(u.machine, "x86_64"));
	CHECK(u.release[0] >= '2' && u.release[0] <= '9');
	CHECK(u.nodename[0]);
	CHECK_ERR(syscall(SYS_uname, (void *)8), EFAULT);
	CHECK_OK(sysinfo(&s));
	CHECK(s.mem_unit && s.totalram && s.freeram <= s.totalram && s.procs > 0);
	CHECK_ERR(syscall(SYS_sysinfo, (void *)8), EFAULT);
	CHECK_ERR(syscall(SYS_sethostname, u.nodename, -1), geteuid() ? EPERM : EINVAL);
	if (geteuid()) {
		CHECK_ERR(sethostname("x", 1), EPERM);
		CHECK_ERR(setdomainname("x", 1), EPERM);
	} else {
		CHECK_OK(sethostname(u.nodename, strlen(u.nodename)));
		CHECK_OK(setdomainname(u.domainname, strlen(u.domainname)));
		CHECK_OK(uname(&v));
		CHECK(!memcmp(&u, &v, sizeof(u)));
		CHECK_ERR(syscall(SYS_sethostname, (void *)8, 4), EFAULT);
	}
}

static void randomness(void)
{
	unsigned char a[5000], b[5000];
	int seen[256] = {0}, kinds = 0;

	CHECK_EQ(getrandom(a, sizeof(a), 0), sizeof(a));
	CHECK_EQ(getrandom(b, sizeof(b), GRND_NONBLOCK), sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++)
		kinds += !seen[a[i]]++;
	CHECK_EQ(kinds, 256);
	for (int i = 0; i < 256; i++)
		CHECK(seen[i] < 100);
	CHECK_EQ(getrandom(a, 1, GRND_RANDOM), 1);
	CHECK_EQ(getrandom(a, 0, 0), 0);
	CHECK_ERR(getrandom(a, 1, 0x100), EINVAL);
	CHECK_ERR(getrandom(a, 1, GRND_RANDOM | 4), EINVAL);
	CHECK_ERR(syscall(SYS_getrandom, (void *)8, 16, 0), EFAULT);
	/* Parent and child part ways. */
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		CHECK_EQ(getrandom(b, 32, 0), 32);
		_exit(b[0]);
	}
	wait_for(pid);
}

static void denied(void)
{
	if (!geteuid())
		CHECK_OK(syscall(SYS_setuid, 1000));
	CHECK_ERR(syscall(SYS_acct, NULL), EPERM);
	CHECK_ERR(syscall(SYS_swapoff, "/nowhere"), EPERM);
	CHECK_ERR(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, NULL), EPERM);
}

int main(void)
{
	in_child(names);
	in_child(attributes);
	in_child(subreaper);
	in_child(uname_calls);
	in_child(randomness);
	in_child(denied);
	return 0;
}
