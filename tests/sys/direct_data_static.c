/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program without an interpreter that maps another program's text, as a tool does that translates code (valgrind): to
 * it that text is data. It reads as the file says, and it runs, too.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sys.h"

__asm__(".text\n.balign 16\n.skip 16, 0xcc\nsite: mov $39, %eax\nsyscall\nret\n");
extern const char site[];

static void another_file(void)
{
	int self = (int)CHECK_OK(open("/proc/self/exe", O_RDONLY)),
	    fd = (int)CHECK_OK(open("copy", O_CREAT | O_RDWR, 0700));
	const size_t size = (size_t)CHECK_OK(lseek(self, 0, SEEK_END));
	char *wanted = malloc(size), *image;
	static const unsigned char code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
	size_t at;
	int calls = 0;

	CHECK(wanted);
	CHECK_EQ(pread(self, wanted, size, 0), (ssize_t)size);
	CHECK_EQ(pwrite(fd, wanted, size, 0), (ssize_t)size);
	CHECK_OK(fsync(fd));
	close(fd);
	fd = (int)CHECK_OK(open("copy", O_RDONLY));
	image = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK(image != MAP_FAILED);
	for (at = (uintptr_t)site % 4096; at + 7 < size; at += 4096) {
		if (!memcmp(wanted + at, code, sizeof(code))) {
			CHECK_EQ(((long (*)(void))(image + at))(), getpid());
			calls++;
		}
	}
	CHECK(calls > 0);
	for (at = 0; at < size; at++) {
		if (image[at] != wanted[at]) {
			fprintf(stderr, "byte %#zx of the text is %#x, not %#x\n", at, image[at], wanted[at]);
			exit(1);
		}
	}
	munmap(image, size);
	close(fd);
	close(self);
	unlink("copy");
	free(wanted);
}

int main(void)
{
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(((long (*)(void))(uintptr_t)site)(), getpid());
		another_file();
	}
	return 0;
}
