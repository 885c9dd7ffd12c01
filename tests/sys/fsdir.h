/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a test in a fresh directory on each kind of file system that a sandbox has: the current directory (the host's
 * files), /tmp (memory), /var/tmp (memory over the host's files).
 */
#ifndef UMBRA_TESTS_FSDIR_H
#define UMBRA_TESTS_FSDIR_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>

#include "sys.h"

static inline int fsdir_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void everywhere(const char *name, void (*test)(void))
{
	static const char *const bases[] = {".", "/tmp", "/var/tmp"};

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		char dir[PATH_MAX], full[PATH_MAX];
		int status;
		pid_t pid;

		snprintf(dir, sizeof(dir), "%s/umbra-test-XXXXXX", bases[i]);
		if (!mkdtemp(dir)) {
			fprintf(stderr, "mkdtemp %s: %s\n", dir, strerror(errno));
			exit(1);
		}
		CHECK(realpath(dir, full));
		chmod(full, 0755);
		pid = fork();
		if (pid == 0) {
			CHECK_OK(chdir(full));
			test();
			exit(0);
		}
		status = wait_for(pid);
		nftw(full, fsdir_remove, 32, FTW_DEPTH | FTW_PHYS);
		if (status) {
			fprintf(stderr, "%s in %s: status %d\n", name, bases[i], status);
			exit(status);
		}
	}
}
#define EVERYWHERE(test) everywhere(#test, test)

/* A file of this content. */
static inline void make_file(const char *name, const char *text)
{
	int fd = (int)CHECK_OK(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644));

	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	CHECK_OK(close(fd));
}

/* Its content as a string. */
static inline const char *file_text(const char *name)
{
	static char buf[65536];
	int fd = (int)CHECK_OK(open(name, O_RDONLY));
	size_t n = 0;
	ssize_t r;

	while ((r = read(fd, buf + n, sizeof(buf) - 1 - n)) > 0)
		n += (size_t)r;
	CHECK(r == 0);
	buf[n] = 0;
	close(fd);
	return buf;
}

#define CHECK_TEXT(name, text)                                                                                         \
	do {                                                                                                           \
		const char *check_t = file_text(name);                                                                 \
		if (strcmp(check_t, text)) {                                                                           \
			fprintf(stderr, "%s:%d: %s: %s has \"%.200s\", not \"%s\"\n", __FILE__, __LINE__, __func__,    \
				name, check_t, text);                                                                  \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static inline int exists(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

/* How many entries a directory lists, without the dots. */
static inline int count_entries(const char *name)
{
	DIR *d = opendir(name);
	struct dirent *e;
	int n = 0;

	CHECK(d);
	while ((e = readdir(d)))
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(d);
	return n;
}

#endif
