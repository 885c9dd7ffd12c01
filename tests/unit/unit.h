/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For host unit tests: cmocka, and what its header wants to have seen before it.
 */
#ifndef UMBRA_TESTS_UNIT_H
#define UMBRA_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
