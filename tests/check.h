/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CHECK: an assertion that stays in every build and says what was false.
 */
#ifndef UMBRA_TESTS_CHECK_H
#define UMBRA_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s: not true: %s\n", __FILE__, __LINE__, __func__, #cond);             \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

#define CHECK_EQ(a, b)                                                                                                 \
	do {                                                                                                           \
		const long long check_a = (long long)(a), check_b = (long long)(b);                                    \
		if (check_a != check_b) {                                                                              \
			fprintf(stderr, "%s:%d: %s: %s is %lld, not %lld\n", __FILE__, __LINE__, __func__, #a,         \
				check_a, check_b);                                                                     \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

#endif
