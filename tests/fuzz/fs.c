/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz entry for the FUSE server behind the ring: the input is a series of requests, each a byte of length and a byte
 * of room for the reply, then the request. Length, operation, node and a name are made plausible, the rest is as it
 * comes. The exports are one scratch directory: writable, read-only, shared.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fuzz.h"
#include "../check.h"
#include "../unit/fakevm.h"
#include "vmm/fs/internal.h"

#define RAM 0x10000

static char root[] = "/tmp/umbra-fs-fuzz-XXXXXX";

static void clean(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	if (system(cmd))
		perror(root);
}

static struct fs *server(struct vm *vm)
{
	const struct rlimit small_files = {1 << 20, 1 << 20};
	struct fs *fs;
	char path[64];

	fakevm_init(vm, RAM);
	CHECK_EQ(fs_new(&fs, vm), 0);
	CHECK(mkdtemp(root));
	atexit(clean);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small_files);
	snprintf(path, sizeof(path), "%s/a", root);
	close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644));
	CHECK_EQ(fs_export(fs, open(root, O_PATH | O_CLOEXEC), 0), 1);
	CHECK_EQ(fs_export(fs, open(root, O_PATH | O_CLOEXEC), FS_EXPORT_RO), 2);
	CHECK_EQ(fs_export(fs, open(root, O_PATH | O_CLOEXEC), FS_EXPORT_SHARED), 3);
	return fs;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vm vm;
	static struct fs *fs;
	static struct fs_req req;

	if (!fs)
		fs = server(&vm);
	req.fs = fs;
	for (size_t at = 0; at + 2 < size;) {
		const size_t room = (data[at + 1] + at) % 256 * 16u;
		size_t len = (data[at] + at) % 128 + sizeof(req.in);

		at += 2;
		if (len > size - at)
			len = size - at;
		memcpy(vm.ram, data + at, len);
		if (len >= sizeof(req.in)) {
			/*
			 * Spare the fuzzer the guess of what is checked first. Zeros give each operation once in a
			 * while.
			 */
			static const uint64_t nodes[8] = {1, 2, 3, 257, 258, 259, 260, UINT64_MAX};
			static const char names[8][8] = {"a", "b\0c", "c\0a", "user.x", "..", "a/b", "", "d\0..\0"};
			const uint32_t total = (uint32_t)len,
				       pick = (uint32_t)(data[at + 4] + at / 3) % (FUSE_OPCODE_LIMIT + 2),
				       op = pick < FUSE_OPCODE_LIMIT ? pick : UM_FUSE_LIST + pick - FUSE_OPCODE_LIMIT;
			const size_t name = sizeof(req.in) + (data[at + 5] + at / 5) % 8 * 8;

			memcpy(vm.ram, &total, 4);
			memcpy(vm.ram + 4, &op, 4);
			memcpy(vm.ram + 16, &nodes[(data[at + 16] + at / 7) % 8], 8);
			if (name + 8 <= len && data[at + 6] % 4 != 3)
				memcpy(vm.ram + name, names[data[at + 6] / 4 % 8], 8);
		}
		req.chain = (struct virtq_chain){.out_count = 1, .out_bytes = len, .iov = {{vm.ram, len}}};
		if (room) {
			req.chain.in_count = 1;
			req.chain.in_bytes = room;
			req.chain.iov[1] = (struct iovec){vm.ram + 0x8000, room};
		}
		fs_decode(&req);
		fs_handle(&req);
		CHECK(req.written <= room);
		at += len;
	}
	return 0;
}
