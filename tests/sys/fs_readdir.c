/* SPDX-License-Identifier: Apache-2.0 */
/* getdents64, getdents, readdir, seekdir: all entries once, small buffers, changes while reading, types and numbers. */
#include <sys/syscall.h>

#include "fsdir.h"

struct dirent64_k {
	unsigned long long d_ino;
	long long d_off;
	unsigned short d_reclen;
	unsigned char d_type;
	char d_name[];
};

static void fill(int n)
{
	char name[64];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "entry-%04d", i);
		make_file(name, "");
	}
}

/* Reads all with a buffer of this size; each of the first @n must come exactly once. */
static void read_all(int n, size_t size)
{
	char *buf = malloc(size), *seen = calloc(1, (size_t)n);
	int fd = (int)CHECK_OK(open(".", O_RDONLY)), dots = 0;
	long got;

	while ((got = CHECK_OK(syscall(SYS_getdents64, fd, buf, size))) > 0) {
		for (long at = 0; at < got;) {
			struct dirent64_k *e = (void *)(buf + at);
			int i;

			CHECK(e->d_reclen % 8 == 0);
			if (sscanf(e->d_name, "entry-%d", &i) == 1) {
				CHECK(i >= 0 && i < n && !seen[i]);
				CHECK(e->d_type == DT_REG || e->d_type == DT_UNKNOWN);
				seen[i] = 1;
			} else {
				CHECK(!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."));
				dots++;
			}
			at += e->d_reclen;
		}
	}
	CHECK_EQ(dots, 2);
	for (int i = 0; i < n; i++)
		CHECK(seen[i]);
	close(fd);
	free(buf);
	free(seen);
}

static void test_sizes(void)
{
	char buf[64];
	int fd;

	fill(500);
	read_all(500, 40);
	read_all(500, 300);
	read_all(500, 4096);
	read_all(500, 65536);
	fd = (int)CHECK_OK(open(".", O_RDONLY));
	CHECK_ERR(syscall(SYS_getdents64, fd, buf, 10), EINVAL);
	CHECK_ERR(syscall(SYS_getdents64, fd, 8, 4096), EFAULT);
	close(fd);
	CHECK_ERR(syscall(SYS_getdents64, fd, buf, 64), EBADF);
	fd = (int)CHECK_OK(open("entry-0000", O_RDONLY));
	CHECK_ERR(syscall(SYS_getdents64, fd, buf, 64), ENOTDIR);
	close(fd);
}

static void test_old(void)
{
	char buf[4096];
	int fd, n = 0;
	long got;

	fill(3);
	fd = (int)CHECK_OK(open(".", O_RDONLY));
	while ((got = CHECK_OK(syscall(SYS_getdents, fd, buf, sizeof(buf)))) > 0) {
		for (long at = 0; at < got; n++) {
			unsigned short len = *(unsigned short *)(void *)(buf + at + 16);

			CHECK(buf[at + len - 1] == DT_REG || buf[at + len - 1] == DT_DIR);
			at += len;
		}
	}
	CHECK_EQ(n, 5);
	close(fd);
}

static void test_seek(void)
{
	char first[256], second[256];
	struct dirent *e;
	long at;
	DIR *d;

	fill(50);
	d = opendir(".");
	CHECK(d);
	for (int i = 0; i < 10; i++)
		CHECK(readdir(d));
	at = telldir(d);
	e = readdir(d);
	CHECK(e);
	strcpy(first, e->d_name);
	for (int i = 0; i < 5; i++)
		CHECK(readdir(d));
	seekdir(d, at);
	e = readdir(d);
	CHECK(e);
	strcpy(second, e->d_name);
	CHECK(!strcmp(first, second));
	rewinddir(d);
	make_file("added", "");
	rewinddir(d);
	int n = 0;
	while (readdir(d))
		n++;
	CHECK_EQ(n, 53);
	closedir(d);
}

/* What rm -r does: remove while reading. */
static void test_remove_while_reading(void)
{
	struct dirent *e;
	int n = 0;
	DIR *d;

	fill(1000);
	d = opendir(".");
	CHECK(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		CHECK_OK(unlink(e->d_name));
		n++;
	}
	closedir(d);
	CHECK_EQ(n, 1000);
	CHECK_EQ(count_entries("."), 0);
}

static void test_types(void)
{
	struct dirent *e;
	struct stat st;
	DIR *d;

	make_file("file", "");
	CHECK_OK(mkdir("dir", 0755));
	CHECK_OK(symlink("file", "link"));
	CHECK_OK(mkfifo("fifo", 0600));
	d = opendir(".");
	CHECK(d);
	while ((e = readdir(d))) {
		CHECK_OK(lstat(e->d_name, &st));
		if (strcmp(e->d_name, ".."))
			CHECK_EQ(e->d_ino, st.st_ino);
		if (e->d_type != DT_UNKNOWN)
			CHECK_EQ(e->d_type, IFTODT(st.st_mode));
	}
	closedir(d);
}

int main(void)
{
	EVERYWHERE(test_sizes);
	EVERYWHERE(test_old);
	EVERYWHERE(test_seek);
	EVERYWHERE(test_remove_while_reading);
	EVERYWHERE(test_types);
	return 0;
}
