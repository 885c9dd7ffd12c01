/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces as files: names, kinds, what may be asked of them, entering those one is in; unshare of what is not a
 * namespace.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys.h"

static const struct {
	const char *name;
	int kind;
} kinds[] = {
	{"cgroup", CLONE_NEWCGROUP}, {"ipc", CLONE_NEWIPC},   {"mnt", CLONE_NEWNS},  {"net", CLONE_NEWNET},
	{"pid", CLONE_NEWPID},	     {"user", CLONE_NEWUSER}, {"uts", CLONE_NEWUTS},
};

static int open_ns(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return (int)CHECK_OK(open(path, O_RDONLY | O_CLOEXEC));
}

static void files(void)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char path[64], text[64] = "", want[64];
		struct stat st, again;
		int fd = open_ns(kinds[i].name);

		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i].name);
		CHECK_OK(fstat(fd, &st));
		CHECK(S_ISREG(st.st_mode));
		CHECK_OK(readlink(path, text, sizeof(text) - 1));
		snprintf(want, sizeof(want), "%s:[%lu]", kinds[i].name, (unsigned long)st.st_ino);
		CHECK(!strcmp(text, want));
		/* The parent is in the same one. */
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", getpid(), kinds[i].name);
		CHECK_OK(stat(path, &again));
		CHECK(st.st_ino == again.st_ino && st.st_dev == again.st_dev);
		CHECK_EQ(ioctl(fd, NS_GET_NSTYPE), kinds[i].kind);
		CHECK_ERR(ioctl(fd, NS_GET_PARENT),
			  kinds[i].kind == CLONE_NEWUSER || kinds[i].kind == CLONE_NEWPID ? EPERM : EINVAL);
		CHECK_ERR(write(fd, "x", 1), EBADF);
		close(fd);
	}
}

static void owners(void)
{
	const int uts = open_ns("uts"), user = (int)CHECK_OK(ioctl(uts, NS_GET_USERNS));
	struct stat a, b;
	uid_t uid = 7;

	CHECK_EQ(ioctl(user, NS_GET_NSTYPE), CLONE_NEWUSER);
	CHECK_OK(fstat(user, &a));
	CHECK_OK(stat("/proc/self/ns/user", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_OK(ioctl(user, NS_GET_OWNER_UID, &uid));
	CHECK_EQ(uid, 0);
	CHECK_ERR(ioctl(uts, NS_GET_OWNER_UID, &uid), EINVAL);
	close(user);
	close(uts);
}

static void entering(void)
{
	const int uts = open_ns("uts"), mnt = open_ns("mnt"), user = open_ns("user"),
		  null = open("/dev/null", O_RDONLY);
	const int pidfd = (int)CHECK_OK(syscall(SYS_pidfd_open, getpid(), 0));
	char here[PATH_MAX];

	CHECK_ERR(setns(-1, 0), EBADF);
	CHECK_ERR(setns(null, 0), EINVAL);
	CHECK_ERR(setns(uts, CLONE_NEWPID), EINVAL);
	CHECK_ERR(setns(user, 0), EINVAL);
	CHECK_ERR(setns(pidfd, 0), EINVAL);
	if (geteuid()) {
		CHECK_ERR(setns(uts, 0), EPERM);
		return;
	}
	CHECK_OK(setns(uts, 0));
	CHECK_OK(setns(uts, CLONE_NEWUTS));
	CHECK_OK(setns(pidfd, CLONE_NEWUTS | CLONE_NEWIPC));
	/* Who enters a mount namespace stands at its root, wherever he was. */
	CHECK_OK(chdir("/dev"));
	CHECK_OK(chroot("/dev"));
	CHECK_OK(setns(mnt, CLONE_NEWNS));
	CHECK(getcwd(here, sizeof(here)));
	CHECK(!strcmp(here, "/"));
	CHECK_OK(access("/dev/null", F_OK));
}

static void *share_nothing(void *arg)
{
	CHECK_OK(unshare(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM));
	CHECK_OK(chdir("/"));
	CHECK_OK(close(*(int *)arg));
	return NULL;
}

/* A thread of its own mind: its directory and its descriptors. */
static void threads(void)
{
	int fd = (int)CHECK_OK(open("/dev/null", O_RDONLY));
	char here[PATH_MAX];
	pthread_t t;

	CHECK_OK(chdir("/dev"));
	CHECK_EQ(pthread_create(&t, NULL, share_nothing, &fd), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK(getcwd(here, sizeof(here)));
	CHECK(!strcmp(here, "/dev"));
	CHECK_OK(close(fd));
	CHECK_ERR(unshare(0x10), EINVAL);
}

int main(void)
{
	const pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid) {
		files();
		owners();
		entering();
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	threads();
	return 0;
}
