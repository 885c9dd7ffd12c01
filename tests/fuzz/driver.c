/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without a fuzzer: over the files named on the command line, or, as `target -n COUNT [SEED]`, over
 * random inputs that are mostly small numbers and mutate one another (enough to reach past the first checks).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX 8192

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* Either zeros or small numbers all over. */
static void restart(uint8_t *buf, uint64_t *s)
{
	static const uint8_t masks[] = {0, 1, 3, 0xf, 0x3f, 0xff};
	const uint8_t mask = masks[next_random(s) % sizeof(masks)];

	for (size_t i = 0; i < INPUT_MAX; i++)
		buf[i] = next_random(s) & (next_random(s) & 1 ? mask : 3) & mask;
}

static void mutate(uint8_t *buf, uint64_t *s)
{
	const unsigned int edits = 1 + next_random(s) % 32;

	for (unsigned int i = 0; i < edits; i++) {
		const uint64_t r = next_random(s);
		const size_t at = r % (INPUT_MAX - 8);
		const unsigned int width = 1u << ((r >> 32) & 3);
		uint64_t v = next_random(s);

		if (r >> 40 & 3)
			v &= (r >> 42 & 1) ? 0xf : 0xfff;
		/* Most of what matters is near the start. */
		memcpy(buf + ((r >> 43 & 1) ? at : at % 512) / width * width, &v, width);
	}
	if (next_random(s) % 16 == 0)
		restart(buf, s);
}

static int run_file(const char *path)
{
	static uint8_t buf[1 << 20];
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		return 1;
	}
	const size_t n = fread(buf, 1, sizeof(buf), f);

	fclose(f);
	LLVMFuzzerTestOneInput(buf, n);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "-n") == 0) {
		static uint8_t buf[INPUT_MAX];
		uint64_t s = 0x9e3779b97f4a7c15ull + (argc > 3 ? strtoull(argv[3], NULL, 0) : 0);

		for (long n = strtol(argv[2], NULL, 0); n > 0; n--) {
			mutate(buf, &s);
			LLVMFuzzerTestOneInput(buf, next_random(&s) % 16 ? INPUT_MAX : next_random(&s) % INPUT_MAX);
		}
		return 0;
	}
	for (int i = 1; i < argc; i++)
		if (run_file(argv[i]))
			return 1;
	return 0;
}
