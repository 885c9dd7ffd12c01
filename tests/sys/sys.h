/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the system-call tests: CHECK and CHECK_EQ (which end the program), errors by name, and SKIP for hosts that lack
 * something.
 */
#ifndef UMBRA_TESTS_SYS_H
#define UMBRA_TESTS_SYS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"

/* The call must fail with this error. */
#define CHECK_ERR(call, error)                                                                                         \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		const long long check_r = (long long)(call);                                                           \
		if (check_r != -1 || errno != (error)) {                                                               \
			fprintf(stderr, "%s:%d: %s: %s gave %lld, errno %d (%s), not %s\n", __FILE__, __LINE__,        \
				__func__, #call, check_r, errno, strerror(errno), #error);                             \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

/* The call must not fail; its value is in the expression's place. */
#define CHECK_OK(call)                                                                                                 \
	({                                                                                                             \
		errno = 0;                                                                                             \
		const long long check_r = (long long)(call);                                                           \
		if (check_r == -1) {                                                                                   \
			fprintf(stderr, "%s:%d: %s: %s failed: %s\n", __FILE__, __LINE__, __func__, #call,             \
				strerror(errno));                                                                      \
			exit(1);                                                                                       \
		}                                                                                                      \
		check_r;                                                                                               \
	})

/* An address no program can use; the compiler knows nothing of it. */
static void *volatile bad_ptr __attribute__((unused)) = (void *)8;

/* A string where a call wants a pointer that is not const, but does not write. */
#define TEXT(s) ((void *)(unsigned long)(s))

#define SKIP(why)                                                                                                      \
	do {                                                                                                           \
		printf("%s\n", why);                                                                                   \
		exit(77);                                                                                              \
	} while (0)

/* Waits for @pid and returns its exit status; a death by signal is 128 + the signal. */
static inline int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			perror("waitpid");
			exit(1);
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs fn() in a child: for what a process cannot take back. */
static inline void in_child(void (*fn)(void))
{
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		fn();
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
}

/* A child that waits for signals. */
static inline pid_t sleeping_child(void)
{
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		for (;;)
			pause();
	}
	return pid;
}

#endif
