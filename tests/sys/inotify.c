/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify: events of files and directories, names, moves, removal, masks and flags, overflow of a small buffer, errors.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "sys.h"

static int in;
static char dir[] = "/tmp/inotify-XXXXXX";

static const char *at(const char *name)
{
	static char buf[4][PATH_MAX];
	static int i;

	i = (i + 1) % 4;
	snprintf(buf[i], PATH_MAX, "%s/%s", dir, name);
	return buf[i];
}

static char queue[8192];
static int have, pos;

/* The next event must be this one. */
static struct inotify_event *expect(int wd, uint32_t mask, const char *name)
{
	struct inotify_event *ev;

	if (pos == have) {
		have = CHECK_OK(read(in, queue, sizeof(queue)));
		pos = 0;
	}
	ev = (struct inotify_event *)(queue + pos);
	pos += sizeof(*ev) + ev->len;
	if (ev->wd != wd || ev->mask != mask || strcmp(ev->len ? ev->name : "", name)) {
		fprintf(stderr, "got wd %d mask %#x name '%s', want wd %d mask %#x name '%s'\n", ev->wd, ev->mask,
			ev->len ? ev->name : "", wd, mask, name);
		exit(1);
	}
	CHECK_EQ(ev->len % 16, 0);
	return ev;
}

static void expect_none(void)
{
	CHECK_EQ(pos, have);
	CHECK_ERR(read(in, queue, sizeof(queue)), EAGAIN);
}

static void touch(const char *path)
{
	close(CHECK_OK(open(path, O_CREAT | O_WRONLY, 0600)));
}

static void directory(void)
{
	int wd = CHECK_OK(inotify_add_watch(in, dir, IN_ALL_EVENTS)), fd;
	struct pollfd p = {in, POLLIN, 0};
	uint32_t cookie;
	char c;
	int n;

	CHECK_EQ(inotify_add_watch(in, dir, IN_ALL_EVENTS), wd);
	CHECK_EQ(poll(&p, 1, 0), 0);
	fd = CHECK_OK(open(at("a"), O_CREAT | O_RDWR, 0600));
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_OK(ioctl(in, FIONREAD, &n));
	CHECK_EQ(n, 2 * 32);
	expect(wd, IN_CREATE, "a");
	expect(wd, IN_OPEN, "a");
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(write(fd, "y", 1), 1); /* equal events in a row are one */
	expect(wd, IN_MODIFY, "a");
	CHECK_EQ(pread(fd, &c, 1, 0), 1);
	expect(wd, IN_ACCESS, "a");
	CHECK_OK(ftruncate(fd, 0));
	expect(wd, IN_MODIFY, "a");
	CHECK_OK(fchmod(fd, 0644));
	expect(wd, IN_ATTRIB, "a");
	close(fd);
	expect(wd, IN_CLOSE_WRITE, "a");
	fd = CHECK_OK(open(at("a"), O_RDONLY));
	close(fd);
	expect(wd, IN_OPEN, "a");
	expect(wd, IN_CLOSE_NOWRITE, "a");
	CHECK_OK(rename(at("a"), at("b")));
	cookie = expect(wd, IN_MOVED_FROM, "a")->cookie;
	CHECK(cookie != 0);
	CHECK_EQ(expect(wd, IN_MOVED_TO, "b")->cookie, cookie);
	CHECK_OK(mkdir(at("d"), 0700));
	expect(wd, IN_CREATE | IN_ISDIR, "d");
	CHECK_OK(rmdir(at("d")));
	expect(wd, IN_DELETE | IN_ISDIR, "d");
	CHECK_OK(link(at("b"), at("hard")));
	expect(wd, IN_CREATE, "hard");
	CHECK_OK(symlink("b", at("soft")));
	expect(wd, IN_CREATE, "soft");
	CHECK_OK(unlink(at("soft")));
	expect(wd, IN_DELETE, "soft");
	CHECK_OK(unlink(at("hard")));
	expect(wd, IN_DELETE, "hard");
	CHECK_OK(unlink(at("b")));
	expect(wd, IN_DELETE, "b");
	expect_none();
	CHECK_OK(inotify_rm_watch(in, wd));
	expect(wd, IN_IGNORED, "");
	CHECK_ERR(inotify_rm_watch(in, wd), EINVAL);
	touch(at("later"));
	unlink(at("later"));
	expect_none();
}

static void file(void)
{
	int wd, fd;

	touch(at("f"));
	wd = CHECK_OK(inotify_add_watch(in, at("f"), IN_ALL_EVENTS));
	fd = CHECK_OK(open(at("f"), O_WRONLY));
	expect(wd, IN_OPEN, "");
	CHECK_OK(rename(at("f"), at("g")));
	expect(wd, IN_MOVE_SELF, "");
	CHECK_OK(unlink(at("g")));
	expect(wd, IN_ATTRIB, ""); /* one link less; still open */
	CHECK_EQ(write(fd, "x", 1), 1);
	expect(wd, IN_MODIFY, "");
	expect_none();
	close(fd);
	expect(wd, IN_CLOSE_WRITE, "");
	expect(wd, IN_DELETE_SELF, "");
	expect(wd, IN_IGNORED, "");
	expect_none();
	CHECK_ERR(inotify_rm_watch(in, wd), EINVAL);

	/*
	 * A directory that is moved does not say that it is one; its parent's watch hears first of what happens to it.
	 */
	CHECK_OK(mkdir(at("d1"), 0700));
	wd = CHECK_OK(inotify_add_watch(in, at("d1"), IN_MOVE_SELF | IN_ATTRIB));
	CHECK_OK(rename(at("d1"), at("d2")));
	expect(wd, IN_MOVE_SELF, "");
	const int up = CHECK_OK(inotify_add_watch(in, dir, IN_ATTRIB));
	CHECK_OK(chmod(at("d2"), 0711));
	expect(up, IN_ATTRIB | IN_ISDIR, "d2");
	expect(wd, IN_ATTRIB | IN_ISDIR, "");
	char info[64], text[512] = "", line[64];
	snprintf(info, sizeof(info), "/proc/self/fdinfo/%d", in);
	const int fdinfo = CHECK_OK(open(info, O_RDONLY));
	CHECK_OK(read(fdinfo, text, sizeof(text) - 1));
	close(fdinfo);
	snprintf(line, sizeof(line), "wd:%x ", wd);
	CHECK(strstr(text, line) && strstr(text, "mask:804 "));
	CHECK_OK(inotify_rm_watch(in, up));
	expect(up, IN_IGNORED, "");
	CHECK_OK(inotify_rm_watch(in, wd));
	expect(wd, IN_IGNORED, "");
	CHECK_OK(rmdir(at("d2")));

	/* A directory that goes itself. */
	CHECK_OK(mkdir(at("sub"), 0700));
	wd = CHECK_OK(inotify_add_watch(in, at("sub"), IN_ALL_EVENTS));
	CHECK_OK(rmdir(at("sub")));
	expect(wd, IN_DELETE_SELF, "");
	expect(wd, IN_IGNORED, "");
	expect_none();
}

static void masks(void)
{
	int wd;

	touch(at("m"));
	wd = CHECK_OK(inotify_add_watch(in, at("m"), IN_OPEN));
	CHECK_EQ(inotify_add_watch(in, at("m"), IN_CLOSE_NOWRITE | IN_MASK_ADD), wd);
	close(CHECK_OK(open(at("m"), O_RDONLY)));
	expect(wd, IN_OPEN, "");
	expect(wd, IN_CLOSE_NOWRITE, "");
	CHECK_ERR(inotify_add_watch(in, at("m"), IN_OPEN | IN_MASK_CREATE), EEXIST);
	CHECK_EQ(inotify_add_watch(in, at("m"), IN_MODIFY), wd);
	close(CHECK_OK(open(at("m"), O_RDONLY)));
	expect_none();
	CHECK_EQ(inotify_add_watch(in, at("m"), IN_OPEN | IN_ONESHOT), wd);
	close(CHECK_OK(open(at("m"), O_RDONLY)));
	expect(wd, IN_OPEN, "");
	expect(wd, IN_IGNORED, "");
	close(CHECK_OK(open(at("m"), O_RDONLY)));
	expect_none();
	CHECK_ERR(inotify_add_watch(in, at("m"), IN_OPEN | IN_ONLYDIR), ENOTDIR);
	CHECK_OK(symlink("m", at("s")));
	wd = CHECK_OK(inotify_add_watch(in, at("s"), IN_ALL_EVENTS | IN_DONT_FOLLOW));
	close(CHECK_OK(open(at("m"), O_RDONLY)));
	expect_none();
	CHECK_OK(unlink(at("s")));
	expect(wd, IN_ATTRIB, "");
	expect(wd, IN_DELETE_SELF, "");
	expect(wd, IN_IGNORED, "");
	/* A file without a name any more says nothing through its directory, if so asked. */
	wd = CHECK_OK(inotify_add_watch(in, dir, IN_MODIFY | IN_EXCL_UNLINK));
	int fd = CHECK_OK(open(at("m"), O_WRONLY));
	CHECK_EQ(write(fd, "x", 1), 1);
	expect(wd, IN_MODIFY, "m");
	CHECK_OK(unlink(at("m")));
	CHECK_EQ(write(fd, "x", 1), 1);
	close(fd);
	expect_none();
	CHECK_OK(inotify_rm_watch(in, wd));
	expect(wd, IN_IGNORED, "");
}

static void errors(void)
{
	char small[20];
	int wd, fd;

	CHECK_ERR(inotify_init1(1), EINVAL);
	CHECK_ERR(inotify_add_watch(in, dir, 0), EINVAL);
	CHECK_ERR(inotify_add_watch(in, dir, IN_MASK_ADD | IN_MASK_CREATE | IN_OPEN), EINVAL);
	CHECK_ERR(inotify_add_watch(in, at("nothing"), IN_OPEN), ENOENT);
	CHECK_ERR(inotify_add_watch(in, bad_ptr, IN_OPEN), EFAULT);
	CHECK_ERR(inotify_add_watch(999, dir, IN_OPEN), EBADF);
	CHECK_ERR(inotify_add_watch(1, dir, IN_OPEN), EINVAL);
	CHECK_ERR(inotify_rm_watch(1, 1), EINVAL);
	CHECK_ERR(inotify_rm_watch(in, 4711), EINVAL);
	fd = CHECK_OK(inotify_init());
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	close(fd);
	wd = CHECK_OK(inotify_add_watch(in, dir, IN_CREATE));
	touch(at("name"));
	CHECK_ERR(read(in, small, sizeof(small)), EINVAL); /* too small for one event */
	expect(wd, IN_CREATE, "name");
	unlink(at("name"));
	/* A set closed with watches and events. */
	touch(at("name"));
	unlink(at("name"));
}

/* A sleeping reader is woken. */
static void blocking(void)
{
	struct inotify_event ev[4];
	int wd;

	in = CHECK_OK(inotify_init1(IN_CLOEXEC));
	wd = CHECK_OK(inotify_add_watch(in, dir, IN_CREATE));
	if (!fork()) {
		usleep(30000);
		touch(at("x"));
		unlink(at("x"));
		_exit(0);
	}
	CHECK(read(in, ev, sizeof(ev)) >= 16);
	CHECK_EQ(ev[0].wd, wd);
	CHECK_EQ(wait_for(-1), 0);
	close(in);
}

int main(void)
{
	CHECK(mkdtemp(dir));
	in = CHECK_OK(inotify_init1(IN_NONBLOCK));
	directory();
	file();
	masks();
	errors();
	close(in);
	blocking();
	CHECK_OK(rmdir(dir));
	return 0;
}
