/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the current directory, which in a sandbox are the host's: content, sizes, times, names, what outlives its
 * name.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "sys.h"

static char dir[64];

static off_t size_of(const char *name)
{
	struct stat st;

	CHECK_OK(stat(name, &st));
	return st.st_size;
}

static void put(const char *name, const char *text)
{
	const int fd = (int)CHECK_OK(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644));

	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	CHECK_OK(close(fd));
}

static void expect(const char *name, const char *text)
{
	char buf[256] = {0};
	const int fd = (int)CHECK_OK(open(name, O_RDONLY));

	CHECK_EQ(read(fd, buf, sizeof(buf) - 1), (ssize_t)strlen(text));
	CHECK(!strcmp(buf, text));
	CHECK_OK(close(fd));
}

static void content(void)
{
	static char a[200000], b[sizeof(a) + 1];
	int fd = (int)CHECK_OK(open("c", O_RDWR | O_CREAT | O_EXCL, 0600)), fd2;

	for (size_t i = 0; i < sizeof(a); i++)
		a[i] = (char)(i * 13 + (i >> 9));
	CHECK_ERR(open("c", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_EQ(write(fd, a, sizeof(a)), (ssize_t)sizeof(a));
	CHECK_EQ(pread(fd, b, sizeof(b), 0), (ssize_t)sizeof(a));
	CHECK(!memcmp(a, b, sizeof(a)));
	fd2 = (int)CHECK_OK(open("c", O_RDONLY));
	CHECK_EQ(pread(fd2, b, 10, 100000), 10);
	CHECK(!memcmp(a + 100000, b, 10));
	CHECK_EQ(pread(fd2, b, 10, sizeof(a)), 0);
	CHECK_ERR(write(fd2, a, 1), EBADF);
	/* In the middle, unaligned; then beyond the end. */
	CHECK_EQ(pwrite(fd, "hello", 5, 4094), 5);
	CHECK_EQ(pread(fd2, b, 7, 4093), 7);
	CHECK(b[0] == a[4093] && !memcmp(b + 1, "hello", 5) && b[6] == a[4099]);
	CHECK_EQ(pwrite(fd, "end", 3, 300000), 3);
	CHECK_EQ(size_of("c"), 300003);
	CHECK_EQ(pread(fd2, b, 4, 299999), 4);
	CHECK(!memcmp(b, "\0end", 4));
	/* Shorter, longer: what comes back is zero. */
	CHECK_OK(ftruncate(fd, 4097));
	CHECK_OK(ftruncate(fd, 8192));
	CHECK_EQ(pread(fd2, b, 10000, 0), 8192);
	CHECK(b[4096] == 'l' && b[4097] == 0 && b[8191] == 0);
	CHECK_OK(truncate("c", 3));
	CHECK_EQ(size_of("c"), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 3);
	CHECK_OK(close(fd));
	CHECK_OK(close(fd2));
	fd = (int)CHECK_OK(open("c", O_WRONLY | O_APPEND));
	CHECK_EQ(write(fd, "xyz", 3), 3);
	CHECK_OK(lseek(fd, 0, SEEK_SET));
	CHECK_EQ(write(fd, "uvw", 3), 3);
	CHECK_OK(close(fd));
	CHECK_EQ(size_of("c"), 9);
	fd = (int)CHECK_OK(open("c", O_RDONLY));
	CHECK_EQ(pread(fd, b, 100, 3), 6);
	CHECK(!memcmp(b, "xyzuvw", 6));
	CHECK_OK(close(fd));
	put("c", "new");
	expect("c", "new");
	CHECK_OK(unlink("c"));
	CHECK_ERR(open("c", O_RDONLY), ENOENT);
}

static void holes(void)
{
	const int fd = (int)CHECK_OK(open("holes", O_RDWR | O_CREAT, 0644));
	struct stat st;
	char b[10];

	CHECK_OK(ftruncate(fd, 1 << 20));
	CHECK_EQ(pwrite(fd, "data", 4, 512 << 10), 4);
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 512 << 10);
	CHECK_EQ(lseek(fd, 512 << 10, SEEK_HOLE) > (512 << 10), 1);
	CHECK_ERR(lseek(fd, 1 << 20, SEEK_DATA), ENXIO);
	CHECK_OK(fallocate(fd, 0, 0, 2 << 20));
	CHECK_EQ(size_of("holes"), 2 << 20);
	CHECK_OK(fstat(fd, &st));
	CHECK(st.st_blocks * 512 >= 2 << 20);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 512 << 10, 4096) == 0) {
		CHECK_EQ(pread(fd, b, 4, 512 << 10), 4);
		CHECK(!memcmp(b, "\0\0\0\0", 4));
	}
	CHECK_OK(close(fd));
	CHECK_OK(unlink("holes"));
}

static void names(void)
{
	struct stat a, b;
	char target[100];

	put("one", "1");
	put("two", "2");
	CHECK_OK(stat("one", &a));
	CHECK_OK(rename("one", "two"));
	CHECK_OK(stat("two", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_ERR(stat("one", &b), ENOENT);
	CHECK_OK(link("two", "three"));
	CHECK_OK(stat("three", &b));
	CHECK_EQ(b.st_nlink, 2);
	CHECK_EQ(b.st_ino, a.st_ino);
	put("three", "33");
	expect("two", "33");
	CHECK_OK(unlink("two"));
	CHECK_OK(stat("three", &b));
	CHECK_EQ(b.st_nlink, 1);
	CHECK_OK(symlink("three", "link"));
	CHECK_EQ(readlink("link", target, sizeof(target)), 5);
	CHECK(!memcmp(target, "three", 5));
	expect("link", "33");
	CHECK_OK(lstat("link", &b));
	CHECK(S_ISLNK(b.st_mode) && b.st_size == 5);
	CHECK_ERR(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERR(link("three", "link"), EEXIST);
	CHECK_OK(mkdir("d", 0750));
	CHECK_ERR(mkdir("d", 0750), EEXIST);
	CHECK_OK(stat("d", &b));
	CHECK_EQ(b.st_mode, S_IFDIR | 0750);
	CHECK_OK(rename("three", "d/three"));
	CHECK_ERR(rmdir("d"), ENOTEMPTY);
	CHECK_ERR(unlink("d"), EISDIR);
	CHECK_ERR(rmdir("d/three"), ENOTDIR);
	CHECK_ERR(open("d/three/x", O_RDONLY), ENOTDIR);
	CHECK_OK(renameat2(AT_FDCWD, "d/three", AT_FDCWD, "link", RENAME_EXCHANGE));
	CHECK_OK(lstat("d/three", &b));
	CHECK(S_ISLNK(b.st_mode));
	expect("link", "33");
	CHECK_ERR(renameat2(AT_FDCWD, "link", AT_FDCWD, "d/three", RENAME_NOREPLACE), EEXIST);
	CHECK_OK(unlink("d/three"));
	CHECK_OK(unlink("link"));
	CHECK_OK(rmdir("d"));
	CHECK_ERR(stat("d", &b), ENOENT);
	memset(target, 'n', sizeof(target));
	CHECK_ERR(open("", O_RDONLY), ENOENT);
	char longname[300];

	memset(longname, 'n', sizeof(longname));
	longname[255] = 0;
	put(longname, "x");
	CHECK_OK(unlink(longname));
	longname[255] = 'n';
	longname[256] = 0;
	CHECK_ERR(open(longname, O_CREAT | O_WRONLY, 0644), ENAMETOOLONG);
	CHECK_OK(mkfifo("fifo", 0600));
	CHECK_OK(stat("fifo", &b));
	CHECK(S_ISFIFO(b.st_mode));
	CHECK_OK(unlink("fifo"));
}

/* What is open lives on without a name, whether or not it has been read before. */
static void unlinked(void)
{
	char b[10];
	struct stat st;
	int fd, fd2;

	put("gone", "still here");
	fd = (int)CHECK_OK(open("gone", O_RDONLY));
	CHECK_OK(unlink("gone"));
	CHECK_EQ(read(fd, b, 10), 10);
	CHECK(!memcmp(b, "still here", 10));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_OK(close(fd));

	put("over", "old");
	put("new", "new");
	fd = (int)CHECK_OK(open("over", O_RDONLY));
	CHECK_OK(rename("new", "over"));
	CHECK_EQ(read(fd, b, 10), 3);
	CHECK(!memcmp(b, "old", 3));
	CHECK_OK(close(fd));
	expect("over", "new");
	CHECK_OK(unlink("over"));

	fd = (int)CHECK_OK(open("tmp", O_RDWR | O_CREAT | O_EXCL, 0600));
	fd2 = (int)CHECK_OK(open("tmp", O_RDONLY));
	CHECK_OK(unlink("tmp"));
	CHECK_EQ(write(fd, "temporary", 9), 9);
	CHECK_OK(close(fd));
	CHECK_EQ(read(fd2, b, 10), 9);
	CHECK_OK(close(fd2));

	CHECK_OK(mkdir("cwd", 0755));
	CHECK_OK(chdir("cwd"));
	CHECK_OK(rmdir("../cwd"));
	CHECK_ERR(open("x", O_CREAT | O_WRONLY, 0644), ENOENT);
	CHECK_OK(chdir("/"));
	CHECK_OK(chdir(dir));
}

static void attributes(void)
{
	const struct timespec ts[2] = {{1000, 1}, {2000, 2}};
	struct stat st, before;
	struct statfs sfs;
	int fd;

	put("a", "attributes");
	CHECK_OK(chmod("a", 0640));
	CHECK_OK(stat("a", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	CHECK_OK(utimensat(AT_FDCWD, "a", ts, 0));
	CHECK_OK(stat("a", &st));
	CHECK_EQ(st.st_atim.tv_sec, 1000);
	CHECK_EQ(st.st_mtim.tv_sec, 2000);
	CHECK_EQ(st.st_mtim.tv_nsec, 2);
	/* Times that are set stay, even when data written before is still on its way. */
	fd = (int)CHECK_OK(open("a", O_RDWR));
	CHECK_EQ(write(fd, "A", 1), 1);
	CHECK_OK(futimens(fd, ts));
	CHECK_OK(close(fd));
	CHECK_OK(stat("a", &st));
	CHECK_EQ(st.st_mtim.tv_sec, 2000);
	/* Writing and truncating make it new. */
	before = st;
	fd = (int)CHECK_OK(open("a", O_WRONLY));
	CHECK_EQ(write(fd, "B", 1), 1);
	CHECK_OK(close(fd));
	CHECK_OK(stat("a", &st));
	CHECK(st.st_mtim.tv_sec > before.st_mtim.tv_sec);
	CHECK_OK(utimensat(AT_FDCWD, "a", ts, 0));
	CHECK_OK(truncate("a", 1));
	CHECK_OK(stat("a", &st));
	CHECK(st.st_mtim.tv_sec > 2000 && st.st_size == 1);
	if (geteuid() == 0 && chown("a", 12, 34) == 0) {
		CHECK_OK(stat("a", &st));
		CHECK(st.st_uid == 12 && st.st_gid == 34);
	}
	CHECK_OK(statfs("a", &sfs));
	CHECK(sfs.f_blocks > 0 && sfs.f_namelen >= 255);
	if (setxattr("a", "user.test", "value", 5, 0) == 0) {
		char b[10];

		CHECK_EQ(getxattr("a", "user.test", b, sizeof(b)), 5);
		CHECK_EQ(getxattr("a", "user.test", NULL, 0), 5);
		CHECK_ERR(getxattr("a", "user.test", b, 2), ERANGE);
		CHECK_ERR(setxattr("a", "user.test", "x", 1, XATTR_CREATE), EEXIST);
		CHECK_EQ(listxattr("a", b, sizeof(b)), 10);
		CHECK_OK(removexattr("a", "user.test"));
		CHECK_ERR(getxattr("a", "user.test", b, sizeof(b)), ENODATA);
	}
	CHECK_OK(unlink("a"));
}

static int count_entries(DIR *d)
{
	const struct dirent *e;
	int n = 0;

	while ((e = readdir(d)))
		n += e->d_name[0] == 'e';
	return n;
}

static void listing(void)
{
	char name[20];
	struct stat st;
	DIR *d;
	long at;

	CHECK_OK(mkdir("list", 0755));
	for (int i = 0; i < 700; i++) {
		snprintf(name, sizeof(name), "list/e%d", i);
		put(name, "");
	}
	d = opendir("list");
	CHECK(d);
	CHECK_EQ(count_entries(d), 700);
	CHECK(!readdir(d));
	rewinddir(d);
	for (int i = 0; i < 100; i++)
		CHECK(readdir(d));
	at = telldir(d);
	const struct dirent *e = readdir(d);

	CHECK(e);
	snprintf(name, sizeof(name), "%.19s", e->d_name);
	CHECK_EQ(count_entries(d) >= 598, 1);
	seekdir(d, at);
	e = readdir(d);
	CHECK(e && !strcmp(e->d_name, name));
	/* What is removed is gone at once, what is new is there. */
	CHECK_OK(unlink("list/e77"));
	CHECK_ERR(stat("list/e77", &st), ENOENT);
	put("list/e1000", "x");
	rewinddir(d);
	CHECK_EQ(count_entries(d), 700);
	CHECK_OK(closedir(d));
	CHECK_OK(unlink("list/e1000"));
	/* Remove while listing, as rm -r does. */
	d = opendir("list");
	while ((e = readdir(d)))
		if (e->d_name[0] == 'e') {
			snprintf(name, sizeof(name), "list/%.10s", e->d_name);
			CHECK_OK(unlink(name));
		}
	CHECK_OK(closedir(d));
	CHECK_OK(rmdir("list"));
}

/* Shared mappings and write() see each other; what a mapping wrote is in the file when it is read afresh. */
static void mapped(void)
{
	const int fd = (int)CHECK_OK(open("map", O_RDWR | O_CREAT, 0644));
	char *p, b[10];

	CHECK_OK(ftruncate(fd, 3 * 4096 + 10));
	p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	strcpy(p + 4096, "mapped");
	CHECK_EQ(pread(fd, b, 6, 4096), 6);
	CHECK(!memcmp(b, "mapped", 6));
	CHECK_EQ(pwrite(fd, "written", 7, 8192), 7);
	CHECK(!memcmp(p + 8192, "written", 7));
	CHECK_OK(close(fd));
	strcpy(p + 3 * 4096, "tail");
	CHECK_OK(munmap(p, 4 * 4096));
	const int again = (int)CHECK_OK(open("map", O_RDONLY | O_DIRECT));

	CHECK_EQ(size_of("map"), 3 * 4096 + 10);
	CHECK_OK(close(again));
	const int fd2 = (int)CHECK_OK(open("map", O_RDONLY));

	CHECK_EQ(pread(fd2, b, 10, 3 * 4096), 10);
	CHECK(!memcmp(b, "tail", 5));
	CHECK_OK(close(fd2));
	CHECK_OK(unlink("map"));
}

int main(void)
{
	char cmd[100];

	strcpy(dir, "hostfs-XXXXXX");
	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	CHECK(getcwd(dir, sizeof(dir)));
	umask(022);
	content();
	holes();
	names();
	unlinked();
	attributes();
	listing();
	mapped();
	CHECK_OK(chdir("/"));
	snprintf(cmd, sizeof(cmd), "%s", dir);
	CHECK_OK(rmdir(cmd));
	return 0;
}
