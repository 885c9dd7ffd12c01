/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random memory operations by several threads and processes for some seconds (argument, default 3), all content
 * checked.
 *
 * Each thread owns a slice of one mapping, so that what it finds there is known while the others change their parts of
 * the same address space at the same time. A page's first word tells its number, its generation, and whose it is.
 */
#include <pthread.h>
#include <time.h>

#include "mm.h"

#define SLICE 512 /* pages */
#define THREADS 4
#define FILE_PAGES 128

static volatile int stop;
static time_t end_time;
static pthread_barrier_t all_mapped; /* nobody makes holes before everybody has all the mappings it needs */

struct word {
	unsigned owner, page, generation, check;
};

static unsigned rnd(unsigned *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

static void put(char *page, unsigned owner, unsigned n, unsigned generation)
{
	*(struct word *)(void *)page = (struct word){owner, n, generation, owner ^ n * 31 ^ generation * 77};
	page[PAGE - 1] = (char)generation;
}

static void check(const char *page, unsigned owner, unsigned n, unsigned generation)
{
	const struct word *w = (const struct word *)(const void *)page;

	if (!generation) {
		CHECK(!w->owner && !w->page && !w->generation && !w->check && !page[PAGE - 1]);
		return;
	}
	CHECK_EQ(w->owner, owner);
	CHECK_EQ(w->page, n);
	CHECK_EQ(w->generation, generation);
	CHECK_EQ(w->check, owner ^ n * 31 ^ generation * 77);
	CHECK_EQ(page[PAGE - 1], (char)generation);
}

struct slice {
	char *p;
	unsigned owner, seed, serial;
	unsigned gen[SLICE]; /* 0: zero */
	char state[SLICE];   /* 0 unmapped, 1 none, 2 read, 3 write */
};

static void forked(struct slice *s)
{
	pid_t pid = fork();

	if (pid < 0) {
		CHECK_EQ(errno, EAGAIN);
		return;
	}
	if (!pid) {
		/* Only this thread is here: its slice is as it was. */
		for (unsigned k = 0; k < 40; k++) {
			unsigned i = rnd(&s->seed) % SLICE;

			if (s->state[i] >= 2)
				check(s->p + i * PAGE, s->owner, i, s->gen[i]);
			if (s->state[i] == 3) {
				put(s->p + i * PAGE, 99, i, 1000000 + k);
				check(s->p + i * PAGE, 99, i, 1000000 + k);
				s->state[i] = 1; /* not again */
			}
		}
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
}

/* Takes the pages elsewhere and back. */
static void moved(struct slice *s, unsigned from, unsigned n)
{
	char *p = s->p + from * PAGE, *q;

	for (unsigned i = from; i < from + n; i++)
		if (s->state[i] != s->state[from] || !s->state[i])
			return;
	q = mremap(p, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, s->p + (2 * SLICE) * PAGE);
	if (q == MAP_FAILED) {
		CHECK_EQ(errno, EFAULT); /* more than one vma after all */
		return;
	}
	for (unsigned i = 0; i < n; i++)
		if (s->state[from + i] >= 2)
			check(q + i * PAGE, s->owner, from + i, s->gen[from + i]);
	CHECK(mremap(q, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
}

static void step(struct slice *s)
{
	unsigned from = rnd(&s->seed) % SLICE, n = 1 + rnd(&s->seed) % (rnd(&s->seed) % 8 ? 8 : 100), i;
	static const int prot[] = {0, PROT_NONE, PROT_READ, RW};
	unsigned what = rnd(&s->seed) % 100, st;

	if (from + n > SLICE)
		n = SLICE - from;
	if (what < 55) {
		for (i = from; i < from + n; i++) {
			if (s->state[i] >= 2)
				check(s->p + i * PAGE, s->owner, i, s->gen[i]);
			if (s->state[i] == 3 && (rnd(&s->seed) & 1)) {
				s->gen[i] = ++s->serial;
				put(s->p + i * PAGE, s->owner, i, s->gen[i]);
			}
		}
	} else if (what < 70) {
		st = 1 + rnd(&s->seed) % 3;
		for (i = from; i < from + n && s->state[i]; i++)
			;
		if (i > from)
			CHECK_OK(mprotect(s->p + from * PAGE, (i - from) * PAGE, prot[st]));
		memset(s->state + from, (int)st, i - from);
	} else if (what < 78) {
		CHECK_OK(munmap(s->p + from * PAGE, n * PAGE));
		memset(s->state + from, 0, n);
		memset(s->gen + from, 0, n * sizeof(s->gen[0]));
	} else if (what < 88) {
		CHECK(mmap(s->p + from * PAGE, n * PAGE, RW, ANON | MAP_FIXED, -1, 0) == s->p + from * PAGE);
		memset(s->state + from, 3, n);
		memset(s->gen + from, 0, n * sizeof(s->gen[0]));
	} else if (what < 94) {
		for (i = from; i < from + n && s->state[i]; i++)
			;
		if (i > from)
			CHECK_OK(madvise(s->p + from * PAGE, (i - from) * PAGE, MADV_DONTNEED));
		memset(s->gen + from, 0, (i - from) * sizeof(s->gen[0]));
	} else if (what < 98) {
		moved(s, from, n);
	} else if (rnd(&s->seed) % 8 == 0) {
		forked(s);
	}
}

static void *slice_thread(void *arg)
{
	struct slice *s = arg;

	pthread_barrier_wait(&all_mapped);
	while (!stop && time(NULL) < end_time) {
		for (int i = 0; i < 200; i++)
			step(s);
	}
	for (unsigned i = 0; i < SLICE; i++)
		if (s->state[i] >= 2)
			check(s->p + i * PAGE, s->owner, i, s->gen[i]);
	return NULL;
}

/* A file written through one mapping and by write(), read through others, truncated and extended by the same thread. */
static void *file_thread(void *arg)
{
	unsigned seed = 1234, gen[FILE_PAGES] = {0}, serial = 0, size = FILE_PAGES;
	char *w, *r, *priv, buf[PAGE];
	int fd = test_file();

	CHECK_OK(ftruncate(fd, FILE_PAGES * PAGE));
	w = mmap(NULL, FILE_PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	r = mmap(NULL, FILE_PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	priv = mmap(NULL, FILE_PAGES * PAGE, RW, MAP_PRIVATE, fd, 0);
	CHECK(w != MAP_FAILED && r != MAP_FAILED && priv != MAP_FAILED);
	pthread_barrier_wait(&all_mapped);
	while (!stop && time(NULL) < end_time) {
		unsigned i = rnd(&seed) % FILE_PAGES, what = rnd(&seed) % 100;

		if (what < 80 && i >= size) {
			/* Beyond the end; only one thread in the process uses this file. */
			CHECK_EQ(pread(fd, buf, PAGE, i * (off_t)PAGE), 0);
		} else if (what < 25) {
			gen[i] = ++serial;
			put(w + i * PAGE, 7, i, gen[i]);
		} else if (what < 40) {
			memset(buf, 0, PAGE);
			gen[i] = ++serial;
			put(buf, 7, i, gen[i]);
			CHECK_EQ(pwrite(fd, buf, PAGE, i * (off_t)PAGE), (ssize_t)PAGE);
		} else if (what < 60) {
			check(r + i * PAGE, 7, i, gen[i]);
		} else if (what < 70) {
			CHECK_EQ(pread(fd, buf, PAGE, i * (off_t)PAGE), (ssize_t)PAGE);
			check(buf, 7, i, gen[i]);
		} else if (what < 80) {
			priv[i * PAGE + 100] = 1; /* must not show anywhere */
		} else if (what < 88) {
			CHECK_OK(madvise(priv, FILE_PAGES * PAGE, MADV_DONTNEED));
		} else if (what < 94) {
			CHECK_OK(msync(w + i * PAGE, PAGE, MS_SYNC));
		} else if (what < 97) {
			CHECK_OK(fsync(fd));
		} else {
			CHECK_OK(ftruncate(fd, (off_t)(i + 1) * (off_t)PAGE));
			for (unsigned k = i + 1; k < FILE_PAGES; k++)
				gen[k] = 0;
			size = i + 1;
			if (rnd(&seed) & 1) {
				CHECK_OK(ftruncate(fd, FILE_PAGES * PAGE));
				size = FILE_PAGES;
			}
		}
	}
	CHECK_OK(munmap(w, FILE_PAGES * PAGE));
	CHECK_OK(munmap(r, FILE_PAGES * PAGE));
	CHECK_OK(munmap(priv, FILE_PAGES * PAGE));
	close(fd);
	return NULL;
}

static int process(unsigned id)
{
	/* Per slice: the pages, room to move to, and some distance. */
	char *area = mmap(NULL, THREADS * 4 * SLICE * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	pthread_t t[THREADS + 1];
	struct slice *s = calloc(THREADS, sizeof(*s));

	CHECK(area != MAP_FAILED);
	CHECK(!pthread_barrier_init(&all_mapped, NULL, THREADS + 1));
	for (unsigned i = 0; i < THREADS; i++) {
		s[i].p = area + i * 4 * SLICE * PAGE;
		s[i].owner = id * 100 + i + 1;
		s[i].seed = s[i].owner * 7919;
		memset(s[i].state, 1, SLICE);
		CHECK(!pthread_create(&t[i], NULL, slice_thread, &s[i]));
	}
	CHECK(!pthread_create(&t[THREADS], NULL, file_thread, NULL));
	for (unsigned i = 0; i <= THREADS; i++)
		pthread_join(t[i], NULL);
	CHECK_OK(munmap(area, THREADS * 4 * SLICE * PAGE));
	free(s);
	return 0;
}

int main(int argc, char **argv)
{
	pid_t pid[2];

	end_time = time(NULL) + (argc > 1 ? atoi(argv[1]) : 3);
	for (unsigned i = 0; i < 2; i++) {
		pid[i] = (pid_t)CHECK_OK(fork());
		if (!pid[i])
			exit(process(i + 1));
	}
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(wait_for(pid[i]), 0);
	return 0;
}
