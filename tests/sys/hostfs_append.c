/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log in a directory of the host's: several processes open it, append a line, close it; others ask for its size and
 * list the directory meanwhile. No line may be lost, the size never shrinks.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "sys.h"

#define WRITERS 3
#define ROUNDS 400
#define LINE 16

static void append_lines(int me)
{
	char line[LINE + 1];

	for (int round = 0; round < ROUNDS; round++) {
		const int fd = (int)CHECK_OK(open("log", O_WRONLY | O_APPEND | O_CREAT, 0644));

		snprintf(line, sizeof(line), "%02d %04d .......\n", me, round);
		CHECK_EQ(write(fd, line, LINE), LINE);
		CHECK_OK(close(fd));
	}
	exit(0);
}

static void watch(int how)
{
	off_t last = 0;
	struct stat st;

	for (;;) {
		if (how) {
			DIR *d = opendir(".");

			CHECK(d);
			while (readdir(d))
				;
			closedir(d);
		}
		if (stat("log", &st) == 0) {
			CHECK(st.st_size >= last);
			last = st.st_size;
		}
	}
}

int main(void)
{
	int next[WRITERS] = {0}, fd, who, round;
	char dir[] = "append-XXXXXX", line[LINE + 1] = {0};
	pid_t writer[WRITERS], watcher[2];

	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	for (int i = 0; i < 2; i++) {
		watcher[i] = (pid_t)CHECK_OK(fork());
		if (!watcher[i])
			watch(i);
	}
	for (int i = 0; i < WRITERS; i++) {
		writer[i] = (pid_t)CHECK_OK(fork());
		if (!writer[i])
			append_lines(i);
	}
	for (int i = 0; i < WRITERS; i++)
		CHECK_EQ(wait_for(writer[i]), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_OK(kill(watcher[i], SIGTERM)); /* one that found a smaller size has ended with 1 */
		CHECK_EQ(wait_for(watcher[i]), 128 + SIGTERM);
	}
	fd = (int)CHECK_OK(open("log", O_RDONLY));
	while (read(fd, line, LINE) == LINE) {
		CHECK_EQ(sscanf(line, "%d %d", &who, &round), 2);
		CHECK(who >= 0 && who < WRITERS);
		CHECK_EQ(round, next[who]);
		next[who]++;
	}
	for (int i = 0; i < WRITERS; i++)
		CHECK_EQ(next[i], ROUNDS);
	CHECK_OK(close(fd));
	CHECK_OK(unlink("log"));
	CHECK_OK(chdir(".."));
	CHECK_OK(rmdir(dir));
	return 0;
}
