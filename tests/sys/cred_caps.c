/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities: capget, capset, bounding and ambient sets, securebits, and exec: set-user-id files, no_new_privs, root.
 */
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys.h"

#define CAP_CHOWN 0
#define CAP_SETUID 7
#define CAP_SETPCAP 8
#define CAP_NET_RAW 13

struct header {
	unsigned int version;
	int pid;
};
struct data {
	unsigned int e, p, i;
};

static struct data get(void)
{
	struct header h = {0x20080522, 0};
	struct data d[2];

	CHECK_OK(syscall(SYS_capget, &h, d));
	return d[0];
}

static long set(unsigned int e, unsigned int p, unsigned int i)
{
	struct header h = {0x20080522, 0};
	struct data d[2] = {{e, p, i}};

	return syscall(SYS_capset, &h, d);
}

static void test_calls(void)
{
	struct header h = {0, 0};
	struct data d[2];

	CHECK_ERR(syscall(SYS_capget, &h, d), EINVAL);
	CHECK_EQ(h.version, 0x20080522);
	h.version = 0;
	CHECK_OK(syscall(SYS_capget, &h, NULL));
	CHECK_EQ(h.version, 0x20080522);
	h.pid = -1;
	CHECK_ERR(syscall(SYS_capget, &h, d), EINVAL);
	h.pid = 999999;
	CHECK_ERR(syscall(SYS_capget, &h, d), ESRCH);
	CHECK_ERR(syscall(SYS_capset, &h, d), EPERM);
	CHECK_ERR(syscall(SYS_capget, (void *)8, d), EFAULT);
	h = (struct header){0x19980330, getpid()};
	CHECK_OK(syscall(SYS_capget, &h, d));
	h.pid = getppid();
	CHECK_OK(syscall(SYS_capget, &h, d));
}

static void drop(void)
{
	struct data d = get();

	CHECK_OK(set(d.p & ~1u, d.p, 0));
	CHECK_EQ(get().e & 1, 0);
	CHECK_OK(set(d.p, d.p, 0));
	CHECK_OK(set(d.p & ~1u, d.p & ~1u, 0));
	CHECK_ERR(set(d.p & ~1u, d.p, 0), EPERM); /* gone is gone */
	CHECK_ERR(set(d.p, d.p & ~1u, 0), EPERM); /* effective only what is permitted */
	CHECK_OK(set(d.p & ~1u, d.p & ~1u, 1u << CAP_NET_RAW));
	CHECK_EQ(get().i, 1u << CAP_NET_RAW);
	CHECK_OK(set(0, 0, 0));
	CHECK_ERR(set(1, 1, 0), EPERM);
	CHECK_ERR(set(0, 0, 1), EPERM);
}

static void bounding(void)
{
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 1);
	CHECK_ERR(prctl(PR_CAPBSET_READ, 63), EINVAL);
	CHECK_OK(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 0);
	CHECK_ERR(prctl(PR_CAPBSET_DROP, 64), EINVAL);
	CHECK_ERR(set(get().e, get().p, 1u << CAP_CHOWN), EPERM); /* not inheritable any more */
	CHECK_OK(set(0, 0, 0));
	CHECK_ERR(prctl(PR_CAPBSET_DROP, CAP_SETUID), EPERM);
}

static void ambient(void)
{
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0), 0);
	CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0), EPERM); /* not inheritable */
	CHECK_OK(set(get().e, get().p, 1u << CAP_NET_RAW));
	CHECK_OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0), 1);
	CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 64, 0, 0), EINVAL);
	CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 1, 0), EINVAL);
	CHECK_OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_NET_RAW, 0, 0));
	CHECK_OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
	CHECK_OK(set(get().e, get().p, 0)); /* goes with what it is based on */
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0), 0);
	CHECK_OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
}

static void securebits(void)
{
	CHECK_EQ(prctl(PR_GET_SECUREBITS), 0);
	CHECK_OK(prctl(PR_SET_SECUREBITS, 1 << 2 | 1 << 3)); /* NO_SETUID_FIXUP, locked */
	CHECK_ERR(prctl(PR_SET_SECUREBITS, 0), EPERM);
	CHECK_ERR(prctl(PR_SET_SECUREBITS, 0x1000), EPERM);
	CHECK_OK(syscall(SYS_setuid, 1000));
	CHECK(get().e != 0);
	CHECK_ERR(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
}

/* ---- exec: this program again, which says what it finds ---- */

static char self[4096];

/* Exit status: bit 0: effective uid is 0; bit 1: some capability is effective; bit 2: AT_SECURE; bit 3: CAP_NET_RAW */
static int report(void)
{
	unsigned int e = get().e;

	return (geteuid() ? 0 : 1) | (e ? 2 : 0) | (getauxval(AT_SECURE) ? 4 : 0) | (e >> CAP_NET_RAW & 1 ? 8 : 0);
}

static int exec_of(const char *file, uid_t uid, int nnp, int with_ambient)
{
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		if (with_ambient) {
			CHECK_OK(prctl(PR_SET_KEEPCAPS, 1));
			CHECK_OK(syscall(SYS_setresuid, uid, uid, uid));
			CHECK_OK(set(1u << CAP_NET_RAW, 1u << CAP_NET_RAW, 1u << CAP_NET_RAW));
			CHECK_OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
		} else {
			CHECK_OK(syscall(SYS_setresuid, uid, uid, uid));
		}
		if (nnp)
			CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		execl(file, file, "report", NULL);
		_exit(99);
	}
	return wait_for(pid);
}

static void test_exec(void)
{
	char name[] = "/tmp/capsXXXXXX", buf[65536];
	int in, out = CHECK_OK(mkstemp(name));
	ssize_t n;

	in = CHECK_OK(open(self, O_RDONLY));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK_EQ(write(out, buf, (size_t)n), n);
	CHECK_OK(fchmod(out, 04755));
	close(in);
	close(out);
	CHECK_EQ(exec_of(name, 0, 0, 0) & ~8, 3);
	if (exec_of(name, 1000, 0, 0) != 0) /* else: mounted nosuid */
		CHECK_EQ(exec_of(name, 1000, 0, 0), 15);
	CHECK_EQ(exec_of(name, 1000, 1, 0), 0);
	CHECK_OK(chmod(name, 0755));
	CHECK_EQ(exec_of(name, 1000, 0, 0), 0);
	CHECK_EQ(exec_of(name, 1000, 0, 1), 10); /* the ambient one is kept, without AT_SECURE */
	CHECK_OK(chmod(name, 04755));
	CHECK_EQ(exec_of(name, 1000, 1, 1), 10);
	unlink(name);
}

static void as_user(void)
{
	CHECK_ERR(prctl(PR_CAPBSET_DROP, CAP_SETUID), EPERM);
	CHECK_ERR(prctl(PR_SET_SECUREBITS, 1), EPERM);
	CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0), EPERM);
	CHECK_ERR(set(1, 1, 1), EPERM);
	CHECK_EQ(get().e, 0);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return report();
	strncpy(self, argv[0], sizeof(self) - 1);
	test_calls();
	if (geteuid()) {
		as_user();
		return 0;
	}
	in_child(drop);
	in_child(bounding);
	in_child(ambient);
	in_child(securebits);
	test_exec();
	return 0;
}
