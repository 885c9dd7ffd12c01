/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes under load: many writers whose writes of at most PIPE_BUF must not mix, many readers that must see each byte
 * once, ping-pong, close while others sleep.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "sys.h"

#define WRITERS 4
#define RECORDS 400

/* A record: its length, its writer, then that many times the writer's byte. */
static void writer(int fd, int id)
{
	unsigned char rec[PIPE_BUF];
	unsigned int seed = id;

	for (int i = 0; i < RECORDS; i++) {
		uint16_t len = 3 + rand_r(&seed) % (PIPE_BUF - 3);

		memcpy(rec, &len, 2);
		memset(rec + 2, id, len - 2);
		CHECK_EQ(write(fd, rec, len), len);
	}
}

static void read_full(int fd, void *buf, size_t n)
{
	while (n) {
		ssize_t got = read(fd, buf, n);

		CHECK(got > 0);
		buf = (char *)buf + got;
		n -= got;
	}
}

static void records(void)
{
	unsigned char rec[PIPE_BUF];
	int p[2], counts[WRITERS + 1] = {0};

	CHECK_OK(pipe(p));
	for (int i = 1; i <= WRITERS; i++) {
		if (!fork()) {
			close(p[0]);
			writer(p[1], i);
			_exit(0);
		}
	}
	close(p[1]);
	for (int i = 0; i < WRITERS * RECORDS; i++) {
		uint16_t len;

		read_full(p[0], &len, 2);
		CHECK(len >= 3 && len <= PIPE_BUF);
		read_full(p[0], rec, len - 2);
		CHECK(rec[0] >= 1 && rec[0] <= WRITERS);
		for (int k = 1; k < len - 2; k++)
			CHECK(rec[k] == rec[0]);
		counts[rec[0]]++;
	}
	CHECK_EQ(read(p[0], rec, 1), 0);
	for (int i = 1; i <= WRITERS; i++) {
		CHECK_EQ(counts[i], RECORDS);
		CHECK_EQ(wait_for(-1), 0);
	}
	close(p[0]);
}

static int shared_pipe[2];

static void *sum_reader(void *arg)
{
	long sum = 0;
	unsigned char c;

	while (read(shared_pipe[0], &c, 1) == 1)
		sum += c;
	return (void *)sum;
}

/* Many readers: no byte is lost or doubled, and all of them see the end. */
static void readers(void)
{
	pthread_t t[4];
	long want = 0, sum = 0;

	CHECK_OK(pipe(shared_pipe));
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, sum_reader, NULL);
	for (int i = 0; i < 20000; i++) {
		unsigned char c = i * 7;

		want += c;
		CHECK_EQ(write(shared_pipe[1], &c, 1), 1);
	}
	close(shared_pipe[1]);
	for (int i = 0; i < 4; i++) {
		void *r;

		pthread_join(t[i], &r);
		sum += (long)r;
	}
	CHECK_EQ(sum, want);
	close(shared_pipe[0]);
}

static void ping_pong(void)
{
	int a[2], b[2];
	char c = 0;

	CHECK_OK(pipe(a));
	CHECK_OK(pipe(b));
	if (!fork()) {
		close(a[1]);
		while (read(a[0], &c, 1) == 1) {
			c++;
			CHECK_EQ(write(b[1], &c, 1), 1);
		}
		_exit(0);
	}
	close(a[0]);
	for (int i = 0; i < 5000; i++) {
		char want = c + 1;

		CHECK_EQ(write(a[1], &c, 1), 1);
		CHECK_EQ(read(b[0], &c, 1), 1);
		CHECK_EQ(c, want);
	}
	close(a[1]);
	CHECK_EQ(wait_for(-1), 0);
	close(b[0]);
	close(b[1]);
}

/* The last writer goes while a reader sleeps; the last reader goes while a writer sleeps. */
static void close_under(void)
{
	static char big[100000];
	char c;
	int p[2];

	for (int i = 0; i < 50; i++) {
		CHECK_OK(pipe(p));
		if (!fork()) {
			close(p[0]);
			if (i % 2)
				usleep(1000);
			_exit(0);
		}
		close(p[1]);
		CHECK_EQ(read(p[0], &c, 1), 0);
		close(p[0]);
		CHECK_EQ(wait_for(-1), 0);

		CHECK_OK(pipe(p));
		if (!fork()) {
			close(p[1]);
			if (i % 2)
				usleep(1000);
			_exit(0);
		}
		close(p[0]);
		while (write(p[1], big, sizeof(big)) > 0)
			;
		CHECK_EQ(errno, EPIPE);
		close(p[1]);
		CHECK_EQ(wait_for(-1), 0);
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	records();
	readers();
	ping_pong();
	close_under();
	return 0;
}
