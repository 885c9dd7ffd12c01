/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a pipe again through /proc/self/fd: no waiting for a partner, end of file when there is no writer. */
#include <fcntl.h>

#include "sys.h"

int main(void)
{
	char name[64], c;
	int p[2], again;

	CHECK_OK(pipe(p));
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_OK(close(p[1]));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p[0]);
	again = (int)CHECK_OK(open(name, O_RDONLY));
	CHECK_EQ(read(again, &c, 1), 1);
	CHECK_EQ(c, 'x');
	CHECK_EQ(read(again, &c, 1), 0);
	CHECK_OK(close(p[0]));

	/* A new writer brings it back to life. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", again);
	p[1] = (int)CHECK_OK(open(name, O_WRONLY));
	CHECK_EQ(write(p[1], "y", 1), 1);
	CHECK_EQ(read(again, &c, 1), 1);
	CHECK_EQ(c, 'y');
	return 0;
}
