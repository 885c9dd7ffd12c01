/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry every fuzz target defines, in the form libFuzzer and AFL++ expect. With gcc alone, driver.c calls it.
 */
#ifndef UMBRA_TESTS_FUZZ_H
#define UMBRA_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
