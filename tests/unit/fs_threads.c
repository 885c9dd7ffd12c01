/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file server's workers among themselves: many random requests in flight over a few names and nodes, under
 * ThreadSanitizer. Requests may fail, replies may not be malformed, and in the end nothing is left but the roots.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "unit.h"
#include "fakevm.h"
#include "vmm/backend/backend.h"
#include "vmm/fs/internal.h"

#define RAM (1u << 20)
#define SLOTS 16
#define SLOT_BYTES 16384
#define SLOTS_GPA 0x40000
#define REQUESTS 15000
#define NODES 32

struct test {
	struct vm vm; /* first: see interrupt() */
	struct backend backend;
	struct fs *fs;
	struct um_boot_queue q, hq;
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	uint16_t seen;
	uint64_t rng;
	/* What replies told us: guesses for later requests. */
	uint64_t node[NODES], fh[NODES];
	uint64_t nlookup[4096]; /* by node id: what we have to forget */
	uint32_t opcode[SLOTS];
	uint64_t of_node[SLOTS];
	bool busy[SLOTS];
	unsigned int succeeded;
};

static void interrupt(struct vm *vm, unsigned int vcpu, uint64_t pending)
{
}

static uint64_t next_random(struct test *t)
{
	t->rng ^= t->rng << 13;
	t->rng ^= t->rng >> 7;
	t->rng ^= t->rng << 17;
	return t->rng;
}

static const uint32_t opcodes[] = {
	FUSE_LOOKUP, FUSE_LOOKUP,  FUSE_LOOKUP,	 FUSE_GETATTR, FUSE_CREATE,	  FUSE_MKDIR,
	FUSE_UNLINK, FUSE_RMDIR,   FUSE_RENAME2, FUSE_LINK,    FUSE_OPEN,	  FUSE_READ,
	FUSE_WRITE,  FUSE_RELEASE, FUSE_OPENDIR, FUSE_READDIR, UM_FUSE_LIST,	  FUSE_SETLK,
	FUSE_FLUSH,  FUSE_STATFS,  FUSE_FSYNC,	 FUSE_FORGET,  UM_FUSE_OPEN_READ,
};

static uint64_t some_node(struct test *t)
{
	const uint64_t id = next_random(t) % 3 ? t->node[next_random(t) % NODES] : 0;

	return id ? id : 1;
}

/* Puts a random request into @slot and offers it. */
static void post(struct test *t, unsigned int slot)
{
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	uint8_t *request = t->vm.ram + SLOTS_GPA + slot * SLOT_BYTES, *args = request + sizeof(struct fuse_in_header);
	struct fuse_in_header in = {
		.opcode = opcodes[next_random(t) % (sizeof(opcodes) / 4)], .unique = slot + 1, .nodeid = some_node(t)};
	size_t len = 0;
	const uint64_t fh = t->fh[next_random(t) % NODES];

	memset(args, 0, 256);
	switch (in.opcode) {
	case FUSE_CREATE:
		*(struct fuse_create_in *)(void *)args = (struct fuse_create_in){.flags = O_RDWR, .mode = 0644};
		len = sizeof(struct fuse_create_in);
		break;
	case FUSE_MKDIR:
		len = sizeof(struct fuse_mkdir_in);
		*(uint32_t *)(void *)args = 0755;
		break;
	case FUSE_RENAME2:
		*(struct fuse_rename2_in *)(void *)args =
			(struct fuse_rename2_in){.newdir = some_node(t), .flags = next_random(t) % 3};
		len = sizeof(struct fuse_rename2_in);
		break;
	case FUSE_LINK:
		*(uint64_t *)(void *)args = some_node(t);
		len = 8;
		break;
	case FUSE_SETLK:
		*(struct fuse_lk_in *)(void *)args = (struct fuse_lk_in){
			.owner = next_random(t) % 3, .lk = {.end = 10, .type = (uint32_t)(next_random(t) % 3)}};
		len = sizeof(struct fuse_lk_in);
		break;
	case FUSE_FORGET:
		/* As many as the replies seen so far have counted, sometimes. */
		if (in.nodeid < 4096 && in.nodeid > FS_MAX_EXPORTS) {
			*(uint64_t *)(void *)args = t->nlookup[in.nodeid];
			t->nlookup[in.nodeid] = 0;
		}
		len = 8;
		break;
	case UM_FUSE_LIST:
		*(struct um_fuse_list_in *)(void *)args = (struct um_fuse_list_in){.size = 4096, .plus = 0};
		len = sizeof(struct um_fuse_list_in);
		break;
	case FUSE_WRITE:
		*(struct fuse_write_in *)(void *)args = (struct fuse_write_in){.fh = fh, .size = 100};
		len = sizeof(struct fuse_write_in) + 100;
		break;
	default:
		*(uint64_t *)(void *)args = fh;
		*(uint64_t *)(void *)(args + 16) = 4096; /* size of a read */
		len = 64;
	}
	if (in.opcode <= FUSE_LINK || in.opcode == FUSE_CREATE || in.opcode == FUSE_RENAME2) {
		if (in.opcode == FUSE_LOOKUP || in.opcode == FUSE_UNLINK || in.opcode == FUSE_RMDIR)
			len = 0;
		for (int i = 0; i < 2; i++) {
			strcpy((char *)args + len, names[next_random(t) % 5]);
			len += 2;
		}
	}
	in.len = (uint32_t)(sizeof(in) + len);
	memcpy(request, &in, sizeof(in));
	t->desc[slot * 2] =
		(struct virtq_desc){SLOTS_GPA + slot * SLOT_BYTES, in.len, VIRTQ_DESC_F_NEXT, (uint16_t)(slot * 2 + 1)};
	t->desc[slot * 2 + 1] = (struct virtq_desc){SLOTS_GPA + slot * SLOT_BYTES + 8192, 8192, VIRTQ_DESC_F_WRITE, 0};
	t->opcode[slot] = in.opcode;
	t->of_node[slot] = in.nodeid;
	t->busy[slot] = true;
	t->avail->ring[t->avail->idx % t->q.size] = (uint16_t)(slot * 2);
	__atomic_store_n(&t->avail->idx, t->avail->idx + 1, __ATOMIC_RELEASE);
	fs_doorbell(t->fs);
}

/* Looks at the reply in @slot. */
static void take(struct test *t, unsigned int slot, uint32_t written)
{
	const uint8_t *reply = t->vm.ram + SLOTS_GPA + slot * SLOT_BYTES + 8192;
	const struct fuse_entry_out *e = (const void *)(reply + sizeof(struct fuse_out_header));
	struct fuse_out_header out;
	const unsigned int at = next_random(t) % NODES;

	t->busy[slot] = false;
	if (written == 0) {
		assert_int_equal(t->opcode[slot], FUSE_FORGET);
		return;
	}
	memcpy(&out, reply, sizeof(out));
	assert_int_equal(out.len, written);
	assert_int_equal(out.unique, slot + 1);
	assert_true(out.error <= 0);
	assert_true(out.error > -4096);
	for (int i = 0; i < NODES && out.error == -ESTALE; i++)
		if (t->node[i] == t->of_node[slot])
			t->node[i] = 0;
	if (out.error)
		return;
	t->succeeded++;
	switch (t->opcode[slot]) {
	case FUSE_LOOKUP:
	case FUSE_CREATE:
	case FUSE_MKDIR:
	case FUSE_LINK:
		if (e->nodeid == 0)
			break;
		assert_true(e->nodeid > FS_MAX_EXPORTS);
		t->node[at] = e->nodeid;
		if (e->nodeid < 4096)
			t->nlookup[e->nodeid]++;
		else
			node_forget(t->fs, e->nodeid, 1);
		if (t->opcode[slot] == FUSE_CREATE)
			t->fh[at] = ((const struct fuse_open_out *)(const void *)(e + 1))->fh;
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
	case UM_FUSE_OPEN_READ:
		t->node[at] = t->of_node[slot];
		t->fh[at] = *(const uint64_t *)(const void *)e;
		break;
	}
}

static void collect(struct test *t)
{
	while (__atomic_load_n(&t->used->idx, __ATOMIC_ACQUIRE) != t->seen) {
		const struct virtq_used_elem *u = &t->used->ring[t->seen % t->q.size];

		t->seen++;
		take(t, u->id / 2, u->len);
	}
}

/* Everything goes back; then only the root is left. */
static void give_back(struct test *t)
{
	for (uint32_t i = 0; i < t->fs->handles_used; i++) {
		const struct handle *h = &t->fs->handles[i];

		if (h->kind != HANDLE_FREE)
			assert_int_equal(handle_release(t->fs, i | (uint64_t)h->generation << 32, h->node, h->kind), 0);
	}
	fs_locks_deinit(t->fs);
	for (uint64_t id = FS_MAX_EXPORTS + 1; id < 4096; id++)
		node_forget(t->fs, id, t->nlookup[id]);
	assert_int_equal(t->fs->node_count, 1);
	assert_int_equal(t->fs->path_fds, 0);
}

static void test_random_requests(void **state)
{
	static struct test t;
	char root[] = "/tmp/umbra-fs-threads-XXXXXX", cmd[64];
	gpa_t cursor = 4096;

	fakevm_init_file(&t.vm, RAM);
	t.backend.interrupt = interrupt;
	t.vm.backend = &t.backend;
	t.rng = 88172645463325252ull;
	assert_int_equal(virtq_place(&t.q, 64, &cursor, RAM), 0);
	assert_int_equal(virtq_place(&t.hq, 16, &cursor, RAM), 0);
	t.desc = vm_gpa(&t.vm, t.q.desc, 1);
	t.avail = vm_gpa(&t.vm, t.q.avail, 1);
	t.used = vm_gpa(&t.vm, t.q.used, 1);
	assert_true(mkdtemp(root));
	assert_int_equal(fs_new(&t.fs, &t.vm), 0);
	assert_int_equal(fs_export(t.fs, open(root, O_PATH | O_CLOEXEC), 0), 1);
	t.fs->max_path_fds = 4; /* so that they are dropped and opened again all the time */
	assert_int_equal(fs_attach(t.fs, &t.q, &t.hq), 0);
	assert_int_equal(fs_start(t.fs, 4, NULL, NULL), 0);
	for (int posted = 0; posted < REQUESTS;) {
		const unsigned int slot = next_random(&t) % SLOTS;

		collect(&t);
		if (t.busy[slot]) {
			sched_yield();
			continue;
		}
		post(&t, slot);
		posted++;
	}
	for (unsigned int i = 0; i < SLOTS; i++)
		while (t.busy[i])
			collect(&t);
	assert_false(t.vm.ended);
	assert_true(t.succeeded > REQUESTS / 5); /* else it tests only how to refuse */
	fs_stop(t.fs);
	give_back(&t);
	fs_free(t.fs);
	fakevm_deinit(&t.vm);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	assert_int_equal(system(cmd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
