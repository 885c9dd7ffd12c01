/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System-call instructions in all the shapes that compilers and runtimes emit, and what a program may expect around
 * them: registers kept, text that reads as the file says where it is writable, its own GS base, the same page mapped
 * twice.
 */
#include <asm/prctl.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sys.h"

/* Sites in text of their own; each is long f(long arg). */
__asm__(".text\n.balign 4096\n.globl sites_start\nsites_start:\n"
	".skip 16, 0xcc\nsite_mov: mov $39, %eax\nsyscall\nret\n.balign 16\n"			/* getpid */
	".skip 8, 0xcc\nsite_xor: xor %eax, %eax\nsyscall\ncmp $-4096, %rax\nret\n.balign 16\n" /* read(fd, ...) */
	"site_lead: mov $14, %eax\nxor %edx, %edx\nmov $8, %r10d\nsyscall\nret\n.balign 16\n"	/* rt_sigprocmask */
	"site_stack: push %rdi\npush %rdi\nmov %rdi, %rax\nmov 0x8(%rsp), %r9\nsyscall\npop %rdi\npop "
	"%rdi\nret\n.balign 16\n"
	"site_r8: mov $39, %r8d\nmov %r8d, %eax\nsyscall\nret\n.balign 16\n" /* mov with a prefix: no site */
	"site_into: jmp 1f\nmov $110, %eax\n1: syscall\nret\n.balign 16\n"   /* a jump behind the mov */
	"site_inside: movabs $0x48050f00000027b8, %rax\nret\n.balign 16\n"   /* looks like one */
	"site_inside_xor: mov $0x050fc031, %eax\nret\n.balign 32\n"
	"site_join: test %edi, %edi\nmov $39, %eax\nje 1f\nmov $110, %eax\n1: mov %esi, %edx\nsyscall\nret\n.balign "
	"16\n"
	".balign 4096\n.skip 4090, 0x90\n"
	"site_border: mov $39, %eax\nsyscall\nret\n" /* ends in the next page */
	".balign 4096\n"
	".globl sites_end\nsites_end:\n");
extern char sites_start[], sites_end[], site_mov[], site_xor[], site_lead[], site_stack[], site_r8[], site_into[],
	site_inside[], site_inside_xor[], site_join[], site_border[];

static long call(const void *site, long rdi, long rsi, long rdx, long rax)
{
	register long r8 __asm__("r8") = 8, r9 __asm__("r9") = 9, r10 __asm__("r10") = 10;
	long rbx = 0x1234567, r12 = 0x7654321;

	__asm__ volatile("mov %[rbx], %%rbx; mov %[r12], %%r12; call *%[site]; mov %%rbx, %[rbx]; mov %%r12, %[r12]"
			 : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r8), "+r"(r9),
			   "+r"(r10), [rbx] "+m"(rbx), [r12] "+m"(r12)
			 : [site] "r"(site)
			 : "rcx", "r11", "rbx", "r12", "memory", "cc");
	CHECK_EQ(rbx, 0x1234567);
	CHECK_EQ(r12, 0x7654321);
	return rax;
}

static void shapes(void)
{
	int fds[2];
	char c = 0;

	CHECK_OK(pipe(fds));
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(call(site_mov, 0, 0, 0, 0), getpid());
		CHECK_EQ(write(fds[1], "x", 1), 1);
		CHECK_EQ(call(site_xor, fds[0], (long)&c, 1, 0), 1);
		CHECK_EQ(c, 'x');
		CHECK_EQ(call(site_lead, 0, 0, 5, 0), 0);
		CHECK_EQ(call(site_stack, SYS_getppid, 0, 0, 0), getppid());
		CHECK_EQ(call(site_r8, 0, 0, 0, 0), getpid());
		CHECK_EQ(call(site_into, 0, 0, 0, SYS_getpid), getpid());
		CHECK_EQ(call(site_inside, 0, 0, 0, 0), 0x48050f00000027b8);
		CHECK_EQ(call(site_inside_xor, 0, 0, 0, 0), 0x050fc031);
		CHECK_EQ(call(site_join, 0, 0, 0, 0), getpid());
		CHECK_EQ(call(site_join, 1, 0, 0, 0), getppid());
		CHECK_EQ(call(site_border, 0, 0, 0, 0), getpid());
	}
	close(fds[0]);
	close(fds[1]);
}

/* Text as data: a private writable copy of our own page must hold the original bytes. */
static void original_bytes(void)
{
	size_t size = (size_t)(sites_end - sites_start);
	unsigned char before[5], *p = (unsigned char *)site_mov;
	static const unsigned char mov[5] = {0xb8, 39, 0, 0, 0};

	CHECK_OK(mprotect(sites_start, size, PROT_READ | PROT_WRITE | PROT_EXEC));
	memcpy(before, p, 5);
	CHECK(!memcmp(before, mov, 5));
	p[1] = SYS_getppid; /* and may be changed */
	CHECK_EQ(call(site_mov, 0, 0, 0, 0), getppid());
	p[1] = SYS_getpid;
	CHECK(!memcmp(site_border, mov, 5));
	CHECK_OK(mprotect(sites_start, size, PROT_READ | PROT_EXEC));
	CHECK_EQ(call(site_mov, 0, 0, 0, 0), getpid());
}

static void mapped_twice(void)
{
	int fd = (int)CHECK_OK(open("/proc/self/exe", O_RDONLY));
	char *image, *at = NULL;

	image = mmap(NULL, 1 << 20, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK(image != MAP_FAILED);
	for (size_t i = (size_t)(site_mov - sites_start); i + 4096 <= 1 << 20 && !at; i += 4096) {
		unsigned char seen = 1;

		/* Not past the end of the file. */
		if (pread(fd, &seen, 1, (off_t)i) != 1)
			break;
		if (!memcmp(image + i + 5, "\x0f\x05\xc3", 3) && image[i] == (char)0xb8 && image[i + 1] == 39)
			at = image + i;
	}
	if (at) { /* not found when the copy shows patched bytes: then it is a site of its own */
		for (int i = 0; i < 3; i++) {
			CHECK_EQ(call(at, 0, 0, 0, 0), getpid());
			CHECK_EQ(call(site_mov, 0, 0, 0, 0), getpid());
		}
	}
	munmap(image, 1 << 20);
	close(fd);
}

static void *in_thread(void *arg)
{
	shapes();
	return arg;
}

static void own_gs_base(void)
{
	static uint64_t area[2] = {0x1122334455667788, 0};
	pthread_t other;
	uint64_t v;

	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, area), 0);
	for (int i = 0; i < 1000; i++) {
		shapes();
		__asm__ volatile("mov %%gs:0, %0" : "=r"(v));
		CHECK_EQ(v, area[0]);
	}
	CHECK_EQ(pthread_create(&other, NULL, in_thread, NULL), 0);
	CHECK_EQ(pthread_join(other, NULL), 0);
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &v), 0);
	CHECK_EQ(v, (uint64_t)area);
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, 0), 0);
	shapes();
}

static void in_children(void)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = (pid_t)CHECK_OK(fork());
		int status;

		if (!pid) {
			shapes();
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
}

/* Many calls from each site that can be patched: tests/cli/do.sh counts how many of them were trapped. */
static void many_calls(int count)
{
	for (int i = 0; i < count; i++) {
		CHECK_EQ(call(site_mov, 0, 0, 0, 0), getpid());
		CHECK_EQ(call(site_xor, -1, 0, 1, 0), -EBADF);
		CHECK_EQ(call(site_lead, 0, 0, 5, 0), 0);
		CHECK_EQ(call(site_stack, SYS_getppid, 0, 0, 0), getppid());
		CHECK_EQ(call(site_border, 0, 0, 0, 0), getpid());
	}
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		many_calls(atoi(argv[1]));
		return 0;
	}
	shapes();
	in_children();
	mapped_twice();
	original_bytes();
	in_children();
	own_gs_base();
	in_children();
	return 0;
}
