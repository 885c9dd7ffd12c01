/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many processes and threads at once in one directory of the host's: creating, renaming, removing, listing, appending,
 * mapping. Each checks what nobody else may disturb; the rest must only not fail in ways that are not its own doing.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sys.h"

#define PROCESSES 6
#define ROUNDS 60

static char dir[100];

static void own_files(int me)
{
	char a[50], b[50], buf[9000], back[9000];

	snprintf(a, sizeof(a), "own%d.a", me);
	snprintf(b, sizeof(b), "own%d.b", me);
	for (int round = 0; round < ROUNDS; round++) {
		const size_t len = (size_t)(round * 151 + me);
		int fd = (int)CHECK_OK(open(a, O_RDWR | O_CREAT | O_EXCL, 0644));

		memset(buf, 'a' + (round + me) % 26, sizeof(buf));
		CHECK_EQ(write(fd, buf, len), (ssize_t)len);
		if (round % 3 == 0)
			CHECK_OK(fsync(fd));
		CHECK_OK(close(fd));
		CHECK_OK(rename(a, b));
		CHECK_ERR(open(a, O_RDONLY), ENOENT);
		fd = (int)CHECK_OK(open(b, O_RDONLY));
		CHECK_EQ(read(fd, back, sizeof(back)), (ssize_t)len);
		CHECK(!memcmp(buf, back, len));
		CHECK_OK(unlink(b));
		CHECK_OK(close(fd));
	}
}

/* One name that all fight for. */
static void shared_name(int me)
{
	for (int round = 0; round < ROUNDS; round++) {
		char mine[50], b[10];
		int fd;

		snprintf(mine, sizeof(mine), "fight.%d", me);
		fd = (int)CHECK_OK(open(mine, O_WRONLY | O_CREAT | O_TRUNC, 0644));
		CHECK_EQ(write(fd, "12345678", 8), 8);
		CHECK_OK(close(fd));
		CHECK_OK(rename(mine, "fight"));
		fd = open("fight", O_RDONLY);
		if (fd >= 0) {
			CHECK_EQ(read(fd, b, sizeof(b)), 8);
			CHECK_OK(close(fd));
		} else {
			CHECK_EQ(errno, ENOENT);
		}
		if (round % 5 == me % 5 && unlink("fight") < 0)
			CHECK_EQ(errno, ENOENT);
	}
}

static void appending(int me)
{
	const int fd = (int)CHECK_OK(open("log", O_WRONLY | O_APPEND | O_CREAT, 0644));
	char line[17];

	for (int round = 0; round < ROUNDS; round++) {
		snprintf(line, sizeof(line), "%02d %04d ........", me, round);
		line[15] = '\n';
		CHECK_EQ(write(fd, line, 16), 16);
	}
	CHECK_OK(close(fd));
}

static void listing(void)
{
	for (int round = 0; round < ROUNDS / 4; round++) {
		const struct dirent *e;
		DIR *d = opendir(".");
		struct stat st;
		int seen = 0;

		CHECK(d);
		while ((e = readdir(d))) {
			if (lstat(e->d_name, &st) < 0)
				CHECK_EQ(errno, ENOENT);
			seen += !strcmp(e->d_name, "map");
		}
		CHECK_EQ(seen, 1);
		CHECK_OK(closedir(d));
	}
}

static void *count_up(void *arg)
{
	unsigned int *counters = arg;

	for (int i = 0; i < 5000; i++)
		__atomic_add_fetch(&counters[i % 3 * 1024], 1, __ATOMIC_RELAXED);
	return NULL;
}

static void mapping(void)
{
	const int fd = (int)CHECK_OK(open("map", O_RDWR));
	unsigned int *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pthread_t t;

	CHECK(p != MAP_FAILED);
	CHECK_EQ(pthread_create(&t, NULL, count_up, p), 0);
	count_up(p);
	CHECK_OK(msync(p, 3 * 4096, MS_SYNC));
	pthread_join(t, NULL);
	CHECK_OK(munmap(p, 3 * 4096));
	CHECK_OK(close(fd));
}

static void child(int me)
{
	own_files(me);
	shared_name(me);
	appending(me);
	listing();
	mapping();
	exit(0);
}

static void check_log(void)
{
	int next[PROCESSES] = {0}, fd = (int)CHECK_OK(open("log", O_RDONLY)), total = 0, who, round;
	char line[17] = {0};

	while (read(fd, line, 16) == 16) {
		CHECK_EQ(sscanf(line, "%d %d", &who, &round), 2);
		CHECK(who >= 0 && who < PROCESSES);
		CHECK_EQ(round, next[who]);
		next[who]++;
		total++;
	}
	CHECK_EQ(total, PROCESSES * ROUNDS);
	CHECK_OK(close(fd));
}

int main(void)
{
	unsigned int sum = 0, v;
	pid_t pid[PROCESSES];
	int fd;

	strcpy(dir, "parallel-XXXXXX");
	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	fd = (int)CHECK_OK(open("map", O_RDWR | O_CREAT, 0644));
	CHECK_OK(ftruncate(fd, 3 * 4096));
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = (pid_t)CHECK_OK(fork());
		if (!pid[i])
			child(i);
	}
	for (int i = 0; i < PROCESSES; i++)
		CHECK_EQ(wait_for(pid[i]), 0);
	check_log();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pread(fd, &v, sizeof(v), i * 4096), (ssize_t)sizeof(v));
		sum += v;
	}
	CHECK_EQ(sum, PROCESSES * 10000);
	CHECK_OK(close(fd));
	unlink("fight");
	CHECK_OK(unlink("log"));
	CHECK_OK(unlink("map"));
	CHECK_OK(chdir(".."));
	CHECK_OK(rmdir(dir));
	return 0;
}
