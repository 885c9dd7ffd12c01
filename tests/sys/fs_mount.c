/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount, umount2, pivot_root, chroot: tmpfs with limits, bind mounts, remounting read-only, moving, lazily unmounting,
 * busy ones. Works in a mount namespace of its own, so that a host is left as it was.
 */
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "fsdir.h"

static void test_tmpfs(void)
{
	struct statfs s;
	struct stat st;
	char buf[65536];
	int fd, n = 0;

	CHECK_OK(mkdir("m", 0755));
	make_file("m/below", "hidden");
	CHECK_OK(mount("none", "m", "tmpfs", MS_NOSUID | MS_NODEV, "size=256k,mode=750,nr_inodes=20"));
	CHECK(!exists("m/below"));
	CHECK_OK(stat("m", &st));
	CHECK_EQ(st.st_mode & 07777, 0750);
	CHECK_OK(statfs("m", &s));
	CHECK_EQ(s.f_blocks * (unsigned long)s.f_bsize, 256 << 10);
	CHECK_EQ(s.f_files, 20);
	fd = (int)CHECK_OK(open("m/f", O_RDWR | O_CREAT, 0600));
	memset(buf, 1, sizeof(buf));
	ssize_t w;
	while ((w = write(fd, buf, sizeof(buf))) > 0)
		n += (int)w;
	CHECK(w == -1 && errno == ENOSPC);
	CHECK_EQ(n, 256 << 10);
	CHECK_OK(ftruncate(fd, 0));
	CHECK_EQ(write(fd, buf, 4096), 4096);
	close(fd);
	n = 0;
	for (;;) {
		char name[32];

		snprintf(name, sizeof(name), "m/n%d", n);
		fd = open(name, O_CREAT | O_WRONLY, 0600);
		if (fd < 0)
			break;
		close(fd);
		n++;
	}
	CHECK_EQ(errno, ENOSPC);
	CHECK_EQ(n, 18);
	CHECK_ERR(link("m/f", "outside"), EXDEV);
	CHECK_ERR(rename("m/f", "outside"), EXDEV);
	CHECK_ERR(rmdir("m"), EBUSY);
	CHECK_ERR(rename("m", "x"), EBUSY);
	CHECK_OK(umount("m"));
	CHECK_TEXT("m/below", "hidden");
	CHECK_ERR(umount("m"), EINVAL);
	CHECK_ERR(mount("none", "m", "tmpfs", 0, "size=banana"), EINVAL);
	CHECK_ERR(mount("none", "m", "nosuchfs", 0, NULL), ENODEV);
	CHECK_ERR(mount("none", "none", "tmpfs", 0, NULL), ENOENT);
	CHECK_ERR(mount("none", "m/below", "tmpfs", 0, NULL), ENOTDIR);
}

static void test_bind(void)
{
	struct stat a, b;

	CHECK_OK(mkdir("src", 0755));
	CHECK_OK(mkdir("dst", 0755));
	make_file("src/f", "bound");
	CHECK_OK(mount("src", "dst", NULL, MS_BIND, NULL));
	CHECK_TEXT("dst/f", "bound");
	CHECK_OK(stat("src/f", &a));
	CHECK_OK(stat("dst/f", &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	CHECK_ERR(rename("src/f", "dst/g"), EXDEV);
	CHECK_ERR(link("src/f", "dst/g"), EXDEV);
	/* Read-only here, writable there. */
	CHECK_OK(mount(NULL, "dst", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	CHECK_ERR(open("dst/f", O_WRONLY), EROFS);
	CHECK_ERR(open("dst/new", O_WRONLY | O_CREAT, 0600), EROFS);
	CHECK_ERR(mkdir("dst/d", 0700), EROFS);
	CHECK_ERR(unlink("dst/f"), EROFS);
	CHECK_ERR(chmod("dst/f", 0600), EROFS);
	CHECK_ERR(truncate("dst/f", 0), EROFS);
	CHECK_ERR(access("dst/f", W_OK), EROFS);
	make_file("src/g", "new");
	CHECK_TEXT("dst/g", "new");
	CHECK_OK(umount("dst"));
	CHECK_ERR(stat("dst/f", &a), ENOENT);
	/* A file on a file. */
	make_file("file", "plain");
	CHECK_ERR(mount("src/f", "dst", NULL, MS_BIND, NULL), ENOTDIR);
	CHECK_OK(mount("src/f", "file", NULL, MS_BIND, NULL));
	CHECK_TEXT("file", "bound");
	CHECK_ERR(unlink("file"), EBUSY);
	CHECK_OK(umount("file"));
	CHECK_TEXT("file", "plain");
	CHECK_ERR(mount("none", "dst", NULL, MS_BIND, NULL), ENOENT);
}

static void test_recursive(void)
{
	CHECK_OK(mkdir("a", 0755));
	CHECK_OK(mount("none", "a", "tmpfs", 0, NULL));
	CHECK_OK(mkdir("a/sub", 0755));
	CHECK_OK(mount("none", "a/sub", "tmpfs", 0, NULL));
	make_file("a/sub/deep", "deep");
	CHECK_OK(mkdir("b", 0755));
	CHECK_OK(mount("a", "b", NULL, MS_BIND, NULL));
	CHECK(!exists("b/sub/deep"));
	CHECK_OK(umount("b"));
	CHECK_OK(mount("a", "b", NULL, MS_BIND | MS_REC, NULL));
	CHECK_TEXT("b/sub/deep", "deep");
	CHECK_ERR(umount("a"), EBUSY);
	CHECK_OK(umount2("a", MNT_DETACH));
	CHECK(!exists("a/sub"));
	CHECK_TEXT("b/sub/deep", "deep");
	CHECK_OK(umount("b/sub"));
	CHECK_OK(umount("b"));
}

static void test_busy(void)
{
	int fd;

	CHECK_OK(mkdir("m", 0755));
	CHECK_OK(mount("none", "m", "tmpfs", 0, NULL));
	make_file("m/f", "content");
	fd = (int)CHECK_OK(open("m/f", O_RDONLY));
	CHECK_ERR(umount("m"), EBUSY);
	CHECK_OK(umount2("m", MNT_DETACH));
	CHECK(!exists("m/f"));
	char c;
	CHECK_EQ(read(fd, &c, 1), 1);
	close(fd);
	CHECK_ERR(umount2("m", 0x100), EINVAL);
	CHECK_OK(mount("none", "m", "tmpfs", 0, NULL));
	CHECK_ERR(umount2("m", MNT_EXPIRE), EAGAIN);
	CHECK_OK(symlink("m", "l"));
	CHECK_ERR(umount2("l", UMOUNT_NOFOLLOW), EINVAL);
	CHECK_OK(umount2("l", 0));
}

static void test_move(void)
{
	CHECK_OK(mkdir("a", 0755));
	CHECK_OK(mkdir("b", 0755));
	CHECK_OK(mount("none", "a", "tmpfs", 0, NULL));
	make_file("a/f", "moved");
	CHECK_OK(mkdir("a/in", 0755));
	CHECK_ERR(mount("a", "a/in", NULL, MS_MOVE, NULL), ELOOP);
	CHECK_OK(mount("a", "b", NULL, MS_MOVE, NULL));
	CHECK_TEXT("b/f", "moved");
	CHECK(!exists("a/f"));
	CHECK_ERR(mount("a", "b", NULL, MS_MOVE, NULL), EINVAL);
	CHECK_OK(umount("b"));
}

static void test_remount(void)
{
	CHECK_OK(mkdir("m", 0755));
	CHECK_OK(mount("none", "m", "tmpfs", 0, "size=1m"));
	CHECK_OK(mount("none", "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	CHECK_ERR(open("m/f", O_CREAT | O_WRONLY, 0600), EROFS);
	CHECK_OK(mount("none", "m", NULL, MS_REMOUNT, "size=2m"));
	make_file("m/f", "again");
	struct statfs s;
	CHECK_OK(statfs("m", &s));
	CHECK_EQ(s.f_blocks * (unsigned long)s.f_bsize, 2 << 20);
	CHECK_OK(mkdir("m/d", 0755));
	CHECK_ERR(mount("none", "m/d", NULL, MS_REMOUNT, NULL), EINVAL);
	CHECK_OK(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL));
	CHECK_OK(chmod("m/f", 0755));
	CHECK_ERR(access("m/f", X_OK), EACCES);
	CHECK_ERR(execl("m/f", "f", NULL), EACCES);
	CHECK_OK(umount("m"));
}

/* Does reading change the time of access, which is later than that of the change? */
static int read_is_noted(const char *path)
{
	const struct timespec times[2] = {{1000000000, 5}, {900000000, 0}};
	const int fd = CHECK_OK(open(path, O_RDONLY));
	struct stat st;
	char c;

	CHECK_OK(futimens(fd, times));
	CHECK_OK(read(fd, &c, 1));
	CHECK_OK(fstat(fd, &st));
	close(fd);
	return st.st_atim.tv_sec != times[0].tv_sec;
}

static int read_soon_is_noted(const char *path)
{
	const int fd = CHECK_OK(open(path, O_RDONLY));
	struct stat st, now;
	char c;

	CHECK_OK(fstat(fd, &st));
	const struct timespec times[2] = {{st.st_ctim.tv_sec + 100, 7}, {900000000, 0}};
	CHECK_OK(futimens(fd, times));
	CHECK_OK(read(fd, &c, 1));
	CHECK_OK(fstat(fd, &now));
	close(fd);
	return now.st_atim.tv_sec != times[0].tv_sec;
}

static void test_times(void)
{
	struct statvfs s;

	CHECK_OK(mkdir("m", 0755));
	CHECK_OK(mount("none", "m", "tmpfs", 0, NULL));
	make_file("m/f", "text");
	/* Once a day is enough, and not if it was read since the last change. */
	CHECK(read_is_noted("m/f"));
	CHECK(!read_soon_is_noted("m/f"));
	CHECK_OK(mount(NULL, "m", NULL, MS_REMOUNT | MS_STRICTATIME, NULL));
	CHECK_OK(statvfs("m", &s));
	CHECK(!(s.f_flag & ST_RELATIME));
	CHECK(read_soon_is_noted("m/f"));
	CHECK_OK(mount(NULL, "m", NULL, MS_REMOUNT | MS_NOSUID, NULL)); /* says nothing of times */
	CHECK(read_soon_is_noted("m/f"));
	CHECK_OK(mount(NULL, "m", NULL, MS_REMOUNT | MS_NOATIME, NULL));
	CHECK(!read_is_noted("m/f"));
	/* At the end of the file there is nothing to read, but somebody looked. */
	CHECK_OK(mount(NULL, "m", NULL, MS_REMOUNT | MS_STRICTATIME, NULL));
	make_file("m/empty", "");
	CHECK(read_is_noted("m/empty"));
	CHECK_OK(umount("m"));
}

/* Who polls the list of mounts hears of changes. */
static void test_poll(void)
{
	struct pollfd p = {(int)CHECK_OK(open("/proc/self/mountinfo", O_RDONLY)), POLLPRI, 0};
	struct epoll_event ev = {.events = EPOLLPRI};
	const int ep = (int)CHECK_OK(epoll_create1(0));

	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_OK(mkdir("m", 0755));
	CHECK_OK(mount("none", "m", "tmpfs", 0, NULL));
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLPRI | POLLERR);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, p.fd, &ev));
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
	CHECK_OK(umount("m"));
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	CHECK(ev.events & EPOLLPRI);
	close(ep);
	close(p.fd);
}

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

static void test_nosymfollow(void)
{
	struct statvfs s;
	char buf[8];

	CHECK_OK(mkdir("m", 0755));
	CHECK_OK(mount("none", "m", "tmpfs", MS_NOSYMFOLLOW, NULL));
	make_file("m/f", "text");
	CHECK_OK(symlink("f", "m/link"));
	CHECK_ERR(open("m/link", O_RDONLY), ELOOP);
	CHECK_EQ(readlink("m/link", buf, sizeof(buf)), 1);
	CHECK_OK(statvfs("m", &s));
	CHECK(s.f_flag & 0x2000);
	CHECK(strstr(file_text("/proc/self/mountinfo"), "nosymfollow"));
	CHECK_OK(umount("m"));
}

static void test_stacked(void)
{
	CHECK_OK(mkdir("m", 0755));
	CHECK_OK(mount("none", "m", "tmpfs", 0, NULL));
	make_file("m/one", "");
	CHECK_OK(mount("none", "m", "tmpfs", 0, NULL));
	make_file("m/two", "");
	CHECK(!exists("m/one"));
	struct stat up, here;
	CHECK_OK(stat("m/..", &up));
	CHECK_OK(stat(".", &here));
	CHECK_EQ(up.st_ino, here.st_ino);
	CHECK_OK(umount("m"));
	CHECK(exists("m/one"));
	CHECK_OK(umount("m"));
}

static void test_chroot(void)
{
	char buf[PATH_MAX];
	struct stat a, b;

	CHECK_OK(mkdir("root", 0755));
	CHECK_OK(mkdir("root/in", 0755));
	make_file("root/f", "inside");
	CHECK_OK(symlink("/f", "root/abs"));
	CHECK_ERR(chroot("none"), ENOENT);
	CHECK_ERR(chroot("root/f"), ENOTDIR);
	CHECK_OK(chroot("root"));
	CHECK(syscall(SYS_getcwd, buf, sizeof(buf)) > 0 && !strncmp(buf, "(unreachable)", 13));
	CHECK_OK(chdir("/"));
	CHECK_TEXT("/f", "inside");
	CHECK_TEXT("/abs", "inside");
	CHECK_TEXT("/../../f", "inside");
	CHECK_OK(stat("/", &a));
	CHECK_OK(stat("/..", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_OK(chdir("in/../../.."));
	CHECK(getcwd(buf, sizeof(buf)) && !strcmp(buf, "/"));
	if (getuid() == 0) {
		CHECK_OK(setuid(1000));
		CHECK_ERR(chroot("/in"), EPERM);
		CHECK_ERR(mount("none", "/in", "tmpfs", 0, NULL), EPERM);
		CHECK_ERR(umount("/in"), EPERM);
	}
}

static void test_pivot(void)
{
	char buf[64];

	if (unshare(CLONE_NEWNS) < 0)
		return; /* it would change the root of all, and there would be no way back */
	CHECK_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));

	CHECK_OK(mkdir("new", 0755));
	CHECK_ERR(syscall(SYS_pivot_root, "new", "new"), EBUSY); /* on the root mount */
	CHECK_OK(mount("none", "new", "tmpfs", 0, NULL));
	CHECK_OK(mkdir("new/old", 0755));
	make_file("new/marker", "new root");
	CHECK_ERR(syscall(SYS_pivot_root, "new", "/tmp"), EBUSY);
	CHECK_OK(syscall(SYS_pivot_root, "new", "new/old"));
	CHECK_OK(chdir("/"));
	CHECK_TEXT("/marker", "new root");
	CHECK(exists("/old/proc"));
	CHECK_OK(umount2("/old", MNT_DETACH));
	CHECK(!exists("/old/proc"));
	CHECK(getcwd(buf, sizeof(buf)) && !strcmp(buf, "/"));
}

int main(void)
{
	if (getuid() != 0)
		SKIP("needs root");
	if (unshare(CLONE_NEWNS) == 0)
		CHECK_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	else if (access("/proc/sys/kernel/osrelease", F_OK) ||
		 !strstr(file_text("/proc/sys/kernel/osrelease"), "umbra"))
		SKIP("needs a mount namespace");
	EVERYWHERE(test_tmpfs);
	EVERYWHERE(test_bind);
	EVERYWHERE(test_recursive);
	EVERYWHERE(test_busy);
	EVERYWHERE(test_move);
	EVERYWHERE(test_remount);
	EVERYWHERE(test_times);
	EVERYWHERE(test_nosymfollow);
	EVERYWHERE(test_poll);
	EVERYWHERE(test_stacked);
	EVERYWHERE(test_chroot);
	EVERYWHERE(test_pivot);
	return 0;
}
